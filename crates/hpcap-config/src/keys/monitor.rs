//! The keys of the logger of counters.

use std::time::Duration;

use super::Key;
use super::recorder::absolute_path;
use crate::model::Monitor;
use crate::value::{put, put_some, quote, time_text};

/// The keys of `[monitor]`.
pub static MONITOR: &[Key<Monitor>] = &[
    Key {
        name: "enabled",
        meaning: "whether the counters of all queues are logged",
        allowed: "true or false",
        unset: "",
        read: |v, m| put(&mut m.enabled, v.boolean()),
        write: |m| Some(m.enabled.to_string()),
    },
    Key {
        name: "basedir",
        meaning: "folder of the logs",
        allowed: "a path from the root, such as \"/var/log/hpcap\"",
        unset: "",
        read: |v, m| put(&mut m.basedir, absolute_path(v)),
        write: |m| Some(quote(&m.basedir.to_string_lossy())),
    },
    Key {
        name: "interval",
        meaning: "time between two lines of a log",
        allowed: "a time from \"100ms\" to \"1d\"",
        unset: "",
        read: |v, m| {
            let range = Duration::from_millis(100)..=Duration::from_secs(86_400);
            put(&mut m.interval, v.time(range))
        },
        write: |m| Some(quote(&time_text(m.interval))),
    },
    Key {
        name: "cpu",
        meaning: "CPU of the logger",
        allowed: "0 to 8191",
        unset: "not pinned",
        read: |v, m| put_some(&mut m.cpu, v.integer(0..=8191)),
        write: |m| m.cpu.map(|n| n.to_string()),
    },
];
