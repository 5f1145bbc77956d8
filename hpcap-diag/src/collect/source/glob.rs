//! Paths with `*` in place of names.

use std::path::PathBuf;

use hpcap_host::Tree;

/// Largest number of paths that one pattern stands for.
const MOST: usize = 20_000;

/// Returns what `pattern` stands for. A component `*` is any name, `name*` any that begins so, and `[0-9]*` a
/// number. Links inside the pattern are followed once each, so that a loop of links ends.
pub(super) fn expand(tree: &Tree, pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            if !component.contains('*') {
                next.push(format!("{folder}/{component}"));
                continue;
            }
            let names = tree.names(match folder.as_str() {
                "" => "/",
                folder => folder,
            });
            let room = MOST.saturating_sub(next.len());
            let names = names.into_iter().filter(|name| matches(component, name));
            next.extend(names.take(room).map(|name| format!("{folder}/{name}")));
        }
        found = next;
    }
    if pattern.contains('*') {
        found.retain(|path| is_file(tree, path));
    }
    found
}

fn matches(component: &str, name: &str) -> bool {
    match component.split_once('*') {
        Some(("[0-9]", _)) => !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()),
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => name == component,
    }
}

/// Whether a file is there. A folder of a pattern often has files that only some of its neighbours have.
fn is_file(tree: &Tree, path: &str) -> bool {
    let path: PathBuf = tree.path(path);
    path.symlink_metadata().is_ok_and(|found| !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn star_is_any_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1", "12", "x1"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("comm"), "").unwrap();
        }
        symlink(".", dir.path().join("1/loop")).unwrap();
        let tree = Tree::at(dir.path());
        assert_eq!(expand(&tree, "/[0-9]*/comm"), ["/1/comm", "/12/comm"]);
        assert_eq!(expand(&tree, "/x*/*"), ["/x1/comm"]);
        assert_eq!(expand(&tree, "/1/*/*/*/comm").len(), 1, "a loop ends");
        assert_eq!(
            expand(&tree, "/missing"),
            ["/missing"],
            "it is asked for by name"
        );
        assert!(expand(&tree, "/*/missing").is_empty());
    }
}
