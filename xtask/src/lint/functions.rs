//! The functions that `docs/life-of-a-frame.md` names.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Complaint;

/// The document that names functions as `FILE:FUNCTION`.
pub(super) const DOCUMENT: &str = "docs/life-of-a-frame.md";

static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"([[:alnum:]_./-]+\.(?:rs|c|h)):([a-z_]+)").expect("the pattern is valid")
});

/// Checks that every function exists that `text`, the content of the document, names.
pub(super) fn check(root: &Path, text: &str) -> Vec<Complaint> {
    let named: BTreeSet<(&str, &str)> = NAMED
        .captures_iter(text)
        .map(|found| found.extract::<2>().1.into())
        .collect();
    named
        .into_iter()
        .filter(|(file, function)| {
            let source = std::fs::read_to_string(root.join(file));
            !source.is_ok_and(|source| defines(file, &source, function))
        })
        .map(|(file, function)| Complaint {
            file: DOCUMENT.to_owned(),
            line: None,
            what: format!("names {file}:{function}, which is not there"),
        })
        .collect()
}

/// Whether the content of `file` defines a function: in Rust as `fn NAME`, in C by a line that begins with
/// its type and has its name before a parenthesis. A definition, unlike a declaration, has no semicolon.
fn defines(file: &str, source: &str, function: &str) -> bool {
    let pattern = match file.ends_with(".rs") {
        true => format!(r"\bfn {function}\b"),
        false => format!(r"(?m)^[a-z].*\b{function}\([^;]*$"),
    };
    Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_in_rust_is_found_by_its_whole_name() {
        assert!(defines("a.rs", "pub(crate) fn there<T>() {}", "there"));
        assert!(!defines(
            "a.rs",
            "fn there_too() {} let there = 1;",
            "there"
        ));
    }

    #[test]
    fn function_in_c_is_found_where_it_is_defined() {
        let source = "static int there(struct a *a,\n\t\t  int b)\n{\n\tcalled(a);\n}\n";
        assert!(defines("a.c", source, "there"));
        assert!(!defines("a.c", source, "called"));
        assert!(!defines("a.c", "int declared(void);\n", "declared"));
    }

    #[test]
    fn missing_functions_are_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), "fn there() {}\n").unwrap();
        let text = "`a.rs:there` calls `a.rs:gone` and `b.c:gone`, see a.rs:there";
        let found = check(root.path(), text);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/life-of-a-frame.md: names a.rs:gone, which is not there",
                "docs/life-of-a-frame.md: names b.c:gone, which is not there"
            ]
        );
    }
}
