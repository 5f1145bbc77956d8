//! Every wrong value of every key is refused with its place, what was found and what is allowed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_config::hot::HOT;
use hpcap_config::keys::{INTERFACE, MONITOR, RECORDER};
use hpcap_config::{Document, Problem};

fn problems(text: &str) -> Vec<Problem> {
    Document::parse("hpcap.toml", text).unwrap_err().0
}

/// Wrong values for each key: of another type, out of range, of another form.
const WRONG: &[(&str, &[&str])] = &[
    (
        "name",
        &[
            "7",
            "\"\"",
            "\"a/b\"",
            "\"a b\"",
            "\"sixteen-bytes-xx\"",
            "\"a\\u001b\"",
            "\"..\"",
            "[\"eth0\"]",
        ],
    ),
    (
        "pci",
        &[
            "3",
            "\"03\"",
            "\"0000:03:00.8\"",
            "\"0000:03:20.0\"",
            "\"0000:+3:00.0\"",
            "\"0000:003:00.0\"",
            "\"0000:zz:00.0\"",
        ],
    ),
    (
        "mac",
        &[
            "\"00:1b:21:3c:9d\"",
            "\"00:1b:21:3c:9d:f8:00\"",
            "\"001b213c9df8\"",
            "\"00:1b:21:3c:9d:+8\"",
            "false",
        ],
    ),
    (
        "number",
        &["-1", "65536", "\"0\"", "1.0", "99999999999999999999999999"],
    ),
    ("mode", &["\"hpcap\"", "1", "\"\"", "\"Capture\""]),
    ("engine", &["\"i40e\"", "true"]),
    (
        "options",
        &[
            "\"promisc=on\"",
            "\"fanout=1\"",
            "\"color=red\"",
            "\"time=soon\"",
            "1",
        ],
    ),
    (
        "queues",
        &[
            "0",
            "17",
            "-1",
            "\"2\"",
            "0xfff",
            "170141183460469231731687303715884105728",
        ],
    ),
    (
        "ring",
        &[
            "\"1\"",
            "\"17T\"",
            "0",
            "-1",
            "\"big\"",
            "\"99999999999999999999G\"",
            "true",
            "\"1e9\"",
        ],
    ),
    ("pages", &["\"4M\"", "2", "\"2m\""]),
    ("node", &["-1", "1024", "\"0\""]),
    (
        "cpus",
        &[
            "3",
            "[-1]",
            "[8192]",
            "[1, 1]",
            "[\"1\"]",
            "[1.5]",
            "\"1,2\"",
            "[[1]]",
            "[99999999999999999999]",
        ],
    ),
    ("caplen", &["-1", "65536", "\"128\"", "1e2", "2024-01-01"]),
    ("filter", &["\"port port\"", "7", "\"host \\u0000\""]),
    ("dedup.enabled", &["1", "\"on\""]),
    ("dedup.action", &["\"sell\"", "true"]),
    ("dedup.window", &["0", "16777217", "\"1K\""]),
    ("dedup.compare_bytes", &["0", "2049", "\"all\"", "-70"]),
    (
        "dedup.age",
        &["\"soon\"", "-1", "18446744074", "1.5", "\"584543y\""],
    ),
    ("dedup.renew", &["\"off\"", "0"]),
    ("dedup.ignore_ttl", &["\"yes\""]),
    ("dedup.ignore_ip_checksum", &["\"yes\""]),
    ("dedup.ignore_vlan", &["\"yes\""]),
    ("dedup.ignore_mac", &["\"yes\"", "{}"]),
    ("poll", &["\"lazy\"", "0"]),
    (
        "priority",
        &["-21", "20", "\"rr\"", "\"FIFO\"", "\"7\"", "1.0", "true"],
    ),
    ("when_full", &["\"wait\"", "0"]),
    ("plain", &["\"true\"", "1"]),
    ("look_back", &["\"true\"", "1"]),
    ("promiscuous", &["\"true\"", "1"]),
    ("mtu", &["67", "65536", "\"1500\""]),
    (
        "speed",
        &["0", "9999", "\"fast\"", "\"10Mpps\"", "-1", "\"1.5M\""],
    ),
    ("pause", &["\"true\"", "1"]),
    (
        "address",
        &[
            "\"192.0.2.1\"",
            "\"192.0.2.1/33\"",
            "\"2001:db8::1/129\"",
            "\"192.0.2.1/+4\"",
            "\"host/24\"",
            "1",
        ],
    ),
    ("queue", &["0", "\"eth0\"", "\"hpcap\"", "\"hpcap0:\""]),
    ("destination", &["\"data\"", "\"\"", "7", "\"/a\\u0000b\""]),
    ("format", &["\"cap\"", "1"]),
    ("compress", &["\"xz\"", "false"]),
    ("rotate_size", &["\"4095\"", "0", "\"big\""]),
    ("rotate_time", &["\"0s\"", "\"999ms\"", "-1", "\"1x\""]),
    ("aligned", &["\"true\"", "1"]),
    ("keep_age", &["0", "\"old\""]),
    ("keep_size", &["0", "\"-1G\""]),
    ("keep_free", &["0", "\"half\"", "\"0%\"", "\"100%\""]),
    ("keep_files", &["0", "-1", "\"3\"", "9223372036854775808"]),
    (
        "contract",
        &["\"lossless:\"", "\"lossless:0s\"", "\"best\"", "1"],
    ),
    (
        "owner",
        &[
            "\"\"",
            "\"Root\"",
            "\"a b\"",
            "0",
            "\"a-name-of-more-than-thirty-two-bytes\"",
        ],
    ),
    ("file_group", &["\"\"", "\"-x\"", "0"]),
    (
        "file_mode",
        &["\"640x\"", "\"0999\"", "416", "\"0040\"", "\"7777\""],
    ),
    ("cpu", &["-1", "8192", "\"3\""]),
    ("enabled", &["\"yes\"", "0"]),
    ("basedir", &["\"log\"", "1"]),
    ("listen", &["\"localhost\"", "9742", "\"127.0.0.1\""]),
    ("socket", &["\"http\"", "1"]),
    ("textfile", &["\"hpcap.prom\"", "1"]),
    ("event_command", &["\"\"", "1"]),
    ("interval", &["\"99ms\"", "\"2d\"", "0", "true"]),
];

