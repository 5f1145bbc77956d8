//! How duplicates are removed from a queue: what a daemon answers, or what the kernel module has in
//! sysfs.

use std::fs;
use std::path::{Path, PathBuf};

use hpcap::dedup::{Action, DedupSettings};
use hpcap::queue::device::device_path;
use hpcap::{Queue, visible};
use serde::Serialize;

/// Removal of duplicates, with the names that it has in sysfs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Dedup {
    enabled: bool,
    /// How; `None` = not at all.
    #[serde(flatten)]
    how: Option<How>,
    /// As `hpcapd --dedup` takes it.
    #[serde(skip)]
    text: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "four independent fields")]
struct How {
    action: &'static str,
    window: u32,
    /// `None`: what tells frames apart.
    compare_bytes: Option<u32>,
    age_ns: u64,
    renew: bool,
    ignore_ttl: bool,
    ignore_ip_checksum: bool,
    ignore_vlan: bool,
    ignore_mac: bool,
}

impl From<&DedupSettings> for How {
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

impl Dedup {
    /// What the producer of `queue` tells; `None` where it does not.
    pub(super) fn of(queue: &Queue) -> Option<Self> {
        let text = queue
            .dedup()
            .or_else(|| of_module(&attributes(queue.info().name)))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let how = match text {
            "off" => None,
            on => Some(How::from(&on.parse().ok()?)),
        };
        Some(Self {
            enabled: how.is_some(),
            how,
            text: text.to_owned(),
        })
    }

    /// As `hpcapd --dedup` takes it.
    pub(super) fn text(&self) -> String {
        visible(&self.text).into_owned()
    }
}

/// Where the module has the settings of a queue.
fn attributes(queue: hpcap::QueueName) -> PathBuf {
    device_path(Path::new("/sys/class/hpcap"), queue).join("dedup")
}

/// The settings in the folder `dedup` of sysfs, as a daemon would tell them.
fn of_module(dedup: &Path) -> Option<String> {
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
    // A module of before has no such file, and renews.
    let renew = match read("renew").as_deref() {
        Some("0") => "off",
        _ => "on",
    };
    let told = format!(
        "window={},bytes={},age={}ns,renew={renew}{ignore},action={}",
        read("window")?,
        read("compare_bytes")?,
        read("age_ns")?,
        read("action")?
    );
    // In the words of a daemon.
    let settings: DedupSettings = told.parse().ok()?;
    Some(settings.to_string())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
mod tests {
    use hpcap::QueueName;
    use hpcap::abi::{self, hpcap_attach};
    use hpcap_engine::{Engine, EngineConfig};
    use serde_json::json;

    use super::super::Shown;
    use super::*;

    fn engine(dedup: Option<&str>) -> Engine {
        let source = "gen:rate=1000pps".parse().unwrap();
        let mut config = EngineConfig::new(QueueName::new(3, 1), source);
        config.ring_bytes = 1 << 20;
        config.dedup = dedup.map(|text| text.parse().unwrap());
        Engine::start(&config).unwrap().0
    }

    fn in_json(shown: &Shown) -> serde_json::Value {
        let line = shown.print(true).unwrap();
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["queue"], "hpcap3:1");
        assert_eq!(object["listeners"], json!([]));
        object["dedup"].clone()
    }

    #[test]
    fn removal_of_duplicates_is_shown_as_it_is_now() {
        let engine = engine(Some("window=1000,age=1500us,ignore=ipsum+mac,action=mark"));
        let marks = Shown::of(engine.queue());
        let expected = json!({
            "enabled": true,
            "action": "mark",
            "window": 1000,
            "compare_bytes": null,
            "age_ns": 1_500_000,
            "renew": true,
            "ignore_ttl": false,
            "ignore_ip_checksum": true,
            "ignore_vlan": false,
            "ignore_mac": true,
        });
        assert_eq!(in_json(&marks), expected);
        let text = marks.print(false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("hpcap3:1  gen:"), "{text}");
        assert_eq!(
            lines[1],
            "  dedup        window=1000,bytes=auto,age=1500us,ignore=ipsum+mac,action=mark"
        );
        assert!(lines[2].starts_with("  on the wire"), "{text}");

        engine.set_dedup(Some(DedupSettings::default())).unwrap();
        let drops = in_json(&Shown::of(engine.queue()));
        assert_eq!(drops["action"], "drop");
        assert_eq!(drops["age_ns"], 2_000_000_000_u64);
        engine.set_dedup(None).unwrap();
        let off = Shown::of(engine.queue());
        assert_eq!(in_json(&off), json!({"enabled": false}));
        assert!(off.print(false).unwrap().contains("\n  dedup        off\n"));
    }

    /// The longest that can be said has room in the answer.
    #[test]
    fn all_settings_are_told() {
        let most = "window=16,bytes=2048,age=18446744073709551615ns,renew=off,\
                    ignore=ttl+ipsum+vlan+mac,action=mark";
        let engine = engine(None);
        assert!(!Dedup::of(engine.queue()).unwrap().enabled);
        engine.set_dedup(Some(most.parse().unwrap())).unwrap();
        let told = Dedup::of(engine.queue()).unwrap();
        assert_eq!(told.text, most);
        assert_eq!(told.how.unwrap().age_ns, u64::MAX);
        // A larger window would need the memory, too.
        let longest = most.replace("=16,", "=16777216,");
        assert_eq!(
            longest.parse::<DedupSettings>().unwrap().to_string(),
            longest
        );
        let answer = hpcap_attach {
            message: abi::field(&longest),
            ..hpcap_attach::zeroed()
        };
        assert_eq!(abi::text(&answer.message), longest);
    }

    #[test]
    fn settings_of_the_module_are_those_in_sysfs() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of_module(dir.path()), None);
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
            of_module(dir.path()).unwrap(),
            "window=32768,bytes=auto,age=1500us,renew=off,ignore=ipsum+mac,action=mark"
        );
        fs::write(dir.path().join("enabled"), "0\n").unwrap();
        assert_eq!(of_module(dir.path()).unwrap(), "off");
    }
}
