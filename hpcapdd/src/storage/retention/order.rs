//! Sorts files, the oldest first.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hpcap::Timestamp;
use hpcap::raw::{Identity, RecordingId};

use super::Recording;
use super::scan::Found;

/// Time in nanoseconds by which a file may begin in the future, because clocks of machines differ.
const TOLERANCE_NS: u64 = 2_000_000_000;

/// Files, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) files: Vec<Found>,
    /// Number of files that begin in the future. They come first.
    pub(super) future: usize,
}

/// Key of a group of files: the id of their recording or, for a file without an id, its path.
type Key = (Option<RecordingId>, Option<String>);

/// Sorts files by the order in which they were recorded. The running recording comes last, whatever
/// the clocks of other recordings said. Of the others, those that begin in the future come first.
pub(super) fn oldest_first(files: Vec<Found>, running: &Recording, now: Timestamp) -> Sorted {
    let mut groups: BTreeMap<Key, Vec<Found>> = BTreeMap::new();
    let mut own = Vec::new();
    for file in files {
        let number = running.made(&file);
        let id = file.recording();
        if number.is_some() || running.has_id(id) {
            own.push((number, id, file));
            continue;
        }
        // A file without an id is a group of its own.
        let alone = id.is_none().then(|| file.path.display().to_string());
        groups.entry((id, alone)).or_default().push(file);
    }
    own.sort_by(|(a_number, a_id, a), (b_number, b_id, b)| {
        // Files that an earlier recorder wrote of the same recording have no number and are older.
        // Files of this recorder were made in the order of their numbers, whatever their source is.
        let place = || by_place(a, b).unwrap_or(Ordering::Equal);
        a_number
            .cmp(b_number)
            .then_with(|| a_id.cmp(b_id))
            .then_with(place)
    });
    let limit = Timestamp::from_ns(now.as_ns().saturating_add(TOLERANCE_NS));
    let mut recordings: Vec<(bool, Timestamp, Vec<Found>)> = groups
        .into_values()
        .map(|mut files| {
            files.sort_by(|a, b| by_place(a, b).unwrap_or(Ordering::Equal));
            let start = |file: &Found| file.identity.as_ref().map(|i| i.start);
            let future = files.iter().filter_map(start).any(|start| start > limit);
            let first = files.first().and_then(start).unwrap_or_default();
            (!future, first, files)
        })
        .collect();
    recordings.sort_by_key(|(past, start, _)| (*past, *start));
    let future = recordings
        .iter()
        .filter(|(past, _, _)| !past)
        .map(|(_, _, files)| files.len())
        .sum();
    let files = recordings
        .into_iter()
        .flat_map(|(_, _, files)| files)
        .chain(own.into_iter().map(|(_, _, file)| file))
        .collect();
    Sorted { files, future }
}

fn by_place(a: &Found, b: &Found) -> Option<Ordering> {
    let (a, b): (&Identity, &Identity) = (a.identity.as_ref()?, b.identity.as_ref()?);
    Some(a.order_in_recording(b))
}
