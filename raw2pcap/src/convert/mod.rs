//! Conversion of RAW files to pcap and pcapng.
//!
//! A `QueueStream` reads the files of a recording in sequence, a `Merge` merges streams by time, and
//! a `Sink` writes the frames that match the filter into files.

mod background_writer;
mod cli;
mod damage;
mod file_info;
mod file_range;
mod filters;
mod interface_counts;
mod merge;
mod new_file;
mod open_file;
mod pcapng_file;
mod queue_stream;
mod range;
mod signals;
mod sink;
mod sort;
mod summary;
mod target;
mod warnings;

use std::collections::{BTreeSet, HashMap};

use hpcap::compress::Compression;
use hpcap::pcapfile::Section;
use hpcap::{Count, Error, Kind, Ledger, Reason, Result};

pub use cli::{Cli, HINTS};
pub use new_file::Protected;
pub use range::{Bound, Range};
pub(crate) use signals::survive_file_size_limit;
pub use sink::{Format, Split};
pub use summary::Summary;
pub use target::Target;

use crate::inputs::Input;
use crate::progress::Progress;
use damage::print_damage;
use file_info::FileInfo;
use filters::Filters;
use merge::Merge;
use queue_stream::{QueueStream, StreamEvent, union};
use sink::Sink;
use warnings::Warnings;

/// Inputs, output and options of a conversion.
#[derive(Debug)]
pub struct Conversion {
    /// Inputs to read.
    pub inputs: Vec<Input>,
    /// Destination of the output.
    pub target: Target,
    /// Format of the output.
    pub format: Format,
    /// Compression of the output.
    pub compression: Compression,
    /// Limits at which a new file is started.
    pub split: Split,
    /// The first time to convert; `None` = from the start.
    pub from: Option<Bound>,
    /// The last time to convert; `None` = to the end.
    pub to: Option<Bound>,
    /// Filter in tcpdump's syntax; empty converts all frames.
    pub filter: String,
    /// Whether frames with a duplicate mark are left out.
    pub no_duplicates: bool,
    /// Whether existing files are replaced.
    pub force: bool,
}

impl Conversion {
    /// Runs the conversion. Prints warnings and damage to standard error, and a progress bar if
    /// `visible` is set and standard error is a terminal.
    ///
    /// # Errors
    /// Errors of reading and writing. Damage is not an error: the summary counts it.
    pub fn run(&self, visible: bool) -> Result<Summary> {
        let mut indexes = Warnings::of_indexes();
        let wants_index = self.from.is_some() || self.to.is_some();
        let mut files = Vec::with_capacity(self.inputs.len());
        let (mut deleted, mut foreign) = (0, 0);
        for input in &self.inputs {
            match FileInfo::read(input.clone(), wants_index, &mut indexes) {
                Ok(Some(info)) => files.push(info),
                Ok(None) => deleted += 1,
                // A file of another format does not keep the others from being converted.
                Err(e) if e.kind() == Kind::Format && self.inputs.len() > 1 => {
                    hpcap_cli::say(format_args!("raw2pcap: {e}"));
                    foreign += 1;
                }
                Err(e) => return Err(e),
            }
        }
        let range = self.range(&files)?;
        let total = files.iter().map(|info| info.bytes).sum();
        let link_type = files
            .iter()
            .find_map(|info| info.header.as_ref())
            .map_or(hpcap::pcapfile::LINK_TYPE_ETHERNET, |header| {
                header.link_type
            });
        let mut filters = Filters::new(&self.filter, link_type)?;
        let mut summary = Summary {
            inputs: files.len() as u64,
            deleted,
            foreign,
            ..Summary::default()
        };
        let mut overlaps = Warnings::of_overlaps();
        let streams = QueueStream::sort(files, range, &mut overlaps);
        overlaps.print();

        let section = Section::here(concat!("raw2pcap (hpcap ", env!("CARGO_PKG_VERSION"), ")"));
        let mut sink = Sink::new(
            self.target.clone(),
            (self.format, self.compression),
            self.split,
            (self.force, protected(&self.inputs)),
            section,
        );
        let mut progress = Progress::new("raw2pcap", total, visible);
        // The link type of standard input is known only after its header was read.
        if !self.inputs.contains(&Input::Stdin) {
            sink.start(link_type)?;
        }
        let mut merge = Merge::new(streams);
        let mut result = self.convert(
            &mut merge,
            &mut filters,
            &mut sink,
            &mut summary,
            &mut indexes,
            &mut progress,
        );
        if result.is_ok() {
            result = if sink.names().is_empty() {
                sink.start(link_type)
            } else {
                Ok(())
            };
        }
        if result.is_ok() {
            result = sink.finish(merge.streams(), range.is_all());
        }
        progress.done();
        indexes.print();
        match result {
            Err(e) if is_closed_pipe(&e, &self.target) => summary.closed = true,
            other => other?,
        }
        if summary.frames.frames == 0 && !range.is_all() {
            let seen = merge.streams().iter().filter_map(QueueStream::seen);
            summary.outside = seen.reduce(union).filter(|_| summary.filtered.frames == 0);
        }
        summary.outputs = sink.names().to_vec();
        summary.output_bytes = sink.bytes();
        let mut origins = BTreeSet::new();
        for stream in merge.streams() {
            origins.insert(stream.origin());
            summary.ledger += &stream.ledger();
        }
        summary.queues = origins.len() as u64;
        Ok(summary)
    }

