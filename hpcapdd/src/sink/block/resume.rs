//! Resumes a recording behind a part of the stream that could not be stored.

use std::time::{Duration, Instant};

use hpcap::listener::Moment;
use hpcap::raw::Gap;
use hpcap::raw::tag::Tag;
use hpcap::{Kind, Ledger, Listener, Reason, Result, Start, Timestamp};

use super::{BlockSink, missing, tail_is_whole};
use crate::report::event::Notice;
use crate::sink::Step;
use crate::sink::block::block_view::BlockView;
use crate::sink::block::valid_end::ValidEnd;
use crate::sink::file_header::{Place, header_of};
use crate::storage::error::StorageError;
use crate::storage::file::gone;

/// Time between two requests for a new file while the recording needs one to resume.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A part of the stream that is missing from the files of this recorder.
#[derive(Debug)]
pub(super) struct Interruption {
    reason: Reason,
    salvage: ValidEnd,
    /// Whether the producer overwrote the listener's position.
    overtaken: bool,
    asked: Option<Instant>,
}

impl BlockSink {
    /// Stops writing the stream to the open file, for `reason`.
    pub(super) fn interrupt(&mut self, reason: Reason, salvage: Option<ValidEnd>) {
        if self.writer.file_start().is_none() {
            // The gap is written into a file. If none can be created, the summary still counts the
            // loss.
            let _ = self.writer.begin(self.done, self.reached);
        }
        let known = salvage.or_else(|| self.writer.salvage(None));
        self.interruption = Some(Interruption {
            reason,
            salvage: known.unwrap_or(ValidEnd {
                end: self.done,
                told: self.reached,
                last: None,
            }),
            overtaken: reason == Reason::Overrun,
            asked: None,
        });
    }

    /// Resumes the recording at the next start of a file. Until one comes, gives the blocks back to
    /// the ring unread.
    pub(super) fn resume(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        let Some(interruption) = &mut self.interruption else {
            return Ok(Step::Done);
        };
        if interruption.asked.is_none_or(|t| t.elapsed() >= ASK_AGAIN) {
            interruption.asked = Some(Instant::now());
            listener.request_file();
        }
        interruption.overtaken |= !tail_is_whole(listener);
        if interruption.overtaken {
            match listener.resync(Start::File) {
                Ok(_) => interruption.overtaken = false,
                Err(e) if e.kind() == Kind::NotFound => return Ok(self.pause(listener, until)),
                Err(e) => return Err(e),
            }
        }
        let Some(view) = BlockView::of(listener, until) else {
            return Ok(self.pause(listener, until));
        };
        let len = view.bytes.len() as u64;
        if view.starts_file() && Some(view.off) != self.writer.file_start() {
            let told = view.told_before();
            let first =
                (view.entry.first_ns != 0).then_some(Timestamp::from_ns(view.entry.first_ns));
            let now = Moment::from(&listener.ledger());
            self.end_interruption(&told, &now, first);
            self.done = listener.position();
            return Ok(Step::Done);
        }
        // Blocks before the next file are given back to the ring unread.
        listener.advance(len);
        self.done = listener.position();
        match listener.ack() {
            Err(e) if e.kind() == Kind::Overrun => {
                if let Some(interruption) = &mut self.interruption {
                    interruption.overtaken = true;
                }
                Ok(Step::Done)
            }
            other => other.map(|()| Step::Done),
        }
    }

    /// Waits for the file at which the recording resumes. If the stream ends before such a file
    /// starts, everything before `until` is done.
    fn pause(&mut self, listener: &Listener, until: u64) -> Step {
        if until != u64::MAX && (listener.published() >= until || listener.ended()) {
            self.done = until;
        }
        Step::Pause
    }

    /// Seals the interrupted file with a gap that says what is missing. `told` is the ledger before
    /// the place where the recording resumes, and `until` the time of the first frame there.
    pub(super) fn end_interruption(
        &mut self,
        told: &Ledger,
        now: &Moment,
        until: Option<Timestamp>,
    ) {
        let Some(Interruption {
            reason, salvage, ..
        }) = self.interruption.take()
        else {
            return;
        };
        let lost = missing(told, &salvage.told, reason);
        self.reached = *told;
        self.told = *told;
        self.tally.lost[reason] += lost[reason];
        self.seal(&salvage, now, &lost, until);
        self.notices.push(Notice::warning(format!(
            "{} frames are missing behind the last file: {reason}",
            lost[reason].frames
        )));
    }

