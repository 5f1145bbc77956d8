//! Plans the repair of a file.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::certain::Certainty;
use crate::padding::{padding_header, padding_to};
use crate::reader::Reader;
use crate::record::Event;
use crate::scan::{Damage, DamageKind};
use crate::tag::{Gap, Tag};
use hpcap_base::error::{Context, Result};
use hpcap_base::ledger::Ledger;
use hpcap_base::time::Timestamp;
use hpcap_base::units::Bytes;
use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};

const HEADER: u64 = HPCAP_RECORD_BYTES as u64;
/// Length of closing padding. It has a body, because a header of zeros alone looks like any zeros.
const CLOSING: u64 = HEADER + 4;
/// Limit of the changes in one plan. A longer repair takes several plans.
const CHANGES_MAX: usize = 100_000;

/// A change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Offset from the start of the file, in bytes.
    pub offset: u64,
    /// The new bytes at `offset`. Bytes beyond the end of the file are appended.
    pub bytes: Vec<u8>,
}

/// The changes that repair a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Size in bytes of the file for which the plan was made.
    pub file_bytes: u64,
    /// The changes in the order of the file; they do not overlap.
    pub changes: Vec<Change>,
    /// Ranges of stray bytes to remove, as offset and length; they require writing a new file.
    pub stray: Vec<(u64, u64)>,
    /// Size of the file in bytes after the repair, if the stray bytes were not removed.
    pub new_bytes: u64,
    /// The new name of the file; `None` when the name stays.
    pub rename: Option<PathBuf>,
    /// Descriptions of the changes for the user, in the order of the file.
    pub steps: Vec<String>,
    /// Whether the plan ends before the end of the file, so that another plan must follow.
    pub more: bool,
}

impl Plan {
    /// Whether the file needs no repair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.stray.is_empty() && self.rename.is_none()
    }

    fn change(&mut self, offset: u64, bytes: Vec<u8>) {
        self.new_bytes = self.new_bytes.max(offset + bytes.len() as u64);
        self.changes.push(Change { offset, bytes });
    }

    fn say(&mut self, offset: u64, step: impl fmt::Display) {
        self.steps.push(format!("byte {offset}: {step}"));
    }

    /// Covers a range of at least 12 bytes with padding, beginning with `gap` if it fits.
    fn cover(&mut self, from: u64, to: u64, gap: Option<Gap>) {
        let mut at = from;
        if let Some(gap) = gap {
            let body = Tag::Gap(Box::new(gap)).to_body();
            let end = at + HEADER + body.len() as u64;
            if end == to || end + HEADER <= to {
                let caplen = u16::try_from(body.len()).unwrap_or(u16::MAX);
                let mut bytes = padding_header(caplen).as_bytes().to_vec();
                bytes.extend_from_slice(&body);
                self.change(at, bytes);
                at = end;
            }
        }
        for header in padding_to(at, to).into_iter().flatten() {
            self.change(at, header.as_bytes().to_vec());
            at += HEADER + u64::from(header.caplen);
        }
        self.new_bytes = self.new_bytes.max(to);
    }

    /// Replaces the header of the record at `offset`.
    fn header(&mut self, offset: u64, header: hpcap_record) {
        self.change(offset, header.as_bytes().to_vec());
    }
}

/// State of the pass through the file.
#[derive(Debug, Default)]
struct Pass {
    last: Option<Timestamp>,
    /// Whether the last event was padding.
    closed: bool,
    /// A range that is covered once the time of the frame after it is known.
    uncovered: Option<(u64, u64)>,
    /// Number of excess bytes that the next padding header claims.
    too_long: Option<u8>,
}

/// Plans the repair of the file at `path`.
///
/// # Errors
/// Returns [`Kind::Format`](hpcap_base::Kind::Format) when the file may have another format, and errors
/// of the file system.
pub fn plan(path: &Path) -> Result<Plan> {
    let file = File::open(path).context(|| format!("read {}", path.display()))?;
    let mut reader = Reader::new(file).named(path.display().to_string());
    let mut plan = Plan::default();
    let mut pass = Pass::default();
    let mut certainty = Certainty::default();
    while reader.advance()? {
        if let Some(event) = reader.event() {
            let range = reader.range();
            certainty.see(&event, &range);
            let (header, old) = (reader.header(), reader.is_old_variant());
            pass.see(&mut plan, &event, range.start, header, old);
        }
        if plan.changes.len() >= CHANGES_MAX {
            certainty.check(path, reader.offset())?;
            plan.more = true;
            plan.new_bytes = 0;
            return Ok(plan);
        }
    }
    plan.file_bytes = reader.offset();
    plan.new_bytes = plan.new_bytes.max(plan.file_bytes);
    pass.finish(&mut plan);
    if let Some(finished) = path.as_os_str().as_bytes().strip_suffix(b".part") {
        let finished = PathBuf::from(OsStr::from_bytes(finished));
        plan.steps
            .push(format!("rename it to {}", finished.display()));
        plan.rename = Some(finished);
    }
    if !plan.is_empty() {
        certainty.check(path, plan.file_bytes)?;
    }
    Ok(plan)
}

