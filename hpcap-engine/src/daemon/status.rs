//! `hpcapd --status` and `--kill`: what runs on this machine, seen from outside.

use std::path::PathBuf;

use hpcap::abi::{self, hpcap_attach};
use hpcap::queue::connection::{Connection, run_dirs, socket_path};
pub(super) use hpcap::queue::status::print_ledger;
use hpcap::queue::status::{QueueStatus, json_line, report_with};
use hpcap::{Error, Queue, QueueName, Result};
use serde::Serialize;

use crate::server::OP_DEDUP;
use crate::stages::dedup::{Action, DedupSettings};

/// A queue as every tool shows it, and what only a daemon can tell of it.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    status: QueueStatus,
    /// `None` where nobody tells: the kernel module's are in sysfs.
    dedup: Option<Dedup>,
}

/// Removal of duplicates, with the names that it has in sysfs.
#[derive(Debug, Serialize)]
struct Dedup {
    enabled: bool,
    /// How; `None` = not at all.
    #[serde(flatten)]
    how: Option<How>,
    /// As `hpcapd --dedup` takes it.
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "four independent fields")]
struct How {
    action: &'static str,
    window: u32,
    compare_bytes: u32,
    age_ns: u64,
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
            ignore_ttl: ignore.ttl,
            ignore_ip_checksum: ignore.ip_sum,
            ignore_vlan: ignore.vlan,
            ignore_mac: ignore.mac,
        }
    }
}

impl Dedup {
    /// Asks the daemon behind the first of `sockets` that somebody serves. `None` where there is
    /// none, or one that does not know the question.
    fn ask(sockets: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        let question = hpcap_attach {
            magic: abi::HPCAP_ATTACH_MAGIC,
            abi_version: abi::HPCAP_ABI_VERSION,
            op: OP_DEDUP,
            ..hpcap_attach::zeroed()
        };
        let daemon = sockets
            .into_iter()
            .find_map(|path| Connection::to(&path).ok())?;
        let (answer, _) = daemon.ask("ask for duplicates", &question).ok()?;
        let text = abi::text(&answer.message);
        let how = match text.as_str() {
            "off" => None,
            on => Some(How::from(&on.parse().ok()?)),
        };
        Some(Self {
            enabled: how.is_some(),
            how,
            text,
        })
    }
}

impl Shown {
    fn to_text(&self) -> String {
        let text = self.status.to_string();
        match (&self.dedup, text.split_once('\n')) {
            (Some(dedup), Some((head, rest))) => {
                format!("{head}\n  {:<12} {}\n{rest}", "dedup", dedup.text)
            }
            _ => text,
        }
    }
}

/// Prints the queues of this machine, or one of them.
pub(super) fn show(only: Option<QueueName>, json: bool) -> Result<String> {
    let show = |name, status| {
        let shown = Shown {
            status,
            dedup: Dedup::ask(run_dirs().iter().map(|dir| socket_path(dir, name))),
        };
        match json {
            true => json_line(&shown),
            false => Ok(shown.to_text()),
        }
    };
    report_with(only, json, show, |e| eprintln!("hpcapd: {e}"))
}

/// Kills listener `id` of queue `name`.
pub(super) fn kill(name: &str, id: &str) -> Result<String> {
    let name: QueueName = name.parse()?;
    let number: u64 = id.parse().map_err(|_| {
        Error::usage(
            format!("listener {id:?}"),
            "expected the number in column id of `hpcapd --status`",
        )
    })?;
    Queue::open(name)?.kill(number)?;
    Ok(format!("listener {number} of {name} is killed\n"))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
mod tests {
    use std::path::Path;
    use std::thread;

    use serde_json::json;

    use super::*;
    use crate::daemon::socket::Doorway;
    use crate::{Engine, EngineConfig};

    const NAME: QueueName = QueueName::new(3, 1);

    fn engine(dedup: Option<&str>) -> Engine {
        let source = "gen:rate=1000pps".parse().unwrap();
        let mut config = EngineConfig::new(NAME, source);
        config.ring_bytes = 1 << 20;
        config.dedup = dedup.map(|text| text.parse().unwrap());
        Engine::start(&config, |_| {}).unwrap()
    }

    /// What is shown of `engine`, asked over a socket.
    fn shown(engine: &Engine, doorway: &Doorway) -> Shown {
        let (stale, path) = (Path::new("nobody.sock"), doorway.path());
        let dedup = thread::scope(|scope| {
            let asked = scope.spawn(|| Dedup::ask([stale.to_owned(), path.to_owned()]));
            while !asked.is_finished() {
                if let Some(client) = doorway.accept() {
                    engine.serve(client).unwrap();
                }
                thread::yield_now();
            }
            asked.join().unwrap()
        });
        Shown {
            status: QueueStatus::of(engine.queue()),
            dedup,
        }
    }

    fn in_json(shown: &Shown) -> serde_json::Value {
        let line = json_line(shown).unwrap();
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["queue"], "hpcap3:1");
        assert_eq!(object["listeners"], json!([]));
        object["dedup"].clone()
    }

    #[test]
    fn removal_of_duplicates_is_shown_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let doorway = Doorway::open(dir.path(), NAME, None).unwrap();
        let engine = engine(Some("window=1000,age=1500us,ignore=ipsum+mac,action=mark"));
        let marks = shown(&engine, &doorway);
        let expected = json!({
            "enabled": true,
            "action": "mark",
            "window": 1000,
            "compare_bytes": 70,
            "age_ns": 1_500_000,
            "ignore_ttl": false,
            "ignore_ip_checksum": true,
            "ignore_vlan": false,
            "ignore_mac": true,
        });
        assert_eq!(in_json(&marks), expected);
        let text = marks.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("hpcap3:1  gen:"), "{text}");
        assert_eq!(
            lines[1],
            "  dedup        window=1000,bytes=70,age=1500us,ignore=ipsum+mac,action=mark"
        );
        assert!(lines[2].starts_with("  on the wire"), "{text}");

        engine.set_dedup(Some(DedupSettings::default())).unwrap();
        let drops = in_json(&shown(&engine, &doorway));
        assert_eq!(drops["action"], "drop");
        assert_eq!(drops["age_ns"], 2_000_000_000_u64);
        engine.set_dedup(None).unwrap();
        let off = shown(&engine, &doorway);
        assert_eq!(in_json(&off), json!({"enabled": false}));
        assert!(off.to_text().contains("\n  dedup        off\n"));
    }

    /// The longest that can be said has room in the answer.
    #[test]
    fn all_settings_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let doorway = Doorway::open(dir.path(), NAME, None).unwrap();
        let most = "window=16,bytes=2048,age=18446744073709551615ns,\
                    ignore=ttl+ipsum+vlan+mac,action=mark";
        let engine = engine(None);
        assert!(!shown(&engine, &doorway).dedup.unwrap().enabled);
        engine.set_dedup(Some(most.parse().unwrap())).unwrap();
        let told = shown(&engine, &doorway).dedup.unwrap();
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

    /// The kernel module does not tell, and neither does nobody.
    #[test]
    fn what_is_not_told_is_null() {
        let shown = Shown {
            status: QueueStatus::of(engine(None).queue()),
            dedup: Dedup::ask([PathBuf::from("nobody.sock")]),
        };
        assert_eq!(in_json(&shown), serde_json::Value::Null);
        assert_eq!(shown.to_text(), shown.status.to_string());
    }
}
