//! Numbers of frames in what the programs print.

use serde_json::Value;

/// Returns the number of frames in a line of hpcapd's final ledger, such as `  captured   123 frames  4 MiB`; 0
/// without such a line.
pub(super) fn in_ledger_of_daemon(lines: &[String], name: &str) -> u64 {
    let count = |line: &String| {
        let (count, _) = line
            .strip_prefix("  ")?
            .strip_prefix(name)?
            .split_once(" frames")?;
        count.trim_start().parse().ok()
    };
    lines.iter().find_map(count).unwrap_or(0)
}

/// Returns a number of hpcapdd's final ledger, `  ledger   9 on the wire = 8 captured + 1 ring_full`; 0 if the
/// ledger does not name it.
pub(super) fn in_ledger_of_recorder(lines: &[String], name: &str) -> u64 {
    let ledger = lines
        .iter()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix("ledger "));
    ledger
        .unwrap_or_default()
        .split(['=', '+'])
        .find_map(|part| part.trim().strip_suffix(name)?.trim_end().parse().ok())
        .unwrap_or(0)
}

/// Returns how many frames hpcapdd stored, from its line `ended (signal): 322934 frames, 114 MiB in 1 file`.
pub(super) fn stored(lines: &[String]) -> Option<u64> {
    lines.iter().rev().find_map(|line| {
        let (_, rest) = line.strip_prefix("ended (")?.split_once("): ")?;
        rest.split_once(" frames")?.0.parse().ok()
    })
}

/// Returns how many frames `hpcap-bench send --json` sent.
pub(super) fn sent(lines: &[String]) -> Option<u64> {
    lines.iter().rev().find_map(|line| {
        let outcome: Value = serde_json::from_str(line).ok()?;
        outcome["sent"]["frames"].as_u64()
    })
}

/// Returns how many frames are in the files that `checkraw --json` has read.
pub(super) fn in_files(lines: &[String]) -> Option<u64> {
    lines.iter().rev().find_map(|line| {
        let report: Value = serde_json::from_str(line).ok()?;
        report["total"]["frames"]["frames"].as_u64()
    })
}

/// Returns how many frames the ledger has in the output of `hpcapctl status --json`.
pub(super) fn arrived(status: &Value) -> u64 {
    let ledger = status["ledger"].as_object();
    let counts = ledger.into_iter().flat_map(|ledger| ledger.values());
    counts.filter_map(|count| count["frames"].as_u64()).sum()
}

/// Returns whether a recorder is attached, by the output of `hpcapctl status --json`.
pub(super) fn has_recorder(status: &Value) -> bool {
    let listeners = status["listeners"].as_array();
    let mut programs = listeners
        .into_iter()
        .flatten()
        .map(|listener| &listener["program"]);
    programs.any(|program| program == "hpcapdd")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const DAEMON: &str = "\
hpcap0: ended
  on the wire           160000 frames   54.6 MiB
  captured              156323 frames   53.3 MiB
  no_listener             3677 frames   1.25 MiB
";

    const RECORDER: &str = "\
recording hpcap0 (af_packet:wire1) to /data, whole blocks
1 s  wire 155 kpps 474 Mb/s  stored 0 pps 53.2 MB/s  ring 2 %  nothing lost
ended (source ended): 8 frames, 114 MiB in 1 file, 2.5 s
  stored   127 kpps  388 Mb/s on the wire  46.9 MB/s; ring at most 2 % full
  ledger   9 on the wire = 8 captured + 1 ring_full
";

    #[test]
    fn ledger_of_the_daemon_has_a_line_for_each_reason() {
        let daemon = lines(DAEMON);
        assert_eq!(in_ledger_of_daemon(&daemon, "on the wire"), 160_000);
        assert_eq!(in_ledger_of_daemon(&daemon, "captured"), 156_323);
        assert_eq!(in_ledger_of_daemon(&daemon, "no_listener"), 3_677);
        assert_eq!(in_ledger_of_daemon(&daemon, "ring_full"), 0);
    }

    #[test]
    fn ledger_of_the_recorder_is_one_line() {
        let recorder = lines(RECORDER);
        assert_eq!(in_ledger_of_recorder(&recorder, "on the wire"), 9);
        assert_eq!(in_ledger_of_recorder(&recorder, "captured"), 8);
        assert_eq!(in_ledger_of_recorder(&recorder, "ring_full"), 1);
        assert_eq!(in_ledger_of_recorder(&recorder, "nic_missed"), 0);
    }

    #[test]
    fn last_line_of_the_recorder_has_its_counts() {
        assert_eq!(stored(&lines(RECORDER)), Some(8));
        assert_eq!(stored(&lines("recording hpcap0")), None);
    }

    #[test]
    fn reports_in_json_have_their_counts() {
        let outcome = r#"{"sent":{"frames":322934,"bytes":1},"seconds":2.0}"#;
        assert_eq!(sent(&lines(outcome)), Some(322_934));
        let report = "{\"file\":{\"frames\":{\"frames\":1}}}\n{\"total\":{\"files\":1,\"frames\":{\"frames\":7}}}";
        assert_eq!(in_files(&lines(report)), Some(7));
        assert_eq!((sent(&[]), in_files(&[])), (None, None));
    }

    #[test]
    fn status_counts_all_reasons() {
        let status = serde_json::json!({
            "ledger": {"captured": {"frames": 5, "bytes": 9}, "no_listener": {"frames": 2, "bytes": 9}},
            "listeners": [{"program": "hpcapdd"}],
        });
        assert_eq!(arrived(&status), 7);
        assert!(has_recorder(&status));
        assert_eq!(arrived(&Value::Null), 0);
        assert!(!has_recorder(&Value::Null));
    }
}
