//! Links between documents.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Complaint;

/// A link to a file: `[text](path)`, without `#part` alone and without addresses, which have a colon.
static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\]\(([^)#:\s][^):\s]*)\)").expect("the pattern is valid"));

/// Checks that every relative link of `document`, whose content is `text`, leads to a file.
pub(super) fn check(root: &Path, document: &str, text: &str) -> Vec<Complaint> {
    let target = root.join(document);
    let folder = target.parent().unwrap_or(root);
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for link in LINK.captures_iter(line) {
            let link = &link[1];
            let path = link.split_once('#').map_or(link, |(path, _)| path);
            if !folder.join(path).exists() {
                complaints.push(Complaint {
                    file: document.to_owned(),
                    line: Some(number),
                    what: format!("links to {link}, which is not there"),
                });
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        for file in ["docs/b.md", "A.md"] {
            std::fs::write(root.path().join(file), "").unwrap();
        }
        let found = check(root.path(), "docs/a.md", text);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_to_files_pass() {
        let text = "[b](b.md), [part](b.md#part), [A](../A.md), [here](#part), [web](https://example.org/x)";
        assert_eq!(complaints(text), [""; 0]);
    }

    #[test]
    fn link_to_a_missing_file_is_found() {
        assert_eq!(
            complaints("one\n[gone](gone.md#part) [b](b.md)\n"),
            ["docs/a.md:2: links to gone.md#part, which is not there"]
        );
    }
}
