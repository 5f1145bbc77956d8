//! Reads captures made here, and real ones from the folder `HPCAP_TEST_PCAPS` if it is set: first
//! unchanged, then with single bytes changed.

use std::fs;
use std::path::PathBuf;

use hpcap_base::Timestamp;
use hpcap_pcapfile::{PcapWriter, Precision};
use hpcap_raw::{FileHeader, Placed, Writer};

use testkit::pcapng::{BIG, LITTLE};

use crate::read::read;

/// Returns the name and the content of every capture.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut captures = vec![];
    for (name, order) in [("little", LITTLE), ("big", BIG)] {
        let mut pcap = order.pcap(0xa1b2_c3d4, 1);
        let mut ng = order.section();
        ng.extend(order.interface(1, &order.option(9, &[9])));
        for i in 0..5_u32 {
            let data = vec![7; usize::try_from(i * 30).unwrap()];
            pcap.extend(order.record(9 + i, i, i * 40, &data));
            ng.extend(order.packet(
                0,
                u64::from(i) << 30,
                i * 40,
                &data,
                &order.option(4, &order.u64(3)),
            ));
        }
        captures.push((format!("{name}.pcap"), pcap));
        captures.push((format!("{name}.pcapng"), ng));
    }
    let Some(folder) = std::env::var_os("HPCAP_TEST_PCAPS").map(PathBuf::from) else {
        println!("skipped: the captures of HPCAP_TEST_PCAPS, which is not set");
        return captures;
    };
    let mut found = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|e| e == "pcap" || e == "pcapng")
        {
            captures.push((path.display().to_string(), fs::read(&path).unwrap()));
            found += 1;
        }
    }
    assert!(found > 0, "no captures in {}", folder.display());
    captures
}

#[test]
fn every_capture_survives_raw() {
    for (name, bytes) in all() {
        let (got, error) = read(&bytes);
        assert!(error.is_none(), "{name}: {error:?}");
        assert!(!got.is_empty(), "{name}");
        // Converts pcap to RAW and back to pcap.
        let mut raw = Writer::new(Vec::new());
        let header = FileHeader {
            clock_source: "file".into(),
            ..FileHeader::default()
        };
        assert_eq!(raw.header(&header).unwrap(), Placed::Stored);
        for f in &got {
            let placed = raw.frame(f.sec, f.nsec, f.len, &f.data).unwrap();
            assert_eq!(placed, Placed::Stored);
        }
        let raw = raw.close(0).unwrap().0;
        let mut reader = hpcap_raw::Reader::new(&raw[..]);
        let mut pcap = PcapWriter::new(Vec::new(), 1, 65_535, Precision::Nanoseconds);
        while let Some(event) = reader.next().unwrap() {
            if let hpcap_raw::Event::Frame(f) = event {
                pcap.frame(f.time, f.len.into(), f.data).unwrap();
            }
        }
        let (again, error) = read(&pcap.into_inner().unwrap());
        assert!(error.is_none());
        assert_eq!(again.len(), got.len(), "{name}");
        for (a, b) in again.iter().zip(&got) {
            assert_eq!((&a.data, a.len), (&b.data, b.len.min(65_535)), "{name}");
            let (time, adjusted) = hpcap_raw::writer::storable_time(b.sec, b.nsec);
            assert_eq!(Timestamp::new(u32::try_from(a.sec).unwrap(), a.nsec), time);
            assert_eq!(
                adjusted,
                b.sec == 0 && b.nsec == 0 || b.sec > u64::from(u32::MAX),
                "{name}"
            );
        }
    }
}

/// The reader does not panic, and returns no more frames or bytes than the file has.
#[test]
fn changed_bytes_do_no_harm() {
    for (name, mut bytes) in all() {
        let step = (bytes.len() / 700).max(1);
        for at in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(step)) {
            let before = bytes[at];
            for changed in [before ^ 0xff, before ^ 1, 0] {
                bytes[at] = changed;
                let (got, _) = read(&bytes);
                let sum: usize = got.iter().map(|f| f.data.len() + 16).sum();
                assert!(sum <= bytes.len(), "{name}: {sum} bytes in frames");
                assert!(
                    got.iter()
                        .all(|f| f.nsec < 1_000_000_000 && f.len as usize >= f.data.len())
                );
            }
            bytes[at] = before;
        }
    }
}
