//! Reads arbitrary bytes as a capture file, pcap or pcapng. The reader must not panic, must not
//! return more bytes of frames than the file has, and must reach an end.
#![no_main]

use hpcap::pcapfile::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes, "fuzz") else {
        return;
    };
    let mut total = 0;
    while let Ok(Some(frame)) = reader.next() {
        total += frame.data.len();
        assert!(total <= bytes.len(), "more frame bytes than file");
    }
});
