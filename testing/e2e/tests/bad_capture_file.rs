//! Capture files as a source that do not exist, are truncated, are not Ethernet, or have frames
//! that are too long.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::Reason;
use hpcap_e2e::captures::all;
use hpcap_e2e::daemon::frames;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{SEND, veth_pair};
use hpcap_e2e::peers;
use hpcap_e2e::recording::contents;
use testkit::network::in_namespace;
use testkit::pcap::{self, ETHERNET, File, Frame};
use testkit::process::{Process, run};

const RAW_IP: u32 = 101;

#[test]
fn source_refuses_missing_or_other_files() {
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
        ("packed.pcap.gz", &["packed.pcap.gz", "incomplete"]),
    ] {
        let spec = format!("pcap:{file}");
        let _ = run(lab.tool("hpcapd").arg(&spec)).exits(1).says(words);
        let _ = run(lab.tool("hpcapdd").args(["--source", &spec, "null"]))
            .exits(1)
            .says(words);
    }
}

#[test]
fn truncated_capture_fails_after_its_frames() {
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

#[test]
fn damaged_capture_fails_after_its_frames() {
    let lab = Lab::new();
    ip_capture(&lab, "sound.pcap", ETHERNET);
    let mut bytes = std::fs::read(lab.path("sound.pcap")).unwrap();
    // The fourth frame claims 4 GiB. The headers have 24 and 16 bytes, the frames 20, 21, 22.
    let caplen = 24 + 3 * 16 + 20 + 21 + 22 + 8;
    bytes[caplen..caplen + 4].fill(0xff);
    std::fs::write(lab.path("bad.pcap"), bytes).unwrap();
    let source = ["--source", "pcap:bad.pcap", "raw"];
    let _ = run(lab.tool("hpcapdd").args(["--ring", "4M"]).args(source))
        .exits(1)
        .says(&["bad.pcap", "4294967295 captured bytes"]);
    assert_eq!(contents(&lab.path("raw")).frames.len(), 3);
    let _ = run(lab.tool("checkraw").arg("raw")).exits(0);
    // The daemon fails, too, after its listeners have received the frames before the error.
    let daemon = Process::spawn(lab.tool("hpcapd").args(["--json", "pcap:bad.pcap"]));
    let mut daemon = daemon;
    daemon.wait_for("serving");
    // The recorder of this daemon fails, too, although it has stored these frames: the end must not
    // look like the end of the source.
    let recorded = run(lab.tool("hpcapdd").args(["--json", "hpcap0", "again"])).exits(1);
    let recorded = recorded.says(&["its source, pcap:bad.pcap, has failed", "is stored"]);
    assert_eq!(recorded.event("summary")["frames"], 3);
    assert_eq!(recorded.event("summary")["ended_by"], "source failed");
    let _ = daemon.wait().exits(1).says(&["bad.pcap"]);
}

#[test]
fn unstorable_times_are_adjusted() {
    let lab = Lab::new();
    // The frames have a time in the year 2255, whose seconds do not fit into 32 bits.
    let spec = "gen:count=100,start=9000000000000000000";
    let mut daemon = Process::spawn(lab.tool("hpcapd").args(["--json", "--ring", "4M", spec]));
    daemon.wait_for("serving");
    let _ = run(lab.tool("hpcapdd").args(["--quiet", "hpcap0", "raw"])).exits(0);
    let ended = daemon.wait().exits(0).event("ended");
    assert_eq!(ended["times_adjusted"], 100);
    let recorded = contents(&lab.path("raw"));
    assert_eq!(recorded.frames.len(), 100);
    assert!(recorded.frames.iter().all(|f| f.sec == u32::MAX));
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
fn recording_keeps_other_link_types() {
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
fn classic_pcap_refuses_second_link_type() {
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
    // libpcap, and therefore tcpdump, accepts only one link type per file.
    peers::tshark_reads(&lab.path("mixed.pcapng"), 2 * frames.len());
}

#[test]
fn sender_refuses_other_link_types() {
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
fn overlong_frames_are_cut() {
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
