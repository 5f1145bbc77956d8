//! Sources that are not there, may not be used, end in the middle or are not Ethernet.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hpcap::Reason;
use hpcap_e2e::captures::all;
use hpcap_e2e::daemon::{Daemon, frames, on_the_wire};
use hpcap_e2e::lab::{Lab, binary};
use hpcap_e2e::network::{CAPTURE, SEND, in_namespace, ip, veth_pair};
use hpcap_e2e::pcap::{self, ETHERNET, File, Frame};
use hpcap_e2e::process::{Process, run, until};
use hpcap_e2e::recording::{contents, files, generated};
use hpcap_e2e::{is_root_or_skips, peers, skip};

const RAW_IP: u32 = 101;

#[test]
fn an_unknown_interface_is_named_with_those_that_exist() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let words = ["nosuch0", "there is none of that name", "lo", SEND, CAPTURE];
        for (tool, args) in [
            ("hpcapd", &["af_packet:nosuch0"][..]),
            ("hpcapdd", &["--source", "af_packet:nosuch0", "null"]),
            ("hpcap-bench", &["send", "gen:count=1", "--to", "nosuch0"]),
        ] {
            let _ = run(lab.tool(tool).args(args)).exits(1).says(&words);
        }
        assert!(!lab.socket("hpcap0").exists());
    });
}

/// A folder that anybody can look into, with copies of programs in it.
fn public_tools(lab: &Lab, names: &[&str]) {
    let open = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755));
    open(lab.dir()).unwrap();
    for name in names {
        let copy = lab.path(name);
        std::fs::copy(binary(name), &copy).unwrap();
        open(&copy).unwrap();
    }
}

/// `name` from [`public_tools`], run as a user without rights.
fn as_nobody(lab: &Lab, name: &str) -> Command {
    let mut command = lab.here(Path::new("setpriv"));
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(lab.path(name));
    command
}

fn can_become_nobody() -> bool {
    if !is_root_or_skips("becoming another user") {
        return false;
    }
    let there = Command::new("setpriv").arg("--version").output().is_ok();
    if !there {
        skip("becoming another user takes setpriv");
    }
    there
}

#[test]
fn without_permission_the_capability_is_named() {
    if !can_become_nobody() {
        return;
    }
    let lab = Lab::new();
    public_tools(&lab, &["hpcapd", "hpcapdd", "hpcap-bench"]);
    let run_dir = lab.folder("run");
    std::fs::set_permissions(&run_dir, PermissionsExt::from_mode(0o777)).unwrap();
    for (tool, args) in [
        ("hpcapd", &["af_packet:lo"][..]),
        ("hpcapdd", &["--source", "af_packet:lo", "null"]),
        ("hpcap-bench", &["send", "gen:count=1", "--to", "lo"]),
    ] {
        let refused = run(as_nobody(&lab, tool).args(args)).exits(1);
        let _ = refused.says(&["CAP_NET_RAW", "root", "setcap"]);
    }
    assert_eq!(std::fs::read_dir(&run_dir).unwrap().count(), 0);
}

#[test]
fn a_queue_of_another_group_names_the_group() {
    if !can_become_nobody() {
        return;
    }
    let lab = Lab::new();
    public_tools(&lab, &["hpcapdd", "hpcapd"]);
    let daemon = Daemon::start(
        &lab,
        &["--ring", "4M", "--group", "daemon", "gen:rate=1000pps"],
    );
    for (tool, args) in [
        ("hpcapdd", &["hpcap0", "null"][..]),
        ("hpcapd", &["--status", "hpcap0"]),
    ] {
        let refused = run(as_nobody(&lab, tool).args(args)).exits(1);
        let _ = refused.says(&["open queue hpcap0", "permission denied", "group daemon"]);
    }
    // A member of the group may.
    let mut member = lab.here(Path::new("setpriv"));
    let gid = nix::unistd::Group::from_name("daemon")
        .unwrap()
        .unwrap()
        .gid;
    member
        .args([
            "--reuid=65534",
            &format!("--regid={gid}"),
            "--clear-groups",
            "--",
        ])
        .arg(lab.path("hpcapdd"))
        .args(["--frames", "10", "hpcap0", "null"]);
    let _ = run(&mut member).exits(0);
    let _ = daemon.stop().exits(0);
}

/// Sends generated frames numbered from 0 and waits until they are on the wire.
fn send(lab: &Lab, count: u64) {
    let spec = format!("gen:size=100,rate=100kpps,count={count}");
    let sent = run(lab
        .tool("hpcap-bench")
        .args(["send", "--json", &spec, "--to", SEND]))
    .exits(0);
    let outcome: serde_json::Value = serde_json::from_str(&sent.out).unwrap();
    assert_eq!(outcome["sent"]["frames"], count);
}

/// Waits until the queue has seen `total` frames on the wire.
fn seen(daemon: &Daemon<'_>, total: u64) {
    until("frames on the wire", || {
        on_the_wire(&daemon.status("hpcap0")["ledger"]) == total
    });
}

