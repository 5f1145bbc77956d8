//! Tests of `hpcap-bench run`: what it says of a capture is exactly what happened to it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hpcap::pcapfile::{PcapWriter, Precision};
use hpcap_bench::run::{Account, Offered, Results};
use hpcap_bench::verify::verify_capture;
use hpcap_source::SourceSpec;
use testkit::network::in_namespace;

/// A frame of a capture: its bytes and its time in nanoseconds.
type Captured = (Vec<u8>, u64);

/// Returns generated frames as a capture without faults has them.
fn frames(count: usize) -> Vec<Captured> {
    let spec: SourceSpec = format!("gen:size=60-1514,count={count},rate=1G,start=5000000000")
        .parse()
        .unwrap();
    let mut source = spec.open().unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        let harvest = source.harvest().unwrap();
        for frame in harvest.frames.iter() {
            let time = frame.sec * 1_000_000_000 + u64::from(frame.nsec);
            all.push((frame.data().to_vec(), time));
        }
        if all.len() < count {
            source.wait(std::time::Duration::from_millis(5)).unwrap();
        }
    }
    all
}

/// Writes the frames to a pcap file and accounts for them.
fn account(sent: usize, captured: &[Captured], said: Option<u64>) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    let file = File::create(&path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 262_144, Precision::Nanoseconds);
    for (data, time) in captured {
        let time = hpcap::Timestamp::from_ns(*time);
        let len = u32::try_from(data.len()).unwrap();
        writer.frame(time, len, data).unwrap();
    }
    writer.flush().unwrap();
    let offered = Offered {
        frames: sent as u64,
        ..Offered::default()
    };
    let said = said.map(|lost| [("kernel".to_owned(), lost)].into());
    Account::new(offered, &verify_capture(&path).unwrap(), said)
}

#[test]
fn faults_are_reported_to_the_last_frame() {
    let mut capture = frames(1000);
    // The clock of the capture is 1,234 ns late, once 70 µs, and once it is 5 ms early.
    capture.iter_mut().for_each(|frame| frame.1 += 1234);
    capture[500].1 += 70_000 - 1234;
    capture[501].1 -= 5_000_000 + 1234;
    // Two frames are damaged, in the first header and in the last byte.
    capture[100].0[20] ^= 1;
    let last = capture[900].0.len() - 1;
    capture[900].0[last] ^= 0x80;
    // Three pairs change places.
    for at in [200, 300, 400] {
        capture.swap(at, at + 1);
    }
    // Four frames arrive twice, one of them later.
    for (from, to) in [(10, 11), (50, 51), (700, 701), (720, 730)] {
        let copy = capture[from].clone();
        capture.insert(to, copy);
    }
    // Seven frames are lost, two of them at the end.
    for at in [1003, 1002, 850, 849, 848, 600, 5] {
        capture.remove(at);
    }
    let account = account(1000, &capture, Some(7));
    assert_eq!(account.captured, 1000 - 2 - 7 + 4);
    assert_eq!(account.corrupted, 2);
    assert_eq!(account.reordered, 3);
    assert_eq!(account.repeated, 4);
    assert_eq!(account.foreign, 0);
    let stamps = account.stamp_error.unwrap();
    assert_eq!((stamps.min_ns, stamps.max_ns), (-5_000_000, 70_000));
    assert_eq!(stamps.negative, 1);
    assert!((1234..1300).contains(&stamps.p50_ns), "{stamps:?}");
    // Of the seven lost frames, four are made up for by copies: the program's word does not fit.
    assert_eq!((account.missing, account.unexplained), (3, Some(-4)));
    assert_eq!(account.problems.len(), 4, "{:?}", account.problems);
}

#[test]
fn capture_without_faults_has_no_problem() {
    let account = account(1000, &frames(1000), Some(0));
    assert_eq!((account.captured, account.missing), (1000, 0));
    assert_eq!(account.problems, [""; 0]);
    let stamps = account.stamp_error.unwrap();
    assert_eq!((stamps.min_ns, stamps.max_ns), (0, 0));
}

