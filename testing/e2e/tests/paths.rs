//! Paths that are not UTF-8. Linux allows every byte but `/` and 0 in a name, and no program may use
//! another name than the one that it was given.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use testkit::process::{Finished, Process, events, run};
use testkit::wait::wait_until;

/// A name with a byte that is not UTF-8, and an ending.
fn odd(ending: &str) -> OsString {
    let name = [&b"x\xff"[..], ending.as_bytes()].concat();
    OsString::from_vec(name)
}

/// `odd(ending)` as programs show it.
fn shown(ending: &str) -> String {
    format!("x\u{fffd}{ending}")
}

fn record(lab: &Lab, destination: &OsStr) -> Finished {
    let mut command = lab.tool("hpcapdd");
    command.args(["--json", "--source", "gen:count=100"]);
    run(command.arg(destination)).exits(0)
}

#[test]
fn recorder_writes_the_requested_file() {
    let lab = Lab::new();
    for ending in [".raw", ".pcapng", ".pcap.gz"] {
        let recorded = record(&lab, &odd(ending));
        let complete = recorded.event("file_complete");
        let path = complete["path"].as_str().unwrap().to_owned();
        assert!(path.ends_with(&shown(ending)), "{path}");
        assert!(lab.dir().join(odd(ending)).exists(), "{ending}");
    }
    // Nothing is overwritten.
    let mut again = lab.tool("hpcapdd");
    again.args(["-i", "lo", "-w"]).arg(odd(".pcapng"));
    let _ = run(&mut again).exits(2).says(&["is there already"]);
    let _ = record(&lab, &odd(""));
    assert!(lab.dir().join(odd("")).is_dir());
    let names = std::fs::read_dir(lab.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names: Vec<OsString> = names.filter(|name| name.to_str().is_some()).collect();
    assert_eq!(names, Vec::<OsString>::new(), "a file of another name");
}

#[test]
fn command_gets_the_unchanged_path() {
    let lab = Lab::new();
    let script = lab.dir().join(odd(".sh"));
    testkit::process::write_program(&script, "#!/bin/sh\nmv \"$1\" \"$HPCAP_FILE.moved\"\n");
    let mut command = lab.tool("hpcapdd");
    command.args(["--source", "gen:count=100", "--on-complete"]);
    let _ = run(command.arg(&script).arg(odd(".pcapng"))).exits(0);
    assert!(lab.dir().join(odd(".pcapng.moved")).exists());
}

#[test]
fn capture_is_read_by_every_program() {
    let lab = Lab::new();
    let _ = record(&lab, &odd(".pcap"));
    let mut source = OsString::from("pcap:");
    source.push(odd(".pcap"));
    let mut command = lab.tool("hpcapdd");
    let read = run(command
        .args(["--json", "--source"])
        .arg(&source)
        .arg("null"))
    .exits(0);
    assert_eq!(read.event("summary")["frames"], 100);
    assert_eq!(read.event("start")["source"], r"pcap:x\xff.pcap");
    // The printed path, when typed, leads to the same file.
    let mut command = lab.tool("hpcapdd");
    let again = ["--json", "--source", r"pcap:x\xff.pcap", "null"];
    assert_eq!(
        run(command.args(again)).exits(0).event("summary")["frames"],
        100
    );
    let mut daemon = Process::spawn(lab.tool("hpcapd").arg("--json").arg(&source));
    daemon.wait_for("\"event\":\"serving\"");
    let _ = run(lab.tool("hpcapdd").args(["-q", "hpcap0", "null"])).exits(0);
    let _ = daemon.interrupt();
}

#[test]
fn recording_is_read_by_every_program() {
    let lab = Lab::new();
    let _ = record(&lab, &odd(".raw"));
    let verified = run(lab.tool("hpcap-bench").arg("verify").arg(odd(".raw"))).exits(0);
    let _ = verified.out.find(&shown(".raw")).unwrap();
    let checked = run(lab.tool("checkraw").arg("--json").arg(odd(".raw"))).exits(0);
    let line = events(&checked.out).next().unwrap();
    assert_eq!(line["path"], shown(".raw"));
    let mut command = lab.tool("raw2pcap");
    let _ = run(command.arg(odd(".raw")).arg("-o").arg(odd(".pcapng"))).exits(0);
    assert!(lab.dir().join(odd(".pcapng")).exists());
}

#[test]
fn repair_of_a_recording_is_reported() {
    let lab = Lab::new();
    let _ = record(&lab, &odd(".raw"));
    let (whole, part) = (odd(".raw"), odd(".raw.part"));
    let bytes = std::fs::read(lab.dir().join(&whole)).unwrap();
    std::fs::remove_file(lab.dir().join(&whole)).unwrap();
    std::fs::write(lab.dir().join(&part), &bytes[..bytes.len() / 2 + 7]).unwrap();
    let mut command = lab.tool("checkraw");
    let repaired = run(command.args(["--json", "--repair"]).arg(&part));
    let line = events(&repaired.out).next().unwrap();
    assert_eq!(line["repair"]["sound"], true, "{line}");
    assert!(lab.dir().join(&whole).exists(), "{line}");
}

#[test]
fn queue_has_a_socket_in_any_folder() {
    let lab = Lab::new();
    let folder = lab.dir().join(odd(""));
    std::fs::create_dir(&folder).unwrap();
    let mut command = lab.tool("hpcapd");
    command.arg("--json").arg("--run-dir").arg(&folder);
    command.args(["--look-back", "gen:rate=1000pps"]);
    let mut daemon = Process::spawn(&mut command);
    daemon.wait_for("\"event\":\"serving\"");
    let socket = Path::new(&odd("")).join("hpcap0.sock");
    let mut command = lab.tool("hpcap-sniff");
    command
        .arg(&socket)
        .args(["--count-only", "--start", "oldest", "--no-follow"]);
    let _ = run(&mut command).exits(0);
    let mut command = lab.tool("hpcap-tap");
    command
        .arg(&socket)
        .args(["--start", "oldest", "--duration", "300ms", "-w"]);
    let _ = run(command.arg(odd(".pcapng"))).exits(0);
    assert!(lab.dir().join(odd(".pcapng")).exists());
    let _ = daemon.interrupt();
}

/// A script that makes the file `done` beside it.
fn script(lab: &Lab) -> OsString {
    let script = lab.dir().join(odd(".sh"));
    let contents = "#!/bin/sh\ntouch \"$(dirname \"$0\")/done\"\n";
    testkit::process::write_program(&script, contents);
    script.into_os_string()
}

#[test]
fn command_of_the_time_machine_runs_as_it_is() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:rate=1M,late=delay"]);
    let event = [OsStr::new("command:"), &script(&lab)].join(OsStr::new(""));
    let mut command = lab.tool("hpcap-tap");
    command
        .args(["hpcap0", "--after", "10ms", "--on"])
        .arg(event);
    let _ = run(command.args(["-w", "x.pcapng"])).exits(0);
    assert!(lab.path("done").exists());
    let _ = daemon.stop().exits(0);
}

#[test]
fn command_of_the_monitor_runs_as_it_is() {
    let lab = Lab::new();
    let mut command = lab.tool("hpcap-monitor");
    command.args(["run", "--listen", "none", "--interval", "100ms"]);
    command.args(["--basedir", "log", "--event-command"]);
    let monitor = Process::spawn(command.arg(script(&lab)));
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:rate=1M,late=delay"]);
    let sees_the_queue = || {
        let mut find = lab.here(Path::new("find"));
        let found = find.args(["log", "-name", "hpcap0"]).output();
        found.is_ok_and(|found| !found.stdout.is_empty())
    };
    wait_until("the monitor sees the queue", sees_the_queue);
    // The monitor tells of a queue whose producer has died.
    let _ = daemon.process.kill();
    wait_until("the command has run", || lab.path("done").exists());
    let _ = monitor.interrupt().exits(0);
}

#[test]
fn filter_that_is_not_utf_8_is_refused() {
    let lab = Lab::new();
    let mut command = lab.tool("hpcapdd");
    command
        .args(["-i", "lo", "-w", "null"])
        .arg(OsStr::from_bytes(b"udp\xff"));
    let _ = run(&mut command).exits(2).says(&["filter"]);
}
