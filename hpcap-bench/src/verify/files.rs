//! Verification of RAW files, in the order in which they were recorded.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hpcap::raw::{DamageKind, Event, FileHeader, Reader, RecordingId, files};
use hpcap::{Ledger, QueueName, Result};

use super::findings::Findings;
use super::judge::Judge;

/// The origin of a stream: a recording, or, for files without a recording's identity, a queue for
/// as long as its producer lived.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Origin {
    queue: Option<QueueName>,
    recording: Option<RecordingId>,
    /// 0 if there is a `recording`.
    producer_pid: u32,
}

/// The stream that is read at present.
#[derive(Debug)]
struct Stream {
    origin: Option<Origin>,
    judge: Judge,
    from: Instant,
    /// The queue's ledger before the first file, and the latest one that is known.
    ledgers: Option<(Ledger, Ledger)>,
    /// Stream offset of the end of the last file.
    end_off: Option<u64>,
    /// Whether a part of the stream between the last file and this one is in no recording. Frames missing before the
    /// first frame of this file are then in no file.
    interrupted: bool,
}

impl Stream {
    fn new(of: String, origin: Option<Origin>) -> Self {
        Self {
            origin,
            judge: Judge::new(of),
            from: Instant::now(),
            ledgers: None,
            end_off: None,
            interrupted: false,
        }
    }

    fn header(&mut self, header: &FileHeader) {
        // A file may begin before the previous file ends, because a recorder has padded that file.
        self.interrupted = self.end_off.is_some_and(|end| end < header.stream_off);
        let first = self.ledgers.map_or(header.ledger, |(first, _)| first);
        self.ledgers = Some((first, header.ledger));
    }

    fn finish(mut self) -> Findings {
        let found = self.judge.found();
        found.seconds = self.from.elapsed().as_secs_f64();
        if let Some((first, last)) = self.ledgers {
            found.ledger_lost = last.since(&first);
            found.ledger_lost[hpcap::Reason::Captured] = hpcap::Count::default();
        }
        self.judge.into_findings()
    }
}

/// Verifies the files in `paths`, and those in folders in it. Returns the findings for each stream.
///
/// # Errors
/// When a path cannot be read, or is a folder without RAW files.
pub fn verify_files(paths: &[PathBuf], stop: &AtomicBool) -> Result<Vec<Findings>> {
    let files = files::named(paths)?;
    let mut done = Vec::new();
    let mut stream = Stream::new(files[0].display().to_string(), None);
    for path in &files {
        stream = read(path, stream, &mut done, stop)?;
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    done.push(stream.finish());
    Ok(done)
}

/// Reads one file. It continues `stream`, or finishes it and starts another one if the file has
/// another origin.
fn read(
    path: &Path,
    mut stream: Stream,
    done: &mut Vec<Findings>,
    stop: &AtomicBool,
) -> Result<Stream> {
    let part = path.extension().is_some_and(|e| e == "part");
    let mut reader = Reader::open(path)?;
    let mut start_off = None;
    let mut frames = 0u64;
    stream.judge.found().files += 1;
    while let Some(event) = reader.next()? {
        match event {
            Event::Frame(frame) => {
                let missing = stream.judge.missing();
                stream.judge.frame(&frame);
                if stream.interrupted {
                    stream.judge.found().between += stream.judge.missing() - missing;
                    stream.interrupted = false;
                }
                frames += 1;
                if frames.is_multiple_of(1 << 16) && stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            Event::FileStart(header) => {
                let origin = Origin {
                    queue: header.queue,
                    recording: header.recording,
                    producer_pid: match header.recording {
                        Some(_) => 0,
                        None => header.producer_pid,
                    },
                };
                if stream.origin.is_some_and(|o| o != origin) {
                    stream.judge.found().files -= 1;
                    done.push(stream.finish());
                    stream = Stream::new(path.display().to_string(), None);
                    stream.judge.found().files = 1;
                }
                stream.origin = Some(origin);
                start_off = Some(header.stream_off);
                stream.header(&header);
            }
            Event::Missed(gap) => stream.judge.gap(&gap),
            Event::FileEnd(tag) => {
                if let Some((_, last)) = &mut stream.ledgers {
                    *last = tag.ledger;
                }
            }
            Event::Damaged(damage) => match damage.kind {
                // A file that was never finished may end anywhere.
                DamageKind::CutHeader | DamageKind::CutRecord { .. } | DamageKind::Unwritten
                    if part => {}
                _ => stream.judge.found().damaged += 1,
            },
            Event::Padding(_) | Event::Duplicate | Event::Sent | Event::Altered(_) => {}
        }
    }
    stream.end_off = start_off.map(|off| off + reader.offset());
    stream.judge.found().plain |= start_off.is_none();
    stream.judge.found().unfinished += u64::from(part);
    Ok(stream)
}
