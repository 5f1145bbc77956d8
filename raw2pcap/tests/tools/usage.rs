//! Tests of wrong command lines.

use crate::samples::{exits, many, names, raw2pcap, stderr};

#[test]
fn wrong_usage_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    let raw = raw.to_str().unwrap();
    for args in [
        vec![],
        vec![raw],
        vec![raw, raw, raw],
        vec![raw, "-o", "x.pcap", "--from", "yesterday"],
        vec![raw, "-o", "x.pcap", "--from", "20", "--to", "10"],
        vec![raw, "-o", "x.pcap", "--split-size", "0"],
        vec![raw, "-o", "x.pcap", "--split-frames", "0"],
        vec![raw, "-o", "-", "--split-frames", "5"],
        vec![raw, "-o", "x.pcapng", "--micro"],
        vec![raw, "-o", "x.pcap", "--format", "erf"],
        vec![raw, "-o", "."],
        vec![raw, "-o", "noending"],
        vec![raw, "-o", "x.cap"],
        vec![raw, "-o", "x.pcap.xz"],
        vec![raw, "-o", "x.pcapng", "--format", "pcap"],
    ] {
        let run = raw2pcap(&args, dir.path());
        exits(&run, 2);
        assert!(!stderr(&run).is_empty());
    }
    for args in [
        vec!["none.raw", "-o", "x.pcap"],
        vec![raw, "-o", "none/x.pcap"],
    ] {
        let run = raw2pcap(&args, dir.path());
        exits(&run, 1);
        assert!(
            stderr(&run).starts_with("raw2pcap: cannot "),
            "{}",
            stderr(&run)
        );
    }
    assert_eq!(names(dir.path()), ["1391722200"]);
}