    fn range(&self, files: &[FileInfo]) -> Result<Range> {
        let is_relative = |bound| matches!(bound, Some(Bound::After(_)));
        // A relative end counts from --from, or from the first frame without --from.
        let first = if is_relative(self.from) || (self.from.is_none() && is_relative(self.to)) {
            file_info::first_frame_time(files)?
        } else {
            hpcap::Timestamp::default()
        };
        let from = self.from.map(|bound| bound.resolve(first));
        let range = Range {
            from,
            to: self.to.map(|bound| bound.resolve(from.unwrap_or(first))),
        };
        match (range.from, range.to) {
            (Some(from), Some(to)) if from > to => Err(Error::usage(
                format!("--from {} --to {}", from.local(), to.local()),
                "the end is before the start",
            )),
            _ => Ok(range),
        }
    }

    fn convert(
        &self,
        merge: &mut Merge,
        filters: &mut Filters,
        sink: &mut Sink,
        summary: &mut Summary,
        indexes: &mut Warnings,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut lines: HashMap<String, u64> = HashMap::new();
        let mut count = 0_u64;
        loop {
            let current = merge.advance(&mut |number, stream| {
                for event in stream.take_events() {
                    match event {
                        StreamEvent::Deleted => {
                            summary.deleted += 1;
                            summary.inputs -= 1;
                        }
                        StreamEvent::BadIndex(text) => indexes.add(text),
                        StreamEvent::Gap(gap) => {
                            summary.gaps += 1;
                            summary.lost += &gap.lost;
                            sink.gap(number, &gap);
                        }
                        StreamEvent::Damage {
                            file,
                            damage,
                            file_bytes,
                        } => {
                            summary.damage(&damage, file_bytes);
                            let line = lines.entry(file.clone()).or_default();
                            *line += 1;
                            print_damage(progress, &file, &damage, *line);
                        }
                    }
                }
                Ok(())
            })?;
            let Some(number) = current else {
                return Ok(());
            };
            let stream = merge.stream(number);
            let Some(frame) = stream.frame() else {
                continue;
            };
            let one = Count::new(1, u64::from(frame.len));
            let duplicate = stream.marks().duplicate;
            let interfaces = stream.interfaces();
            let link_type = interfaces
                .all()
                .get(interfaces.version())
                .map_or(hpcap::pcapfile::LINK_TYPE_ETHERNET, |counted| {
                    counted.interface.link_type
                });
            if !filters.matches(link_type, frame.data, u32::from(frame.len))? {
                summary.filtered += one;
                sink.refuse(number, stream, &frame)?;
            } else if self.no_duplicates && duplicate {
                summary.left_out += one;
                sink.refuse(number, stream, &frame)?;
            } else {
                sink.frame(number, stream, &frame)?;
                summary.frames += one;
                summary.duplicates += u64::from(duplicate);
                if let Some(had) = stream.marks().altered {
                    summary.frames_cut += u64::from(had.is_cut());
                    summary.times_adjusted += u64::from(had.time_is_adjusted());
                }
                summary.first = summary.first.or(Some(frame.time));
                summary.disordered += u64::from(summary.last > Some(frame.time));
                summary.last = Some(frame.time);
            }
            count += 1;
            if count.is_multiple_of(1024) {
                progress.set_bytes(merge.position());
            }
        }
    }
}

/// Returns the input files, which no output may overwrite.
pub(crate) fn protected(inputs: &[Input]) -> Protected {
    Protected::new(inputs.iter().filter_map(|input| match input {
        Input::Stdin => None,
        Input::File(listed) => Some((listed.identity(), listed.path.clone())),
    }))
}

fn is_closed_pipe(e: &Error, target: &Target) -> bool {
    *target == Target::Stdout && e.os_error() == Some(BROKEN_PIPE)
}

/// EPIPE: the program that reads standard output has ended.
const BROKEN_PIPE: i32 = 32;

/// Returns the counts of `ledger` whose reasons are losses.
fn losses(ledger: &Ledger) -> Vec<(Reason, Count)> {
    ledger
        .iter()
        .filter(|(reason, count)| reason.is_loss() && count.frames > 0)
        .collect()
}
