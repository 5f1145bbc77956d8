//! Words and names as systemd and a shell read them.

use std::fmt::Write;

/// Escapes a name for the part of a unit's name behind the `@` (systemd-escape).
pub(super) fn escape_instance(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        match byte {
            b'/' => escaped.push('-'),
            b if b.is_ascii_alphanumeric() || b":_.".contains(&b) => escaped.push(char::from(b)),
            b => {
                let _ = write!(escaped, "\\x{b:02x}");
            }
        }
    }
    escaped
}

/// Quotes a word of a variable that a unit splits into words.
pub(super) fn quote_word(word: &str) -> String {
    if !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "'\"\\".contains(c)) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}

/// Quotes a text for a setting whose value is a list of words, such as `NAME=VALUE` of `Environment=`.
pub(super) fn quote_assignment(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{escaped}\"")
}

/// Quotes a word of `ExecStart=`.
pub(super) fn quote_command(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    quote_assignment(word).replace('$', "$$")
}

/// Quotes a word for a shell.
pub(super) fn shell_word(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c);
    match !word.is_empty() && word.chars().all(safe) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_survive_both_readers() {
        // systemd takes the assignment apart first, then the words in the value.
        assert_eq!(quote_word("port 53"), "'port 53'");
        assert_eq!(quote_word("a'b\\c"), "'a\\'b\\\\c'");
        assert_eq!(quote_assignment("X='a\\'b'"), "\"X='a\\\\'b'\"");
        assert_eq!(quote_command("100%$"), "\"100%%$$\"");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
    }
}