#[test]
fn reported_losses_must_equal_missing_frames() {
    let capture = &frames(1000)[..990];
    assert_eq!(account(1000, capture, Some(10)).problems, [""; 0]);
    assert_eq!(account(1000, capture, None).problems, [""; 0]);
    for told in [0, 9, 11] {
        assert_eq!(
            account(1000, capture, Some(told)).problems.len(),
            1,
            "{told}"
        );
    }
}

fn command(arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpcap-bench"));
    command.arg("run").args(arguments).arg("--out").arg(out);
    command
}

fn run(arguments: &[&str], out: &Path) -> Output {
    command(arguments, out).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `test` where namespaces can be made and tcpdump is installed.
fn with_tcpdump(test: impl FnOnce() + Send + 'static) {
    if !hpcap_bench::process::exists("tcpdump") {
        return testkit::skip("there is no tcpdump");
    }
    in_namespace(test);
}

const SHORT: [&str; 8] = [
    "--target",
    "tcpdump",
    "--size",
    "60,imix",
    "--duration",
    "300ms",
    "--repeats",
    "1",
];

#[test]
fn each_frame_of_a_run_is_accounted_for() {
    with_tcpdump(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let arguments = [&SHORT[..], &["--rate", "20kpps", "--copies", "0,0.2"]].concat();
        let output = run(&arguments, &out);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let results = Results::read(&out).unwrap();
        assert_eq!(results.measurements.len(), 4);
        for m in &results.measurements {
            let a = &m.account;
            assert!(a.captured > 1000, "{m:?}");
            assert_eq!(a.captured + a.missing, a.offered.frames, "{m:?}");
            assert_eq!(a.unexplained, Some(0), "{m:?}");
            assert_eq!(m.copies > 0.0, a.offered.copies > 0);
            assert!(a.repeated <= a.offered.copies);
        }
        let csv = std::fs::read_to_string(out.join("results.csv")).unwrap();
        assert_eq!(csv.lines().count(), 5);
        let columns = csv.lines().next().unwrap().split(',').count();
        assert!(
            csv.lines().all(|line| line.split(',').count() == columns),
            "{csv}"
        );
        for name in ["benchmark-tcpdump.dat", "benchmark-tcpdump_duprate0.2.dat"] {
            let dat = std::fs::read_to_string(out.join(name)).unwrap();
            assert_eq!(dat.lines().count(), 2);
            assert!(
                dat.lines().all(|line| line.split(' ').count() == 14),
                "{dat}"
            );
        }
        // The page needs no other file, and no temporary folder is left.
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert!(
            page.contains("Every frame of 4 measurements is accounted for"),
            "{page}"
        );
        assert_eq!(
            page.matches("<svg").count(),
            std::fs::read_dir(&out)
                .unwrap()
                .filter(|entry| {
                    entry
                        .as_ref()
                        .unwrap()
                        .path()
                        .extension()
                        .is_some_and(|end| end == "png")
                })
                .count()
        );
        assert!(!page.contains("src=") && !page.contains("href="), "{page}");
        let mut entries = std::fs::read_dir(&out).unwrap();
        assert!(entries.all(|entry| entry.unwrap().path().is_file()));
        let again = run(&arguments, &out);
        assert_eq!(again.status.code(), Some(1), "the folder exists");
    });
}

#[test]
fn interrupted_run_keeps_its_results() {
    with_tcpdump(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut command = command(&[&SHORT[..], &["--rate", "20kpps,30kpps"]].concat(), &out);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines {
            if line.unwrap().contains(" 1/4 ") {
                let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
                break;
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let results = Results::read(&out).unwrap();
        assert_eq!((results.measurements.len(), results.planned), (1, 4));
    });
}

#[test]
fn wrong_words_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["--target", "wireshark"],
        ["--size", "59"],
        ["--rate", "fast"],
        ["--copies", "1"],
        ["--consumers", "0"],
        ["--repeats", "0"],
        ["--duration", "soon"],
    ] {
        let output = run(&arguments, &folder.path().join("out"));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
