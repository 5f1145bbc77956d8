//! Checks one event of a file after the other.

use std::ops::Range;

use hpcap_base::ledger::{Count, Ledger};
use hpcap_base::time::Timestamp;
use hpcap_sys::abi::hpcap_record;

use super::{Checker, Finding, Kinds, Missing, Problem, Report, Severity};
use crate::record::{Event, Record};
use crate::scan::{Damage, DamageKind};

/// Length of the shortest Ethernet frame without FCS; `LONG_FRAME` is the longest, with a VLAN tag.
const SHORT_FRAME: u16 = 60;
const LONG_FRAME: u16 = 1518;

/// State of the check of one file.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) report: Report,
    start_sec: Option<u64>,
    /// Frames with an earlier time are from before the file's name.
    start: Timestamp,
    /// Time of the frame before this one; zero before the first.
    before: Timestamp,
    pub(super) ledger_before: Option<Ledger>,
    /// Offset of the first padding without a tag that follows a frame; `None` when there is none.
    pub(super) padded: Option<u64>,
    /// Whether the last event was padding.
    pub(super) closed: bool,
}

impl Progress {
    /// The state before the first event of a file. `start_sec` is the start time in the file's name.
    pub(super) fn new(start_sec: Option<u64>) -> Self {
        // A file may begin with frames of the second before that of its name.
        let start = start_sec.map_or(0, |sec| sec.saturating_sub(1));
        Self {
            start_sec,
            start: Timestamp::from_ns(start.saturating_mul(1_000_000_000)),
            ..Self::default()
        }
    }
}

impl Checker {
    /// Adds a finding to the report.
    pub(super) fn find(
        &self,
        progress: &mut Progress,
        offset: u64,
        skipped: u64,
        problem: Problem,
    ) {
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

    /// Checks a frame.
    #[inline]
    pub(super) fn frame(
        &self,
        progress: &mut Progress,
        offset: u64,
        frame: &Record<'_>,
        h: &hpcap_record,
    ) {
        let report = &mut progress.report;
        report.frames += Count::new(1, u64::from(frame.len));
        report.captured_bytes += frame.data.len() as u64;
        let time = frame.time;
        report.last = report.last.max(Some(time));
        if report.first.is_none() {
            report.first = Some(time);
        }
        let before = std::mem::replace(&mut progress.before, time);
        progress.closed = false;

        let backwards = time < before;
        let early = time < progress.start;
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
        before: Timestamp,
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
        if let Some(start_sec) = progress.start_sec.filter(|_| time < progress.start) {
            self.find(progress, offset, 0, Problem::BeforeName { start_sec });
        }
        if time < before {
            progress.report.first = progress.report.first.min(Some(time));
            let by_ns = before.as_ns() - time.as_ns();
            progress.report.times_backwards += 1;
            progress.report.worst_backwards_ns = progress.report.worst_backwards_ns.max(by_ns);
            self.find(progress, offset, 0, Problem::TimeBackwards { by_ns });
        }
    }

    /// Checks an event that is no frame.
    pub(super) fn other(
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
            Event::Sent => progress.report.frames_sent += 1,
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
