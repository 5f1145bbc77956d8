//! Counts that are stored in a file, and the comparison with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::Counted;

/// The largest growth of a count that is not a failure.
pub const GROWTH_MAX: f64 = 0.02;

/// The compilers, because another compiler makes other instructions of the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compilers {
    /// Version of the Rust compiler.
    pub rust: String,
    /// Version of the C compiler.
    pub c: String,
}

impl Compilers {
    /// The compilers of this program.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self {
            rust: env!("HPCAP_BENCH_RUSTC").into(),
            c: env!("HPCAP_BENCH_CC").into(),
        }
    }
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The compilers of the counted program.
    pub compilers: Compilers,
    /// Instructions per frame by the name of what was counted.
    pub instructions_per_frame: BTreeMap<String, f64>,
}

impl Stored {
    /// Returns what to store of `counted`.
    #[must_use]
    pub fn new(counted: &[Counted]) -> Self {
        let of = |one: &Counted| (one.name.to_owned(), (one.per_frame * 100.0).round() / 100.0);
        Self {
            compilers: Compilers::of_this_program(),
            instructions_per_frame: counted.iter().map(of).collect(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let tried = || format!("read the stored counts in {}", path.display());
        let text = fs::read_to_string(path).context(tried)?;
        serde_json::from_str(&text).map_err(|e| Error::new(Kind::Format, tried(), e.to_string()))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let tried = || format!("store the counts in {}", path.display());
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::io(tried(), e.into()))?;
        fs::write(path, text + "\n").context(tried)
    }

    /// Compares one count; `None` if none of this name is stored.
    #[must_use]
    pub fn compare(&self, counted: &Counted) -> Option<Change> {
        let stored = *self.instructions_per_frame.get(counted.name)?;
        Some(Change {
            stored,
            growth: counted.per_frame / stored - 1.0,
        })
    }
}

/// The change of a count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The stored instructions per frame.
    pub stored: f64,
    /// Part by which the count has grown; less than zero if it is smaller now.
    pub growth: f64,
}

impl Change {
    /// Whether the growth is a failure.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.growth > GROWTH_MAX
    }

    /// Whether the count is so much smaller that it should be stored.
    #[must_use]
    pub fn is_better(&self) -> bool {
        self.growth < -GROWTH_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(per_frame: f64) -> Counted {
        Counted {
            name: "push",
            what: "a push",
            per_frame,
            change: None,
        }
    }

    #[test]
    fn growth_of_two_percent_is_allowed() {
        let stored = Stored::new(&[counted(100.0)]);
        let change = |now| stored.compare(&counted(now)).unwrap();
        assert!(!change(101.9).is_worse());
        assert!(change(102.1).is_worse());
        assert!(change(97.9).is_better() && !change(97.9).is_worse());
    }

    #[test]
    fn new_name_is_not_compared() {
        let stored = Stored::new(&[]);
        assert_eq!(stored.compare(&counted(1.0)), None);
    }

    #[test]
    fn stored_counts_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.json");
        let stored = Stored::new(&[counted(123.456)]);
        stored.write(&path).unwrap();
        assert_eq!(Stored::read(&path).unwrap(), stored);
        assert_eq!(stored.instructions_per_frame["push"], 123.46);
    }
}
