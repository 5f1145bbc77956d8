//! What a volume sustains by itself: direct writes of 4 MiB, one at a time or several in flight.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Result};

use crate::process::check_interrupted;

/// Length in bytes of each write.
const WRITE: u64 = 4 << 20;
#[expect(clippy::cast_possible_truncation, reason = "it is 4 MiB")]
const WRITE_LEN: usize = WRITE as usize;
/// Alignment of the memory of direct writes.
const PAGE: usize = 4096;
/// Number of parts of a run whose speeds are compared.
const PARTS: u64 = 8;

/// What a volume has sustained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sustained {
    /// Bytes a second, from the first write until everything is on the disk.
    pub(super) speed: f64,
    /// Bytes a second of the slowest eighth. It is much less where a cache of the volume has filled meanwhile.
    pub(super) slowest: f64,
}

/// Writes `bytes` bytes to a new file at `path`, with `in_flight` threads that each have one write under way. The file
/// remains.
pub(super) fn write(path: &Path, bytes: u64, in_flight: usize) -> Result<Sustained> {
    let tried = || format!("write {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let file = options
        .clone()
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .or_else(|_| options.create_new(false).create(true).open(path))
        .context(tried)?;
    let writes = (bytes / WRITE).max(1);
    let next = AtomicU64::new(0);
    let start = Instant::now();
    let ended = thread::scope(|scope| {
        let threads: Vec<_> = (0..in_flight)
            .map(|_| scope.spawn(|| write_parts(&file, writes, &next, start)))
            .collect();
        let mut ended = Vec::new();
        for thread in threads {
            let times = thread.join();
            ended.extend(times.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, Error>(ended)
    })?;
    file.sync_data().context(tried)?;
    let speed = (writes * WRITE) as f64 / start.elapsed().as_secs_f64();
    Ok(Sustained {
        speed,
        slowest: slowest(ended).min(speed),
    })
}

/// Takes one write after the other until none is left. Returns when each has ended.
fn write_parts(
    file: &File,
    writes: u64,
    next: &AtomicU64,
    start: Instant,
) -> Result<Vec<Duration>> {
    let memory = vec![0x5a_u8; WRITE_LEN + PAGE];
    let from = memory.as_ptr().align_offset(PAGE);
    let block = &memory[from..from + WRITE_LEN];
    let mut ended = Vec::new();
    loop {
        check_interrupted()?;
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= writes {
            return Ok(ended);
        }
        file.write_all_at(block, number * WRITE)
            .context(|| "write to the volume")?;
        ended.push(start.elapsed());
    }
}

/// The speed of the slowest of [`PARTS`] parts of the writes, which ended at these times.
fn slowest(mut ended: Vec<Duration>) -> f64 {
    ended.sort();
    let part = (ended.len() as u64).div_ceil(PARTS).max(1);
    let mut before = Duration::ZERO;
    let mut slowest = f64::INFINITY;
    for writes in ended.chunks(usize::try_from(part).unwrap_or(usize::MAX)) {
        let last = writes.last().copied().unwrap_or(before);
        let seconds = (last - before).as_secs_f64().max(1e-9);
        slowest = slowest.min(writes.len() as f64 * WRITE as f64 / seconds);
        before = last;
    }
    slowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowest_part_is_found() {
        // Sixteen writes of a second each, of which the last two took ten.
        let ended = (1..=14).chain([24, 34]).map(Duration::from_secs).collect();
        assert_eq!(slowest(ended), WRITE as f64 / 10.0);
    }

    #[test]
    fn all_writes_are_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for in_flight in [1, 3] {
            let path = folder.path().join(in_flight.to_string());
            let sustained = write(&path, 5 * WRITE, in_flight).unwrap();
            assert!(sustained.slowest <= sustained.speed);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes.len() as u64, 5 * WRITE);
            assert!(bytes.iter().all(|byte| *byte == 0x5a));
        }
    }
}
