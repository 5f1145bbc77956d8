//! A stored healthy machine, changes to it, and tarballs of both.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use hpcap_diag::bundle::Bundle;
use hpcap_diag::manifest::{About, Entry, MANIFEST, Manifest, sha256};
use serde_json::Value;

const HEALTHY: &str = include_str!("../healthy.tree");

/// A healthy machine that captures.
pub(crate) fn healthy() -> Bundle {
    let mut bundle = Bundle::default();
    change(&mut bundle, HEALTHY);
    bundle
}

/// Changes files: `PATH = TEXT` replaces one, `PATH#/POINTER = JSON` sets a value in one of JSON. A file in `later/`
/// begins as its first reading.
pub(crate) fn change(bundle: &mut Bundle, text: &str) {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (place, value) = line.split_once(" = ").unwrap();
        match place.split_once('#') {
            None => bundle.insert(
                place,
                (value.replace("\\n", "\n").replace("\\t", "\t") + "\n").into(),
            ),
            Some((path, pointer)) => {
                let source = match bundle.bytes(path) {
                    Some(_) => path,
                    None => path.strip_prefix("later/").unwrap(),
                };
                let mut json: Value = bundle.json(source);
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let key = match key.parse::<usize>() {
                    Ok(_) => panic!("{line}: the last key is a name"),
                    // JSON pointers write a slash in a name so.
                    Err(_) => key.replace("~1", "/"),
                };
                let value = serde_json::from_str(value).unwrap();
                let parent = json.pointer_mut(parent).unwrap_or_else(|| panic!("{line}"));
                parent[key] = value;
                bundle.insert(path, serde_json::to_vec(&json).unwrap());
            }
        }
    }
}

/// The manifest of `bundle`.
pub(crate) fn manifest(bundle: &Bundle) -> Manifest {
    let about: Option<About> = bundle.about();
    Manifest {
        about: about.unwrap(),
        seconds: 12.5,
        files: bundle
            .paths()
            .map(|path| {
                let content = bundle.bytes(path).unwrap();
                Entry {
                    path: path.to_owned(),
                    seconds: 1.0,
                    bytes: content.len(),
                    sha256: sha256(content),
                    cut: false,
                }
            })
            .collect(),
        missing: Vec::new(),
        replaced: std::collections::BTreeMap::new(),
    }
}

/// An entry of a tarball.
pub(crate) fn add(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    // The crate refuses paths that lead out of a folder, and these tests need them.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

/// Writes `bundle` as a tarball, with what `more` adds before the manifest.
pub(crate) fn pack(
    bundle: &Bundle,
    path: &Path,
    more: impl FnOnce(&mut tar::Builder<GzEncoder<Vec<u8>>>),
) {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in bundle.paths() {
        add(&mut tar, &format!("x/{name}"), bundle.bytes(name).unwrap());
    }
    more(&mut tar);
    let manifest = serde_json::to_vec(&manifest(bundle)).unwrap();
    add(&mut tar, &format!("x/{MANIFEST}"), &manifest);
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    std::fs::write(path, bytes).unwrap();
}
