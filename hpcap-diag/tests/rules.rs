//! Every rule fires on its case, and all are silent on a healthy machine.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hpcap_diag::bundle::Bundle;
use hpcap_diag::facts::Facts;
use hpcap_diag::report::{changes, render};
use hpcap_diag::rules::{Level, all, judge};
use support::{change, healthy, pack};

#[test]
fn healthy_machine_has_no_findings() {
    let findings = judge(&all().unwrap(), &Facts::of(&healthy()));
    assert_eq!(findings, []);
}

#[test]
fn each_rule_fires_on_its_case() {
    let dir = tempfile::tempdir().unwrap();
    let rules = all().unwrap();
    for rule in &rules {
        assert!(!rule.case.trim().is_empty(), "{} has no case", rule.name);
        let mut bundle = healthy();
        change(&mut bundle, &rule.case);
        let path = dir.path().join("case.tar.gz");
        pack(&bundle, &path, |_| {});
        let bundle = Bundle::open(&path).unwrap();
        assert_eq!(bundle.complaints, Vec::<String>::new());
        let findings = judge(&rules, &Facts::of(&bundle));
        let found = findings.iter().find(|finding| finding.rule == rule.name);
        let Some(found) = found else {
            panic!("{} is silent; others say {findings:#?}", rule.name);
        };
        for text in [&found.evidence, &found.fix, &found.meaning, &found.title] {
            assert!(!text.contains('?') && !text.contains('{'), "{found:#?}");
        }
        assert!(
            !found.evidence.is_empty() && !found.fix.is_empty(),
            "{found:#?}"
        );
    }
}

#[test]
fn each_file_is_a_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: BTreeSet<String> = all()
        .unwrap()
        .iter()
        .map(|rule| format!("{}.toml", rule.name))
        .collect();
    assert_eq!(files, names);
}

#[test]
fn each_loss_of_the_ledger_has_a_rule() {
    let rules = all().unwrap();
    for reason in hpcap::Reason::ledger()
        .iter()
        .filter(|reason| reason.is_loss())
    {
        let name = format!("losses-{}", reason.name().replace('_', "-"));
        assert!(rules.iter().any(|rule| rule.name == name), "{name}");
    }
}

/// A machine on which several things are wrong.
fn bad() -> Bundle {
    let mut bundle = healthy();
    for rule in all().unwrap() {
        let wanted = [
            "losses-nic-missed",
            "rx-missed-small-ring",
            "offloads",
            "clock-source",
        ];
        if wanted.contains(&rule.name.as_str()) {
            change(&mut bundle, &rule.case);
        }
    }
    bundle
}

#[test]
fn findings_are_ranked_text() {
    let bundle = bad();
    let findings = judge(&all().unwrap(), &Facts::of(&bundle));
    let levels: Vec<Level> = findings.iter().map(|finding| finding.level).collect();
    assert!(levels.is_sorted(), "{levels:?}");
    insta::assert_snapshot!(render("probe.tar.gz", &bundle, &findings, false).unwrap());
}

#[test]
fn findings_are_json_for_programs() {
    let bundle = bad();
    let findings = judge(&all().unwrap(), &Facts::of(&bundle));
    let text = render("probe.tar.gz", &bundle, &findings, true).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), findings.len());
    assert_eq!(lines[0]["rule"], "losses-nic-missed");
    assert_eq!(lines[0]["level"], "problem");
}

#[test]
fn counters_that_were_reset_lose_nothing() {
    let mut bundle = healthy();
    change(
        &mut bundle,
        "interfaces.json#/0/statistics/rx_missed_errors = 500\n\
         later/interfaces.json#/0/statistics/rx_missed_errors = 0",
    );
    assert_eq!(judge(&all().unwrap(), &Facts::of(&bundle)), []);
}

#[test]
fn changed_settings_are_found() {
    let (first, mut second) = (healthy(), healthy());
    assert_eq!(changes(&first, &second), []);
    change(
        &mut second,
        "proc/sys/net/core/rmem_max = 425984\n\
         interfaces.json#/0/gro = true\n\
         interfaces.json#/0/counters/rx_packets = 9\n\
         proc/stat = cpu 1 2 3",
    );
    let found = changes(&first, &second);
    let found: Vec<_> = found
        .iter()
        .map(|c| (c.place.as_str(), c.first.as_deref(), c.second.as_deref()))
        .collect();
    let expected = [
        ("interfaces.json/eth0/gro", Some("false"), Some("true")),
        ("proc/sys/net/core/rmem_max", Some("212992"), Some("425984")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn text_of_a_collection_cannot_control_the_terminal() {
    let mut bundle = healthy();
    change(&mut bundle, "kernel-log = BUG: \u{1b}[2Jevil\u{202e}");
    let findings = judge(&all().unwrap(), &Facts::of(&bundle));
    for json in [false, true] {
        let text = render("\u{1b}x", &bundle, &findings, json).unwrap();
        assert!(
            text.contains("evil") && !text.contains(['\u{1b}', '\u{202e}']),
            "{text}"
        );
    }
}
