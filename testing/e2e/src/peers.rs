//! tcpdump and tshark, as independent readers of the files that hpcap writes.

use std::path::Path;
use std::process::Command;

use testkit::skip;

fn run(program: &str, args: &[&str], file: &Path) -> Option<String> {
    let mut command = Command::new(program);
    // Personal settings could change the output.
    let home = file.parent().unwrap();
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
    let done = match command.arg("-r").arg(file).args(args).output() {
        Ok(done) => done,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("reading with {program}, which is not installed"));
            return None;
        }
        Err(e) => panic!("{program}: {e}"),
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{program} -r {}: {said}",
        file.display()
    );
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Fails the test unless tcpdump, where it is installed, finds exactly `frames` frames in `file`
/// (pcap, or pcapng with one link type).
pub fn tcpdump_reads(file: &Path, frames: usize) {
    if let Some(out) = run("tcpdump", &["-n", "--count"], file) {
        // "17 packets"
        let count = out.split_whitespace().next().and_then(|n| n.parse().ok());
        assert_eq!(count, Some(frames), "tcpdump, {}: {out}", file.display());
    }
}

/// Fails the test unless tshark, where it is installed, finds exactly `frames` frames in `file`.
pub fn tshark_reads(file: &Path, frames: usize) {
    let fields = ["-n", "-T", "fields", "-e", "frame.number"];
    if let Some(out) = run("tshark", &fields, file) {
        assert_eq!(out.lines().count(), frames, "tshark, {}", file.display());
    }
}

/// Fails the test unless both programs find exactly `frames` frames in `file`.
pub fn both_read(file: &Path, frames: usize) {
    tcpdump_reads(file, frames);
    tshark_reads(file, frames);
}

/// Converts `file` (any format) with tshark into classic pcap with nanoseconds. Returns `false` where
/// tshark is not installed.
#[must_use]
pub fn tshark_converts(file: &Path, to: &Path) -> bool {
    let to = to.to_str().unwrap();
    run("tshark", &["-n", "-F", "nsecpcap", "-w", to], file).is_some()
}