#[test]
fn an_interface_that_goes_down_vanishes_and_comes_back_goes_on_being_captured() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let folder = lab.folder("raw");
        let source = format!("af_packet:{CAPTURE}");
        let mut daemon = Daemon::start(&lab, &["--ring", "16M", &source]);
        let recorder = lab.recorder(&["hpcap0", "raw"]);
        send(&lab, 500);
        seen(&daemon, 500);

        ip(&format!("link set {CAPTURE} down"));
        daemon.process.wait_for("down");
        ip(&format!("link set {CAPTURE} up"));
        daemon.process.wait_for("up again");
        send(&lab, 300);
        seen(&daemon, 800);

        ip(&format!("link delete {CAPTURE}"));
        daemon.process.wait_for("gone");
        veth_pair(1500);
        daemon.process.wait_for("is back");
        send(&lab, 200);
        seen(&daemon, 1000);

        let _ = daemon.stop().exits(0);
        let summary = recorder.wait().exits(0).event("summary");
        assert_eq!(summary["frames"], 1000);
        let recorded = contents(&folder);
        assert_eq!(recorded.frames.len(), 1000);
        assert!(recorded.damage.is_empty() && recorded.lost == 0);
    });
}

#[test]
fn a_file_that_is_not_there_or_no_capture_is_refused() {
    let lab = Lab::new();
    std::fs::write(lab.path("text.pcap"), "this is not a capture at all").unwrap();
    std::fs::write(lab.path("empty.pcap"), "").unwrap();
    std::fs::write(
        lab.path("packed.pcap.gz"),
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0],
    )
    .unwrap();
    for (file, words) in [
        ("missing.pcap", &["missing.pcap", "No such file"][..]),
        ("text.pcap", &["text.pcap", "neither pcap nor pcapng"]),
        ("empty.pcap", &["empty.pcap"]),
        ("packed.pcap.gz", &["packed.pcap.gz", "gzip"]),
    ] {
        let spec = format!("pcap:{file}");
        let _ = run(lab.tool("hpcapd").arg(&spec)).exits(1).says(words);
        let _ = run(lab.tool("hpcapdd").args(["--source", &spec, "null"]))
            .exits(1)
            .says(words);
    }
}

#[test]
fn a_capture_that_ends_in_a_frame_gives_the_frames_before_and_fails() {
    let lab = Lab::new();
    let cut: Vec<_> = all(lab.dir())
        .into_iter()
        .filter(|c| !c.file.whole)
        .collect();
    assert!(!cut.is_empty());
    for (i, capture) in cut.iter().enumerate() {
        let folder = format!("raw{i}");
        let spec = format!("pcap:{}", capture.path.display());
        let done = run(lab
            .tool("hpcapdd")
            .args(["--json", "--ring", "4M", "--source", &spec, &folder]));
        let done = done.exits(1).says(&[&capture.name, "the file ends within"]);
        assert_eq!(done.event("summary")["frames"], capture.file.frames.len());
        let recorded = contents(&lab.path(&folder));
        assert!(recorded.damage.is_empty(), "{:?}", recorded.damage);
        let data = |frames: &[Frame]| frames.iter().map(|f| f.data.clone()).collect::<Vec<_>>();
        assert_eq!(
            data(&recorded.frames),
            data(&capture.file.frames),
            "{}",
            capture.name
        );
    }
}

fn ip_capture(lab: &Lab, name: &str, link_type: u32) -> Vec<Frame> {
    let frames: Vec<Frame> = (0..20)
        .map(|i| Frame {
            sec: 1_400_000_000 + i,
            nsec: 5,
            len: 20 + i,
            data: [vec![0x45, 0], vec![0; 18 + i as usize]].concat(),
        })
        .collect();
    let file = File {
        link_type,
        nanoseconds: true,
        frames: frames.clone(),
        whole: true,
    };
    std::fs::write(lab.path(name), pcap::to_bytes(&file, true)).unwrap();
    frames
}

fn record(lab: &Lab, capture: &str, folder: &str) {
    let spec = format!("pcap:{capture}");
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--quiet", "--ring", "4M", "--source", &spec, folder]))
    .exits(0);
}

#[test]
fn a_link_type_other_than_ethernet_is_kept() {
    let lab = Lab::new();
    let frames = ip_capture(&lab, "ip.pcap", RAW_IP);
    record(&lab, "ip.pcap", "ip");
    for (out, options) in [
        ("out.pcap", &[][..]),
        ("out.pcapng", &[]),
        ("us.pcap", &["--micro"]),
    ] {
        let _ = run(lab
            .tool("raw2pcap")
            .arg("ip")
            .args(["-o", out])
            .args(options))
        .exits(0);
        peers::both_read(&lab.path(out), frames.len());
    }
    let out = pcap::read(&lab.path("out.pcap"));
    assert_eq!((out.link_type, &out.frames), (RAW_IP, &frames));
    assert_eq!(pcap::read(&lab.path("us.pcap")).link_type, RAW_IP);
    if peers::tshark_converts(&lab.path("out.pcapng"), &lab.path("ng.pcap")) {
        let converted = pcap::read(&lab.path("ng.pcap"));
        assert_eq!((converted.link_type, &converted.frames), (RAW_IP, &frames));
    }
}

