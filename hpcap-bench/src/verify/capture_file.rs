//! Verification of a pcap or pcapng file, such as other programs write.

use std::path::Path;
use std::time::Instant;

use hpcap::pcapfile::Reader;
use hpcap::raw::Record;
use hpcap::{Result, Timestamp};

use super::findings::Findings;
use super::judge::Judge;

/// Verifies the frames of the file at `path`. Its losses are those that the numbers of the frames
/// show: nothing in the file explains them.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn verify_capture(path: &Path) -> Result<Findings> {
    let mut judge = Judge::new(path.display().to_string());
    let from = Instant::now();
    let mut reader = Reader::open(path)?;
    while let Some(frame) = reader.next()? {
        judge.frame(&Record {
            time: Timestamp::new(u32::try_from(frame.sec).unwrap_or(u32::MAX), frame.nsec),
            len: u16::try_from(frame.len).unwrap_or(u16::MAX),
            data: frame.data,
        });
    }
    let found = judge.found();
    found.files = 1;
    found.seconds = from.elapsed().as_secs_f64();
    Ok(judge.into_findings())
}
