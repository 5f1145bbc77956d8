//! Tests of reading: every variant of the formats, and files that are cut or malformed.

use hpcap_base::Kind;
use hpcap_pcapfile::{Format, Reader};

use testkit::pcapng::{BIG, LITTLE, Order};

use crate::read::read;

fn times(bytes: &[u8]) -> Vec<(u64, u32)> {
    let (got, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    got.iter().map(|f| (f.sec, f.nsec)).collect()
}

#[test]
fn pcap_is_read_in_every_variant() {
    for order in [LITTLE, BIG] {
        for (magic, fraction) in [(0xa1b2_c3d4, 5), (0xa1b2_3c4d, 5000)] {
            let mut file = order.pcap(magic, 1);
            file.extend(order.record(1_391_723_988, fraction, 60, &[7; 42]));
            file.extend(order.record(u32::MAX, 0, 0, &[]));
            let (got, error) = read(&file);
            assert!(error.is_none());
            assert_eq!((got[0].sec, got[0].nsec), (1_391_723_988, 5000));
            assert_eq!(
                (got[0].len, got[0].data.len(), got[0].link_type),
                (60, 42, 1)
            );
            assert_eq!((got[1].sec, got[1].len), (u64::from(u32::MAX), 0));
        }
    }
    let file = LITTLE.pcap(0xa1b2_c3d4, 113);
    let reader = Reader::new(&file[..], "test").unwrap();
    assert_eq!(
        (reader.format(), reader.link_type()),
        (Format::Pcap, Some(113))
    );
}

#[test]
fn modified_pcap_of_old_linux_is_read() {
    let mut file = LITTLE.pcap(0xa1b2_cd34, 1);
    let mut record = LITTLE.record(9, 1, 60, &[]);
    record[8..12].copy_from_slice(&3_u32.to_le_bytes());
    // Eight bytes hold interface, protocol and packet type.
    record.extend([0; 8]);
    record.extend([1, 2, 3]);
    file.extend(record);
    let (got, error) = read(&file);
    assert!(error.is_none());
    assert_eq!((got[0].data.as_slice(), got[0].len), (&[1, 2, 3][..], 60));
}

#[test]
fn link_type_excludes_the_fcs_bits() {
    let mut file = LITTLE.pcap(0xa1b2_c3d4, 1 | 1 << 26 | 2 << 28);
    file.extend(LITTLE.record(1, 0, 4, &[0; 4]));
    assert_eq!(read(&file).0[0].link_type, 1);
}

/// Covers whole frames, a frame that is cut within its FCS, and one that is cut before it.
#[test]
fn fcs_is_no_part_of_a_frame() {
    let frames = [(64, 64, 60), (64, 62, 60), (64, 40, 40), (3, 3, 0)];
    let data = [7; 64];
    let check = |file: &[u8]| {
        let (got, error) = read(file);
        assert!(error.is_none());
        let got: Vec<_> = got.iter().map(|f| (f.len, f.data.len())).collect();
        assert_eq!(got, [(60, 60), (60, 60), (60, 40), (0, 0)]);
    };
    let mut pcap = LITTLE.pcap(0xa1b2_c3d4, 1 | 1 << 26 | 2 << 28);
    let mut pcapng = BIG.section();
    pcapng.extend(BIG.interface(1, &BIG.option(13, &[32])));
    for (len, caplen, _) in frames {
        pcap.extend(LITTLE.record(1, 0, len, &data[..caplen]));
        pcapng.extend(BIG.packet(0, 1, len, &data[..caplen], &[]));
    }
    check(&pcap);
    check(&pcapng);
}

#[test]
fn compressed_capture_is_read() {
    use hpcap_base::compress::{Compression, Compressor};
    let mut file = LITTLE.pcap(0xa1b2_c3d4, 1);
    for _ in 0..1000 {
        file.extend(LITTLE.record(1, 0, 60, &[7; 60]));
    }
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut packed = Compressor::new(Vec::new(), compression).unwrap();
        std::io::Write::write_all(&mut packed, &file).unwrap();
        let path = dir.path().join("x.pcap");
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
        let mut reader = hpcap_pcapfile::FileReader::open(&path).unwrap();
        let mut frames = 0;
        while reader.next().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, 1000, "{compression:?}");
    }
}

