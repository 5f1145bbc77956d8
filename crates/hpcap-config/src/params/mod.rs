//! Imports `params.cfg` of the original HPCAP.
//!
//! The original reads a key with a search for the text `key=` in all lines without a `#`, and takes
//! what stands before the next `;`, `,` or `=`. So a line can mean something else than its writer
//! believed, and a value out of range becomes a default without a message. The import makes a
//! configuration of what the original would have done, and reports each doubtful line.
//!
//! ```
//! use hpcap_config::params::import;
//!
//! let import = import(b"ifs=hpcap0;\nnif=1;\nwhat is this\n");
//! for remark in &import.remarks {
//!     println!("line {}: {}", remark.line, remark.text);
//! }
//! assert!(!import.remarks.is_empty());
//! ```

mod convert;
mod interface;
mod lines;
mod reader;
mod ring;

use std::fmt;

use hpcap::visible::visible;
use serde::Serialize;

use crate::model::Config;

/// Something doubtful in `params.cfg`, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// The line, from 1; 0 is about the whole file.
    pub line: usize,
    /// The key; empty for a line without one.
    pub key: String,
    /// The doubt, and how the line was understood.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", visible(&self.key))?;
        }
        f.write_str(&visible(&self.text))
    }
}

/// A configuration made of `params.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The configuration.
    pub config: Config,
    /// The doubts, in the order of the lines.
    pub remarks: Vec<Remark>,
}

/// Imports the content of a `params.cfg`. Every content gives a valid configuration.
#[must_use]
pub fn import(content: &[u8]) -> Import {
    let mut remarks = Vec::new();
    let settings = lines::read(&String::from_utf8_lossy(content), &mut remarks);
    let config = convert::convert(&settings, &mut remarks);
    remarks.sort();
    remarks.dedup();
    Import { config, remarks }
}
