//! The lines of `params.cfg`, as the original reads them.

use std::collections::BTreeMap;

use super::Remark;
use crate::problem::excerpt;

/// Keys without a number.
const GLOBAL: [&str; 14] = [
    "driver_type",
    "use_vf",
    "nrxq",
    "ntxq",
    "consumers",
    "nif",
    "ifs",
    "monitor_enabled",
    "monitor_interval",
    "monitor_core",
    "monitor_basedir",
    "basedir",
    "version",
    "nr_req",
];

/// Keys that end in the number of an interface.
const NUMBERED: [&str; 10] = [
    "mode", "core", "dup", "vel", "caplen", "pages", "hugesize", "ip", "mask", "dir",
];

/// A key of versions before the last one.
const OLD: [&str; 4] = ["basedir", "version", "nr_req", "copylaunch"];

/// A setting, and the line that it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) line: usize,
    pub(super) value: String,
}

/// The settings of a file by their keys.
pub(super) type Settings = BTreeMap<String, Setting>;

/// The key's name and number, if it is one of an interface.
pub(super) fn split_key(key: &str) -> Option<(&'static str, usize)> {
    let name = NUMBERED.iter().find(|name| {
        let digits = key.strip_prefix(**name).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    })?;
    let digits = &key[name.len()..];
    // `mode00` is another key than `mode0` for the original.
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((name, digits.parse().unwrap_or(usize::MAX)))
}

fn is_known(key: &str) -> bool {
    GLOBAL.contains(&key) || OLD.contains(&key) || split_key(key).is_some()
}

/// The known key that `key` ends in, which the original finds there, too.
fn hidden_key(key: &str) -> Option<&str> {
    let starts = key.char_indices().skip(1).map(|(at, _)| at);
    starts.map(|at| &key[at..]).find(|end| is_known(end))
}

pub(super) fn read(text: &str, remarks: &mut Vec<Remark>) -> Settings {
    let mut settings = Settings::new();
    for (i, line) in text.lines().enumerate() {
        read_line(i + 1, line, &mut settings, remarks);
    }
    settings
}

fn read_line(number: usize, line: &str, settings: &mut Settings, remarks: &mut Vec<Remark>) {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return;
    }
    let mut remark = |key: &str, text: String| {
        remarks.push(Remark {
            line: number,
            key: excerpt(key),
            text,
        });
    };
    let Some((raw_key, rest)) = trimmed.split_once('=') else {
        return remark(
            "",
            format!("{:?} is no setting, and is left out", excerpt(trimmed)),
        );
    };
    let key = raw_key.trim();
    if line.contains('#') {
        let text = "the original ignores a whole line with a # in it, so this setting had no \
                    effect; it is left out";
        return remark(key, text.into());
    }
    if raw_key.ends_with(char::is_whitespace) {
        let text = "the original finds no key with a space before the =, so this setting had no \
                    effect; it is left out";
        return remark(key, text.into());
    }
    if key.contains([';', ',']) || key.is_empty() {
        return remark(key, "this is no key; the line is left out".into());
    }
    if !is_known(key) {
        let text = match hidden_key(key) {
            Some(end) => {
                format!("the original takes this for {end}, which it ends in; it is left out")
            }
            None => "this key is unknown, and is left out".into(),
        };
        return remark(key, text);
    }
    if OLD.contains(&key) || key.starts_with("dir") {
        let text = "versions of HPCAP before the last one had this key; it is left out (recordings \
                    are sections [[recorder]])";
        return remark(key, text.into());
    }
    let (value, dropped) = match rest.find([';', ',', '=']) {
        Some(at) => (&rest[..at], rest[at + 1..].trim()),
        None => (rest, ""),
    };
    if !dropped.is_empty() {
        remark(
            key,
            format!(
                "the original reads a value up to the first ; , or =, which is {:?}; {:?} is left out",
                excerpt(value),
                excerpt(dropped)
            ),
        );
    }
    let setting = Setting {
        line: number,
        value: value.trim().trim_matches('"').to_owned(),
    };
    if let Some(first) = settings.insert(key.to_owned(), setting) {
        remark(
            key,
            format!(
                "line {} has it already, and the original reads both as one value; this line is used",
                first.line
            ),
        );
    }
}
