//! The files of `/proc` and `/sys` of machines that tests need and that this one is not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A machine with two NUMA nodes and an 82599 that captures.
#[cfg(feature = "host")]
pub const TWO_NODES: &str = include_str!("../trees/two-nodes.tree");

/// Makes the files of a machine with two NUMA nodes and an 82599 that captures. They live as long as the folder.
#[cfg(feature = "host")]
#[must_use]
pub fn two_nodes() -> (tempfile::TempDir, hpcap_host::Tree) {
    let dir = tempfile::tempdir().unwrap();
    unpack(TWO_NODES, dir.path());
    let tree = hpcap_host::Tree::at(dir.path());
    (dir, tree)
}

/// Writes the files that `text` describes below `root`: `PATH = TEXT` is a file, in whose text `\n`,
/// `\t` and `\xNN` stand for bytes, and `PATH -> TARGET` a symbolic link. A later line replaces an
/// earlier one.
pub fn unpack(text: &str, root: &Path) {
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (path, is_link, value) = match line.split_once(" = ") {
            Some((path, value)) => (path, false, value),
            None => match line.split_once(" -> ") {
                Some((path, target)) => (path, true, target),
                None => (line.strip_suffix(" =").unwrap(), false, ""),
            },
        };
        let path = root.join(path.strip_prefix('/').unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match is_link {
            true => symlink(value, path).unwrap(),
            false => fs::write(path, unescape(value)).unwrap(),
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = match part.as_bytes()[0] {
            b'n' => (b'\n', &part[1..]),
            b't' => (b'\t', &part[1..]),
            b'x' => (u8::from_str_radix(&part[1..3], 16).unwrap(), &part[3..]),
            other => panic!("unknown escape {:?}", char::from(other)),
        };
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    // Binary files do not end with a newline, unlike those with text.
    if !text.contains("\\x") {
        bytes.push(b'\n');
    }
    bytes
}
