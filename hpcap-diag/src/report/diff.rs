//! The differences of two collections in findings, settings, versions and hardware. Values that change all the time
//! are left out.

use std::collections::{BTreeMap, BTreeSet};

use hpcap::Result;
use hpcap::report::json_line;
use hpcap::visible::visible;
use serde::Serialize;
use serde_json::Value as Json;

use super::wrap;
use crate::bundle::Bundle;
use crate::rules::Finding;

/// Largest number of lines of a file that are shown.
const MOST_LINES: usize = 12;
/// Largest number of characters of a value that are shown.
const MOST_CHARACTERS: usize = 200;

/// Files that differ between any two moments.
const VOLATILE: [&str; 25] = [
    "about.json",
    "crash/files",
    "journal",
    "kernel-log",
    "later/",
    "manifest.json",
    "monitor/",
    "captures.json",
    "neighbours.json",
    "qdiscs.json",
    "sockets.json",
    "proc/buddyinfo",
    "proc/diskstats",
    "proc/interrupts",
    "proc/loadavg",
    "proc/meminfo",
    "proc/net/",
    "proc/pressure/",
    "proc/softirqs",
    "proc/stat",
    "proc/uptime",
    "proc/vmstat",
    "sys/class/net/",
    "sys/class/hpcap/",
    "sys/module/hpcap/refcnt",
];
/// Ends of names of files of which the same is true.
const VOLATILE_ENDS: [&str; 7] = [
    "/time",
    "scaling_cur_freq",
    "numastat",
    "/meminfo",
    "free_hugepages",
    "resv_hugepages",
    "/refcnt",
];
/// Parts of JSON that change all the time.
const VOLATILE_KEYS: [&str; 11] = [
    "/counters/",
    "/statistics/",
    "/place/",
    "/ledger/",
    "/listeners/",
    "published_bytes",
    "on_the_wire",
    "error_us",
    "gaps",
    "longest_pause_ns",
    "/pid",
];

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The file, and the place in a file of JSON.
    pub place: String,
    /// The value in the first collection; `None` if it has none.
    pub first: Option<String>,
    /// The value in the second collection.
    pub second: Option<String>,
}

/// Finds what differs between two collections.
#[must_use]
pub fn changes(first: &Bundle, second: &Bundle) -> Vec<Change> {
    let paths: BTreeSet<&str> = first.paths().chain(second.paths()).collect();
    let mut changes = Vec::new();
    for path in paths.into_iter().filter(|path| !is_volatile(path)) {
        let (a, b) = (values(first, path), values(second, path));
        let places: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for place in places {
            if a.get(place) != b.get(place) {
                changes.push(Change {
                    place: format!("{path}{place}"),
                    first: a.get(place).cloned(),
                    second: b.get(place).cloned(),
                });
            }
        }
    }
    changes
}

fn is_volatile(path: &str) -> bool {
    let is_process = path
        .strip_prefix("proc/")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_process
        || VOLATILE.iter().any(|start| path.starts_with(start))
        || VOLATILE_ENDS.iter().any(|end| path.ends_with(end))
        || path.contains("aer_dev_")
        || path.ends_with("core_throttle_count")
}

/// The values in a file by their places: of JSON each one, of text the whole.
fn values(bundle: &Bundle, path: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let Some(bytes) = bundle.bytes(path) else {
        return values;
    };
    match path
        .ends_with(".json")
        .then(|| serde_json::from_slice::<Json>(bytes))
    {
        Some(Ok(json)) => flatten(&json, String::new(), &mut values),
        _ => {
            let text = String::from_utf8_lossy(bytes).trim().to_owned();
            values.insert(String::new(), text);
        }
    }
    values.retain(|place, _| !VOLATILE_KEYS.iter().any(|key| place.contains(key)));
    values
}