/// Returns a document in which `key` of `section` has `value`, on line 3, and nothing else is wrong.
fn document_with(section: &str, key: &str, value: &str) -> String {
    let title = match section {
        "monitor" => "[monitor]",
        "recorder" => "[[recorder]]",
        _ => "[[interface]]",
    };
    format!("# comment\n{title}\n{key} = {value}\n")
}

fn check_keys(section: &str, keys: impl Iterator<Item = (&'static str, &'static str)>) {
    for (key, allowed) in keys {
        let wrong = WRONG.iter().find(|(name, _)| *name == key);
        let (_, values) = wrong.unwrap_or_else(|| panic!("no wrong value of {key}"));
        for value in *values {
            let found = problems(&document_with(section, key, value));
            assert_eq!(found.len(), 1, "{key} = {value}: {found:?}");
            let problem = &found[0];
            assert_eq!(problem.place.line, 3, "{key} = {value}");
            assert_eq!(problem.place.column, key.len() + 4, "{key} = {value}");
            assert!(problem.key.ends_with(&format!(", {key}")), "{problem}");
            let shown = problem.found.as_deref().unwrap();
            assert!(
                value.starts_with(shown.trim_end_matches("...")),
                "{key}: {shown}"
            );
            assert_eq!(problem.allowed.as_deref(), Some(allowed), "{key} = {value}");
        }
    }
}

#[test]
fn wrong_value_is_refused_for_every_key() {
    check_keys("interface", INTERFACE.iter().map(|k| (k.name, k.allowed)));
    check_keys("recorder", RECORDER.iter().map(|k| (k.name, k.allowed)));
    check_keys("monitor", MONITOR.iter().map(|k| (k.name, k.allowed)));
}

#[test]
fn several_errors_are_reported_at_once() {
    let text = "\
[[interface]]
name = \"eth0\"
caplen = 70000
colour = \"red\"
[[interface]]
name = \"eth1\"
caplen = 70001
[[recorder]]
queue = \"hpcap7\"
[monitors]
interval = 1
";
    insta::assert_snapshot!(Document::parse("hpcap.toml", text).unwrap_err());
}

