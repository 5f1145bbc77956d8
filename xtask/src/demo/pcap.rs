//! Other programs that read the converted file.

use std::path::Path;
use std::process::Command;

use hpcap_bench::process::exists;

use super::show;

/// Prints the first frames of a pcap file, with tcpdump or tshark.
pub(super) fn show_first_frames(pcap: &Path) {
    let arguments: &[&str] = match () {
        () if exists("tcpdump") => &["tcpdump", "-nn", "-c", "5"],
        () if exists("tshark") => &["tshark", "-c", "5"],
        () => return println!("   (neither tcpdump nor tshark is installed)"),
    };
    show::command(&format!("{} -r {}", arguments.join(" "), pcap.display()));
    let mut command = Command::new(arguments[0]);
    command.args(&arguments[1..]);
    if let Ok(done) = command.arg("-r").arg(pcap).output() {
        String::from_utf8_lossy(&done.stdout)
            .lines()
            .for_each(show::quote);
    }
}

/// Returns the number of frames in a pcap file as another program counts them; `None` if there is no such
/// program.
pub(super) fn count_frames(pcap: &Path) -> Option<u64> {
    let output = |program: &str, arguments: &[&str]| {
        let done = Command::new(program)
            .args(arguments)
            .arg(pcap)
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&done.stdout).into_owned())
    };
    // "17 packets"; a tcpdump that is older than 4.99 does not know --count
    let by_tcpdump = || {
        output("tcpdump", &["--count", "-r"])?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    // "demo.pcap  17"
    let by_capinfos = || {
        output("capinfos", &["-Mrc", "-T"])?
            .split_whitespace()
            .last()?
            .parse()
            .ok()
    };
    by_tcpdump().or_else(by_capinfos)
}
