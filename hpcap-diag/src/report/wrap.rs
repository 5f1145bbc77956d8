//! Breaking lines at spaces.

/// Largest number of characters in a line.
const WIDTH: usize = 100;

/// Writes `text` behind `head`, with further lines below its beginning.
pub(crate) fn write(head: &str, text: &str, out: &mut String) {
    let indent = head.chars().count();
    out.push_str(head);
    let mut column = indent;
    for (number, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if number > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        let mut out = String::new();
        write("do  ", &"word ".repeat(30), &mut out);
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(out.lines().nth(1).unwrap().starts_with("    word"));
        let mut long = String::new();
        write("", &"x".repeat(300), &mut long);
        assert_eq!(long.len(), 301, "a word stays whole");
    }
}
