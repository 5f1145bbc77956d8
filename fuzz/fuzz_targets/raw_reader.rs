//! Reads, checks and indexes arbitrary bytes as a RAW file. The reader must not panic, must reach
//! an end, must account for every byte, either in a record or in a report of damage, and must
//! refuse exactly the bytes that are certainly of another format.
#![no_main]

use hpcap::content::Content;
use hpcap::error::{Kind, Result};
use hpcap::raw::Reader;
use hpcap::raw::check::Checker;
use hpcap::raw::index::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut last = 0;
    let read = loop {
        match reader.advance() {
            Ok(true) => {
                assert!(reader.range().start >= last, "the reader goes back");
                last = reader.range().start;
            }
            Ok(false) => break Ok(()),
            Err(e) => break Err(e),
        }
    };
    assert!(reader.offset() <= bytes.len() as u64);
    must_refuse_only_other_formats(bytes, read);
    let checker = Checker::new().findings_max(usize::MAX).short_frames(true);
    let checked = checker.check(Reader::new(bytes), None, false, &mut |_| Ok(()));
    must_refuse_only_other_formats(bytes, checked);
    let _ = Index::from_bytes(bytes);
    if let Ok(index) = Index::build(bytes, 1 << 16) {
        assert_eq!(Index::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
    }
});

/// Memory can be read without errors, so the only error is that the bytes are of another format.
fn must_refuse_only_other_formats<T>(bytes: &[u8], result: Result<T>) {
    match result {
        Ok(_) => assert!(!Content::of(bytes).is_foreign(), "another format was read"),
        Err(e) => {
            assert_eq!(e.kind(), Kind::Format, "{e}");
            assert!(Content::of(bytes).is_foreign(), "RAW was refused: {e}");
        }
    }
}
