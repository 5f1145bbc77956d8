//! Checks whether a RAW file conforms to the format, and lists where frames are missing.

mod report;

use std::fs::{File, TryLockError};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

pub use report::{Finding, HeaderFacts, Kinds, Missing, Problem, Reasons, Report, Severity};

use crate::index::{Entry, Index};
use crate::name::start_of;
use crate::reader::Reader;
use crate::record::{Event, Record};
use crate::scan::{Damage, DamageKind};
use hpcap_base::error::{Context, Result};
use hpcap_base::ledger::{Count, Ledger};
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::hpcap_record;

/// Length of the shortest Ethernet frame without FCS; `LONG_FRAME` is the longest, with a VLAN tag.
const SHORT_FRAME: u16 = 60;
const LONG_FRAME: u16 = 1518;

/// The header of a frame's record, as [`Checker::check`] passes it to its caller.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Offset of the frame's data from the start of the file, in bytes.
    pub body_offset: u64,
    /// The header as stored in the file.
    pub header: &'a hpcap_record,
}

/// Settings of a check.
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

/// State of the check of one file.
#[derive(Debug, Default)]
struct Progress {
    report: Report,
    start_sec: Option<u64>,
    before: Option<Timestamp>,
    ledger_before: Option<Ledger>,
    /// Offset of the first padding without a tag that follows a frame; `None` when there is none.
    padded: Option<u64>,
    /// Whether the last event was padding.
    closed: bool,
}

/// Offset of the first block in which a reader that trusts `entries` would miss a frame of the file,
/// whose index is `built`.
fn first_hidden(entries: &[Entry], built: &[Entry]) -> Option<u64> {
    let hides = |of: &Entry, is: &Entry| {
        let times = match (of.span, is.span) {
            (Some(of), Some(is)) => of.0 > is.0 || of.1 < is.1,
            (Some(_), None) => true,
            (None, _) => of.time.is_none() && is.time.is_some(),
        };
        times || of.offset != is.offset || of.time != is.time
    };
    let mut pairs = entries.iter().zip(built);
    match pairs.find(|(of, is)| hides(of, is)) {
        Some((_, is)) => Some(is.offset),
        None => built.get(entries.len()).map(|is| is.offset),
    }
}

impl Checker {
    /// Creates a checker that keeps the first 20 findings and gaps of a file, and that warns of
    /// frames shorter than 60 bytes.
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

    /// Sets whether frames shorter than 60 bytes cause a warning.
    #[must_use]
    pub fn short_frames(mut self, warn: bool) -> Self {
        self.short_frames = warn;
        self
    }

    /// Checks the file at `path`, with the index beside it, and calls `each` with the header of every
    /// frame.
    ///
    /// # Errors
    /// Returns errors of the file system, and those that `each` returns.
    pub fn check_file(
        &self,
        path: &Path,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let tried = || format!("check {}", path.display());
        let file = File::open(path).context(tried)?;
        // A recorder holds the lock of the file that it writes, so a held lock means an unfinished
        // file.
        let under_way = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let reader = Reader::new(file).named(path.display().to_string());
        // The index of a file under way is not there yet, or belongs to another file of that name.
        // Readers ignore an index that cannot be loaded.
        let index = match under_way {
            true => None,
            false => Index::load(path).unwrap_or_default(),
        };
        self.check_with_index(reader, start_of(&name), under_way, index.as_ref(), each)
    }

    /// Checks the source of `reader`. `start_sec` is the start time in the file's name. `under_way`
    /// says that a recorder is still writing the file, which then need not be closed.
    ///
    /// # Errors
    /// Returns errors of reading the source, and those that `each` returns.
    pub fn check<R: Read>(
        &self,
        reader: Reader<R>,
        start_sec: Option<u64>,
        under_way: bool,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        self.check_with_index(reader, start_sec, under_way, None, each)
    }

    /// Checks the source of `reader` like [`Checker::check`], and that `index` hides none of its frames.
    ///
    /// # Errors
    /// The errors of [`Checker::check`].
    pub fn check_with_index<R: Read>(
        &self,
        mut reader: Reader<R>,
        start_sec: Option<u64>,
        under_way: bool,
        index: Option<&Index>,
        each: &mut dyn FnMut(Passing<'_>) -> Result<()>,
    ) -> Result<Report> {
        let mut index = index.map(|index| (index, Index::new(index.block_bytes)));
        let mut progress = Progress {
            start_sec,
            ..Progress::default()
        };
        progress.report.under_way = under_way;
        while reader.advance()? {
            let Some(event) = reader.event() else {
                continue;
            };
            if let Some((_, built)) = &mut index {
                let offset = reader.range().start;
                match &event {
                    Event::Frame(frame) => built.note(offset, Some(frame.time)),
                    Event::Damaged(_) => {}
                    _ => built.note(offset, None),
                }
            }
            if let Event::Frame(frame) = &event {
                if let Some(header) = reader.header() {
                    let offset = reader.range().start;
                    self.frame(&mut progress, offset, frame, &header);
                    let body_offset = offset + size_of::<hpcap_record>() as u64;
                    each(Passing {
                        body_offset,
                        header: &header,
                    })?;
                }
            } else {
                self.other(&mut progress, &event, reader.range(), reader.header());
            }
        }
        progress.report.file_bytes = reader.offset();
        progress.report.old_variant = reader.is_old_variant();
        // The index of a damaged file describes the file as it was.
        if let Some((index, built)) = &index
            && progress.report.defects == 0
            && let Some(offset) = first_hidden(&index.entries, &built.entries)
        {
            self.find(&mut progress, offset, 0, Problem::WrongIndex);
        }
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

    fn other(
        &self,
        progress: &mut Progress,
        event: &Event<'_>,
        range: Range<u64>,
        header: Option<hpcap_record>,
    ) {
        let is_damage = matches!(event, Event::Damaged(_));
        if !is_damage {
            progress.report.padding_bytes += range.end - range.start;
            progress.closed = true;
            // In the older variant the field `len` is the upper half of a 32-bit length.
            if let Some(h) = header.filter(|h| h.caplen != h.len && h.len != 0) {
                let (caplen, len) = (h.caplen, h.len);
                self.find(
                    progress,
                    range.start,
                    0,
                    Problem::PaddingLengths { caplen, len },
                );
            }
        }
        match event {
            Event::Padding(_) => {
                if progress.report.frames.frames > 0 {
                    progress.padded.get_or_insert(range.start);
                }
            }
            Event::FileStart(tag) => {
                // The records after a header belong to another file: this one is a concatenation.
                progress.padded = None;
                progress.ledger_before.get_or_insert(tag.ledger);
                progress
                    .report
                    .header
                    .get_or_insert_with(|| (&**tag).into());
            }
            Event::Missed(gap) => {
                progress.report.gaps += 1;
                progress.report.lost += &gap.lost;
                if progress.report.missing.len() < self.findings_max {
                    progress.report.missing.push(Missing::new(range.start, gap));
                }
            }
            Event::FileEnd(tag) => {
                progress.report.ledger = progress.ledger_before.map(|b| tag.ledger.since(&b));
            }
            Event::Duplicate => progress.report.duplicates += 1,
            Event::Altered(had) => {
                progress.report.frames_cut += u64::from(had.is_cut());
                progress.report.times_adjusted += u64::from(had.time_is_adjusted());
            }
            Event::Damaged(damage) => self.damage(progress, damage),
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
        // The recorder may be writing the tail of an unfinished file at this moment.
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