#[test]
fn link_types_do_not_mix_in_one_classic_pcap() {
    let lab = Lab::new();
    let frames = ip_capture(&lab, "ip.pcap", RAW_IP);
    ip_capture(&lab, "ethernet.pcap", ETHERNET);
    record(&lab, "ip.pcap", "ip");
    record(&lab, "ethernet.pcap", "ethernet");
    let _ = run(lab
        .tool("raw2pcap")
        .args(["ip", "ethernet", "-o", "mixed.pcap"]))
    .exits(1)
    .says(&["link type", "pcapng"]);
    assert!(!lab.path("mixed.pcap").exists());
    let _ = run(lab
        .tool("raw2pcap")
        .args(["ip", "ethernet", "-o", "mixed.pcapng"]))
    .exits(0);
    // libpcap, and so tcpdump, takes one link type only.
    peers::tshark_reads(&lab.path("mixed.pcapng"), 2 * frames.len());
}

#[test]
fn a_sender_refuses_what_is_not_ethernet() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        ip_capture(&lab, "ip.pcap", RAW_IP);
        let _ = run(lab
            .tool("hpcap-bench")
            .args(["send", "pcap:ip.pcap", "--to", SEND]))
        .exits(2)
        .says(&["link type 101", "only Ethernet"]);
    });
}

#[test]
fn frames_longer_than_a_record_are_stored_cut_and_counted() {
    let lab = Lab::new();
    let spec = "gen:size=70000,count=100";
    let mut daemon = Process::spawn(lab.tool("hpcapd").args(["--json", "--ring", "32M", spec]));
    daemon.wait_for("serving");
    let _ = run(lab.tool("hpcapdd").args(["--quiet", "hpcap0", "raw"])).exits(0);
    let ended = daemon.wait().exits(0).event("ended");
    assert_eq!(
        (
            &ended["frames_cut"],
            frames(&ended["ledger"], Reason::Captured)
        ),
        (&100.into(), 100)
    );
    let recorded = contents(&lab.path("raw"));
    assert_eq!(recorded.frames.len(), 100);
    assert!(
        recorded
            .frames
            .iter()
            .all(|f| f.data.len() == 65_535 && f.len == 65_535)
    );
    let _ = run(lab.tool("checkraw").arg("raw")).exits(0);
}

#[test]
fn a_bad_filter_is_refused_in_the_words_of_libpcap() {
    let lab = Lab::new();
    let bad = "tcp port http or";
    let words = ["filter", bad, "syntax error"];
    let _ = run(lab.tool("hpcapd").args(["--filter", bad, "gen:"]))
        .exits(2)
        .says(&words);
    let source = ["--source", "gen:", "null"];
    let _ = run(lab.tool("hpcapdd").args(["--filter", bad]).args(source))
        .exits(2)
        .says(&words);
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:rate=1000pps"]);
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--filter", bad, "hpcap0", "null"]))
    .exits(2)
    .says(&words);
    let _ = daemon.stop().exits(0);
    record_some(&lab);
    let _ = run(lab
        .tool("raw2pcap")
        .args(["raw", "-o", "x.pcap", "--filter", bad]))
    .exits(2)
    .says(&words);
    assert!(!lab.path("x.pcap").exists());
}

fn record_some(lab: &Lab) {
    let source = ["--source", "gen:count=100", "raw"];
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--quiet", "--ring", "4M"])
        .args(source))
    .exits(0);
    assert_eq!(generated(&files(&lab.path("raw"))).frames, 100);
}

#[test]
fn a_ring_larger_than_memory_is_refused_at_once() {
    let lab = Lab::new();
    let words = ["ring", "memory"];
    let _ = run(lab.tool("hpcapd").args(["--ring", "4096G", "gen:"]))
        .exits(1)
        .says(&words);
    let source = ["--source", "gen:", "null"];
    let _ = run(lab.tool("hpcapdd").args(["--ring", "4096G"]).args(source))
        .exits(1)
        .says(&words);
}

#[test]
fn a_ring_that_is_too_small_is_a_usage_error() {
    let lab = Lab::new();
    let _ = run(lab.tool("hpcapd").args(["--ring", "100K", "gen:"]))
        .exits(2)
        .says(&["ring", "512"]);
}

#[test]
fn hugepages_that_were_promised_and_are_not_there_are_named() {
    let free = |size: &str| {
        let file = format!("/sys/kernel/mm/hugepages/hugepages-{size}/free_hugepages");
        std::fs::read_to_string(file).is_ok_and(|n| n.trim() != "0")
    };
    if free("2048kB") || free("1048576kB") {
        return skip("there are hugepages");
    }
    let lab = Lab::new();
    for pages in ["2M", "1G"] {
        let args = ["--ring", "1G", "--pages", pages, "gen:"];
        let _ = run(lab.tool("hpcapd").args(args))
            .exits(1)
            .says(&["hugepages", "nr_hugepages"]);
        let _ = run(lab
            .tool("hpcapdd")
            .args(&args[..4])
            .args(["--source", "gen:", "null"]))
        .exits(1)
        .says(&["hugepages", "nr_hugepages"]);
    }
}