#[test]
fn unknown_key_names_the_nearest() {
    for (section, key, near) in [
        ("interface", "calpen", "caplen"),
        ("interface", "ring_size", "ring"),
        ("interface", "dedup.ignore_vlans", "dedup.ignore_vlan"),
        ("interface", "ignore_vlan", "dedup.ignore_vlan"),
        ("interface", "promisc", "promiscuous"),
        ("recorder", "rotate", "rotate_"),
        ("monitor", "base_dir", "basedir"),
    ] {
        let found = problems(&document_with(section, key, "1"));
        let text = found[0].to_string();
        assert!(
            text.contains(&format!("did you mean {near}")),
            "{key}: {text}"
        );
    }
    let section = problems("[[interfaces]]\nname = \"eth0\"\n");
    assert!(section[0].to_string().contains("did you mean interface?"));
}

#[test]
fn key_given_twice_is_named() {
    let text = "[[interface]]\nname = \"eth0\"\ncaplen = 1\ncaplen = 2\n";
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = found[0].to_string();
    assert!(
        text.starts_with("hpcap.toml:4:1: caplen: it is given twice"),
        "{text}"
    );
}

#[test]
fn key_outside_of_a_section_is_named() {
    let text = problems("caplen = 1\n")[0].to_string();
    assert!(text.contains("outside of a section"), "{text}");
    let text = problems("[interface]\nname = \"eth0\"\n")[0].to_string();
    assert!(text.contains("[[interface]]"), "{text}");
    let text = problems("[[monitor]]\n")[0].to_string();
    assert!(text.contains("[monitor]"), "{text}");
    let text = problems("interface = [1]\n")[0].to_string();
    assert!(text.contains("not a table"), "{text}");
}

#[test]
fn syntax_error_has_its_place() {
    for text in [
        "[[interface\n",
        "x =\n",
        "= 1\n",
        "a = \"open\n",
        "\u{feff}[[x",
        "a = 1 b = 2",
    ] {
        let found = problems(text);
        assert!(
            found.iter().any(|p| p.place.line == 1),
            "{text:?}: {found:?}"
        );
    }
}

/// A value other than the default for each setting of a queue.
const OF_QUEUES: &[(&str, &str)] = &[
    ("caplen", "64"),
    ("filter", "\"udp\""),
    ("dedup.window", "1"),
    ("dedup.compare_bytes", "64"),
    ("dedup.age", "\"1s\""),
    ("dedup.renew", "false"),
    ("dedup.ignore_ttl", "true"),
    ("dedup.ignore_ip_checksum", "true"),
    ("dedup.ignore_vlan", "true"),
    ("dedup.ignore_mac", "true"),
    ("dedup.action", "\"mark\""),
    ("dedup.enabled", "true"),
    ("poll", "\"busy\""),
    ("when_full", "\"hold\""),
    ("cpus", "[1]"),
    ("priority", "\"fifo\""),
    ("plain", "true"),
    ("look_back", "true"),
    ("ring", "\"1M\""),
];

#[test]
fn standard_interface_has_no_setting_of_a_queue() {
    let keys = OF_QUEUES.iter().map(|(key, _)| key.replace("cpus", "cpu"));
    let all = HOT.iter().map(|hot| hot.key.to_owned());
    assert!(keys.eq(all), "OF_QUEUES has another order than HOT");
    for (key, value) in OF_QUEUES {
        let text =
            format!("[[interface]]\nname = \"eth0\"\nmode = \"standard\"\n{key} = {value}\n");
        let said = problems(&text)[0].to_string();
        assert!(said.contains("standard interface"), "{key}: {said}");
    }
}

#[test]
fn hpcapd_has_no_setting_of_the_module_alone() {
    for (key, value) in [
        ("poll", "\"busy\""),
        ("priority", "-20"),
        ("priority", "\"fifo\""),
        ("when_full", "\"hold\""),
    ] {
        for (engine, allowed) in [("userspace", false), ("af_xdp", false), ("netdev", true)] {
            let text =
                format!("[[interface]]\nname = \"eth0\"\nengine = \"{engine}\"\n{key} = {value}\n");
            match Document::parse("hpcap.toml", &text) {
                Ok(_) => assert!(allowed, "{key} = {value} with {engine}"),
                Err(problems) => {
                    let said = problems.to_string();
                    assert!(
                        !allowed && said.contains("only the kernel engines"),
                        "{said}"
                    );
                }
            }
        }
    }
}
