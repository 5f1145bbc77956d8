//! Checking a RAW file: is it as the format says, and where are frames missing?

mod report;

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::Path;

pub use report::{Finding, HeaderFacts, Kinds, Missing, Problem, Reasons, Report, Severity};

use crate::abi::hpcap_record;
use crate::error::{Context, Result};
use crate::ledger::{Count, Ledger};
use crate::raw::name::start_of;
use crate::raw::reader::{Event, Found, Reader};
use crate::raw::record::Record;
use crate::raw::scan::{Damage, DamageKind};
use crate::time::Timestamp;

/// The frame lengths of Ethernet, without FCS and with a VLAN tag.
const SHORT_FRAME: u16 = 60;
const LONG_FRAME: u16 = 1518;

/// A record as it passes by, for those who want a list of them.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Bytes from the start of the file to the frame, behind its header.
    pub body_offset: u64,
    /// The header as it stands in the file.
    pub header: &'a hpcap_record,
}

/// Checks files, one after the other.
#[derive(Debug, Clone)]
pub struct Checker {
    findings_max: usize,
    short_frames: bool,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            findings_max: 20,
            short_frames: true,
        }
    }
}

/// The check of one file, under way.
#[derive(Debug, Default)]
struct Progress {
    report: Report,
    start_sec: Option<u64>,
    before: Option<Timestamp>,
    ledger_before: Option<Ledger>,
    /// Padding without a meaning that was passed, behind frames: where the first is.
    padded: Option<u64>,
    /// Whether the last thing was padding.
    closed: bool,
}

impl Checker {
    /// Keeps the first 20 findings and gaps of a file, and warns of frames shorter than 60 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the first `max` defects, the first `max` warnings and the first `max` gaps in a report.
    #[must_use]
    pub fn findings_max(mut self, max: usize) -> Self {
        self.findings_max = max;
        self
    }

    /// Whether frames shorter than 60 bytes are worth a warning.
    #[must_use]
    pub fn short_frames(mut self, warn: bool) -> Self {
        self.short_frames = warn;
        self
    }

