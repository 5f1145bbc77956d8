//! The files: names, contents, formats, rotation, and standard output.

use std::path::Path;

use hpcap::pcapfile::FileReader;
use testkit::pcap;
use testkit::process::run;

use crate::counts::on_loopback;
use crate::lab::{Lab, cpus, ping, summary_of};

/// Number of frames in a file.
fn frames(path: &Path) -> usize {
    let mut file = FileReader::open(path).unwrap();
    let mut frames = 0;
    while file.next().unwrap().is_some() {
        frames += 1;
    }
    frames
}

#[test]
fn each_stream_has_a_file() {
    on_loopback(|| {
        for line in ["-w out.pcap lo", "--write=out.pcap -U lo"] {
            let lab = Lab::new();
            let capture = lab.start("rxtxcpu", line);
            ping(0, 3);
            let _ = capture.interrupt().exits(0);
            for cpu in cpus() {
                let file = pcap::read(&lab.path(&format!("out-{cpu}.pcap")));
                assert!(file.whole && file.nanoseconds);
                assert_eq!(file.frames.len(), if cpu == 0 { 12 } else { 0 }, "{line}");
                for frame in file.frames {
                    // Ethernet, IPv4, ICMP of eight bytes.
                    assert_eq!((frame.len, frame.data.len()), (42, 42));
                    assert_eq!(frame.data[23], 1);
                }
            }
        }
    });
}

#[test]
fn only_chosen_streams_have_files() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-l0 -w out.pcap lo");
        let _ = capture.interrupt().exits(0);
        assert!(lab.path("out-0.pcap").exists());
        assert!(!lab.path("out-1.pcap").exists());
    });
}

#[test]
fn packet_buffered_frames_are_in_the_file_at_once() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-l0 -U -w out.pcap lo");
        ping(0, 1);
        testkit::wait::wait_until("the frames are in the file", || {
            pcap::read(&lab.path("out-0.pcap")).frames.len() == 4
        });
        let _ = capture.kill();
        assert!(pcap::read(&lab.path("out-0.pcap")).whole);
    });
}

#[test]
fn snaplen_cuts_frames() {
    on_loopback(|| {
        for interface in ["lo", "any"] {
            let lab = Lab::new();
            let capture = lab.start("rxtxcpu", &format!("-s 20 -w out.pcap {interface}"));
            ping(0, 1);
            let _ = capture.interrupt().exits(0);
            let file = pcap::read(&lab.path("out-0.pcap"));
            assert_eq!(file.frames.len(), 4);
            assert!(
                file.frames
                    .iter()
                    .all(|f| f.data.len() == 20 && f.len >= 42)
            );
        }
    });
}

#[test]
fn pcapng_has_stream_direction_and_counts() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-w out.pcapng -f icmp lo");
        ping(0, 1);
        let _ = capture.interrupt().exits(0);
        assert_eq!(frames(&lab.path("out-0.pcapng")), 4);
        let bytes = std::fs::read(lab.path("out-0.pcapng")).unwrap();
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(has(b"lo") && has(b"cpu0") && has(b"\0icmp") && has(b"rxtxcpu 0."));
        // epb_flags, with four bytes: 1 is inbound, 2 outbound.
        let flags = |direction: u8| {
            let option = [2, 0, 4, 0, direction, 0, 0, 0];
            bytes.windows(8).filter(|window| *window == option).count()
        };
        assert_eq!((flags(1), flags(2)), (2, 2));
    });
}

#[test]
fn rotation_starts_new_files() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-l0 --rotate-size 4096 -w out.pcap lo");
        ping(0, 50);
        let _ = capture.interrupt().exits(0);
        let mut total = 0;
        for number in 1.. {
            let path = lab.path(&format!("out-0_{number:05}.pcap"));
            if !path.exists() {
                assert!(number > 3, "{number}");
                break;
            }
            assert!(path.metadata().unwrap().len() <= 4096);
            total += frames(&path);
        }
        assert_eq!(total, 200);
        let capture = lab.start("rxtxcpu", "-l0 --rotate-time 1ns -w time.pcap lo");
        ping(0, 1);
        let _ = capture.interrupt().exits(0);
        assert_eq!(frames(&lab.path("time-0_00004.pcap")), 1);
    });
}

#[test]
fn stdout_has_the_frames_and_stderr_the_summary() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-l 0 -w - lo");
        ping(0, 3);
        let ended = capture.interrupt().exits(0);
        assert_eq!(pcap::parse(&ended.out_bytes).frames.len(), 12);
        let _ = ended.says(&["12 packets captured on cpu0.\n12 packets captured total.\n"]);
    });
}

#[test]
fn existing_file_is_replaced() {
    on_loopback(|| {
        let lab = Lab::new();
        std::fs::write(lab.path("out-0.pcap"), vec![7; 10_000]).unwrap();
        let ended = run(&mut lab.tool("rxtxcpu", "--duration 10ms -w out.pcap lo")).exits(0);
        assert_eq!(ended.out.lines().count(), summary_of(0, 0).len());
        assert_eq!(lab.path("out-0.pcap").metadata().unwrap().len(), 24);
    });
}
