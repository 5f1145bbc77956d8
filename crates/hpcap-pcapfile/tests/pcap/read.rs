//! Reads a capture with the reader under test.

use hpcap_base::Error;
use hpcap_pcapfile::Reader;

/// A frame as the reader returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) sec: u64,
    pub(crate) nsec: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) len: u32,
    pub(crate) interface: u32,
    pub(crate) link_type: u32,
    pub(crate) dropped: u64,
    pub(crate) queue: Option<u32>,
    pub(crate) comment: Option<String>,
}

/// Returns all frames of a file, and the error at which reading ended.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Got>, Option<Error>) {
    let mut got = Vec::new();
    let mut reader = match Reader::new(bytes, "test") {
        Ok(reader) => reader,
        Err(e) => return (got, Some(e)),
    };
    loop {
        match reader.next() {
            Ok(None) => return (got, None),
            Err(e) => {
                assert!(matches!(reader.next(), Ok(None)), "an error is the end");
                return (got, Some(e));
            }
            Ok(Some(f)) => got.push(Got {
                sec: f.sec,
                nsec: f.nsec,
                data: f.data.to_vec(),
                len: f.len,
                interface: f.interface,
                link_type: f.link_type,
                dropped: f.dropped,
                queue: f.queue,
                comment: f.comment.map(str::to_owned),
            }),
        }
    }
}
