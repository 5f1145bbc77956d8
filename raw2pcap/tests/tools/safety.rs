//! Tests of what a conversion must never overwrite or leave behind.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::samples::{checkraw, converted_file, exits, many, names, raw2pcap, stderr};

/// An input is safe under every name that leads to it.
#[test]
fn input_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let bytes = many(0, 0, 20).bytes();
    fs::write(at("in.pcap"), &bytes).unwrap();
    fs::hard_link(at("in.pcap"), at("hard.pcap")).unwrap();
    std::os::unix::fs::symlink("in.pcap", at("soft.pcap")).unwrap();
    fs::write(at("out.pcap.part"), &bytes).unwrap();
    for (input, output) in [
        ("in.pcap", "in.pcap"),
        ("in.pcap", "./in.pcap"),
        ("in.pcap", "hard.pcap"),
        ("in.pcap", "soft.pcap"),
        ("soft.pcap", "in.pcap"),
        ("hard.pcap", "soft.pcap"),
    ] {
        let run = raw2pcap(&[input, "-o", output, "--force"], dir.path());
        exits(&run, 2);
        assert!(stderr(&run).contains("the same file"), "{}", stderr(&run));
    }
    let args = ["out.pcap.part", "-o", "out.pcap", "--force"];
    exits(&raw2pcap(&args, dir.path()), 0);
    for name in ["in.pcap", "hard.pcap", "soft.pcap", "out.pcap.part"] {
        assert!(fs::read(at(name)).unwrap() == bytes, "{name} was changed");
    }
    // Numbered outputs and the list of sizes must not overwrite an input either.
    fs::write(at("part_1.pcap"), &bytes).unwrap();
    let args = [
        "part_1.pcap",
        "-o",
        "part.pcap",
        "--split-frames",
        "9",
        "--force",
    ];
    exits(&raw2pcap(&args, dir.path()), 2);
    exits(&checkraw(&["-x", "hard.pcap", "in.pcap"], dir.path()), 2);
    assert!(fs::read(at("part_1.pcap")).unwrap() == bytes);
    assert!(fs::read(at("in.pcap")).unwrap() == bytes);
}

#[test]
fn redirected_output_is_not_the_input() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.raw");
    let bytes = many(0, 0, 20).bytes();
    fs::write(&path, &bytes).unwrap();
    let out = fs::File::options().append(true).open(&path).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_raw2pcap"))
        .arg(&path)
        .args(["-q", "-o", "-"])
        .stdout(out)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(fs::read(&path).unwrap() == bytes);
}

/// Starts a conversion that waits for the rest of its input.
fn waiting(dir: &Path) -> (Child, PathBuf) {
    // The process that runs the tests may ignore signals, and its children would inherit that.
    let mut child = Command::new("env")
        .args(["--default-signal", env!("CARGO_BIN_EXE_raw2pcap")])
        .args(["-q", "-", "-o", "x.pcap"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let bytes = many(0, 0, 50_000).bytes();
    let pipe = child.stdin.as_mut().unwrap();
    // The bytes do not fit into the pipe, so most of them were read once all are written.
    std::io::Write::write_all(pipe, &bytes[..bytes.len() - 5000]).unwrap();
    (child, dir.join("x.pcap"))
}

#[test]
fn signal_removes_the_unfinished_file() {
    use nix::sys::signal::{Signal, kill};
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGKILL,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, path) = waiting(dir.path());
        // `wait` would close the pipe, which would end the conversion, too.
        let _pipe = child.stdin.take();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        kill(pid, signal).unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(names(dir.path()), [""; 0], "{signal}");
        // The remains of this run do not block the next one.
        many(0, 0, 20).store(dir.path());
        exits(&raw2pcap(&[".", "-o", "x.pcap"], dir.path()), 0);
        assert_eq!(converted_file(&path).len(), 20);
    }
}

#[test]
fn file_size_limit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 50_000).store(dir.path());
    let run = Command::new("sh")
        .args(["-c", "ulimit -f 1000; exec \"$0\" \"$1\" -o x.pcap"])
        .arg(env!("CARGO_BIN_EXE_raw2pcap"))
        .arg(&raw)
        .current_dir(dir.path())
        .output()
        .unwrap();
    exits(&run, 1);
    assert!(stderr(&run).contains("File too large"), "{}", stderr(&run));
    assert_eq!(names(dir.path()), ["1391722200"]);
}

#[test]
fn paths_can_be_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let name = |end: &str| {
        let bytes = [b"caf\xe9".as_slice(), end.as_bytes()].concat();
        PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
    };
    let whole = many(0, 0, 100).bytes();
    let part = dir.path().join(name(".raw.part"));
    let first = 12 + usize::from(u16::from_le_bytes([whole[8], whole[9]]));
    fs::write(&part, &whole[..first + 50 * 72]).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_checkraw"))
        .args(["--repair".as_ref(), name(".raw.part").as_os_str()])
        .current_dir(dir.path())
        .output()
        .unwrap();
    exits(&run, 0);
    assert!(dir.path().join(name(".raw")).exists());
    for (split, made) in [
        (None, ".pcapng"),
        (Some("--split-frames=1000"), "_0.pcapng"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_raw2pcap"))
            .args([
                name(".raw").as_os_str(),
                "-o".as_ref(),
                name(".pcapng").as_os_str(),
            ])
            .args(split)
            .current_dir(dir.path())
            .output()
            .unwrap();
        exits(&run, 0);
        assert!(converted_file(&dir.path().join(name(made))).len() == 50);
    }
}
