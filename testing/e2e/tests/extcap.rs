//! Queues in Wireshark's list of interfaces.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, mkfifo};
use testkit::process::{Process, run};

/// A user without rights. Wireshark looks into no other extcap folder than its own when root runs it.
const STRANGER: u32 = 65534;

const ENDLESS: [&str; 3] = ["--ring", "16M", "gen:size=200,rate=50M,late=delay"];

/// Runs the program with the words of `line`, and returns what it prints.
fn ask(lab: &Lab, line: &str) -> String {
    let mut tap = lab.tool("hpcap-tap");
    run(tap.args(line.split(' '))).exits(0).out
}

#[test]
fn queues_are_interfaces() {
    let lab = Lab::new();
    assert!(!ask(&lab, "--extcap-interfaces --extcap-version=4.0").contains("interface {"));
    let args = ["--ring", "4M", "hpcap0=gen:rate=1M", "hpcap0:1=gen:rate=1M"];
    let _daemon = Daemon::start(&lab, &args);
    let interfaces = ask(&lab, "--extcap-interfaces --extcap-version=4.0");
    for line in [
        "extcap {version=",
        "interface {value=hpcap0}{display=hpcap: queue hpcap0, gen}",
        "interface {value=hpcap0:1}{",
        "interface {value=hpcap-all}{",
        "control {number=0}{type=string}{",
    ] {
        assert!(interfaces.contains(line), "{line}: {interfaces}");
    }
    let types = ask(&lab, "--extcap-dlts --extcap-interface hpcap0");
    assert_eq!(types, "dlt {number=1}{name=EN10MB}{display=Ethernet}\n");
    let options = ask(&lab, "--extcap-config --extcap-interface hpcap0");
    assert!(options.contains("{call=--snaplen}") && options.contains("{call=--start}"));
}

#[test]
fn filter_is_checked() {
    let lab = Lab::new();
    let check = |filter: &str| {
        let args = [
            "--extcap-interface",
            "hpcap0",
            "--extcap-capture-filter",
            filter,
        ];
        run(lab.tool("hpcap-tap").args(args)).exits(0).out
    };
    assert_eq!(check("udp port 53"), "");
    assert!(check("nonsense and").contains("syntax error"));
}

#[test]
fn question_without_interface_is_refused() {
    let lab = Lab::new();
    for line in ["--extcap-dlts", "--capture --extcap-interface hpcap0"] {
        let refused = run(lab.tool("hpcap-tap").args(line.split(' '))).exits(2);
        let _ = refused.says(&["is missing"]);
    }
}

#[test]
fn capture_writes_into_the_fifo() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    for fifo in ["fifo", "in", "out"] {
        mkfifo(&lab.path(fifo), Mode::S_IRWXU).unwrap();
    }
    let line = "--capture --extcap-interface hpcap0 --fifo fifo --snaplen 60 --start oldest \
                --extcap-capture-filter udp --extcap-control-in in --extcap-control-out out";
    let words = line.split_whitespace();
    let tap = Process::spawn(lab.tool("hpcap-tap").args(words));
    let mut fifo = std::fs::File::open(lab.path("fifo")).unwrap();
    let mut head = [0; 4096];
    fifo.read_exact(&mut head).unwrap();
    assert_eq!(head[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    // The toolbar hears how many frames are missing.
    let mut toolbar = std::fs::File::open(lab.path("out")).unwrap();
    let mut heard = [0; 8];
    toolbar.read_exact(&mut heard).unwrap();
    assert_eq!((heard[0], heard[4], heard[5]), (b'T', 0, 1));
    drop(fifo);
    let ended = tap.wait().exits(0);
    assert!(ended.err.is_empty(), "{}", ended.err);
}

#[test]
fn missing_queue_is_explained() {
    let lab = Lab::new();
    mkfifo(&lab.path("fifo"), Mode::S_IRWXU).unwrap();
    let line = "--capture --extcap-interface hpcap0 --fifo fifo";
    let failed = run(lab.tool("hpcap-tap").args(line.split(' '))).exits(1);
    let _ = failed.says(&["hpcap0", "no producer"]);
}

/// A user with a home and an extcap folder in the lab, as whom Wireshark runs.
struct Viewer<'a> {
    lab: &'a Lab,
    home: PathBuf,
}

impl<'a> Viewer<'a> {
    /// Makes the user; `None` when tshark is not installed.
    fn new(lab: &'a Lab) -> Option<Self> {
        for program in ["tshark", "setpriv"] {
            if Command::new(program).arg("--version").output().is_err() {
                testkit::skip(&format!("a capture by Wireshark takes {program}"));
                return None;
            }
        }
        let home = lab.folder("user");
        if Uid::effective().is_root() {
            let (user, group) = (Uid::from_raw(STRANGER), Gid::from_raw(STRANGER));
            for dir in [lab.dir(), &home] {
                chown(dir, Some(user), Some(group)).unwrap();
            }
        }
        Some(Self { lab, home })
    }

    /// Prepares a program to run as the user.
    fn command(&self, program: &Path) -> Command {
        let mut command = if Uid::effective().is_root() {
            let mut command = self.lab.here(Path::new("setpriv"));
            command.args([
                "--reuid",
                &STRANGER.to_string(),
                "--regid",
                &STRANGER.to_string(),
            ]);
            command.arg("--clear-groups").arg(program);
            command
        } else {
            self.lab.here(program)
        };
        command
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("WIRESHARK_EXTCAP_DIR", self.home.join("extcap"));
        command
    }
}

#[test]
fn tshark_captures_from_a_queue() {
    let lab = Lab::new();
    let Some(viewer) = Viewer::new(&lab) else {
        return;
    };
    let tap = lab.copy_of_program("hpcap-tap");
    let daemon = lab.copy_of_program("hpcapd");
    let mut daemon = Process::spawn(viewer.command(&daemon).arg("--json").args(ENDLESS));
    daemon.wait_for("\"event\":\"serving\"");

    // tshark itself names the folder into which the program is installed.
    let mut install = viewer.command(&tap);
    let installed = run(install.arg("install-extcap")).exits(0);
    assert!(
        installed.out.contains("/user/extcap/hpcap-tap"),
        "{}",
        installed.out
    );

    let tshark = Path::new("tshark");
    let list = run(viewer.command(tshark).arg("-D")).exits(0);
    assert!(
        list.out.contains("hpcap0 (hpcap: queue hpcap0, gen)"),
        "{}",
        list.out
    );

    let mut capture = viewer.command(tshark);
    capture.args(["-i", "hpcap0", "-f", "udp", "-c", "50", "-T", "fields"]);
    capture.args(["-e", "frame.interface_name", "-e", "ip.proto"]);
    let captured = run(&mut capture).exits(0);
    let lines: Vec<&str> = captured.out.lines().collect();
    assert_eq!(lines.len(), 50, "{}", captured.err);
    assert!(lines.iter().all(|line| line.ends_with("\t17")), "{lines:?}");

    let _ = run(viewer.command(&tap).args(["install-extcap", "--remove"])).exits(0);
    assert!(!viewer.home.join("extcap/hpcap-tap").exists());
}