#[test]
fn fraction_above_a_second_carries_over() {
    let mut file = LITTLE.pcap(0xa1b2_c3d4, 1);
    file.extend(LITTLE.record(1, 2_500_000, 0, &[]));
    file.extend(LITTLE.record(1, u32::MAX, 0, &[]));
    assert_eq!(times(&file), [(3, 500_000_000), (4295, 967_295_000)]);
}

#[test]
fn length_below_caplen_is_raised() {
    let mut file = LITTLE.pcap(0xa1b2_c3d4, 1);
    file.extend(LITTLE.record(1, 0, 10, &[0; 20]));
    assert_eq!(read(&file).0[0].len, 20);
}

fn everything(order: Order) -> Vec<u8> {
    let mut file = order.section();
    file.extend(order.interface(1, &[]));
    let options = [
        order.option(2, b"eth7"),
        order.option(9, &[0x80 | 10]),
        order.option(14, &order.u64(1000)),
        order.option(0, &[]),
    ]
    .concat();
    file.extend(order.interface(113, &options));
    file.extend(order.block(0x0000_0bad, &[1; 21]));
    file.extend(order.packet(0, 5_000_001, 99, &[1; 5], &[]));
    let options = [
        order.option(1, "früh".as_bytes()),
        order.option(4, &order.u64(12)),
        order.option(6, &order.u32(3)),
        order.option(0, &[]),
    ]
    .concat();
    file.extend(order.packet(1, 1024 * 7 + 512, 60, &[2; 60], &options));
    // A simple packet of 6 bytes, and an old packet block with 2 dropped frames.
    file.extend(order.block(3, &[&order.u32(6)[..], &[3; 6]].concat()));
    let mut old = [&order.u16(1)[..], &order.u16(2)].concat();
    for word in [0, 1024 * 9, 4, 80] {
        old.extend(order.u32(word));
    }
    old.extend([4; 4]);
    file.extend(order.block(2, &old));
    file.extend(order.block(5, &[0; 12]));
    file
}

#[test]
fn every_block_of_pcapng_is_read() {
    for order in [LITTLE, BIG] {
        let (got, error) = read(&everything(order));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(got.len(), 4);
        assert_eq!(
            (got[0].sec, got[0].nsec, got[0].len, got[0].interface),
            (5, 1000, 99, 0)
        );
        let f = &got[1];
        assert_eq!((f.sec, f.nsec), (1007, 500_000_000));
        assert_eq!(
            (f.interface, f.link_type, f.dropped, f.queue),
            (1, 113, 12, Some(3))
        );
        assert_eq!(f.comment.as_deref(), Some("früh"));
        assert_eq!(
            (got[2].sec, got[2].len, got[2].data.as_slice()),
            (0, 6, &[3; 6][..])
        );
        let f = &got[3];
        assert_eq!(
            (f.sec, f.len, f.dropped, f.data.as_slice()),
            (1009, 80, 2, &[4; 4][..])
        );
    }
    let file = everything(LITTLE);
    let reader = Reader::new(&file[..], "test").unwrap();
    assert_eq!(
        (reader.format(), reader.link_type()),
        (Format::Pcapng, Some(1))
    );
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut file = everything(LITTLE);
    file.extend(BIG.section());
    file.extend(BIG.interface(101, &[]));
    file.extend(BIG.packet(0, 3_000_000, 4, &[9; 4], &[]));
    let (got, error) = read(&file);
    assert!(error.is_none());
    assert_eq!(
        (got[4].interface, got[4].link_type, got[4].sec),
        (2, 101, 3)
    );
    // Interface 1 belongs to the section before, so this section does not have it.
    file.extend(BIG.packet(1, 0, 0, &[], &[]));
    let (got, error) = read(&file);
    assert_eq!(got.len(), 5);
    assert!(error.unwrap().to_string().contains("interface 1"));
}

