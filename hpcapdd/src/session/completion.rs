//! What happens to a file after its last frame: it is finished, commands run for it, and old files are deleted.

use std::time::Instant;

use hpcap::{Count, Error, Reason};

use crate::report::event::{Event, Notice};
use crate::sink::Tally;
use crate::storage::finish::Finisher;
use crate::storage::finish::backlog::Backlog;
use crate::storage::finish::on_complete::Commands;
use crate::storage::retention::RetentionThread;
use crate::storage::sealed::Sealed;

/// Finishes the files of a recording.
#[derive(Debug)]
pub struct Completion {
    finisher: Option<Finisher>,
    retention: Option<RetentionThread>,
    commands: Option<Commands>,
    backlog: Backlog,
    removed: Removed,
}

/// Contents of files that somebody removed before they were finished.
#[derive(Debug, Default)]
struct Removed {
    frames: Count,
    bytes: u64,
    files: u64,
}

/// An event for the user, or a failure with which the recording ends.
#[derive(Debug)]
pub enum Report {
    /// An event.
    Event(Event),
    /// A failure.
    Failure(Error),
}

impl Completion {
    /// Finishes files with `finisher`, deletes old ones with `retention`, and runs `commands`.
    #[must_use]
    pub fn new(
        finisher: Finisher,
        retention: Option<RetentionThread>,
        commands: Option<Commands>,
    ) -> Self {
        Self {
            finisher: Some(finisher),
            retention,
            commands,
            backlog: Backlog::default(),
            removed: Removed::default(),
        }
    }

    /// Takes a file that holds all its frames.
    pub fn finish(&self, sealed: Sealed) {
        if let Some(finisher) = &self.finisher {
            finisher.finish(sealed);
        }
    }

    /// Whether so many files wait to be finished that no further file may begin.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.backlog.is_full()
    }

    /// Asks for old files to be deleted now.
    pub fn make_room(&self) {
        if let Some(retention) = &self.retention {
            retention.wake();
        }
    }

    /// Takes the reports since the last call.
    pub fn take_reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        let notices: Vec<Notice> = self
            .finisher
            .iter()
            .flat_map(Finisher::take_notices)
            .collect();
        for notice in notices {
            reports.extend(self.report(notice));
        }
        let deleted = self.retention.iter().flat_map(RetentionThread::take_events);
        reports.extend(deleted.map(Report::Event));
        let failed = self.commands.as_mut().map(Commands::messages);
        reports.extend(failed.unwrap_or_default().into_iter().map(warning));
        if let Some(finisher) = &self.finisher {
            let event = self.backlog.look(finisher.waiting(), Instant::now());
            reports.extend(event.map(Report::Event));
        }
        reports
    }

    /// Finishes the files that still wait, deletes old ones, and waits for the commands until `stop` returns true.
    /// Returns the remaining reports.
    pub fn end(&mut self, stop: impl Fn() -> bool) -> Vec<Report> {
        let mut reports = Vec::new();
        if let Some(finisher) = self.finisher.take() {
            for notice in finisher.stop() {
                reports.extend(self.report(notice));
            }
            let event = self.backlog.look(0, Instant::now());
            reports.extend(event.map(Report::Event));
        }
        if let Some(retention) = self.retention.take() {
            reports.extend(retention.stop().into_iter().map(Report::Event));
        }
        if let Some(commands) = self.commands.take() {
            reports.extend(commands.finish(stop).into_iter().map(warning));
        }
        reports
    }

    fn report(&mut self, notice: Notice) -> Option<Report> {
        match notice {
            Notice::FileSealed(sealed) => {
                self.finish(*sealed);
                None
            }
            Notice::Tell(event) => {
                if let (Event::FileComplete(file), Some(commands)) = (&event, &mut self.commands) {
                    commands.file(&file.path);
                }
                Some(Report::Event(event))
            }
            Notice::FileFailed(error) => Some(Report::Failure(error)),
            Notice::FileRemoved {
                error,
                frames,
                bytes,
            } => {
                self.removed.frames += frames;
                self.removed.bytes += bytes;
                self.removed.files += 1;
                Some(warning(error.to_string()))
            }
        }
    }

    /// Returns `tally` with the frames of removed files counted as lost instead of stored.
    #[must_use]
    pub fn without_removed(&self, mut tally: Tally) -> Tally {
        let Removed {
            frames,
            bytes,
            files,
        } = self.removed;
        tally.stored = tally.stored - frames;
        tally.lost[Reason::Storage] += frames;
        tally.stored_bytes = tally.stored_bytes.saturating_sub(bytes);
        tally.files = tally.files.saturating_sub(files);
        tally
    }
}

fn warning(text: String) -> Report {
    Report::Event(Event::warning(text))
}
