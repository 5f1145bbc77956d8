//! The content of the RAW files of a recording.

use std::path::{Path, PathBuf};

use hpcap::raw::{Event, Reader};
use hpcap_source::generator::{verify, verify_cut};

use testkit::pcap::Frame;

/// Returns the RAW files under `folder` in order, both complete ones (`*.raw`) and unfinished ones
/// (`*.raw.part`).
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    hpcap::raw::files::below(folder).unwrap()
}

/// The content of the files of a recording.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Content {
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// Number of missing frames according to the gap records.
    pub lost: u64,
    /// Descriptions of bytes that are no record, with their position.
    pub damage: Vec<String>,
}

/// Reads all records of `file`.
#[must_use]
pub fn content(file: &Path) -> Content {
    let mut content = Content::default();
    scan(file, |event, offset| match event {
        Event::Frame(record) => content.frames.push(Frame {
            sec: record.time.sec().try_into().unwrap(),
            nsec: record.time.nsec(),
            len: record.len.into(),
            data: record.data.to_vec(),
        }),
        Event::Missed(gap) => content.lost += gap.lost.lost().frames,
        Event::Damaged(damage) => content.damage.push(format!("{offset}: {damage:?}")),
        _ => {}
    });
    content
}

/// Reads all files under `folder`.
#[must_use]
pub fn contents(folder: &Path) -> Content {
    let mut all = Content::default();
    for file in files(folder) {
        let one = content(&file);
        all.frames.extend(one.frames);
        all.lost += one.lost;
        all.damage.extend(one.damage);
    }
    all
}

/// Whether a file under `folder` holds a frame. The recording may be under way: its files may be renamed
/// or removed, and the folder may not be there.
#[must_use]
pub fn has_frames(folder: &Path) -> bool {
    let files = hpcap::raw::files::below(folder).unwrap_or_default();
    files.iter().any(|file| {
        let Ok(mut reader) = Reader::open(file) else {
            return false;
        };
        while let Ok(Some(event)) = reader.next() {
            if matches!(event, Event::Frame(_)) {
                return true;
            }
        }
        false
    })
}

fn scan(file: &Path, mut see: impl FnMut(Event<'_>, u64)) {
    let mut reader = Reader::open(file).unwrap();
    while reader.advance().unwrap() {
        see(reader.event().unwrap(), reader.range().start);
    }
}

/// The verified generated frames of a recording.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// Number of frames that are complete and equal to what was sent.
    pub frames: u64,
    /// Sequence number of the first frame.
    pub first: Option<u64>,
    /// Sequence number of the last frame.
    pub last: Option<u64>,
    /// Sequence numbers that are missing in between.
    pub missing: u64,
    /// Number of missing frames according to the gap records.
    pub lost: u64,
    /// Number of those that are missing between the first and the last frame. A gap before the first
    /// or behind the last frame does not show in the sequence numbers.
    pub lost_between: u64,
    /// Number of truncated frames whose bytes are as they were sent. A repair makes such frames out of
    /// a record that was being written. They are not included in `frames`.
    pub cut: u64,
    /// Number of byte ranges that are no records.
    pub damaged: u64,
    /// Number of frames missing before the first one according to the gap records.
    lost_before: u64,
}

/// Length of the shortest prefix of a generated frame that identifies the frame.
const STAMP_END: usize = 60;

impl Generated {
    fn see(&mut self, event: &Event<'_>, file: &Path) {
        match event {
            Event::Frame(record) if record.data.len() < usize::from(record.len) => {
                let stamp = verify_cut(record.data, record.len.into());
                let tells = record.data.len() >= STAMP_END;
                assert!(stamp.is_some() || !tells, "{}: {record:?}", file.display());
                self.cut += 1;
            }
            Event::Frame(record) => {
                let stamp = verify(record.data);
                let stamp = stamp.unwrap_or_else(|| panic!("{}: {record:?}", file.display()));
                assert!(
                    self.last.is_none_or(|last| stamp.seq > last),
                    "{}: {} after {:?}",
                    file.display(),
                    stamp.seq,
                    self.last
                );
                self.missing += self.last.map_or(0, |last| stamp.seq - last - 1);
                if self.first.is_some() {
                    self.lost_between = self.lost - self.lost_before;
                } else {
                    self.lost_before = self.lost;
                }
                self.first.get_or_insert(stamp.seq);
                self.last = Some(stamp.seq);
                self.frames += 1;
            }
            Event::Missed(gap) => self.lost += gap.lost.lost().frames,
            Event::Damaged(_) => self.damaged += 1,
            _ => {}
        }
    }
}

/// Verifies the generated frames in `files`, in this order. Fails the test if a frame differs from
/// what was sent, is repeated, or is out of order.
#[must_use]
pub fn generated(files: &[PathBuf]) -> Generated {
    let mut all = Generated::default();
    for file in files {
        scan(file, |event, _| all.see(&event, file));
    }
    all
}
