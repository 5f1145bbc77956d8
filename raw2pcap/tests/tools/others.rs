//! What tshark, capinfos and tcpdump make of the results.

use std::process::Command;

use hpcap::Reason;

use crate::made::{File, START, exits, ns, raw2pcap};

#[test]
fn results_are_read_by_others() {
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
