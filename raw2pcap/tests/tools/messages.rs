//! Snapshots of what the command lines print.

use hpcap::Reason;
use testkit::process::transcript;

use crate::samples::{File, START, checkraw, many, ns, raw2pcap, stdout};
use crate::transcript::filters;

#[test]
fn help_of_both_tools() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("raw2pcap_help", stdout(&raw2pcap(&["--help"], dir.path())));
    insta::assert_snapshot!("checkraw_help", stdout(&checkraw(&["--help"], dir.path())));
}

#[test]
fn summary_of_a_conversion_with_loss() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 3), 2))
        .duplicate((ns(0, 4), 2))
        .store(dir.path());
    many(1, 0, 5).store(dir.path());
    let run = raw2pcap(&[".", "-o", "x.pcapng", "--filter", "udp"], dir.path());
    let _filters = filters(dir.path()).bind_to_scope();
    insta::assert_snapshot!("raw2pcap_summary", transcript(&run));
    insta::assert_snapshot!("checkraw_report", transcript(&checkraw(&["."], dir.path())));
}

#[test]
fn errors_of_raw2pcap() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).bytes();
    std::fs::write(dir.path().join("a.raw"), raw).unwrap();
    let _filters = filters(dir.path()).bind_to_scope();
    for (name, args) in [
        ("no_output", &["a.raw"][..]),
        ("no_ending", &["a.raw", "-o", "x"]),
        (
            "bad_time",
            &["a.raw", "-o", "x.pcap", "--from", "yesterday"],
        ),
        (
            "empty_split",
            &["a.raw", "-o", "x.pcap", "--split-size", "0"],
        ),
        ("split_stdout", &["a.raw", "-o", "-", "--split-frames", "5"]),
        ("micro_pcapng", &["a.raw", "-o", "x.pcapng", "--micro"]),
        ("missing_input", &["none.raw", "-o", "x.pcap"]),
        ("missing_folder", &["a.raw", "-o", "none/x.pcap"]),
        ("output_folder", &["a.raw", "-o", "."]),
    ] {
        let run = raw2pcap(args, dir.path());
        insta::assert_snapshot!(format!("raw2pcap_{name}"), transcript(&run));
    }
}

#[test]
fn errors_of_checkraw() {
    let dir = tempfile::tempdir().unwrap();
    let _filters = filters(dir.path()).bind_to_scope();
    for (name, args) in [
        ("empty_folder", &["."][..]),
        ("missing_file", &["none.raw"]),
        ("repair_stdin", &["--repair", "-"]),
    ] {
        let run = checkraw(args, dir.path());
        insta::assert_snapshot!(format!("checkraw_{name}"), transcript(&run));
    }
}
