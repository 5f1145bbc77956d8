//! SIGUSR1 asks a program for its statistics, and ends none.

use std::fs;
use std::path::Path;

use hpcap_e2e::at_work::{AtWork, DAEMON, at_work};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::{Lab, PROGRAMS};
use nix::sys::signal::Signal;
use testkit::is_root_or_skips;
use testkit::process::Process;
use testkit::wait::wait_until;

#[test]
fn every_program_survives_sigusr1() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    for program in PROGRAMS {
        if program == "rxtxcpu" && !is_root_or_skips("rxtxcpu") {
            continue;
        }
        let AtWork { mut command, tells } = at_work(&lab, program);
        let mut process = Process::spawn(&mut command);
        wait_until(&format!("{program} handles SIGUSR1"), || {
            assert!(process.is_running(), "{program}: {}", process.err());
            process.catches(Signal::SIGUSR1)
        });
        // A program that is still starting may have no statistics yet.
        wait_until(&format!("{program} answers SIGUSR1"), || {
            process.signal(Signal::SIGUSR1);
            wait_until("it arrives", || !process.has_pending(Signal::SIGUSR1));
            assert!(process.is_running(), "{program}: {}", process.err());
            tells.is_none_or(|text| format!("{}{}", process.out(), process.err()).contains(text))
        });
        let ended = process.interrupt();
        assert_ne!(ended.signal(), Some(Signal::SIGUSR1), "{program}");
    }
    let _ = daemon.stop().exits(0);
}

#[test]
fn every_packaged_program_is_tested() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/deb-files");
    let files = fs::read_to_string(files).unwrap();
    let mut packaged: Vec<&str> = files
        .lines()
        .filter_map(|line| line.split_once(" -rwxr-xr-x root/root ./usr/bin/"))
        .map(|(_, program)| program)
        .collect();
    packaged.sort_unstable();
    let mut tested = PROGRAMS;
    tested.sort_unstable();
    assert_eq!(packaged, tested);
}
