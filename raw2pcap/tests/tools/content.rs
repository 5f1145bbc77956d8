//! Tests of files that are not RAW files, whatever their names are.

use std::fs;
use std::path::Path;
use std::process::Command;

use hpcap::compress::{Compression, Compressor};

use crate::samples::{checkraw, converted_file, exits, many, raw2pcap, stderr, stdout};

/// Makes files that are not RAW files. Returns each name with what the tools say about the file.
fn foreign(dir: &Path) -> Vec<(&'static str, &'static str)> {
    let raw = many(0, 0, 20).store(&dir.join("made"));
    let raw = raw.to_str().unwrap();
    exits(&raw2pcap(&[raw, "-o", "a.pcap"], dir), 0);
    exits(&raw2pcap(&[raw, "-o", "b.pcap", "--micro"], dir), 0);
    exits(&raw2pcap(&[raw, "-o", "c.pcapng"], dir), 0);
    fs::remove_dir_all(dir.join("made")).unwrap();
    for (from, to) in [
        ("a.pcap", "1.raw"),
        ("b.pcap", "2.raw"),
        ("c.pcapng", "3.raw"),
    ] {
        fs::rename(dir.join(from), dir.join(to)).unwrap();
    }
    // The magic number alone shows the other byte order.
    let mut big = fs::read(dir.join("1.raw")).unwrap();
    big[..4].reverse();
    fs::write(dir.join("4.raw"), big).unwrap();
    fs::write(
        dir.join("5.raw"),
        "Dear Sir or Madam,\nyours faithfully\n".repeat(30),
    )
    .unwrap();
    fs::copy(env!("CARGO_BIN_EXE_raw2pcap"), dir.join("6.raw")).unwrap();
    fs::write(
        dir.join("7.raw"),
        b"\xfd7zXZ\0 and so on, for some bytes more",
    )
    .unwrap();
    vec![
        ("1.raw", "it is a pcap file"),
        ("2.raw", "it is a pcap file"),
        ("3.raw", "it is a pcapng file"),
        ("4.raw", "it is a pcap file"),
        ("5.raw", "it is a text file"),
        ("6.raw", "it is a program"),
        ("7.raw", "it is compressed with xz"),
    ]
}

#[test]
fn errors_name_the_format_of_other_files() {
    let dir = tempfile::tempdir().unwrap();
    for (name, what) in foreign(dir.path()) {
        let run = raw2pcap(&[name, "-o", "x.pcap"], dir.path());
        exits(&run, 1);
        assert!(stderr(&run).contains(what), "{name}: {}", stderr(&run));
        let run = checkraw(&[name], dir.path());
        exits(&run, 1);
        assert!(stderr(&run).contains(what), "{name}: {}", stderr(&run));
        assert!(!dir.path().join("x.pcap").exists());
    }
}

#[test]
fn repair_leaves_other_files_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let mut names: Vec<String> = foreign(dir.path())
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    // These files have no known format, or contain a RAW file without being one.
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(dir.path().join("8.raw"), noise).unwrap();
    let image = [vec![0x55; 512], many(0, 0, 50).bytes()].concat();
    fs::write(dir.path().join("disk.img"), image).unwrap();
    fs::write(dir.path().join("zeros.img"), vec![0; 5000]).unwrap();
    fs::write(dir.path().join("empty.img"), "").unwrap();
    names.extend(["8.raw", "disk.img", "zeros.img", "empty.img"].map(String::from));
    for name in names {
        let path = dir.path().join(&name);
        let before = fs::read(&path).unwrap();
        let run = checkraw(&["--repair", &name], dir.path());
        exits(&run, 1);
        assert!(fs::read(&path).unwrap() == before, "{name} was changed");
    }
}

#[test]
fn other_formats_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 20).store(dir.path());
    fs::write(dir.path().join("notes.raw"), "these are some notes\n").unwrap();
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    exits(&run, 1);
    assert!(
        stderr(&run).contains("1 file left out that is no RAW"),
        "{}",
        stderr(&run)
    );
    assert_eq!(converted_file(&dir.path().join("x.pcap")).len(), 20);
}

#[test]
fn compressed_raw_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = many(0, 0, 2000).bytes();
    for (compression, name) in [
        (Compression::Gzip, "a.raw.gz"),
        (Compression::Zstd, "b.raw.zst"),
    ] {
        let mut packed = Compressor::new(Vec::new(), compression).unwrap();
        std::io::Write::write_all(&mut packed, &bytes).unwrap();
        fs::write(dir.path().join(name), packed.finish().unwrap()).unwrap();
        let args = [name, "-o", "x.pcap", "--force", "--from", "+1s"];
        exits(&raw2pcap(&args, dir.path()), 0);
        assert_eq!(converted_file(&dir.path().join("x.pcap")).len(), 1000);
        let run = checkraw(&[name], dir.path());
        exits(&run, 0);
        assert!(
            stdout(&run).contains("sound, 2000 frames"),
            "{}",
            stdout(&run)
        );
        // A compressed file is not repaired in place.
        let before = fs::read(dir.path().join(name)).unwrap();
        exits(&checkraw(&["--repair", name], dir.path()), 1);
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), before);
    }
}

#[test]
fn ending_selects_the_compression() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 2000).store(dir.path());
    for (name, tool) in [
        ("x.pcap.gz", "gzip"),
        ("x.pcapng.gz", "gzip"),
        ("x.pcap.zst", "zstd"),
        ("x.pcapng.zst", "zstd"),
    ] {
        exits(&raw2pcap(&[".", "-o", name], dir.path()), 0);
        let packed = fs::read(dir.path().join(name)).unwrap();
        assert!(packed.len() < 60_000, "{name}: {} bytes", packed.len());
        let mut source = hpcap::compress::Decompressor::new(&packed[..]).unwrap();
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut source, &mut unpacked).unwrap();
        assert_eq!(crate::samples::converted(&unpacked).len(), 2000);
        match Command::new(tool)
            .arg("-dc")
            .arg(dir.path().join(name))
            .output()
        {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: {tool} is not installed");
            }
            out => assert!(out.unwrap().stdout == unpacked, "{name}"),
        }
    }
    let args = [".", "-o", "y.pcap.gz", "--split-frames", "1500"];
    exits(&raw2pcap(&args, dir.path()), 0);
    for name in ["y_0.pcap.gz", "y_1.pcap.gz"] {
        assert_eq!(fs::read(dir.path().join(name)).unwrap()[..2], [0x1f, 0x8b]);
    }
}
