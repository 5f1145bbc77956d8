//! Tests of `hpcap-bench verify`: it reports each problem, and none in a good stream.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hpcap::raw::{FileHeader, Gap, Placed, Writer};
use hpcap::{Contract, Count, Ledger, QueueName, Reason, Start, Timestamp};
use hpcap_bench::verify::{Listening, parse_contract, parse_start, verify_queue};
use hpcap_engine::{Engine, EngineConfig};
use hpcap_source::SourceSpec;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use testkit::process::Process;
use testkit::wait::wait_until;

/// Returns the first `count` generated frames.
fn frames(count: usize) -> Vec<Vec<u8>> {
    let spec = format!("gen:size=imix,count={count}");
    let mut source = spec.parse::<SourceSpec>().unwrap().open().unwrap();
    let mut frames = Vec::new();
    while frames.len() < count {
        let harvest = source.harvest().unwrap();
        frames.extend(harvest.frames.iter().map(|f| f.data().to_vec()));
    }
    frames
}

fn write_to(writer: &mut Writer<Vec<u8>>, frame: &[u8]) {
    let len = u32::try_from(frame.len()).unwrap();
    let placed = writer.frame(1_500_000_000, 1, len, frame).unwrap();
    assert_eq!(placed, Placed::Stored);
}

/// Writes a file of queue hpcap0 that starts at stream offset `off`. `gap_at` has the index of a
/// frame, and the number of frames that a gap record before it reports as lost. Returns the file's
/// length.
fn write_file(path: &Path, off: u64, frames: &[Vec<u8>], gap_at: Option<(usize, u64)>) -> u64 {
    let mut writer = Writer::new(Vec::new());
    let placed = writer
        .header(&FileHeader {
            queue: Some(QueueName::new(0, 0)),
            producer_pid: 7,
            stream_off: off,
            start: Timestamp::new(1_500_000_000, 0),
            link_type: 1,
            ..FileHeader::default()
        })
        .unwrap();
    assert_eq!(placed, Placed::Stored);
    for (i, frame) in frames.iter().enumerate() {
        if let Some((at, lost_frames)) = gap_at
            && at == i
        {
            let mut lost = Ledger::default();
            lost[Reason::NicMissed] = Count::new(lost_frames, 0);
            let until = Timestamp::new(1_500_000_000, 1);
            let from = Some(until);
            let gap = Gap {
                from,
                until,
                open: false,
                lost,
            };
            let placed = writer.gap(&gap).unwrap();
            assert_eq!(placed, Placed::Stored);
        }
        write_to(&mut writer, frame);
    }
    let (bytes, _) = writer.close(4096).unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes.len() as u64
}

