//! Reads, checks and indexes arbitrary bytes as a RAW file. The reader must not panic, must reach
//! an end, and must account for every byte, either in a record or in a report of damage.
#![no_main]

use hpcap::raw::Reader;
use hpcap::raw::check::Checker;
use hpcap::raw::index::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut last = 0;
    while let Ok(Some(found)) = reader.next() {
        assert!(found.offset >= last, "the reader goes back");
        last = found.offset;
    }
    assert!(reader.offset() <= bytes.len() as u64);
    let checker = Checker::new().findings_max(usize::MAX).short_frames(true);
    let report = checker.check(Reader::new(bytes), None, false, &mut |_| Ok(()));
    assert!(report.is_ok(), "reading memory does not fail");
    let _ = Index::from_bytes(bytes);
    if let Ok(index) = Index::build(bytes, 1 << 16) {
        assert_eq!(Index::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
    }
});
