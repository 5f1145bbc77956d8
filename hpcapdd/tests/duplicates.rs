//! Tests of frame-by-frame recordings of a queue that marks duplicates.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::Command;

use common::daemon::{Daemon, config};
use common::{assert_sound, files, of_kind, summary};
use hpcap::Timestamp;
use hpcap::dedup::{Action, DedupSettings};
use hpcap::pcapfile::{PcapWriter, Precision, Reader as PcapReader};
use hpcap::raw::{Event, Reader};

/// A frame, and whether it is a copy of an earlier one.
type Frame = (Vec<u8>, bool);

/// Makes a UDP frame that differs from every other one.
fn udp(number: u32, port: u16, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    data[12..14].copy_from_slice(&[8, 0]);
    data[14..24].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17]);
    data[36..38].copy_from_slice(&port.to_be_bytes());
    data[42..46].copy_from_slice(&number.to_be_bytes());
    data
}

/// Makes frames of ports 53 and 7, many of which are repeated once, twice, or a few frames later.
fn frames() -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut later: Vec<Vec<u8>> = Vec::new();
    for number in 0..4000 {
        let len = [60, 61, 590, 1514, 9000][number as usize % 5];
        let port = if number % 3 == 0 { 53 } else { 7 };
        let data = udp(number, port, len);
        let copies = [0, 1, 2, 0][number as usize % 4];
        frames.push((data.clone(), false));
        frames.extend((0..copies).map(|_| (data.clone(), true)));
        if number % 7 == 0 {
            later.push(data);
        } else if number % 7 == 4 {
            frames.extend(later.drain(..).map(|data| (data, true)));
        }
    }
    frames
}

/// Serves `frames` from a queue that marks duplicates.
fn serve(frames: &[Frame], folder: &Path) -> Daemon {
    let path = folder.join("duplicates.pcap");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 65_535, Precision::Nanoseconds);
    for (i, (data, _)) in (0..).zip(frames) {
        let time = Timestamp::new(1_700_000_000, i);
        let len = u32::try_from(data.len()).unwrap();
        writer.frame(time, len, data).unwrap();
    }
    writer.flush().unwrap();
    let mut config = config(&format!("pcap:{}", path.display()));
    config.dedup = Some(DedupSettings {
        action: Action::Mark,
        // These frames have neither the IP id nor the checksum that tell other frames apart.
        bytes: Some(70),
        ..DedupSettings::default()
    });
    Daemon::start(&config)
}

/// Reads the frames of a file, which must be sound: each mark stands right before its frame.
fn of_file(path: &Path) -> Vec<Frame> {
    assert_sound(path);
    let mut reader = Reader::open(path).unwrap();
    let mut frames = Vec::new();
    let mut marked = false;
    while let Some(event) = reader.next().unwrap() {
        let was_marked = std::mem::take(&mut marked);
        match event {
            Event::Frame(record) => frames.push((record.data.to_vec(), was_marked)),
            other => {
                assert!(!was_marked, "between a mark and its frame: {other:?}");
                marked = matches!(other, Event::Duplicate);
            }
        }
    }
    assert!(!marked, "a mark at the end of {}", path.display());
    frames
}

/// Records `frames` frame by frame with more `arguments`. Returns the frames of each file.
fn record(frames: &[Frame], arguments: &[&str]) -> Vec<Vec<Frame>> {
    record_in("records", frames, arguments)
}

fn record_in(mode: &str, frames: &[Frame], arguments: &[&str]) -> Vec<Vec<Frame>> {
    let dir = tempfile::tempdir().unwrap();
    let daemon = serve(frames, dir.path());
    let folder = dir.path().join("out");
    let (code, events, stderr) = daemon.recorder(&folder, arguments).finish();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(of_kind(&events, "start")[0]["mode"], mode);
    let recorded: Vec<_> = files(&folder, ".raw").iter().map(|p| of_file(p)).collect();
    let count: usize = recorded.iter().map(Vec::len).sum();
    assert_eq!(summary(&events)["frames"], count);
    recorded
}

/// The recorder ends files of whole blocks earlier than the producer does.
#[test]
fn split_file_keeps_marks_with_frames() {
    let frames = frames();
    let recorded = record_in("blocks", &frames, &["--rotate-size", "512K"]);
    assert!(recorded.concat() == frames);
    assert!(recorded.len() > 10, "{}", recorded.len());
}

#[test]
fn duplicate_mark_precedes_its_frame() {
    let frames = frames();
    assert!(frames.iter().filter(|(_, marked)| *marked).count() > 3000);
    let all = ["--frames", "1000000"];
    for more in [
        &["--start", "oldest"][..],
        &["--contract", "lossless:60s"],
        &["--rotate-size", "128K"],
    ] {
        let recorded = record(&frames, &[&all, more].concat());
        assert!(recorded.concat() == frames, "{more:?}");
        // Only rotation makes many files, so that files end at records of every kind.
        assert_eq!(recorded.len() > 10, more[0] == "--rotate-size");
    }
    let cut: Vec<Frame> = frames
        .iter()
        .map(|(data, marked)| (data[..data.len().min(80)].to_vec(), *marked))
        .collect();
    assert!(record(&frames, &["--caplen", "80"]).concat() == cut);
}

#[test]
fn filtered_duplicate_leaves_no_mark() {
    let frames = frames();
    let kept: Vec<Frame> = frames
        .iter()
        .filter(|(data, _)| data[37] == 53)
        .cloned()
        .collect();
    // At least one marked frame that the filter refuses is followed by an unmarked frame that it
    // keeps.
    assert!(
        frames
            .windows(2)
            .any(|w| w[0].0[37] == 7 && w[0].1 && w[1].0[37] == 53 && !w[1].1)
    );
    let recorded = record(&frames, &["--filter", "udp dst port 53"]);
    assert!(recorded.concat() == kept);
}

#[test]
fn last_file_has_no_mark_without_frame() {
    let frames = frames();
    let at = frames.iter().position(|(_, marked)| *marked).unwrap();
    for count in [at, at + 1, at + 2] {
        let recorded = record(&frames, &["--frames", &count.to_string()]);
        assert!(recorded.concat() == frames[..count], "{count}");
    }
}

#[test]
fn plain_files_have_no_marks() {
    let frames = frames();
    let unmarked: Vec<Frame> = frames.iter().map(|(d, _)| (d.clone(), false)).collect();
    assert!(record(&frames, &["--plain"]).concat() == unmarked);
}

/// Runs a recorder that writes to stdout, and returns its frames.
fn piped(command: &mut Command) -> Vec<Frame> {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let mut reader = PcapReader::new(&output.stdout[..], "stdout").unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        assert!(matches!(frame.comment, None | Some("duplicate")));
        frames.push((frame.data.to_vec(), frame.comment.is_some()));
    }
    frames
}

#[test]
fn pcapng_comments_duplicates() {
    let frames = frames();
    let dir = tempfile::tempdir().unwrap();
    let daemon = serve(&frames, dir.path());
    let mut command = daemon.command();
    assert!(piped(command.args(["hpcap0:1", "-", "--contract", "lossless"])) == frames);
    let kept: Vec<Frame> = frames
        .iter()
        .filter(|(data, _)| data[37] == 7)
        .cloned()
        .collect();
    let daemon = serve(&frames, dir.path());
    let mut command = daemon.command();
    command.args(["hpcap0:1", "-", "--contract", "lossless"]);
    command.args(["--filter", "udp dst port 7"]);
    assert!(piped(&mut command) == kept);
}
