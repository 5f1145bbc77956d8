//! Tests of recordings of several sources.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::{Running, files, frames_of, hpcapdd, of_kind, read_sound, summary};
use hpcap::pcapfile::{PcapWriter, Precision, Reader};
use hpcap::{Reason, Timestamp};
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::wait::wait_until;

/// Runs a recorder of `sources` into `destination` until it ends.
fn record(sources: &[&str], destination: &Path, more: &[&str]) -> (i32, Vec<Value>, String) {
    let mut command = hpcapdd();
    for source in sources {
        command.args(["--source", source]);
    }
    Running::start(command.arg(destination).args(more)).finish()
}

/// Reads times in nanoseconds, interfaces and sequence numbers of a pcapng file of generated
/// frames.
fn read(path: &Path) -> Vec<(u64, u32, u64)> {
    let mut reader = Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let time = frame.sec * 1_000_000_000 + u64::from(frame.nsec);
        frames.push((time, frame.interface, verify(frame.data).unwrap().seq));
    }
    frames
}

/// Returns the sequence numbers of the frames of one interface.
fn of_interface(frames: &[(u64, u32, u64)], interface: u32) -> Vec<u64> {
    let of = frames.iter().filter(|(_, i, _)| *i == interface);
    of.map(|(_, _, seq)| *seq).collect()
}

#[test]
fn pcapng_of_several_sources_is_in_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcapng");
    let sources = [
        "gen:size=60,count=5000,start=1000000000000,seed=1",
        "gen:size=300,count=3000,start=1000000100000,seed=2",
        "gen:size=1500,count=500,start=1000000000000,seed=3",
    ];
    let (code, events, stderr) = record(&sources, &path, &[]);
    assert_eq!(code, 0, "{stderr}");
    let frames = read(&path);
    assert!(frames.is_sorted_by_key(|(time, _, _)| *time));
    for (interface, count) in [(0, 5000), (1, 3000), (2, 500)] {
        let sequence = of_interface(&frames, interface);
        assert_eq!(sequence, (0..count).collect::<Vec<_>>());
    }
    let summary = summary(&events);
    assert_eq!(summary["frames"], 8500);
    assert_eq!(frames_of(summary, Reason::Captured), 8500);
    let each: Vec<u64> = of_kind(&events, "source")
        .iter()
        .map(|source| frames_of(source, Reason::Captured))
        .collect();
    assert_eq!(each, [5000, 3000, 500]);
}

/// Makes a capture file of empty frames with these times in seconds. Returns the source that reads
/// the file.
fn capture_file(dir: &Path, name: &str, times: &[u32]) -> String {
    let path = dir.join(name);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 65_535, Precision::Nanoseconds);
    for time in times {
        let time = Timestamp::new(*time, 0);
        writer.frame(time, 60, &[0; 60]).unwrap();
    }
    writer.flush().unwrap();
    format!("pcap:{}", path.display())
}

#[test]
fn merge_keeps_the_order_of_each_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcapng");
    // The clock of the first source goes back twice.
    let times = [vec![10, 20, 5, 6, 30, 1], vec![7, 8, 25, 40]];
    let sources = [
        capture_file(dir.path(), "a.pcap", &times[0]),
        capture_file(dir.path(), "b.pcap", &times[1]),
    ];
    let (code, _, stderr) = record(&[&sources[0], &sources[1]], &path, &[]);
    assert_eq!(code, 0, "{stderr}");
    let mut reader = Reader::open(&path).unwrap();
    let mut found = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        found.push((u32::try_from(frame.sec).unwrap(), frame.interface));
    }
    for (interface, times) in (0..).zip(&times) {
        let of = found.iter().filter(|(_, i)| *i == interface);
        let of: Vec<u32> = of.map(|(time, _)| *time).collect();
        assert_eq!(of, *times);
    }
    let merged: Vec<u32> = found.iter().map(|(time, _)| *time).collect();
    assert_eq!(merged, [7, 8, 10, 20, 5, 6, 25, 30, 1, 40]);
}

#[test]
fn live_sources_are_stored_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hpcapdd();
    for source in [
        "gen:size=60,rate=2000pps,late=delay",
        "gen:size=300,rate=50pps,late=delay",
    ] {
        command.args(["--source", source]);
    }
    let recorder = Running::start(command.arg(dir.path()).args(["--format", "pcapng"]));
    wait_until("some frames", || {
        let parts = files(dir.path(), ".part");
        parts
            .first()
            .is_some_and(|p| p.metadata().unwrap().len() > 256 << 10)
    });
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let frames = read(&files(dir.path(), ".pcapng")[0]);
    let summary = summary(&events);
    assert_eq!(summary["frames"], frames.len());
    assert_eq!(frames_of(summary, Reason::Captured), frames.len() as u64);
    for interface in [0, 1] {
        let sequence = of_interface(&frames, interface);
        assert!(sequence.windows(2).all(|w| w[0] < w[1]));
        assert!(!sequence.is_empty());
    }
}

