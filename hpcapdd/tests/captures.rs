//! Tests of captures as a source: a RAW file holds the frames of a pcap file, byte for byte.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::{files, run};
use hpcap::Timestamp;
use hpcap::pcapfile::{PcapWriter, Precision, Reader as PcapReader};
use hpcap::raw::{Event, split_record};

/// Time, length on the wire, data.
type Frame = (Timestamp, u16, Vec<u8>);

/// Reads the frames of a capture, up to its end or to a damaged part, as a RAW file holds them.
fn of_capture(path: &Path) -> Option<Vec<Frame>> {
    let mut reader = PcapReader::open(path).ok()?;
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        let data = frame.data[..frame.data.len().min(65_535)].to_vec();
        let len = u64::from(frame.len).max(frame.data.len() as u64);
        let (time, _) = hpcap::raw::writer::storable_time(frame.sec, frame.nsec);
        frames.push((time, u16::try_from(len).unwrap_or(u16::MAX), data));
    }
    Some(frames)
}

/// Reads the frames of the files strictly: each record must follow its predecessor, up to the end. A reader that
/// tolerates damage could take the odd times of an invented capture for damage.
fn of_recording(folder: &Path) -> Vec<Frame> {
    let mut frames = Vec::new();
    for path in files(folder, ".raw") {
        let bytes = std::fs::read(&path).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Some((event, after)) = split_record(rest) else {
                panic!("a cut record, {} bytes before the end", rest.len());
            };
            if let Event::Frame(f) = event {
                frames.push((f.time, f.len, f.data.to_vec()));
            }
            rest = after;
        }
    }
    frames
}

/// Records a capture. Returns the exit code, the standard error, and the frames of the files.
fn record(capture: &Path) -> (i32, String, Vec<Frame>) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    let source = format!("pcap:{}", capture.display());
    let output = run(&[
        "--source",
        &source,
        "--ring",
        "1M",
        folder.to_str().unwrap(),
    ]);
    let frames = if folder.exists() {
        of_recording(&folder)
    } else {
        Vec::new()
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), text, frames)
}

/// Writes a capture that has frames of every sort of length.
fn own_capture(folder: &Path) -> PathBuf {
    let path = folder.join("own.pcap");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 262_144, Precision::Nanoseconds);
    for i in 0..300_u32 {
        let len = [0, 1, 13, 14, 60, 61, 1514, 9000, 65_535][i as usize % 9];
        let data: Vec<u8> = (0..len).map(|b| (b + i).to_le_bytes()[0]).collect();
        let time = Timestamp::new(1_700_000_000 + i, i * 7);
        writer.frame(time, len + i % 3, &data).unwrap();
    }
    writer.flush().unwrap();
    path
}

#[test]
fn capture_is_recorded_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = own_capture(dir.path());
    let (code, text, frames) = record(&path);
    assert_eq!(code, 0, "{text}");
    assert_eq!(frames.len(), 300);
    assert!(frames == of_capture(&path).unwrap());
}

#[test]
fn truncated_capture_is_recorded_to_its_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = own_capture(dir.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let (code, text, frames) = record(&path);
    assert_eq!(code, 1);
    assert!(text.contains("own.pcap"), "{text}");
    assert_eq!(frames.len(), 299);
    assert!(frames == of_capture(&path).unwrap());
}

#[test]
fn test_captures_are_recorded_byte_for_byte() {
    let Some(folder) = std::env::var_os("HPCAP_TEST_PCAPS") else {
        println!("skipped: real captures (HPCAP_TEST_PCAPS is not set)");
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(wanted) = of_capture(&path) else {
            continue;
        };
        let (code, text, frames) = record(&path);
        assert!(
            frames == wanted,
            "{}: {} of {} frames, {code}: {text}",
            path.display(),
            frames.len(),
            wanted.len()
        );
        count += 1;
    }
    println!("{count} captures");
    assert!(count > 0);
}