fn flatten(value: &Json, place: String, values: &mut BTreeMap<String, String>) {
    match value {
        Json::Object(fields) => {
            for (key, value) in fields {
                flatten(value, format!("{place}/{key}"), values);
            }
        }
        Json::Array(all) => {
            for (number, value) in all.iter().enumerate() {
                // Interfaces and queues are known by their names, not by their places.
                let name = value["name"]
                    .as_str()
                    .or_else(|| value["report"]["queue"].as_str());
                let name = name.map_or_else(|| number.to_string(), str::to_owned);
                flatten(value, format!("{place}/{name}"), values);
            }
        }
        Json::String(text) => {
            values.insert(place, text.clone());
        }
        other => {
            values.insert(place, other.to_string());
        }
    }
}

/// Writes what differs between two collections.
pub(super) fn render(
    names: &[String; 2],
    bundles: [&Bundle; 2],
    findings: &[Vec<Finding>; 2],
    json: bool,
) -> Result<String> {
    let changes = changes(bundles[0], bundles[1]);
    let new = |of: &[Finding], other: &[Finding]| -> Vec<Finding> {
        let is_same = |a: &Finding, b: &Finding| (&a.rule, &a.subject) == (&b.rule, &b.subject);
        let is_new = |found: &&Finding| !other.iter().any(|b| is_same(found, b));
        of.iter().filter(is_new).cloned().collect()
    };
    let gone = new(&findings[0], &findings[1]);
    let come = new(&findings[1], &findings[0]);
    if json {
        return json_line(&serde_json::json!({
            "findings_gone": gone,
            "findings_new": come,
            "changes": changes,
        }));
    }
    let mut out = String::new();
    for (letter, (name, bundle)) in ["A", "B"].iter().zip(names.iter().zip(bundles)) {
        let started = bundle
            .about()
            .map_or_else(String::new, |about| about.started);
        wrap::write(
            &format!("{letter}  "),
            &format!("{}, {}", visible(name), visible(&started)),
            &mut out,
        );
        for complaint in &bundle.complaints {
            wrap::write("   note: ", &visible(complaint), &mut out);
        }
    }
    if bundles
        .iter()
        .any(|bundle| bundle.about().is_some_and(|about| about.redacted))
    {
        out += "   names such as ipv4-1 stand for different things in the two\n";
    }
    for (title, sign, list) in [
        ("findings of A alone", "-", &gone),
        ("findings of B alone", "+", &come),
    ] {
        if !list.is_empty() {
            out += &format!("\n{title}\n");
        }
        for finding in list {
            let about = match finding.subject.is_empty() {
                true => String::new(),
                false => format!("{}: ", finding.subject),
            };
            let text = format!("{}: {about}{}", finding.level.name(), finding.title);
            wrap::write(&format!("  {sign} "), &visible(&text), &mut out);
        }
    }
    if !changes.is_empty() {
        out += "\nwhat changed\n";
    }
    for change in &changes {
        write(change, &mut out);
    }
    out += &format!(
        "\n{} findings went, {} came; {} other differences\n",
        gone.len(),
        come.len(),
        changes.len()
    );
    Ok(out)
}

fn write(change: &Change, out: &mut String) {
    let place = visible(&change.place);
    let [first, second] =
        [&change.first, &change.second].map(|text| text.as_deref().unwrap_or_default());
    if !first.contains('\n') && !second.contains('\n') {
        let show = |text: &Option<String>| match text {
            Some(text) => shorten(text),
            None => "missing".to_owned(),
        };
        *out += &format!(
            "  {place}: {} -> {}\n",
            show(&change.first),
            show(&change.second)
        );
        return;
    }
    *out += &format!("  {place}\n");
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let (a, b) = (lines(first), lines(second));
    for (sign, own, other) in [("-", &a, &b), ("+", &b, &a)] {
        let others: BTreeSet<&String> = other.iter().collect();
        let only: Vec<&String> = own.iter().filter(|line| !others.contains(line)).collect();
        for line in only.iter().take(MOST_LINES) {
            *out += &format!("    {sign} {}\n", shorten(line));
        }
        if only.len() > MOST_LINES {
            *out += &format!("    {sign} and {} more lines\n", only.len() - MOST_LINES);
        }
    }
}

fn shorten(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}