#[test]
fn raw_of_several_sources_stands_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let sources = [
        "left=gen:size=60,count=30000",
        "right=gen:size=1500,count=2000",
    ];
    let (code, events, stderr) = record(&sources, dir.path(), &["--ring", "1M"]);
    assert_eq!(code, 0, "{stderr}");
    for (end, count) in [("_left.raw", 30_000), ("_right.raw", 2000)] {
        let sequence: Vec<u64> = files(dir.path(), end)
            .iter()
            .flat_map(|path| read_sound(path).sequence)
            .collect();
        assert_eq!(sequence, (0..count).collect::<Vec<_>>(), "{end}");
    }
    let summary = summary(&events);
    assert_eq!(summary["frames"], 32_000);
    assert_eq!(summary["files"], of_kind(&events, "file_complete").len());
    assert_eq!(of_kind(&events, "source").len(), 2);
}

#[test]
fn raw_of_live_sources_ends_with_all_frames() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hpcapdd();
    for source in [
        "gen:size=60,rate=20000pps,late=delay",
        "gen:size=300,rate=5000pps,late=delay",
    ] {
        command.args(["--source", source]);
    }
    let recorder = Running::start(command.arg(dir.path()));
    wait_until("both files", || files(dir.path(), ".part").len() == 2);
    wait_until("some frames", || {
        let parts = files(dir.path(), ".part");
        parts
            .iter()
            .all(|p| p.metadata().unwrap().len() > 256 << 10)
    });
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let stored: u64 = files(dir.path(), ".raw")
        .iter()
        .map(|path| read_sound(path).frames.frames)
        .sum();
    let summary = summary(&events);
    assert_eq!(summary["frames"], stored);
    assert_eq!(frames_of(summary, Reason::Captured), stored);
}

/// The RAW files of the source that is called `name`.
fn files_of(dir: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = files(dir, ".raw");
    found.retain(|path| path.to_str().unwrap().contains(name));
    found
}

/// Records two endless sources as RAW with `more` until a limit is reached. Returns the summary and
/// the frames of each source in the files.
fn record_to_a_limit(dir: &Path, more: &[&str]) -> (Value, [u64; 2]) {
    let sources = ["left=gen:size=1000", "right=gen:size=300"];
    let more = [&["--ring", "1M"], more].concat();
    let (code, events, stderr) = record(&sources, dir, &more);
    assert_eq!(code, 0, "{stderr}");
    let frames = ["_left", "_right"].map(|name| {
        let of_source = files_of(dir, name);
        let frames = of_source.iter().map(|p| read_sound(p).frames.frames);
        frames.sum()
    });
    (summary(&events).clone(), frames)
}

#[test]
fn limits_of_raw_count_over_all_sources() {
    for (option, value, more) in [
        ("--frames", "5000", &[][..]),
        ("--bytes", "3M", &[]),
        ("--files", "5", &["--rotate-size", "256K"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let more = [&[option, value], more].concat();
        let (summary, frames) = record_to_a_limit(dir.path(), &more);
        assert_eq!(summary["ended_by"], option.trim_start_matches("--"));
        let stored = frames[0] + frames[1];
        assert_eq!(summary["frames"], stored, "{summary:#}");
        assert_eq!(frames_of(&summary, Reason::Captured), stored, "{summary:#}");
        match option {
            "--frames" => assert_eq!(stored, 5000),
            "--bytes" => {
                let bytes = summary["stored_bytes"].as_u64().unwrap();
                // The last record of each source is kept whole.
                assert!(bytes > 2 << 20 && bytes <= (3 << 20) + 2024, "{summary:#}");
            }
            // The file of the other source ends with the recording.
            _ => assert!((5..=6).contains(&summary["files"].as_u64().unwrap())),
        }
    }
}

#[test]
fn retention_of_raw_covers_all_sources() {
    for more in [&["--keep-files", "3"][..], &["--keep-size", "8M"]] {
        let dir = tempfile::tempdir().unwrap();
        let limit = ["--bytes", "20M", "--rotate-size", "512K"];
        let limit = [&limit[..], more].concat();
        // A file takes a tenth of a second at least, so it does not become longer than it should.
        let sources = [
            "left=gen:size=1000,rate=8000pps,late=delay",
            "right=gen:size=300,rate=8000pps,late=delay",
        ];
        let mut command = hpcapdd();
        for source in sources {
            command.args(["--source", source]);
        }
        command.arg(dir.path()).args(["--ring", "1M"]).args(&limit);
        let (code, events, stderr) = Running::start(&mut command).finish();
        assert_eq!(code, 0, "{stderr}");
        let deleted = of_kind(&events, "file_deleted");
        for name in ["_left", "_right"] {
            let of = |file: &&&Value| file["path"].as_str().unwrap().contains(name);
            let of_source = deleted.iter().filter(of).count();
            let completed = of_kind(&events, "file_complete");
            let made = completed.iter().filter(of).count();
            assert_eq!(files_of(dir.path(), name).len(), made - of_source);
        }
        assert!(!deleted.is_empty());
        let left = files(dir.path(), ".raw");
        let bytes: u64 = left.iter().map(|f| f.metadata().unwrap().len()).sum();
        match more[0] {
            "--keep-files" => assert_eq!(left.len(), 3),
            _ => assert!(bytes <= 8 << 20, "{bytes}"),
        }
    }
}

#[test]
fn unsupported_options_of_sources_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    for (second, destination, more, text) in [
        ("gen:count=1", "-", &[][..], "name a folder"),
        ("gen:count=1", "null", &[], "name a folder"),
        ("gen:count=1", "x.pcap", &[], "which interface"),
        (
            "gen:count=1",
            folder,
            &["--start", "oldest"],
            "begins with the recording",
        ),
        ("gen:rate=5pps,count=1", folder, &[], "do not wait"),
    ] {
        let output = hpcapdd()
            .args(["--source", "gen:count=1", "--source", second, destination])
            .args(more)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(text), "{stderr}");
    }
}