    /// Goes on in a new file if the file under way is not at its path any more. A file that has
    /// another name now gets the rest of the producer's file first, so nothing is lost. The frames
    /// of a removed file are lost, except those that the ring still has.
    pub(super) fn look_for_file(&mut self, listener: &mut Listener) {
        let Some(file) = self.writer.gone() else {
            return;
        };
        let (error, removed) = (gone(file.path()), file.is_removed());
        if !removed {
            if self.renamed != self.writer.file_start() {
                self.renamed = self.writer.file_start();
                let error = error.advise("going on with a new file as soon as one can begin");
                self.notices.push(Notice::warning(error.to_string()));
            }
            listener.request_file();
            return;
        }
        let advice = "going on with a new file; the frames in it are counted as storage";
        self.notices
            .push(Notice::warning(error.advise(advice).to_string()));
        if let (Some(start), Some(stored)) = (self.writer.file_start(), self.writer.stored()) {
            self.tally.stored_bytes = self.tally.stored_bytes.saturating_sub(stored - start);
        }
        if self.interruption.is_some() {
            self.writer.abandon();
            // The gap of the interruption is written into a new file.
            let _ = self.writer.begin(self.done, self.reached);
            return;
        }
        if !self.writer.holds_blocks() {
            // The ring still has all of the file.
            self.writer.abandon();
            self.done = listener.position();
            return;
        }
        if !self.go_on_in_the_middle(listener) {
            self.writer.abandon();
            let salvage = ValidEnd {
                end: self.done,
                told: self.reached,
                last: None,
            };
            self.interrupt(Reason::Storage, Some(salvage));
        }
    }

    /// Begins a new file with the block that the ring still has. Returns whether this worked.
    fn go_on_in_the_middle(&mut self, listener: &mut Listener) -> bool {
        if self.info.plain || !tail_is_whole(listener) {
            return false;
        }
        let Some(at) = self.writer.salvage(None) else {
            return false;
        };
        let Some(view) = BlockView::of(listener, u64::MAX) else {
            return false;
        };
        let clock = Timestamp::now();
        let lost = missing(&at.told, &self.reached, Reason::Storage);
        let place = Place {
            recording: self.info.recording,
            stream_off: at.end,
            file_number: self.file_number,
        };
        let caplen = listener.page().caplen();
        let header = header_of(&self.info, place, caplen, "", &at.told);
        let tags = [
            Tag::FileHeader(Box::new(header)),
            Tag::Gap(Box::new(Gap {
                from: None,
                until: at.last.unwrap_or(clock),
                open: false,
                lost,
            })),
        ];
        let tags = tags.map(|tag| tag.to_body());
        if self.writer.go_on(&at, &view, &tags).is_err() {
            return false;
        }
        self.tally.lost[Reason::Storage] += lost[Reason::Storage];
        self.reached = at.told;
        // The next file of the producer has the usual beginning.
        listener.request_file();
        true
    }

    /// Handles a file that takes no more bytes: the recording goes on in a new file with the block
    /// that failed. If the file holds no whole block yet, a new one would probably fail in the same
    /// way, so the session waits and tries again. If the old file cannot be read, or no file takes
    /// two blocks, the recording resumes at the next start of a file, and the frames between the two
    /// files are counted as lost.
    pub(super) fn file_failed(
        &mut self,
        listener: &mut Listener,
        until: u64,
        error: StorageError,
    ) -> Step {
        let holds_blocks = self.writer.holds_blocks();
        if !holds_blocks && !self.writer.began_in_the_middle() {
            self.writer.discard();
            return Step::Hold(error);
        }
        let view = BlockView::of(listener, until).filter(|_| tail_is_whole(listener));
        if holds_blocks && let Some(view) = &view {
            match self.split(view, listener.page().caplen()) {
                Ok(true) => {
                    self.notices.push(Notice::warning(format!(
                        "{error}\n  going on with a new file; nothing is lost"
                    )));
                    return Step::Done;
                }
                Ok(false) => {}
                // The old file stays as it is until a new one can be made.
                Err(error) => return Step::after(error),
            }
        }
        let salvage = self.writer.salvage(view.as_ref());
        self.notices.push(Notice::warning(format!(
            "{error}\n  going on with a new file; the frames between are counted as storage"
        )));
        self.interrupt(Reason::Storage, salvage);
        Step::Done
    }
}
