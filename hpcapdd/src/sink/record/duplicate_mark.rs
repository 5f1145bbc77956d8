//! Marks of duplicates. A mark applies only to the very next record.

use hpcap::raw::Event;

/// Whether the next record is marked as a copy of an earlier frame.
#[derive(Debug, Default)]
pub struct DuplicateMark(bool);

impl DuplicateMark {
    /// Returns whether `event`, the next record, is marked as a duplicate. Remembers whether `event`
    /// marks the record behind it.
    pub fn of(&mut self, event: &Event<'_>) -> bool {
        std::mem::replace(&mut self.0, matches!(event, Event::Duplicate))
    }

    /// Forgets the mark, because the marked record cannot be read any more.
    pub fn void(&mut self) {
        self.0 = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap::Timestamp;
    use hpcap::raw::Record;

    const FRAME: Event<'static> = Event::Frame(Record {
        time: Timestamp::new(1, 0),
        len: 60,
        data: &[],
    });

    #[test]
    fn mark_applies_to_the_next_record_only() {
        let mut mark = DuplicateMark::default();
        assert!(!mark.of(&FRAME));
        assert!(!mark.of(&Event::Duplicate));
        assert!(mark.of(&FRAME));
        assert!(!mark.of(&FRAME));
    }

    #[test]
    fn record_between_voids_the_mark() {
        for between in [
            Event::Padding(&[]),
            Event::FileStart(Box::default()),
            Event::Missed(Box::default()),
            Event::FileEnd(Box::default()),
        ] {
            let mut mark = DuplicateMark::default();
            mark.of(&Event::Duplicate);
            mark.of(&between);
            assert!(!mark.of(&FRAME), "{between:?}");
        }
        let mut mark = DuplicateMark::default();
        mark.of(&Event::Duplicate);
        mark.void();
        assert!(!mark.of(&FRAME));
    }
}
