//! Tests of what pcapng says about single frames.

use std::fs;

use hpcap::Reason;
use hpcap::pcapfile::Reader;

use crate::samples::{File, START, ns, raw2pcap};
use crate::transcript::assert_printed;

#[test]
fn pcapng_has_the_losses() {
    let dir = tempfile::tempdir().unwrap();
    let raw = File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 2), 2))
        .store(dir.path());
    let run = raw2pcap(&[raw.to_str().unwrap(), "-o", "x.pcapng"], dir.path());
    assert_printed("summary_with_loss", &run, dir.path());
    let bytes = fs::read(dir.path().join("x.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().dropped, 0);
    let second = reader.next().unwrap().unwrap();
    assert_eq!(second.dropped, 12);
    assert!(second.comment.unwrap().contains("12 ring_full"));
}

/// A record has 16 bits for the length and 32 for the seconds; pcapng has more.
#[test]
fn altered_frames_have_comments() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = hpcap::raw::Writer::new(Vec::new());
    let header = hpcap::raw::FileHeader {
        link_type: 1,
        ..hpcap::raw::FileHeader::default()
    };
    let _ = writer.header(&header).unwrap();
    let data = vec![7; 65_535];
    let _ = writer.frame(START, 5, 70_000, &data).unwrap();
    let _ = writer.frame(START, 6, 60, &data[..60]).unwrap();
    let _ = writer.frame(1 << 33, 7, 60, &data[..60]).unwrap();
    fs::write(dir.path().join("x.raw"), writer.close(0).unwrap().0).unwrap();
    for out in ["x.pcapng", "x.pcap"] {
        let run = raw2pcap(&["x.raw", "-o", out], dir.path());
        assert_printed(&format!("altered_frames_{out}"), &run, dir.path());
        let bytes = fs::read(dir.path().join(out)).unwrap();
        let mut reader = Reader::new(&bytes[..], "x").unwrap();
        let mut found = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            found.push((frame.len, frame.comment.unwrap_or_default().to_owned()));
        }
        assert_eq!(
            found.iter().map(|f| f.0).collect::<Vec<_>>(),
            [70_000, 60, 60]
        );
        if out == "x.pcapng" {
            assert_eq!(found[0].1, "frame of 70000 bytes, cut to 65535");
            assert_eq!(found[1].1, "");
            assert!(
                found[2].1.contains("8589934592.000000007"),
                "{}",
                found[2].1
            );
        }
    }
}
