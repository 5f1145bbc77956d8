//! Text in HTML and SVG.

use std::fmt::{self, Write};

/// A text in which nothing is markup, whoever wrote it. Control characters become visible.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in hpcap_base::visible(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_is_no_markup() {
        let text = Escaped("</td><script>alert('1')</script>\u{1b}\"&").to_string();
        assert!(!text.contains(['<', '>', '"', '\'', '\u{1b}']), "{text}");
        assert!(text.starts_with("&lt;/td&gt;"), "{text}");
    }
}
