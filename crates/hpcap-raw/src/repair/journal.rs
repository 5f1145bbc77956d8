//! The journal of a repair, a file beside the repaired one from which the repair can be undone.
//!
//! The journal is text with one entry per line. `name` and `renamed` give names in the journal's
//! own folder; bytes other than letters, digits and `._-` are written as `%` and two hexadecimal
//! digits. `bytes` gives the file's size before and after the repair. `kept` names the unchanged
//! original when the repair wrote a new file. `at` gives an offset, the bytes there before the
//! repair (`-` = beyond the end of the file) and the bytes there after it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const FIRST_LINE: &str =
    "# hpcap repair journal 1: 'checkraw --undo FILE' takes the repair of FILE back";

/// One range of the file that the repair changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// The bytes before the repair; shorter than `after` when the file ended within the range.
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

/// One repair of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Journal {
    pub(super) name: OsString,
    /// The names that the repair meant to give the file. The last one that exists is its name now.
    pub(super) renamed: Vec<OsString>,
    pub(super) kept: Option<OsString>,
    /// Sizes of the file before and after the repair, in bytes.
    pub(super) bytes: (u64, u64),
    pub(super) places: Vec<Place>,
}

fn escape(name: &OsStr) -> String {
    let mut text = String::new();
    for byte in name.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

/// Decodes a name. Refuses paths, so that a journal cannot name a file outside its folder.
fn unescape(text: &str) -> Option<OsString> {
    let mut name = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let is_name = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
    is_name.then(|| OsString::from_vec(name))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    if text.is_empty() { "-".into() } else { text }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let is_even = text.len().is_multiple_of(2) && text.is_ascii();
    is_even.then_some(())?;
    text.as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect()
}

impl Journal {
    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nname {}\n", escape(&self.name));
        let _ = writeln!(text, "bytes {} {}", self.bytes.0, self.bytes.1);
        if let Some(kept) = &self.kept {
            let _ = writeln!(text, "kept {}", escape(kept));
        }
        for place in &self.places {
            let (before, after) = (hex(&place.before), hex(&place.after));
            let _ = writeln!(text, "at {} {before} {after}", place.offset);
        }
        text
    }

    /// Writes the journal to `file` and waits until it is on the disk; only then may the repair
    /// begin.
    pub(super) fn write(&self, file: &mut File) -> io::Result<()> {
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }

    /// Adds that the repair is about to rename the file to `name`.
    pub(super) fn add_renaming(file: &mut File, name: &OsStr) -> io::Result<()> {
        writeln!(file, "renamed {}", escape(name))?;
        file.sync_all()
    }

    /// Parses a journal; `None` when the text is not a complete journal.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut journal = Self::default();
        let mut lines = text.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        for line in lines {
            let (what, rest) = line.split_once(' ')?;
            match what {
                "name" => journal.name = unescape(rest)?,
                "renamed" => journal.renamed.push(unescape(rest)?),
                "kept" => journal.kept = Some(unescape(rest)?),
                "bytes" => {
                    let (before, after) = rest.split_once(' ')?;
                    journal.bytes = (before.parse().ok()?, after.parse().ok()?);
                }
                "at" => {
                    let mut parts = rest.split(' ');
                    journal.places.push(Place {
                        offset: parts.next()?.parse().ok()?,
                        before: unhex(parts.next()?)?,
                        after: unhex(parts.next()?)?,
                    });
                }
                _ => return None,
            }
        }
        (!journal.name.is_empty()).then_some(journal)
    }

    /// Whether the journal can belong to the file called `name`.
    pub(super) fn is_of(&self, name: &OsStr) -> bool {
        self.name == name || self.renamed.iter().any(|renamed| renamed == name)
    }
}

/// Returns the journals in `folder`, the newest journal of each file first.
pub(super) fn journals(folder: &Path) -> io::Result<Vec<(PathBuf, Journal)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some((stem, number)) = name.rsplit_once(".repair") else {
            continue;
        };
        let number = match number.strip_prefix('-') {
            Some(digits) => digits.parse::<u32>().ok(),
            None if number.is_empty() => Some(0),
            None => None,
        };
        let (Some(number), true) = (number, entry.file_type()?.is_file()) else {
            continue;
        };
        if let Some(journal) = fs::read_to_string(entry.path())
            .ok()
            .and_then(|text| Journal::parse(&text))
        {
            found.push((stem.to_owned(), number, entry.path(), journal));
        }
    }
    found.sort_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
    Ok(found
        .into_iter()
        .map(|(_, _, path, journal)| (path, journal))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        Journal {
            name: OsString::from_vec(b"caf\xe9 1.raw.part".to_vec()),
            renamed: vec!["1.raw".into()],
            kept: Some("x.damaged".into()),
            bytes: (10, 22),
            places: vec![
                Place {
                    offset: 3,
                    before: vec![1, 255],
                    after: vec![0, 16],
                },
                Place {
                    offset: 10,
                    before: vec![],
                    after: vec![0; 12],
                },
            ],
        }
    }

    #[test]
    fn journal_reads_back_as_it_was_written() {
        let mut file = tempfile::tempfile().unwrap();
        let journal = journal();
        journal.write(&mut file).unwrap();
        Journal::add_renaming(&mut file, OsStr::new("1.raw")).unwrap();
        let mut text = String::new();
        io::Seek::rewind(&mut file).unwrap();
        io::Read::read_to_string(&mut file, &mut text).unwrap();
        assert_eq!(Journal::parse(&text), Some(journal));
    }

    #[test]
    fn journal_names_nothing_outside_its_folder() {
        for name in ["../x.raw", "%2e%2e%2fx.raw", "..", "", "a/b"] {
            let text = format!("{FIRST_LINE}\nname {name}\nbytes 1 1\n");
            assert_eq!(Journal::parse(&text), None, "{name}");
        }
    }
}