    /// Checks the file at `path`. `each` sees every frame's header.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn check_file(
        &self,
        path: &Path,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let tried = || format!("check {}", path.display());
        let file = File::open(path).context(tried)?;
        // A recorder holds the lock of the file that it writes.
        let under_way = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let reader = Reader::new(file).named(path.display().to_string());
        self.check(reader, start_of(&name), under_way, each)
    }

    /// Checks what `reader` reads. `start_sec` is the time in the file's name; a file
    /// `under_way` need not be closed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn check<R: Read>(
        &self,
        mut reader: Reader<R>,
        start_sec: Option<u64>,
        under_way: bool,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let mut progress = Progress {
            start_sec,
            ..Progress::default()
        };
        progress.report.under_way = under_way;
        while reader.advance()? {
            let Some(found) = reader.current() else {
                continue;
            };
            if let Event::Frame(frame) = &found.event {
                if let Some(header) = reader.current_header() {
                    self.frame(&mut progress, found.offset, frame, &header);
                    let body_offset = found.offset + size_of::<hpcap_record>() as u64;
                    each(Passing {
                        body_offset,
                        header: &header,
                    })?;
                }
            } else {
                self.other(&mut progress, &found, reader.current_header());
            }
        }
        progress.report.file_bytes = reader.offset();
        progress.report.old_variant = reader.is_old_variant();
        if !progress.closed && !under_way {
            self.find(&mut progress, reader.offset(), 0, Problem::NotClosed);
        }
        Ok(progress.report)
    }

    fn find(&self, progress: &mut Progress, offset: u64, skipped: u64, problem: Problem) {
        let report = &mut progress.report;
        let count = match problem.severity() {
            Severity::Defect => &mut report.defects,
            Severity::Warning => &mut report.warnings,
        };
        *count += 1;
        let count = *count;
        report.skipped_bytes += skipped;
        let finding = Finding {
            offset,
            skipped,
            problem,
        };
        if count <= self.findings_max as u64 {
            report.findings.push(finding);
        }
        let kind = std::mem::discriminant(&problem);
        let same = |kinds: &&mut Kinds| std::mem::discriminant(&kinds.first.problem) == kind;
        match report.kinds.iter_mut().find(same) {
            Some(kinds) => kinds.count += 1,
            None => report.kinds.push(Kinds {
                first: finding,
                count: 1,
            }),
        }
    }

    #[inline]
    fn frame(&self, progress: &mut Progress, offset: u64, frame: &Record<'_>, h: &hpcap_record) {
        let report = &mut progress.report;
        report.frames += Count::new(1, u64::from(frame.len));
        report.captured_bytes += frame.data.len() as u64;
        let time = frame.time;
        report.first = Some(report.first.map_or(time, |first| first.min(time)));
        report.last = Some(report.last.map_or(time, |last| last.max(time)));
        let before = progress.before.replace(time);
        progress.closed = false;

        let backwards = before.is_some_and(|before| time < before);
        let early = progress
            .start_sec
            .is_some_and(|start| time.sec() + 1 < start);
        let odd = h.nsec >= 1_000_000_000 || h.caplen > frame.len || h.caplen > LONG_FRAME;
        let short = self.short_frames && h.caplen < SHORT_FRAME;
        if backwards || early || odd || short || progress.padded.is_some() {
            self.frame_problems(progress, offset, frame, h, before);
        }
    }

    #[cold]
    fn frame_problems(
        &self,
        progress: &mut Progress,
        offset: u64,
        frame: &Record<'_>,
        h: &hpcap_record,
        before: Option<Timestamp>,
    ) {
        let (caplen, len, time) = (h.caplen, frame.len, frame.time);
        if let Some(padded) = progress.padded.take() {
            self.find(progress, padded, 0, Problem::AfterPadding);
        }
        if h.nsec >= 1_000_000_000 {
            self.find(progress, offset, 0, Problem::Nanoseconds { nsec: h.nsec });
        }
        if caplen > len {
            self.find(
                progress,
                offset,
                0,
                Problem::CaplenBeyondLen { caplen, len },
            );
        }
        if caplen > LONG_FRAME {
            self.find(progress, offset, 0, Problem::LongFrame { caplen });
        } else if caplen < SHORT_FRAME && self.short_frames {
            self.find(progress, offset, 0, Problem::ShortFrame { caplen });
        }
        if let Some(start_sec) = progress.start_sec.filter(|start| time.sec() + 1 < *start) {
            self.find(progress, offset, 0, Problem::BeforeName { start_sec });
        }
        if let Some(before) = before.filter(|before| time < *before) {
            let by_ns = before.as_ns() - time.as_ns();
            progress.report.times_backwards += 1;
            progress.report.worst_backwards_ns = progress.report.worst_backwards_ns.max(by_ns);
            self.find(progress, offset, 0, Problem::TimeBackwards { by_ns });
        }
    }

    fn other(&self, progress: &mut Progress, found: &Found<'_>, header: Option<hpcap_record>) {
        let is_damage = matches!(found.event, Event::Damage(_));
        if !is_damage {
            progress.report.padding_bytes += found.bytes;
            progress.closed = true;
            // In the older variant the second length is the upper half of one.
            if let Some(h) = header.filter(|h| h.caplen != h.len && h.len != 0) {
                let (caplen, len) = (h.caplen, h.len);
                self.find(
                    progress,
                    found.offset,
                    0,
                    Problem::PaddingLengths { caplen, len },
                );
            }
        }
        match &found.event {
            Event::Padding => {
                if progress.report.frames.frames > 0 {
                    progress.padded.get_or_insert(found.offset);
                }
            }
            Event::FileHeader(tag) => {
                // What follows is another file: a concatenation.
                progress.padded = None;
                progress.ledger_before.get_or_insert(tag.ledger);
                progress
                    .report
                    .header
                    .get_or_insert_with(|| (&**tag).into());
            }
            Event::Gap(gap) => {
                progress.report.gaps += 1;
                progress.report.lost += &gap.lost;
                if progress.report.missing.len() < self.findings_max {
                    progress
                        .report
                        .missing
                        .push(Missing::new(found.offset, gap));
                }
            }
            Event::Ledger(tag) => {
                progress.report.ledger = progress.ledger_before.map(|b| tag.ledger.since(&b));
            }
            Event::Duplicate => progress.report.duplicates += 1,
            Event::Altered(had) => {
                progress.report.frames_cut += u64::from(had.is_cut());
                progress.report.times_adjusted += u64::from(had.time_is_adjusted());
            }
            Event::Damage(damage) => self.damage(progress, damage),
            Event::Frame(_) => {}
        }
    }

    fn damage(&self, progress: &mut Progress, damage: &Damage) {
        let problem = match damage.kind {
            DamageKind::Unreadable => Problem::Unreadable,
            DamageKind::Unwritten => Problem::Unwritten,
            DamageKind::CutHeader => Problem::CutHeader,
            DamageKind::CutRecord { caplen } => Problem::CutRecord {
                caplen,
                there: damage
                    .bytes
                    .saturating_sub(size_of::<hpcap_record>() as u64),
            },
            DamageKind::CutPadding => Problem::CutPadding,
            DamageKind::PaddingTooLong { by } => Problem::PaddingTooLong { by },
        };
        progress.closed = false;
        // The tail of a file under way is written while we look.
        let tail = matches!(
            problem,
            Problem::CutHeader
                | Problem::CutRecord { .. }
                | Problem::CutPadding
                | Problem::Unwritten
        );
        if !(progress.report.under_way && tail) {
            self.find(progress, damage.offset, damage.bytes, problem);
        }
    }
}
