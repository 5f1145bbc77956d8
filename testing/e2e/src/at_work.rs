//! Every program while it works, for tests of signals.

use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::lab::{Lab, binary};

/// The words of the daemon of the queue hpcap0, beside which the programs work.
pub const DAEMON: [&str; 3] = ["--ring", "4M", "gen:size=60,rate=1M,late=delay"];

/// A command that does not end by itself, and what SIGUSR1 makes it print.
#[derive(Debug)]
pub struct AtWork {
    /// The command.
    pub command: Command,
    /// A part of what SIGUSR1 makes it print; `None` if it only survives.
    pub tells: Option<&'static str>,
}

fn words(lab: &Lab, line: &str, tells: Option<&'static str>) -> AtWork {
    let mut words = line.split_whitespace();
    let mut command = lab.tool(words.next().unwrap());
    command.args(words);
    AtWork { command, tells }
}

/// Runs the line of a shell in which `$0` is `program`.
fn shell(lab: &Lab, program: &str, line: &str, tells: Option<&'static str>) -> AtWork {
    let mut command = lab.here(Path::new("sh"));
    command.args(["-c", line]).arg(binary(program));
    AtWork { command, tells }
}

/// Returns what keeps `program` at work beside a daemon of the queue hpcap0. Its input may be a FIFO into
/// which nobody writes.
#[must_use]
pub fn at_work(lab: &Lab, program: &str) -> AtWork {
    let _ = mkfifo(&lab.path("pipe"), Mode::S_IRWXU);
    match program {
        "hpcapd" => words(lab, "hpcapd --json hpcap1=gen:rate=1M", Some("statistics")),
        "hpcapdd" => words(lab, "hpcapdd hpcap0 null", Some(" wire ")),
        "hpcapctl" => words(lab, "hpcapctl status --watch", None),
        "raw2pcap" => shell(
            lab,
            program,
            "exec \"$0\" - -o x.pcap <>pipe",
            Some("0 B done"),
        ),
        "checkraw" => shell(lab, program, "exec \"$0\" - <>pipe", Some("0 B done")),
        "hpcap-bench" => words(lab, "hpcap-bench verify hpcap0", None),
        "hpcap-diag" => words(lab, "hpcap-diag now --interval 1h", None),
        "hpcap-monitor" => words(
            lab,
            "hpcap-monitor run --listen none --basedir log",
            Some("samples"),
        ),
        "hpcap-sniff" => words(lab, "hpcap-sniff hpcap0 --count-only", Some("so far: ")),
        "hpcap-status" => words(lab, "hpcap-status --watch", None),
        "hpcap-tap" => words(lab, "hpcap-tap hpcap0 -w x.pcapng", Some("frames read")),
        "rxtxcpu" => shell(
            lab,
            program,
            "exec unshare --net sh -c 'ip link set lo up && exec \"$0\" lo' \"$0\"",
            Some("packets captured so far"),
        ),
        other => panic!("what keeps {other} at work?"),
    }
}
