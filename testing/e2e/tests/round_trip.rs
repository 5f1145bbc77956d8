//! Conversion from RAW to pcap, to RAW and to pcap again: nothing is lost, not even a nanosecond.

use hpcap_e2e::captures::all;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::peers;
use testkit::pcap::{self, Frame};
use testkit::process::{Finished, run};

fn record(lab: &Lab, spec: &str, folder: &str) -> Finished {
    let args = ["--json", "--ring", "8M", "--source", spec, folder];
    run(lab.tool("hpcapdd").args(args))
}

fn convert(lab: &Lab, from: &str, to: &str) {
    let _ = run(lab.tool("raw2pcap").args(["--quiet", from, "-o", to])).exits(0);
}

#[test]
fn generated_frames_survive_conversion() {
    let lab = Lab::new();
    for (i, spec) in [
        "gen:size=imix,count=50000",
        "gen:size=60,count=100000,start=1700000000000000000",
        "gen:size=14-9000,count=3000,seed=7",
        "gen:size=imix,vlan=5,count=1000,start=1",
    ]
    .into_iter()
    .enumerate()
    {
        let name = |what: &str| format!("{i}-{what}");
        let _ = record(&lab, spec, &name("first")).exits(0);
        convert(&lab, &name("first"), &name("first.pcap"));
        let again = format!("pcap:{}", name("first.pcap"));
        let _ = record(&lab, &again, &name("second")).exits(0);
        convert(&lab, &name("second"), &name("second.pcap"));
        for folder in ["first", "second"] {
            let _ = run(lab.tool("checkraw").args(["--quiet", &name(folder)])).exits(0);
        }
        let bytes = |file: &str| std::fs::read(lab.path(file)).unwrap();
        assert!(
            bytes(&name("first.pcap")) == bytes(&name("second.pcap")),
            "{spec}"
        );
        // The same conversion, through pcapng.
        convert(&lab, &name("first"), &name("first.pcapng"));
        let again = format!("pcap:{}", name("first.pcapng"));
        let _ = record(&lab, &again, &name("third")).exits(0);
        convert(&lab, &name("third"), &name("third.pcap"));
        assert!(
            bytes(&name("first.pcap")) == bytes(&name("third.pcap")),
            "{spec}, pcapng"
        );
    }
}

/// Returns the frame as RAW stores it. A frame with the time zero gets a nanosecond, because time
/// zero means padding. A length beyond 16 bits is stored in a tag and stays as it is.
fn storable(frame: &Frame) -> Frame {
    Frame {
        nsec: if (frame.sec, frame.nsec) == (0, 0) {
            1
        } else {
            frame.nsec
        },
        ..frame.clone()
    }
}

#[test]
fn every_capture_survives_conversion() {
    let lab = Lab::new();
    let mut folders = Vec::new();
    let mut total = 0;
    for (i, capture) in all(lab.dir()).iter().enumerate() {
        let name = |what: &str| format!("{i}{what}");
        let spec = format!("pcap:{}", capture.path.display());
        let code = if capture.file.whole { 0 } else { 1 };
        let done = record(&lab, &spec, &name("raw")).exits(code);
        let expected: Vec<Frame> = capture.file.frames.iter().map(storable).collect();
        assert_eq!(done.event("summary")["frames"], expected.len(), "{spec}");
        let _ = run(lab.tool("checkraw").args(["--quiet", &name("raw")])).exits(0);
        convert(&lab, &name("raw"), &name(".pcap"));
        let back = pcap::read(&lab.path(&name(".pcap")));
        assert_eq!(back.link_type, capture.file.link_type, "{spec}");
        assert_eq!(back.frames, expected, "{spec}");
        peers::tcpdump_reads(&lab.path(&name(".pcap")), expected.len());
        total += expected.len();
        folders.push(name("raw"));
    }
    // tshark takes long to start, so it reads all captures in one run.
    for all in ["all.pcap", "all.pcapng"] {
        let options = ["--quiet", "-o", all];
        let _ = run(lab.tool("raw2pcap").args(&folders).args(options)).exits(0);
        peers::both_read(&lab.path(all), total);
    }
}
