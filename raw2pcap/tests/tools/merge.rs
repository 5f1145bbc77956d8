//! Tests of the order in which the frames of several files come.

use std::fs;

use hpcap::pcapfile::Reader;

use crate::samples::{File, START, converted_file, exits, many, ns, raw2pcap};
use crate::transcript::assert_printed;

#[test]
fn merge_orders_queues_by_time() {
    let dir = tempfile::tempdir().unwrap();
    // There are two queues of two files each, with interleaved times.
    for queue in 0..2_u32 {
        for part in 0..2_u64 {
            let mut file = File::new(queue, START + part * 1800, 1);
            for i in 0..20_u64 {
                let time = ns(part * 1800, i * 100 + u64::from(queue) * 37);
                file = file.frame((
                    time,
                    u8::try_from(u64::from(queue) * 100 + part * 50 + i).unwrap(),
                ));
            }
            file.store(dir.path());
        }
    }
    exits(&raw2pcap(&[".", "-o", "all.pcapng"], dir.path()), 0);
    let frames = converted_file(&dir.path().join("all.pcapng"));
    assert_eq!(frames.len(), 80);
    assert!(frames.is_sorted_by_key(|f| f.0));
    let bytes = fs::read(dir.path().join("all.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    while let Some(frame) = reader.next().unwrap() {
        assert_eq!(frame.queue, Some(u32::from(frame.data[0] >= 100)));
        assert_eq!(frame.queue, Some(frame.interface));
    }
    // The files are named in any order, each once.
    let raw = fs::read_dir(dir.path().join("1391722200"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    exits(
        &raw2pcap(
            &[raw.to_str().unwrap(), ".", "-o", "again.pcap"],
            dir.path(),
        ),
        0,
    );
    assert_eq!(converted_file(&dir.path().join("again.pcap")), frames);
}

#[test]
fn files_without_header_go_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let strip = |file: File| {
        let bytes = file.bytes();
        // Removes the header record, which is 12 bytes and its tag.
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        bytes[12 + length..].to_vec()
    };
    fs::write(dir.path().join("5_hpcap0_0.raw"), strip(many(0, 0, 10))).unwrap();
    fs::write(dir.path().join("6_hpcap0_0.raw"), strip(many(0, 1, 10))).unwrap();
    fs::write(dir.path().join("5_hpcap0_1.raw"), strip(many(1, 0, 10))).unwrap();
    fs::write(dir.path().join("odd.raw"), strip(many(1, 1, 10))).unwrap();
    exits(&raw2pcap(&[".", "-o", "all.pcap"], dir.path()), 0);
    let frames = converted_file(&dir.path().join("all.pcap"));
    assert_eq!(frames.len(), 40);
    assert!(frames.is_sorted_by_key(|f| f.0));
}

#[test]
fn overlapping_files_cause_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 10).store(&dir.path().join("a"));
    many(0, 0, 10).store(&dir.path().join("b"));
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    assert_printed("overlapping_files", &run, dir.path());
    let frames = converted_file(&dir.path().join("x.pcap"));
    assert_eq!(frames.len(), 20);
    assert!(frames.is_sorted());
}

/// The frames of a recording keep their order, and the summary counts those that are out of order.
#[test]
fn summary_counts_disorder() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .frame((ns(0, 9), 2))
        .frame((ns(0, 5), 3))
        .frame((ns(0, 10), 4))
        .store(dir.path());
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    assert_printed("summary_of_disorder", &run, dir.path());
    let run = raw2pcap(
        &[".", "-o", "y.pcap", "--to", "1391723988.000000009"],
        dir.path(),
    );
    exits(&run, 0);
    assert_eq!(converted_file(&dir.path().join("y.pcap")).len(), 3);
}
