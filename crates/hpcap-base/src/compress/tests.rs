//! Tests of this module.

use super::*;

fn ending(name: &str) -> Option<(FileFormat, Compression)> {
    Ending::of(Path::new(name))
        .ok()
        .map(|e| (e.format, e.compression))
}

#[test]
fn ending_names_format_and_compression() {
    use Compression::{Gzip, None as Plain, Zstd};
    use FileFormat::{Pcap, Pcapng};
    assert_eq!(ending("a/x.pcap"), Some((Pcap, Plain)));
    assert_eq!(ending("x.PCAPNG"), Some((Pcapng, Plain)));
    assert_eq!(ending("x.pcap.gz"), Some((Pcap, Gzip)));
    assert_eq!(ending("x.y.pcapng.zst"), Some((Pcapng, Zstd)));
}

#[test]
fn unknown_ending_is_refused_with_the_list() {
    for name in [
        "x",
        "x.cap",
        "x.pcap.xz",
        "x.gz",
        "pcap",
        "x.raw",
        "x.pcap.",
        "xpcap.gz",
    ] {
        assert_eq!(ending(name), None, "{name}");
    }
    let e = Ending::of(Path::new("x.pcap.xz")).unwrap_err().to_string();
    assert!(e.contains(ENDINGS), "{e}");
}

#[test]
fn everything_unpacks_as_it_was_written() {
    let bytes: Vec<u8> = (0..300_000_u32)
        .flat_map(|i| (i / 7).to_le_bytes())
        .collect();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut compressor = Compressor::new(Vec::new(), compression).unwrap();
        compressor.write_all(&bytes).unwrap();
        // A flush in between, as a live capture needs it, must not change the content.
        compressor.flush().unwrap();
        compressor.write_all(b"end").unwrap();
        let packed = compressor.finish().unwrap();
        assert_eq!(packed.len() < bytes.len(), compression != Compression::None);
        let mut unpacked = Vec::new();
        let mut source = Decompressor::new(&packed[..]).unwrap();
        assert_eq!(source.compression(), compression);
        source.read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == [&bytes[..], b"end"].concat());
    }
}

#[test]
fn cut_stream_is_an_error() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut compressor = Compressor::new(Vec::new(), compression).unwrap();
        compressor.write_all(&[7; 100_000]).unwrap();
        let packed = compressor.finish().unwrap();
        let mut source = Decompressor::new(&packed[..packed.len() - 3]).unwrap();
        assert!(source.read_to_end(&mut Vec::new()).is_err());
    }
}
