//! `hpcapd` as a service: its sockets, several daemons at once, stopping and being killed.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use hpcap::Reason;
use hpcap_e2e::daemon::{Daemon, frames, on_the_wire, status};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::{files, generated};
use nix::sys::signal::Signal;
use nix::unistd::Group;
use testkit::process::{Process, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

#[test]
fn two_daemons_serve_side_by_side() {
    let lab = Lab::new();
    let first = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let second = Daemon::start(
        &lab,
        &["--ring", "4M", RATE, "hpcap7:2=gen:rate=1000pps,late=delay"],
    );
    // The queue of the second daemon that has no name gets the next free one.
    let all = run(lab.tool("hpcapctl").args(["status", "--json"])).exits(0);
    let mut names: Vec<String> = testkit::process::events(&all.out)
        .map(|s| format!("{} {}", s["queue"].as_str().unwrap(), s["pid"]))
        .collect();
    names.sort();
    let (one, two) = (first.process.pid(), second.process.pid());
    let expected = [
        format!("hpcap0 {one}"),
        format!("hpcap1 {two}"),
        format!("hpcap7:2 {two}"),
    ];
    assert_eq!(names, expected);
    let _ = second.stop().exits(0);
    // The first daemon continues to capture.
    let before = on_the_wire(&status(&lab, "hpcap0")["ledger"]);
    wait_until("hpcap0 goes on", || {
        on_the_wire(&status(&lab, "hpcap0")["ledger"]) > before
    });
    let ended = first.stop().exits(0).event("ended");
    let nobody = frames(&ended["ledger"], Reason::NoListener);
    assert_eq!(nobody, on_the_wire(&ended["ledger"]));
}

#[test]
fn second_daemon_names_pid_of_the_first() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let pid = format!("hpcapd with pid {} serves it", daemon.process.pid());
    let _ = run(lab.tool("hpcapd").arg(format!("hpcap0={RATE}")))
        .exits(1)
        .says(&["serve hpcap0", &pid, "choose another name"]);
    assert!(daemon.status("hpcap0")["running"].as_bool().unwrap());
}

#[test]
fn sockets_are_for_the_group_only() {
    let lab = Lab::new();
    let group = Group::from_name("daemon").unwrap();
    let Some(group) = group.filter(|_| is_root_or_skips("giving a socket to a group")) else {
        return;
    };
    let daemon = Daemon::start(&lab, &["--ring", "4M", "--group", "daemon", RATE]);
    let socket = std::fs::metadata(lab.socket("hpcap0")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    assert_eq!(socket.gid(), group.gid.as_raw());
    let _ = daemon.stop().exits(0);
    let _ = run(lab.tool("hpcapd").args(["--group", "no-such-group", RATE]))
        .exits(2)
        .says(&["no-such-group", "groupadd"]);
}

#[test]
fn listeners_drain_after_daemon_stops() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let lab = Lab::new();
        let folder = lab.folder("raw");
        let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
        let recorder = lab.recorder(&["hpcap0", "raw"]);
        let listener = lab.listener(&["hpcap0"]);
        wait_until("frames", || {
            frames(&daemon.status("hpcap0")["ledger"], Reason::Captured) > 2000
        });
        daemon.process.signal(signal);
        let ended = daemon.process.wait().exits(0).event("ended");
        assert!(!lab.socket("hpcap0").exists(), "{signal}");
        assert_eq!(std::fs::read_dir(lab.run_dir()).unwrap().count(), 0);
        // The source had more frames, so the exit code tells a user who wants to record on that the
        // daemon stopped.
        let recorded = recorder.wait().exits(1);
        let recorded = recorded.says(&["was stopped", "is stored", "--wait"]);
        let summary = recorded.event("summary");
        assert_eq!(summary["ended_by"], "producer stopped");
        let captured = frames(&ended["ledger"], Reason::Captured);
        assert_eq!(summary["frames"], captured);
        let seen = listener.wait().exits(0).event("end");
        assert_eq!((&seen["corrupt"], &seen["missing"]), (&0.into(), &0.into()));
        let files = files(&folder);
        assert!(
            files
                .iter()
                .all(|f| f.extension().is_some_and(|e| e == "raw"))
        );
        let stored = generated(&files);
        assert_eq!(
            (stored.frames, stored.missing, stored.damaged),
            (captured, 0, 0)
        );
    }
}

#[test]
fn new_daemon_replaces_a_killed_one() {
    let lab = Lab::new();
    let folder = lab.folder("raw");
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let pid = daemon.process.pid();
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    let listener = lab.listener(&["hpcap0"]);
    wait_until("frames", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::Captured) > 2000
    });
    let _ = daemon.process.kill();
    let died = format!("its producer (process {pid}) has died");
    let recorded = recorder.wait().exits(1).says(&[&died, "is stored"]);
    assert_eq!(recorded.event("summary")["ended_by"], "producer gone");
    let seen = listener.wait().exits(0).event("end");
    assert_eq!(seen["end"], "producer gone");
    assert_eq!((&seen["corrupt"], &seen["missing"]), (&0.into(), &0.into()));
    let stored = generated(&files(&folder));
    assert_eq!(stored.frames, recorded.event("summary")["frames"]);
    assert!(stored.frames > 2000 && stored.missing == 0 && stored.damaged == 0);
    // The recorder reports that the producer is gone and how to start one.
    let gone = run(lab.tool("hpcapdd").args(["hpcap0", "null"])).exits(1);
    let _ = gone.says(&[
        "open queue hpcap0",
        "its producer is gone",
        "start hpcapd again",
    ]);
    let _ = run(lab.tool("hpcapctl").args(["status", "hpcap0"]))
        .exits(1)
        .says(&["its producer is gone"]);
    let again = Daemon::start(&lab, &["--ring", "4M", &format!("hpcap0={RATE}")]);
    assert_eq!(again.status("hpcap0")["pid"], again.process.pid());
    let _ = again.stop().exits(0);
}

