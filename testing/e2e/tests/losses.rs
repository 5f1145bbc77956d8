//! Reports of lost frames by the daemon and the recorder, including which listener held the ring.

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use serde_json::Value;
use testkit::process::{Process, events};
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

/// Returns the reports of losses that `process` has printed.
fn losses(process: &Process) -> Vec<Value> {
    events(&process.out())
        .filter(|e| e["event"] == "loss")
        .collect()
}

#[test]
fn loss_is_reported_with_its_cause() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let recorder = lab.recorder(&["hpcap0", "null"]);
    let stuck = lab.listener(&["hpcap0", "--stuck"]);
    for process in [&daemon.process, &recorder] {
        wait_until("a report of the loss", || !losses(process).is_empty());
        let loss = &losses(process)[0];
        assert_eq!(loss["phase"], "begins", "{loss}");
        assert_eq!(loss["reason"], "ring_full", "{loss}");
        assert_eq!(loss["listener"]["pid"], stuck.pid(), "{loss}");
        assert!(loss["frames"].as_u64().unwrap() > 0, "{loss}");
        assert!(loss["share"].as_f64().unwrap() > 0.0, "{loss}");
    }
    wait_until("a report that the loss goes on", || {
        losses(&recorder).iter().any(|l| l["phase"] == "goes_on")
    });
    drop(stuck);
    for process in [&daemon.process, &recorder] {
        wait_until("a report of its end", || {
            losses(process).last().unwrap()["phase"] == "ended"
        });
        // Each loss is reported when it begins and when it ends, with few reports in between.
        assert!(losses(process).len() < 10, "{:?}", losses(process));
    }
    let _ = recorder.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn progress_shows_the_wire_when_all_is_lost() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let recorder = lab.recorder(&["hpcap0", "null"]);
    let stuck = lab.listener(&["hpcap0", "--stuck"]);
    let all_lost = || {
        events(&recorder.out()).any(|e| {
            let rate = |name: &str| e[name].as_f64().unwrap_or(0.0);
            let wire = rate("frames_per_second");
            wire > 0.0 && rate("stored_frames_per_second") == 0.0 && {
                // Both rates are from the same second.
                (wire - rate("lost_frames_per_second")).abs() < wire / 1e6
            }
        })
    };
    wait_until("the wire's rate is shown, and that all is lost", all_lost);
    drop(stuck);
    let _ = recorder.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn progress_counts_frames_before_a_file_ends() {
    let lab = Lab::new();
    // A block of this ring holds the frames of many seconds.
    let store = lab.path("store");
    let recorder = lab.recorder(&[
        "--source",
        "gen:size=300,rate=500pps,late=delay",
        &store.display().to_string(),
    ]);
    wait_until("progress shows that frames are stored", || {
        events(&recorder.out()).any(|e| e["stored_frames_per_second"].as_f64() > Some(100.0))
    });
    assert!(!events(&recorder.out()).any(|e| e["event"] == "file_complete"));
    let _ = recorder.interrupt().exits(0);
}

#[test]
fn clients_do_not_flood_the_log() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    // The loop opens more connections than a user may have, several times.
    let mut kept = Vec::new();
    for _ in 0..3000 {
        if let Ok(socket) = seqpacket(&lab.socket("hpcap0")) {
            kept.push(socket);
        }
        if kept.len() > 400 {
            kept.clear();
        }
    }
    drop(kept);
    let ended = daemon.stop().exits(0);
    let lines = ended.out.lines().count() + ended.err.lines().count();
    assert!(lines < 100, "{lines} lines");
}

/// Connects to the socket at `path`.
fn seqpacket(path: &std::path::Path) -> nix::Result<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}
