//! Where frames go: a file for each stream, or stdout.

mod file;
mod name;
mod open;
mod patient;

use std::time::Duration;

use crate::cli::{Cli, Format};
use crate::failure::Failure;

pub use file::{StreamFile, WriteFailure};
pub use name::Template;
pub use open::StreamFacts;
pub use patient::{Patient, Waiting, print};

/// Smallest size of a file at which a new one may start, in bytes.
const ROTATE_BYTES_MIN: u64 = 4096;

/// Endings of files that are not written.
const FOREIGN: [&str; 6] = ["gz", "zst", "xz", "bz2", "lz4", "raw"];

/// Where frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To standard output.
    Stdout(Format),
    /// To a file for each stream.
    Files {
        /// The names of the files.
        template: Template,
        /// Their format.
        format: Format,
        /// When a new file starts.
        rotation: Rotation,
    },
}

/// When a new file starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// Before a file exceeds this size in bytes.
    pub bytes: Option<u64>,
    /// When the frames of a file span this time.
    pub time: Option<Duration>,
}

impl Rotation {
    /// Whether a new file ever starts.
    #[must_use]
    pub fn happens(self) -> bool {
        self.bytes.is_some() || self.time.is_some()
    }
}

impl Output {
    /// Reads the options of the command line.
    pub fn of(cli: &Cli) -> Result<Option<Self>, Failure> {
        let rotation = Rotation {
            bytes: cli.rotate_size,
            time: cli.rotate_time,
        };
        let Some(write) = &cli.write else {
            return match cli.format {
                Some(_) => Err(Failure::Usage("--format needs --write.".to_owned())),
                None => Ok(None),
            };
        };
        if cli
            .rotate_size
            .is_some_and(|bytes| bytes < ROTATE_BYTES_MIN)
        {
            return Err(Failure::Usage(format!(
                "--rotate-size is at least {ROTATE_BYTES_MIN} bytes."
            )));
        }
        if cli.rotate_time.is_some_and(|time| time.is_zero()) {
            return Err(Failure::Usage("--rotate-time must not be zero.".to_owned()));
        }
        let template = Template::new(write);
        let format = cli.format.unwrap_or(match template.extension().to_str() {
            Some("pcapng") => Format::Pcapng,
            _ => Format::Pcap,
        });
        if let Some(ending) = FOREIGN
            .iter()
            .find(|ending| **ending == template.extension())
        {
            return Err(Failure::Usage(format!(
                "A file that ends in .{ending} would not be what its name says: pipe it into a program, \
                 such as '-w - | gzip'."
            )));
        }
        if write != "-" {
            return Ok(Some(Self::Files {
                template,
                format,
                rotation,
            }));
        }
        match rotation.happens() {
            true => Err(Failure::Usage("Standard output is not rotated.".to_owned())),
            false => Ok(Some(Self::Stdout(format))),
        }
    }
}
