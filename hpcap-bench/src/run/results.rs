//! The results of a run: the machine, the measurements, and what failed.

use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::measure::Measurement;
use super::passport::Passport;

/// The number of this form of results, which grows when the meaning of a field changes.
pub const FORMAT: u32 = 1;
/// The name of the file with all results.
pub const FILE: &str = "results.json";

/// What could not be measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What was measured.
    pub what: String,
    /// Why it failed.
    pub why: String,
}

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// The machine.
    pub machine: Passport,
    /// The command line.
    pub command: String,
    /// Number of measurements of the whole run.
    pub planned: usize,
    /// The measurements so far.
    pub measurements: Vec<Measurement>,
    /// Targets that cannot capture here.
    pub unavailable: Vec<Failure>,
    /// Measurements that failed.
    pub failures: Vec<Failure>,
}

impl Results {
    /// Returns one sentence for each measurement that does not add up or has failed.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problems = self.measurements.iter().flat_map(|m| {
            let what = m.what();
            let problems = m.account.problems.iter();
            problems.map(move |problem| format!("{what}: {problem}"))
        });
        let failures = self.failures.iter();
        problems
            .chain(failures.map(|failure| format!("{}: {}", failure.what, failure.why)))
            .collect()
    }

    /// Reads the results at `path`, which is a file or the folder of a run.
    ///
    /// # Errors
    /// When there is no such file, or it has no results, or those of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_path_buf()
        };
        let tried = || format!("read the results in {}", file.display());
        let text = std::fs::read_to_string(&file).context(tried)?;
        let results: Self = serde_json::from_str(&text)
            .map_err(|e| Error::new(Kind::Format, tried(), e.to_string()))?;
        if results.format != FORMAT {
            let why = format!(
                "they have form {}, and this program reads {FORMAT}",
                results.format
            );
            return Err(Error::new(Kind::Version, tried(), why));
        }
        Ok(results)
    }
}

impl Measurement {
    /// Returns what was measured, in a few words.
    #[must_use]
    pub fn what(&self) -> String {
        let mut what = format!("{}, {} B, {}", self.target, self.size, self.rate);
        if self.size == "imix" {
            what = format!("{}, imix, {}", self.target, self.rate);
        }
        if self.copies > 0.0 {
            what.push_str(&format!(", {} % copies", self.copies * 100.0));
        }
        if self.consumers > 1 {
            what.push_str(&format!(", {} consumers", self.consumers));
        }
        what
    }
}
