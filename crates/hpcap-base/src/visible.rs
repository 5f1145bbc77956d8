//! Makes text from other sources safe to print.
//!
//! The name of a program, an interface or a file may contain any character, and a terminal
//! interprets some of them: escape sequences move the cursor, rename the window or send input as if
//! the user had typed it; bidirectional controls display text in another order. Text from a peer, a
//! file or the environment is therefore printed through [`visible`].
//!
//! ```
//! use hpcap_base::visible::{visible, visible_json, visible_lines};
//!
//! assert_eq!(visible("eth0"), "eth0");
//! assert_eq!(visible("\x1b[2Jeth0\n"), "\\x1b[2Jeth0\\n");
//! // Two lines of one message stay two lines, and the second one cannot pass for a message of its own.
//! assert_eq!(visible_lines("no queue\nhpcapd: ready"), "no queue\n  hpcapd: ready");
//! // JSON keeps its value.
//! assert_eq!(visible_json("{\"name\":\"\u{202e}\"}"), "{\"name\":\"\\u202e\"}");
//! ```

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use serde::Serializer;

/// Replaces each character that a terminal would interpret instead of displaying by an escape:
/// `\n`, `\x1b`, `\u{202e}`.
///
/// All other characters stay, so text without such characters is returned unchanged.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed, |out, c| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if u32::from(c) < 0x100 => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    })
}

/// Writes a path the way [`visible`] writes text.
#[must_use]
pub fn visible_path(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}

/// Applies [`visible`] to text of several lines, such as an error with its advice. Line breaks
/// stay, and the lines after the first are indented, so that none of them looks like a separate
/// message.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<Cow<'_, str>> = text
        .lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => visible(line),
            _ if line.starts_with("  ") => visible(line),
            _ => Cow::Owned(format!("  {}", visible(line))),
        })
        .collect();
    Cow::Owned(lines.join("\n"))
}

/// Replaces such characters in a line of JSON by JSON's own escapes. The line keeps its value for
/// programs and is safe to print on a terminal.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    // Outside its strings JSON is ASCII, and within them C0 controls are already escaped.
    escaped(
        json,
        |c| c != '\n' && is_obeyed(c),
        |out, c| {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

/// Serializes a path as text, for fields with `#[serde(serialize_with)]`. U+FFFD stands for bytes that
/// are not UTF-8, as in messages. The default of serde fails for such a path.
///
/// # Errors
/// Returns the error of the serializer.
pub fn serialize_path<S: Serializer>(
    path: impl AsRef<Path>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.as_ref().display())
}

/// Whether a terminal interprets `c` instead of displaying it: control characters, characters that
/// change the direction of text or break lines, and invisible ones.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn visible_keeps_printable_text() {
        for text in ["", "eth0", "a b\\c", "Größe, 文件, 🦀", "/tmp/x=1;y"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn visible_escapes_terminal_controls() {
        let cases = [
            ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
            ("a\nhpcapd: all is well", "a\\nhpcapd: all is well"),
            ("\r\t\0\x7f", "\\r\\t\\x00\\x7f"),
            ("\u{9b}2J", "\\x9b2J"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("\u{2066}\u{200b}\u{2028}", "\\u{2066}\\u{200b}\\u{2028}"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn error_shows_controls_of_others() {
        let why = "no \x1b[2J such\nhpcapd: all is well";
        let error = Error::new(Kind::NotFound, "open \x1b]0;x\x07", why).advise("look\u{202e}");
        assert_eq!(
            error.to_string(),
            "cannot open \\x1b]0;x\\x07: no \\x1b[2J such\n  hpcapd: all is well\n  look\\u{202e}"
        );
    }

    proptest! {
        #[test]
        fn visible_text_has_no_terminal_controls(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_obeyed));
            prop_assert!(!visible_lines(&text).chars().any(|c| c != '\n' && is_obeyed(c)));
        }

        #[test]
        fn visible_json_is_the_same_value(text in any::<String>()) {
            let text = format!("{text}\u{9b}\u{e0041}\u{202e}");
            let json = serde_json::to_string(&text).unwrap();
            let shown = visible_json(&json);
            prop_assert!(!shown.chars().any(is_obeyed));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
