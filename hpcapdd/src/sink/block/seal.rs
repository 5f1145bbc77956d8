//! Ends files: where the producer ended them, or behind the last record that is whole.

use hpcap::listener::{Listener, Moment};
use hpcap::raw::{Gap, tag::Tag};
use hpcap::{Ledger, Reason, Timestamp};

use super::{BlockSink, missing};
use crate::report::event::Notice;
use crate::sink::block::valid_end::ValidEnd;
use crate::sink::file_header::{Place, header_of, ledger_tag};
use crate::storage::sealed::Sealed;

impl BlockSink {
    /// Ends the file under way where the producer ended it, once everything of it is stored.
    pub(super) fn complete_file(&mut self, listener: &Listener) {
        let at = listener.position();
        let Some(start) = self.writer.file_start() else {
            return;
        };
        if start == at || self.writer.stored() != Some(at) {
            return;
        }
        let next = listener.block_entry(at / self.info.block_bytes);
        let ended = at - start == self.info.file_bytes_max
            || listener.page().file_off() == at
            || next.is_some_and(|e| e.file_off == at);
        if !ended {
            return;
        }
        let told = match next {
            Some(entry) => Moment::from(&entry).ledger,
            // Nothing was captured behind the file yet.
            None => self
                .writer
                .salvage(None)
                .map_or(Ledger::default(), |s| s.told),
        };
        self.reached = told;
        if let Some(sealed) = self.writer.complete(at, told[Reason::Captured]) {
            self.note_sealed(sealed);
        }
    }

    /// Notes that a file is finished.
    pub(super) fn note_sealed(&mut self, sealed: Sealed) {
        self.tally.files += 1;
        self.tally.stored += sealed.frames();
        self.notices.push(Notice::FileSealed(Box::new(sealed)));
    }

    /// Makes the tags at the end of a file that ends at `at`.
    fn tags(
        &self,
        at: &ValidEnd,
        now: &Moment,
        lost: &Ledger,
        until: Option<Timestamp>,
    ) -> Vec<Vec<u8>> {
        let clock = Timestamp::now();
        let mut tags = Vec::new();
        if self.info.plain {
            return tags;
        }
        if self.writer.file_start() == Some(at.end) {
            // The file has no record at all, not even the header with which the stream begins each file.
            let place = Place {
                recording: self.info.recording,
                stream_off: at.end,
                file_number: self.file_number,
            };
            let header = header_of(&self.info, place, 0, "", &now.ledger);
            tags.push(Tag::FileHeader(Box::new(header)).to_body());
        }
        if *lost != Ledger::default() {
            let gap = Tag::Gap(Box::new(Gap {
                from: at.last,
                until: until.unwrap_or(clock),
                open: until.is_none(),
                lost: *lost,
            }));
            tags.push(gap.to_body());
        }
        tags.push(Tag::Ledger(Box::new(ledger_tag(clock, now))).to_body());
        tags
    }

    /// Ends the file under way at `at` with a tag for the ledger and, if `lost` counts anything,
    /// one for the gap. `until` is the time of the first frame behind the gap, if there is one.
    pub(super) fn seal(
        &mut self,
        at: &ValidEnd,
        now: &Moment,
        lost: &Ledger,
        until: Option<Timestamp>,
    ) {
        let (mut at, mut lost) = (*at, *lost);
        let mut tags = self.tags(&at, now, &lost, until);
        if !self.info.plain && !self.writer.has_room(at.end, &tags) {
            // The disk is full, so the gap and the ledger are written over the last records.
            let room: usize = 4 * tags.iter().map(Vec::len).sum::<usize>();
            if let Some(shorter) = self.writer.shorten(&at, room as u64) {
                let more = missing(&at.told, &shorter.told, Reason::Storage);
                lost += &more;
                self.tally.lost[Reason::Storage] += more[Reason::Storage];
                at = shorter;
                tags = self.tags(&at, now, &lost, until);
            }
        }
        self.told = at.told;
        if let Some((sealed, error)) = self.writer.seal(at.end, at.told[Reason::Captured], &tags) {
            self.warn_of_end(error);
            self.note_sealed(sealed);
        }
    }
}
