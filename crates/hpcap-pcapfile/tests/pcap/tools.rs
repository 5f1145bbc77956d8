//! Tests that tshark, tcpdump and capinfos read the files that hpcap writes.

use std::path::Path;
use std::process::Command;

use hpcap_base::{Count, Ledger, Reason, Timestamp};
use hpcap_pcapfile::{Interface, PcapWriter, PcapngWriter, Precision, Section, Statistics};
use hpcap_raw::Gap;

/// Returns the output of a program; `None` when the program is not installed.
fn output(program: &str, args: &[&str], file: &Path) -> Option<String> {
    match Command::new(program).args(args).arg(file).output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            None
        }
        other => {
            let out = other.unwrap();
            let errors = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{program}: {errors}");
            Some(String::from_utf8_lossy(&out.stdout).into_owned())
        }
    }
}

fn udp() -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[17] = 46;
    frame[23] = 17;
    frame
}

#[test]
fn pcap_is_read_by_tshark_and_tcpdump() {
    let dir = tempfile::tempdir().unwrap();
    for (precision, shown) in [
        (Precision::Nanoseconds, "1391723988.000000007"),
        (Precision::Microseconds, "1391723988.000000000"),
    ] {
        let path = dir.path().join("x.pcap");
        let mut writer = PcapWriter::new(Vec::new(), 1, 65_535, precision);
        for i in 0..3 {
            writer
                .frame(Timestamp::new(1_391_723_988, 7 + i), 100, &udp())
                .unwrap();
        }
        std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
        let fields = [
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
            "-e",
            "frame.cap_len",
            "-r",
        ];
        if let Some(text) = output("tshark", &fields, &path) {
            let first: Vec<&str> = text.lines().next().unwrap().split('\t').collect();
            assert_eq!(first, [shown, "100", "60"]);
            assert_eq!(text.lines().count(), 3);
        }
        if let Some(text) = output("tcpdump", &["-nr"], &path) {
            assert_eq!(text.lines().count(), 3);
        }
    }
}

#[test]
fn pcapng_is_read_by_tshark_and_tcpdump() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcapng");
    let section = Section {
        comment: "all of it".into(),
        ..Section::here("hpcap's tests")
    };
    let mut writer = PcapngWriter::new(Vec::new(), &section);
    let ids = [0, 1].map(|queue| {
        let interface = Interface {
            name: format!("veth{queue}"),
            description: "queue hpcap0 on here".into(),
            filter: "udp".into(),
            queue: Some(queue),
            ..Interface::default()
        };
        writer.interface(&interface).unwrap()
    });
    let mut lost = Ledger::default();
    lost[Reason::RingFull] = Count::new(12, 720);
    for i in 0..4_u32 {
        if i == 2 {
            let gap = Gap {
                from: None,
                until: Timestamp::new(9, 9),
                open: false,
                lost,
            };
            writer.gap(ids[0], &gap).unwrap();
        }
        let time = Timestamp::new(1_391_723_988, 7 + i);
        writer
            .frame(ids[i as usize % 2], time, 100, &udp()[..57])
            .unwrap();
    }
    for id in ids {
        let statistics = Statistics {
            start: Some(Timestamp::new(1_391_723_988, 7)),
            ..Statistics::of(&lost, 2, Timestamp::new(1_391_723_989, 0))
        };
        writer.statistics(id, &statistics).unwrap();
    }
    std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.time_epoch",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.drop_count",
        "-e",
        "frame.comment",
        "-e",
        "frame.interface_queue",
        "-r",
    ];
    if let Some(text) = output("tshark", &fields, &path) {
        let third: Vec<&str> = text.lines().nth(2).unwrap().split('\t').collect();
        let comment = "12 frames missing before this one: 12 ring_full";
        assert_eq!(third, ["1391723988.000000009", "veth0", "12", comment, "0"]);
        assert_eq!(text.lines().count(), 4);
    }
    if let Some(text) = output("capinfos", &["-A"], &path) {
        for word in ["hpcap's tests", "veth1", "nanoseconds", "all of it"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    if let Some(text) = output("tcpdump", &["-nr"], &path) {
        assert_eq!(text.lines().count(), 4);
    }
}
