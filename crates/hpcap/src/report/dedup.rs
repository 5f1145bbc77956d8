//! Settings of the duplicate filter of a queue: as its daemon reports them, or as the kernel module
//! has them in sysfs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::dedup::{Action, DedupSettings};
use crate::{Queue, QueueName};
use hpcap_ipc::device::device_path;

/// Settings of the duplicate filter. The names of the fields are the names in JSON and in sysfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DedupReport {
    /// Whether the queue removes or marks duplicates.
    pub enabled: bool,
    /// The settings; `None` when the filter is off.
    #[serde(flatten)]
    pub settings: Option<DedupFields>,
    /// The settings as `hpcapd --dedup` takes them, or `off`.
    #[serde(skip)]
    pub text: String,
}

/// Settings of a duplicate filter that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DedupFields {
    /// `drop` or `mark`.
    pub action: &'static str,
    /// Number of frames that the filter remembers.
    pub window: u32,
    /// Bytes of each frame that are compared; `None` stands for `auto`.
    pub compare_bytes: Option<u32>,
    /// Longest time between a frame and its duplicate, in nanoseconds.
    pub age_ns: u64,
    /// Whether a duplicate restarts the age.
    pub renew: bool,
    /// Whether duplicates may differ in TTL or hop limit.
    pub ignore_ttl: bool,
    /// Whether duplicates may differ in the checksum of the IPv4 header.
    pub ignore_ip_checksum: bool,
    /// Whether duplicates may differ in their VLAN tags.
    pub ignore_vlan: bool,
    /// Whether duplicates may differ in their MAC addresses.
    pub ignore_mac: bool,
}

impl From<&DedupSettings> for DedupFields {
    fn from(settings: &DedupSettings) -> Self {
        let ignore = settings.ignore;
        Self {
            action: match settings.action {
                Action::Drop => "drop",
                Action::Mark => "mark",
            },
            window: settings.window,
            compare_bytes: settings.bytes,
            age_ns: u64::try_from(settings.age.as_nanos()).unwrap_or(u64::MAX),
            renew: settings.renew,
            ignore_ttl: ignore.ttl,
            ignore_ip_checksum: ignore.ip_sum,
            ignore_vlan: ignore.vlan,
            ignore_mac: ignore.mac,
        }
    }
}

impl DedupReport {
    /// Asks the producer of `queue`; returns `None` when the producer does not report its settings.
    #[must_use]
    pub fn of(queue: &Queue) -> Option<Self> {
        let text = queue
            .dedup()
            .or_else(|| read_sysfs(&sysfs_folder(queue.info().name)))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let settings = match text {
            "off" => None,
            on => Some(DedupFields::from(&on.parse().ok()?)),
        };
        Some(Self {
            enabled: settings.is_some(),
            settings,
            text: text.to_owned(),
        })
    }
}

/// Folder in which the module has the settings of `queue`.
fn sysfs_folder(queue: QueueName) -> PathBuf {
    device_path(Path::new("/sys/class/hpcap"), queue).join("dedup")
}

/// Reads the settings in the sysfs folder `dedup` and writes them as a daemon reports them.
fn read_sysfs(dedup: &Path) -> Option<String> {
    let read = |name: &str| {
        fs::read_to_string(dedup.join(name))
            .map(|text| text.trim().to_owned())
            .ok()
    };
    if read("enabled")? == "0" {
        return Some("off".into());
    }
    let ignored: Vec<&str> = [
        ("ignore_ttl", "ttl"),
        ("ignore_ip_checksum", "ipsum"),
        ("ignore_vlan", "vlan"),
        ("ignore_mac", "mac"),
    ]
    .into_iter()
    .filter(|(file, _)| read(file).is_some_and(|value| value != "0"))
    .map(|(_, name)| name)
    .collect();
    let ignore = match ignored.is_empty() {
        true => String::new(),
        false => format!(",ignore={}", ignored.join("+")),
    };
    // Older modules have no file `renew`: their filters always renew.
    let renew = match read("renew").as_deref() {
        Some("0") => "off",
        _ => "on",
    };
    let text = format!(
        "window={},bytes={},age={}ns,renew={renew}{ignore},action={}",
        read("window")?,
        read("compare_bytes")?,
        read("age_ns")?,
        read("action")?
    );
    // Parsing brings the text into the form that a daemon prints.
    let settings: DedupSettings = text.parse().ok()?;
    Some(settings.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{self, hpcap_attach};

    #[test]
    fn longest_settings_fit_the_answer() {
        let longest = "window=16777216,bytes=2048,age=18446744073709551615ns,renew=off,\
                       ignore=ttl+ipsum+vlan+mac,action=mark";
        assert_eq!(
            longest.parse::<DedupSettings>().unwrap().to_string(),
            longest
        );
        let answer = hpcap_attach {
            message: abi::field(longest),
            ..hpcap_attach::zeroed()
        };
        assert_eq!(abi::text(&answer.message), longest);
    }

    #[test]
    fn settings_of_the_module_come_from_sysfs() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_sysfs(dir.path()), None);
        let files = [
            ("enabled", "1\n"),
            ("window", "32768\n"),
            ("compare_bytes", "auto\n"),
            ("age_ns", "1500000\n"),
            ("renew", "0\n"),
            ("ignore_ttl", "0\n"),
            ("ignore_ip_checksum", "1\n"),
            ("ignore_vlan", "0\n"),
            ("ignore_mac", "1\n"),
            ("action", "mark\n"),
        ];
        for (name, value) in files {
            fs::write(dir.path().join(name), value).unwrap();
        }
        assert_eq!(
            read_sysfs(dir.path()).unwrap(),
            "window=32768,bytes=auto,age=1500us,renew=off,ignore=ipsum+mac,action=mark"
        );
        fs::write(dir.path().join("enabled"), "0\n").unwrap();
        assert_eq!(read_sysfs(dir.path()).unwrap(), "off");
    }
}
