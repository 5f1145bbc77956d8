//! Tests of what tshark, capinfos and tcpdump read from the output.

use std::process::Command;

use hpcap::Reason;

use crate::samples::{File, START, exits, ns, raw2pcap};

/// Users of Wireshark find duplicates by their comments.
#[test]
fn tshark_finds_duplicates_by_comment() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .duplicate((ns(0, 2), 1))
        .frame((ns(0, 3), 2))
        .gap(Reason::RingFull, 12)
        .duplicate((ns(0, 4), 2))
        .frame((ns(0, 5), 3))
        .store(dir.path());
    exits(&raw2pcap(&[".", "-o", "x.pcapng"], dir.path()), 0);
    let find = |what: &str| {
        let args = [
            "-r",
            "x.pcapng",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-Y",
            what,
        ];
        let out = Command::new("tshark")
            .args(args)
            .current_dir(dir.path())
            .output();
        match out {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: tshark is not installed");
                None
            }
            out => Some(String::from_utf8(out.unwrap().stdout).unwrap()),
        }
    };
    for (what, frames) in [
        ("frame.comment == \"duplicate\"", "2\n4\n"),
        ("frame.comment contains \"12 ring_full\"", "4\n"),
        ("!(frame.comment == \"duplicate\")", "1\n3\n5\n"),
    ] {
        if let Some(found) = find(what) {
            assert_eq!(found, frames, "{what}");
        }
    }
}

#[test]
fn other_programs_read_the_output() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 3), 2))
        .store(dir.path());
    File::new(1, START, 1)
        .frame((ns(0, 2), 3))
        .store(dir.path());
    for (out, more) in [
        ("x.pcap", None),
        ("y.pcap", Some("--micro")),
        ("z.pcapng", None),
    ] {
        let args: Vec<&str> = [".", "-o", out].into_iter().chain(more).collect();
        exits(&raw2pcap(&args, dir.path()), 0);
        for (program, args) in [
            ("tshark", &["-r"][..]),
            ("tcpdump", &["-nr"]),
            ("capinfos", &["-c"]),
        ] {
            match Command::new(program)
                .args(args)
                .arg(out)
                .current_dir(dir.path())
                .output()
            {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    println!("skipped: {program} is not installed");
                }
                other => {
                    let run = other.unwrap();
                    let text = String::from_utf8_lossy(&run.stdout);
                    assert!(
                        run.status.success(),
                        "{program} {out}: {}",
                        String::from_utf8_lossy(&run.stderr)
                    );
                    if program != "capinfos" {
                        assert_eq!(text.lines().count(), 3, "{program} {out}: {text}");
                    }
                }
            }
        }
    }
}