fn verify(paths: &[&Path], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcap-bench"))
        .arg("verify")
        .args(paths)
        .args(arguments)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn whole_files_of_a_stream_are_one_sequence() {
    let folder = Folder::new();
    let frames = frames(100);
    let end = write_file(
        &folder.path("1500000000_hpcap0_0.raw"),
        0,
        &frames[..40],
        None,
    );
    write_file(
        &folder.path("1500000001_hpcap0_0.raw"),
        end,
        &frames[40..],
        None,
    );
    let output = verify(&[folder.dir.path()], &["--json", "--frames", "100"]);
    assert!(output.status.success(), "{output:?}");
    let found = json(&output);
    assert_eq!(found["verified"], 100);
    assert_eq!(found["missing"], 0);
    assert_eq!(found["files"], 2);
    assert_eq!(
        (&found["first_seq"], &found["last_seq"]),
        (&0.into(), &99.into())
    );

    let output = verify(&[folder.dir.path()], &["--frames", "101"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn missing_frame_needs_a_gap() {
    let folder = Folder::new();
    let mut frames = frames(50);
    frames.drain(20..23);
    let path = folder.path("a.raw");
    for (gap, code) in [(None, 1), (Some((20, 2)), 1), (Some((20, 3)), 0)] {
        write_file(&path, 0, &frames, gap);
        let output = verify(&[&path], &["--json"]);
        assert_eq!(output.status.code(), Some(code), "{gap:?} {output:?}");
        assert_eq!(json(&output)["missing"], 3);
    }
}

#[test]
fn frames_between_recordings_are_no_loss() {
    let folder = Folder::new();
    let frames = frames(100);
    let end = write_file(
        &folder.path("1500000000_hpcap0_0.raw"),
        0,
        &frames[..40],
        None,
    );
    let second = folder.path("1500000001_hpcap0_0.raw");
    for (off, code) in [(end, 1), (end + 4096, 0)] {
        write_file(&second, off, &frames[60..], None);
        let output = verify(&[folder.dir.path()], &["--json"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(json(&output)["missing"], 20);
    }
}

#[test]
fn damaged_and_repeated_frames_are_found() {
    let folder = Folder::new();
    let path = folder.path("a.raw");
    let good = frames(30);
    let mut changed = good.clone();
    let last = changed[16].len() - 1;
    changed[16][last] ^= 1;
    write_file(&path, 0, &changed, None);
    let output = verify(&[&path], &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["corrupt"], 1);

    let mut twice = good.clone();
    twice.insert(13, good[12].clone());
    write_file(&path, 0, &twice, None);
    let output = verify(&[&path], &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["repeated"], 1);
}

#[test]
fn second_path_and_missing_file_are_refused() {
    let output = verify(&[Path::new("hpcap0"), Path::new("x.raw")], &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = verify(&[Path::new("/nonexistent.raw")], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let folder = Folder::new();
    let output = verify(&[folder.dir.path()], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        parse_contract("lossless:5s")
            .is_ok_and(|c| c == Contract::LosslessFor(Duration::from_secs(5)))
    );
    assert!(parse_contract("never").is_err() && parse_start("middle").is_err());
}

fn engine(source: &str) -> Engine {
    let mut config = EngineConfig::new(QueueName::new(0, 0), source.parse().unwrap());
    config.ring_bytes = 4 << 20;
    Engine::start(&config).unwrap().0
}

fn listening(contract: Contract) -> Listening {
    Listening {
        contract,
        start: Start::File,
        frames: None,
        duration: None,
        pause: Duration::ZERO,
        wait_bytes: hpcap_bench::verify::ACK_BYTES,
    }
}

#[test]
fn queue_is_verified_to_its_end() {
    let engine = engine("gen:size=60-1514,count=300000");
    let how = listening(Contract::Lossless);
    let found = verify_queue(engine.queue(), &how, &AtomicBool::new(false)).unwrap();
    assert_eq!(found.complaints(Some(300_000)), Vec::<String>::new());
    assert_eq!(
        (found.verified, found.missing, found.vanished),
        (300_000, 0, 0)
    );
}

#[test]
fn slow_lossy_listener_counts_its_losses() {
    let engine = engine("gen:size=1514,count=100000");
    let how = Listening {
        pause: Duration::from_millis(5),
        ..listening(Contract::Lossy)
    };
    let found = verify_queue(engine.queue(), &how, &AtomicBool::new(false)).unwrap();
    assert_eq!(found.complaints(None), Vec::<String>::new());
    assert!(found.overrun > 0, "{found:?}");
    assert_eq!(found.verified + found.overrun, 100_000);
}

#[test]
fn limit_ends_the_verification() {
    let engine = engine("gen:");
    let how = Listening {
        frames: Some(10_000),
        ..listening(Contract::Lossless)
    };
    let found = verify_queue(engine.queue(), &how, &AtomicBool::new(false)).unwrap();
    assert_eq!(found.verified, 10_000);
    assert!(found.complaints(how.frames).is_empty());
}

#[test]
fn names_of_files_are_safe_to_print() {
    let folder = Folder::new();
    for (name, shown) in [
        (&b"a\x1b[2Jb.raw"[..], r"a\x1b[2Jb.raw"),
        (b"a\xff.raw", "a\u{fffd}.raw"),
    ] {
        let path = folder.path("").join(OsStr::from_bytes(name));
        write_file(&path, 0, &frames(10), None);
        for arguments in [&[][..], &["--frames", "100"], &["--json"]] {
            let output = verify(&[&path], arguments);
            for bytes in [&output.stdout, &output.stderr] {
                let text = std::str::from_utf8(bytes).unwrap();
                assert!(!text.contains('\x1b'), "{text:?}");
                assert!(
                    text.is_empty() || text.contains(shown) || arguments == ["--json"],
                    "{text:?}"
                );
            }
        }
        let path = path.to_string_lossy().into_owned();
        assert_eq!(
            json(&verify(
                &[&folder.path("").join(OsStr::from_bytes(name))],
                &["--json"]
            ))["of"],
            path
        );
    }
}

#[test]
fn signal_ends_the_wait_for_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    for end in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpcap-bench"));
        let verifying = Process::spawn(command.arg("verify").arg(&pipe));
        wait_until("it handles the signal", || verifying.catches(end));
        verifying.signal(end);
        let _ = verifying.wait().exits(1).says(&["still waiting"]);
    }
}