#[test]
fn source_that_fails_ends_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.pcap");
    let mut bytes = Vec::new();
    for word in [
        0xa1b2_c3d4_u32,
        2 | 4 << 16,
        0,
        0,
        65_535,
        1,
        5,
        0,
        1000,
        1000,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    std::fs::write(&broken, bytes).unwrap();
    let second = format!("pcap:{}", broken.display());
    let path = dir.path().join("x.pcapng");
    let (code, events, stderr) = record(&["gen:size=60,count=100", &second], &path, &[]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("broken.pcap"), "{stderr}");
    assert_eq!(read(&path).len() as u64, summary(&events)["frames"]);
}

#[test]
fn other_tools_distinguish_interfaces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcapng");
    let sources = ["gen:size=60,count=10", "gen:size=300,count=20"];
    assert_eq!(record(&sources, &path, &[]).0, 0);
    let tshark = std::process::Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.interface_id", "-r"])
        .arg(&path)
        .output();
    let Ok(output) = tshark else {
        println!("skipped: tshark (it is not there)");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let of = |id| text.lines().filter(|line| *line == id).count();
    assert_eq!((of("0"), of("1")), (10, 20));
}

#[test]
fn loss_names_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hpcapdd();
    // Without late=delay, a generator that is stopped for two seconds misses the frames of that
    // time.
    for source in ["gen:size=60,rate=10pps", "gen:size=1500,rate=2000pps"] {
        command.args(["--source", source]);
    }
    let arguments = ["--format", "pcapng"];
    let mut recorder = Running::start(command.arg(dir.path()).args(arguments));
    recorder.wait_for("progress");
    recorder.signal(Signal::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_secs(2));
    recorder.signal(Signal::SIGCONT);
    for source in ["rate=10pps", "rate=2kpps"] {
        recorder.wait_until(|e| e["event"] == "loss" && e["source"].to_string().contains(source));
    }
    recorder.signal(Signal::SIGINT);
    let (_, events, stderr) = recorder.finish();
    for (source, at_least) in [("rate=10pps", 10), ("rate=2kpps", 2000)] {
        let lost = of_kind(&events, "loss")
            .iter()
            .filter(|loss| loss["source"].as_str().unwrap().contains(source))
            .filter_map(|loss| loss["frames"].as_u64())
            .max();
        assert!(lost >= Some(at_least), "{source}: {lost:?}\n{stderr}");
    }
}

/// A thread of another process, held by ptrace(2) until it is let go.
struct HeldThread(libc::pid_t);

impl HeldThread {
    /// Stops the thread `name` of `process`. Returns `None` where this is not allowed.
    fn stop(process: u32, name: &str) -> Option<Self> {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let thread = threads
            .map(|entry| entry.unwrap().path())
            .find(|path| std::fs::read_to_string(path.join("comm")).unwrap().trim() == name)
            .unwrap();
        let id: libc::pid_t = thread
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: both requests pass no memory of this process.
        let held = unsafe {
            libc::ptrace(libc::PTRACE_SEIZE, id, none, none) == 0
                && libc::ptrace(libc::PTRACE_INTERRUPT, id, none, none) == 0
        };
        if !held {
            println!("skipped: a thread cannot be stopped here");
            return None;
        }
        let mut status = 0;
        // SAFETY: `status` is a place for the status of the thread, which is waited for.
        unsafe { libc::waitpid(id, &raw mut status, libc::__WALL) };
        Some(Self(id))
    }
}

impl Drop for HeldThread {
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the request passes no memory of this process.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}

#[test]
fn silent_second_source_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hpcapdd();
    for source in ["gen:size=60,rate=500pps", "gen:size=300,rate=100pps"] {
        command.args(["--source", source]);
    }
    command.arg(dir.path()).args(["--format", "pcapng"]);
    let mut recorder = Running::start(&mut command);
    recorder.wait_for("progress");
    let Some(held) = HeldThread::stop(recorder.pid(), "poll hpcap0:1") else {
        return;
    };
    let says = |text: &'static str| {
        move |e: &Value| {
            let message = e["message"].as_str().unwrap_or_default();
            e["event"] == "warning" && message.contains("rate=100pps") && message.contains(text)
        }
    };
    recorder.wait_until(says("has captured nothing"));
    drop(held);
    recorder.wait_until(says("captures again"));
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    assert!(summary(&events)["frames"].as_u64().unwrap() > 1000);
}