/// Cuts the file at every offset. The reader returns the frames before the cut, then an error that
/// names file and offset.
#[test]
fn cut_files_give_the_frames_before_the_cut() {
    let mut pcap = LITTLE.pcap(0xa1b2_c3d4, 1);
    for _ in 0..3 {
        pcap.extend(LITTLE.record(1, 0, 60, &[5; 60]));
    }
    for cut in 24..pcap.len() {
        let (got, error) = read(&pcap[..cut]);
        assert_eq!(got.len(), (cut - 24) / 76);
        assert_eq!(error.is_some(), !(cut - 24).is_multiple_of(76));
        if let Some(e) = error {
            assert_eq!(e.kind(), Kind::Format);
            let place = format!("test past byte {}", 24 + (cut - 24) / 76 * 76);
            assert!(e.to_string().contains(&place), "{e}");
        }
    }
    let file = everything(BIG);
    let whole = read(&file).0;
    for cut in 0..file.len() {
        let (got, _) = read(&file[..cut]);
        assert_eq!(got[..], whole[..got.len()]);
    }
}

#[test]
fn impossible_lengths_are_refused() {
    let mut pcap = LITTLE.pcap(0xa1b2_c3d4, 1);
    pcap.extend(LITTLE.record(1, 0, 60, &[5; 60]));
    for caplen in [262_145_u32, 1 << 31, u32::MAX] {
        let mut file = pcap.clone();
        let mut record = LITTLE.record(1, 0, 60, &[5; 60]);
        record[8..12].copy_from_slice(&caplen.to_le_bytes());
        file.extend(record);
        let (got, error) = read(&file);
        assert_eq!(got.len(), 1);
        assert!(error.unwrap().to_string().contains(&caplen.to_string()));
    }
    for (kind, length) in [
        (6_u32, u32::MAX - 3),
        (6, 1 << 30),
        (1, u32::MAX - 3),
        (0x999, u32::MAX - 3),
        (6, 8),
        (6, 33),
    ] {
        let mut file = everything(LITTLE);
        file.extend(kind.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend([0; 100]);
        let (got, error) = read(&file);
        assert_eq!(
            (got.len(), error.unwrap().kind()),
            (4, Kind::Format),
            "{kind} {length}"
        );
    }
}

#[test]
fn other_formats_are_named() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (&[0x1f, 0x8b, 8, 0][..], "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd][..], "zstd"),
        (b"hello, world", "neither pcap nor pcapng"),
        (&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0][..], "cut within its header"),
    ] {
        let e = Reader::new(bytes, "x.bin").unwrap_err();
        assert!(
            e.to_string().contains(word) && e.to_string().contains("x.bin"),
            "{e}"
        );
    }
}

/// The buffer must move: there are more frames than fit into it, and frames longer than one read.
#[test]
fn file_longer_than_the_buffer_is_read() {
    let mut file = LITTLE.pcap(0xa1b2_3c4d, 1);
    let mut ng = LITTLE.section();
    ng.extend(LITTLE.interface(1, &[]));
    let sizes: Vec<usize> = (0..300_usize)
        .map(|i| i * 7919 % 70_000)
        .chain([262_144])
        .collect();
    for (i, size) in sizes.iter().enumerate() {
        let data = vec![u8::try_from(i % 251).unwrap(); *size];
        let len = u32::try_from(*size).unwrap();
        file.extend(LITTLE.record(9, 9, len, &data));
        ng.extend(LITTLE.packet(0, 9, len, &data, &[]));
        ng.extend(LITTLE.block(0x777, &vec![0; *size]));
    }
    for bytes in [file, ng] {
        let (got, error) = read(&bytes);
        assert!(error.is_none(), "{error:?}");
        assert!(got.iter().map(|f| f.data.len()).eq(sizes.iter().copied()));
        assert!(
            got.iter()
                .enumerate()
                .all(|(i, f)| f.data.iter().all(|b| usize::from(*b) == i % 251))
        );
    }
}
