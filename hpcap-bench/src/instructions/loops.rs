//! The counted loops. Each prepares its frames and its memory, and counts only what follows.

use std::hint::black_box;

use hpcap::Contract;
use hpcap::raw::check::Checker;
use hpcap::raw::{Reader, Writer};
use hpcap::{Error, Result};
use raw2pcap::convert::{Conversion, Format, Split, Target};
use raw2pcap::inputs::expand;

use super::counted;
use crate::workspace::Workspace;
use crate::{reader, ring};

/// Frames of each loop: enough to go around the ring and through several blocks.
const FRAMES: u64 = 100_000;
/// Length of the frames in bytes, without FCS, where the name does not say it.
const LEN: u16 = 60;

/// A counted loop.
#[derive(Debug, Clone, Copy)]
pub struct Loop {
    /// The name.
    pub name: &'static str,
    /// What the loop does for each frame.
    pub what: &'static str,
    /// Number of frames.
    pub frames: u64,
    work: fn(u64) -> Result<()>,
}

/// All loops, in the order of a frame's way.
const LOOPS: [Loop; 11] = [
    Loop {
        name: "push",
        what: "descriptor, timestamp, ring.h: 60 bytes",
        frames: FRAMES,
        work: |frames| ring::counted::push(LEN, frames),
    },
    Loop {
        name: "push-1514",
        what: "the same: 1514 bytes",
        frames: FRAMES,
        work: |frames| ring::counted::push(1514, frames),
    },
    Loop {
        name: "harvest",
        what: "82599 descriptor, advrx.h, ring.h",
        frames: FRAMES,
        work: |frames| ring::counted::harvest(LEN, frames),
    },
    Loop {
        name: "dedup",
        what: "timestamp, dedup.h, ring.h: no duplicates",
        frames: FRAMES,
        work: |frames| ring::counted::dedup(false, frames),
    },
    Loop {
        name: "dedup-half",
        what: "timestamp, dedup.h, ring.h: half are duplicates",
        frames: FRAMES,
        work: |frames| ring::counted::dedup(true, frames),
    },
    Loop {
        name: "listener",
        what: "a loop over a lossless listener",
        frames: FRAMES,
        work: |frames| reader::counted::listener(Contract::Lossless, frames),
    },
    Loop {
        name: "stream",
        what: "a lossless stream of events",
        frames: FRAMES,
        work: |frames| reader::counted::stream(Contract::Lossless, frames),
    },
    Loop {
        name: "stream-lossy",
        what: "a lossy stream of events",
        frames: FRAMES,
        work: |frames| reader::counted::stream(Contract::Lossy, frames),
    },
    Loop {
        name: "raw-reader",
        what: "a frame of a RAW file in memory",
        frames: FRAMES,
        work: read_raw,
    },
    Loop {
        name: "checkraw",
        what: "the checks of checkraw",
        frames: FRAMES,
        work: check,
    },
    Loop {
        name: "raw2pcap",
        what: "the conversion of raw2pcap, without the thread that writes",
        frames: FRAMES,
        work: convert,
    },
];

/// The names of all loops.
pub const NAMES: [&str; LOOPS.len()] = {
    let mut names = [""; LOOPS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = LOOPS[i].name;
        i += 1;
    }
    names
};

impl Loop {
    /// Returns the loops of these names, or all loops if there is no name.
    ///
    /// # Errors
    /// Returns a usage error for a name that no loop has.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        if names.is_empty() {
            return Ok(LOOPS.to_vec());
        }
        let find = |name: &String| {
            let found = LOOPS.iter().find(|one| one.name == name).copied();
            found.ok_or_else(|| {
                let why = format!("expected one of {}", NAMES.join(", "));
                Error::usage(format!("count {name}"), why)
            })
        };
        names.iter().map(find).collect()
    }

    /// Runs the loop in this process, in which callgrind counts.
    ///
    /// # Errors
    /// Returns the error of the loop.
    pub fn run_here(&self) -> Result<()> {
        (self.work)(self.frames)
    }
}

/// Returns a RAW file of `frames` frames.
fn raw_file(frames: u64) -> Result<Vec<u8>> {
    let write = || {
        let mut writer = Writer::new(Vec::new());
        for i in 0..frames {
            let (sec, nsec) = (1_700_000_000 + i / 1_000_000, (i % 1_000_000) * 1000);
            let nsec = u32::try_from(nsec).unwrap_or(0);
            let data = [u8::try_from(i % 251).unwrap_or(0); LEN as usize];
            let _ = writer.frame(sec, nsec, LEN.into(), &data)?;
        }
        writer.close(4096)
    };
    let (bytes, _) = write().map_err(|e| Error::io("make a RAW file", e))?;
    Ok(bytes)
}

fn read_raw(frames: u64) -> Result<()> {
    let file = raw_file(frames)?;
    counted(|| {
        let mut reader = Reader::new(file.as_slice());
        let (mut read, mut bytes) = (0, 0);
        while reader.advance()? {
            if let Some(frame) = reader.frame() {
                read += 1;
                bytes += u64::from(frame.len);
            }
        }
        black_box(bytes);
        all_read(read, frames)
    })
}

fn check(frames: u64) -> Result<()> {
    let file = raw_file(frames)?;
    counted(|| {
        let reader = Reader::new(file.as_slice());
        let report = Checker::new().check(reader, None, false, &mut |_| Ok(()))?;
        all_read(report.frames.frames, frames)
    })
}

fn convert(frames: u64) -> Result<()> {
    let file = raw_file(frames)?;
    let workspace = Workspace::new(&std::env::temp_dir(), 4 * file.len() as u64)?;
    let path = workspace.file("frames.raw");
    std::fs::write(&path, &file).map_err(|e| Error::io("write a RAW file", e))?;
    let conversion = Conversion {
        inputs: expand(&[path])?,
        target: Target::File(workspace.file("frames.pcap")),
        format: Format::Pcap(hpcap::pcapfile::Precision::Nanoseconds),
        compression: hpcap::compress::Compression::None,
        split: Split::default(),
        from: None,
        to: None,
        filter: String::new(),
        no_duplicates: false,
        force: false,
    };
    counted(|| {
        let summary = conversion.run(false)?;
        all_read(summary.frames.frames, frames)
    })
}

fn all_read(read: u64, frames: u64) -> Result<()> {
    if read == frames {
        return Ok(());
    }
    let why = format!("{read} of {frames} frames were read");
    Err(Error::new(hpcap::Kind::Io, "count instructions", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_handles_all_frames() {
        for one in LOOPS {
            (one.work)(1000).unwrap();
        }
    }

    #[test]
    fn unknown_name_is_an_error() {
        let error = Loop::named(&["pull".into()]).unwrap_err().to_string();
        assert!(error.contains("expected one of push, "), "{error}");
    }
}