#[test]
fn stuck_listener_can_be_killed() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", RATE]);
    let mut stuck = lab.listener(&["hpcap0", "--stuck"]);
    let counting = lab.listener(&["hpcap0"]);
    wait_until("the ring is full", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::RingFull) > 0
    });
    let listeners = daemon.listeners("hpcap0");
    let shown = listeners.iter().find(|l| l["pid"] == stuck.pid()).unwrap();
    assert_eq!(shown["contract"], "lossless");
    assert!(shown["lag_bytes"].as_u64().unwrap() > 0);
    let text = run(lab.tool("hpcapctl").args(["status"])).exits(0).out;
    assert!(
        text.contains("e2e-listener") && text.contains(&stuck.pid().to_string()),
        "{text}"
    );

    let id = shown["id"].to_string();
    let _ = run(lab.tool("hpcapctl").args(["kill", "hpcap0", "99"]))
        .exits(1)
        .says(&["kill listener 99 of hpcap0", "no such listener"]);
    let killed = run(lab.tool("hpcapctl").args(["kill", "hpcap0", &id])).exits(0);
    assert!(killed.out.contains("is killed"), "{}", killed.out);
    let captured = || frames(&daemon.status("hpcap0")["ledger"], Reason::Captured);
    let before = captured();
    wait_until("capturing goes on", || captured() > before + 1000);
    assert!(
        stuck.is_running(),
        "killing a listener is no business of the process"
    );
    drop(stuck);
    wait_until("the slot is free", || daemon.listeners("hpcap0").len() == 1);
    let _ = daemon.stop().exits(0);
    let seen = counting.wait().exits(0).event("end");
    // The gap records count exactly the frames that the stuck listener cost.
    assert_eq!(seen["missing"], seen["lost"]);
    assert!(seen["lost"].as_u64().unwrap() > 0 && seen["corrupt"] == 0);
}

#[test]
fn killed_recorder_keeps_its_files() {
    let lab = Lab::new();
    let folder = lab.folder("raw");
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    wait_until("frames", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::Captured) > 2000
    });
    let id = daemon.listeners("hpcap0")[0]["id"].to_string();
    let _ = run(lab.tool("hpcapctl").args(["kill", "hpcap0", &id])).exits(0);
    let recorded = recorder.wait().exits(1).says(&["was killed"]);
    assert_eq!(recorded.event("summary")["ended_by"], "killed");
    let stored = generated(&files(&folder));
    assert_eq!((stored.missing, stored.damaged), (0, 0));
    assert_eq!(stored.frames, recorded.event("summary")["frames"]);
}

#[test]
fn status_without_queues_gives_advice() {
    let lab = Lab::new();
    let shown = run(lab.tool("hpcapctl").arg("status")).exits(0);
    assert!(shown.out.contains("no queue is served"), "{}", shown.out);
    let _ = run(lab.tool("hpcapctl").args(["status", "hpcap0"]))
        .exits(1)
        .says(&["no producer serves it", "hpcapd hpcap0=af_packet:INTERFACE"]);
    let _ = run(lab.tool("hpcapdd").args(["hpcap3:1", "null"]))
        .exits(1)
        .says(&["open queue hpcap3:1", "no producer serves it"]);
}

#[test]
fn daemon_ends_after_its_listeners_drain() {
    let lab = Lab::new();
    let folder = lab.folder("raw");
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:size=imix,count=50000"]);
    let recorder = Process::spawn(lab.tool("hpcapdd").args(["--json", "hpcap0", "raw"]));
    let summary = recorder.wait().exits(0).event("summary");
    assert_eq!(summary["frames"], 50_000);
    let ended = daemon.process.wait().exits(0).event("ended");
    assert_eq!(frames(&ended["ledger"], Reason::Captured), 50_000);
    assert_eq!(generated(&files(&folder)).frames, 50_000);
}

#[test]
fn ring_falls_back_to_ordinary_pages() {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    if !meminfo
        .lines()
        .any(|l| l.starts_with("HugePages_Free:") && l.ends_with(" 0"))
    {
        return skip("there are hugepages");
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let said = daemon.process.out();
    let serving = testkit::process::events(&said).find(|e| e["event"] == "serving");
    let serving = serving.unwrap();
    assert_eq!(
        (&serving["page_bytes"], &serving["ring_bytes"]),
        (&4096.into(), &(4 << 20).into())
    );
    // Hugepages would not make a generator faster, so the daemon does not advise reserving them.
    let ended = daemon.stop().exits(0);
    assert!(!ended.out.contains("hugepages"), "{}", ended.out);
}

#[test]
fn messages_have_levels() {
    let lab = Lab::new();
    // A generator with a rate does not wait for a listener.
    let source = "gen:rate=1000pps,count=100";
    let ended = "the source has ended";
    // The regular end of a source is information, which --quiet leaves out.
    let quiet = run(lab.tool("hpcapd").args(["--quiet", "--ring", "4M", source])).exits(0);
    assert!(!quiet.err.contains(ended), "{}", quiet.err);
    let _ = run(lab.tool("hpcapd").args(["--ring", "4M", source]))
        .exits(0)
        .says(&[ended]);
    let json = run(lab.tool("hpcapd").args(["--json", "--ring", "4M", source])).exits(0);
    let message = json.event("message");
    assert_eq!(
        (&message["level"], &message["message"]),
        (&"info".into(), &ended.into())
    );
}
