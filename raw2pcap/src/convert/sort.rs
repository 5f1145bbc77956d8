//! Which files belong to the same stream, and in which order.

use std::collections::VecDeque;

use super::file_info::FileInfo;
use super::queue_stream::QueueStream;
use super::range::Range;
use super::warnings::Warnings;

impl QueueStream {
    /// Groups the files into streams, one for each recording, in sequence. Where two recorders wrote
    /// the same part of a recording, both files are converted, and `overlaps` gets their names.
    pub(super) fn sort(files: Vec<FileInfo>, range: Range, overlaps: &mut Warnings) -> Vec<Self> {
        let group = |info: &FileInfo| (info.origin.clone(), info.recording());
        let mut files = files;
        files.sort_by_cached_key(|info| (group(info), info.order()));
        let mut streams: Vec<VecDeque<FileInfo>> = Vec::new();
        let mut first_of_group = 0;
        for info in files {
            let same = |stream: &VecDeque<FileInfo>| {
                stream.back().is_some_and(|b| group(b) == group(&info))
            };
            if !streams.get(first_of_group).is_some_and(same) {
                first_of_group = streams.len();
            }
            let free = streams[first_of_group..]
                .iter_mut()
                .find(|stream| stream.back().is_none_or(|before| !info.overlaps(before)));
            if let Some(stream) = free {
                stream.push_back(info);
                continue;
            }
            if let Some(twin) = streams.get(first_of_group).and_then(|stream| stream.back()) {
                overlaps.add(format!(
                    "{} and {} have a part of the same recording: its frames are converted twice",
                    twin.input.name(),
                    info.input.name()
                ));
            }
            streams.push(VecDeque::from([info]));
        }
        // Recording ids are random, so that recordings are ordered by their starts.
        streams.sort_by_cached_key(|stream| {
            let first = stream.front();
            first.map(|info| (info.origin.clone(), info.start(), info.input.name()))
        });
        streams
            .into_iter()
            .map(|files| Self::new(files, range))
            .collect()
    }
}