impl Pass {
    fn see(
        &mut self,
        plan: &mut Plan,
        event: &Event<'_>,
        offset: u64,
        header: Option<hpcap_record>,
        old: bool,
    ) {
        if let Event::Damaged(damage) = event {
            self.damage(plan, damage);
            return;
        }
        if let Event::Frame(frame) = event {
            self.cover(plan, Some(frame.time));
            self.last = Some(frame.time);
            self.closed = false;
        } else {
            self.cover(plan, None);
            self.closed = true;
        }
        let Some(mut h) = header else {
            return;
        };
        let before = h;
        match event {
            Event::Frame(frame) => {
                if h.nsec >= 1_000_000_000 {
                    plan.say(
                        offset,
                        format_args!("carry {} nanoseconds over into the second", h.nsec),
                    );
                    h.sec = u32::try_from(frame.time.sec()).unwrap_or(u32::MAX);
                    h.nsec = frame.time.nsec();
                }
                if h.caplen > h.len && !old {
                    plan.say(
                        offset,
                        format_args!(
                            "set the frame's length, {}, to the {} bytes that are there",
                            h.len, h.caplen
                        ),
                    );
                    h.len = h.caplen;
                }
            }
            _ => {
                if let Some(by) = self.too_long.take() {
                    plan.say(
                        offset,
                        format_args!(
                            "shorten the padding by the {by} bytes that it claims too many"
                        ),
                    );
                    h.caplen -= u16::from(by);
                    h.len = h.caplen;
                } else if h.caplen != h.len && !(old && h.len == 0) {
                    plan.say(
                        offset,
                        format_args!("set both lengths of the padding to {}", h.caplen),
                    );
                    h.len = h.caplen;
                }
            }
        }
        if h.as_bytes() != before.as_bytes() {
            plan.header(offset, h);
        }
    }

    fn damage(&mut self, plan: &mut Plan, damage: &Damage) {
        let (offset, bytes) = (damage.offset, damage.bytes);
        match damage.kind {
            DamageKind::PaddingTooLong { by } => self.too_long = Some(by),
            DamageKind::CutRecord { caplen } => {
                let there = bytes.saturating_sub(HEADER);
                plan.say(
                    offset,
                    format_args!("keep the {there} bytes of the {caplen} of the last record"),
                );
                // `caplen` is at byte 8 of the header.
                let there = u16::try_from(there).unwrap_or(caplen);
                plan.change(offset + 8, there.to_le_bytes().to_vec());
                self.closed = false;
            }
            DamageKind::CutHeader
            | DamageKind::CutPadding
            | DamageKind::Unreadable
            | DamageKind::Unwritten => {
                let start = match self.uncovered {
                    Some((start, end)) if end == offset => start,
                    _ => {
                        self.cover(plan, None);
                        offset
                    }
                };
                self.uncovered = Some((start, offset + bytes));
                self.closed = false;
            }
        }
    }

    /// Covers the pending range; `until` is the time of the frame after it.
    fn cover(&mut self, plan: &mut Plan, until: Option<Timestamp>) {
        let Some((from, to)) = self.uncovered.take() else {
            return;
        };
        if to - from < HEADER {
            plan.say(
                from,
                format_args!(
                    "leave out {} stray bytes: the file is written anew",
                    to - from
                ),
            );
            plan.stray.push((from, to - from));
            return;
        }
        plan.say(
            from,
            format_args!("cover {} without records with padding", Bytes(to - from)),
        );
        let gap = until.map(|until| Gap {
            from: self.last,
            until,
            open: false,
            lost: Ledger::default(),
        });
        plan.cover(from, to, gap);
    }

    fn finish(&mut self, plan: &mut Plan) {
        let end = plan.file_bytes;
        if let Some((from, to)) = self.uncovered.filter(|(_, to)| *to == end) {
            let to = to.max(from + CLOSING);
            plan.say(
                from,
                format_args!("cover the last {} with closing padding", Bytes(end - from)),
            );
            plan.cover(from, to, None);
        } else if !self.closed {
            self.cover(plan, None);
            plan.say(end, "append closing padding");
            plan.cover(end, end + CLOSING, None);
        }
    }
}
