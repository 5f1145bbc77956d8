//! Captures by AF_XDP as a user starts them: stopped, killed, without rights.

use hpcap::Reason;
use hpcap_e2e::daemon::{Daemon, frames, on_the_wire};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{CAPTURE, SEND, veth_pair};
use hpcap_e2e::recording::{contents, files, generated};
use nix::sys::signal::Signal;
use testkit::network::{in_namespace, ip};
use testkit::process::run;
use testkit::source::open_af_xdp_or_skip;
use testkit::wait::wait_until;

const SOURCE: &str = "af_xdp:veth1";

/// Runs `test` in a namespace with a veth pair, where the kernel has AF_XDP.
fn with_veth(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        veth_pair(1500);
        if open_af_xdp_or_skip(&format!("{SOURCE},mode=native")).is_some() {
            test();
        }
    });
}

/// Sends `count` generated frames to the capture.
fn send(lab: &Lab, count: u64) {
    let spec = format!("gen:size=imix,count={count}");
    let _ = run(lab.tool("hpcap-bench").args(["send", &spec, "--to", SEND])).exits(0);
}

fn has_program() -> bool {
    ip(&format!("link show {CAPTURE}")).contains("xdp")
}

/// Waits until the daemon has accounted for `count` frames.
fn wait_for(daemon: &Daemon<'_>, count: u64) {
    wait_until("every frame is accounted for", || {
        on_the_wire(&daemon.status("hpcap0")["ledger"]) >= count
    });
}

#[test]
fn recording_has_every_frame() {
    with_veth(|| {
        let lab = Lab::new();
        let daemon = Daemon::start(&lab, &["--ring", "64M", SOURCE]);
        let folder = lab.path("rec");
        let recorder = lab.recorder(&["hpcap0", folder.to_str().unwrap()]);
        send(&lab, 10_000);
        wait_for(&daemon, 10_000);
        let summary = recorder.interrupt().exits(0).event("summary");
        assert_eq!(frames(&summary["ledger"], Reason::NicMissed), 0);
        assert_eq!(generated(&files(&folder)).frames, 10_000);
        let _ = daemon.stop().exits(0);
        assert!(!has_program());
    });
}

#[test]
fn killed_capture_leaves_no_program() {
    with_veth(|| {
        let lab = Lab::new();
        let daemon = Daemon::start(&lab, &["--ring", "4M", SOURCE]);
        assert!(has_program());
        drop(daemon.process.kill());
        wait_until("the program is gone", || !has_program());
        // The interface can be captured again at once.
        let again = Daemon::start(&lab, &["--ring", "4M", SOURCE]);
        send(&lab, 100);
        wait_for(&again, 100);
        let _ = again.stop().exits(0);
    });
}

/// The frames that a stopped process cannot take are lost, and counted to the last one.
#[test]
fn stopped_capture_counts_its_losses() {
    with_veth(|| {
        let lab = Lab::new();
        let daemon = Daemon::start(&lab, &["--ring", "64M", "af_xdp:veth1,frames=1024"]);
        let folder = lab.path("rec");
        let recorder = lab.recorder(&["hpcap0", folder.to_str().unwrap()]);
        daemon.process.signal(Signal::SIGSTOP);
        send(&lab, 5000);
        daemon.process.signal(Signal::SIGCONT);
        wait_for(&daemon, 5000);
        let ledger = daemon.stop().exits(0).event("ended")["ledger"].clone();
        let _ = recorder.wait();
        assert_eq!(on_the_wire(&ledger), 5000);
        let lost = frames(&ledger, Reason::NicMissed);
        assert!(lost >= 5000 - 1024, "{lost}");
        let recorded = contents(&folder);
        assert_eq!(recorded.lost, lost);
        assert_eq!(recorded.frames.len() as u64 + lost, 5000);
    });
}

#[test]
fn second_capture_learns_of_the_first() {
    with_veth(|| {
        let lab = Lab::new();
        let first = Daemon::start(&lab, &["--ring", "4M", SOURCE]);
        let second = ["--source", SOURCE, "null"];
        let _ = run(lab.tool("hpcapdd").args(second)).exits(1).says(&[
            "cannot capture veth1 through AF_XDP",
            "another capture of hpcap",
        ]);
        let _ = first.stop().exits(0);
    });
}
