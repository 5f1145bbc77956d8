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
        meaning: "whether [hpcap-monitor](hpcap-monitor.md) runs",
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
    Key {
        name: "listen",
        meaning: "where the page, and the metrics for Prometheus, are served over HTTP",
        allowed: "an address and a port, such as \"127.0.0.1:9742\", or \"none\"",
        unset: "",
        read: |v, m| put(&mut m.listen, v.parsed()),
        write: |m| Some(quote(&m.listen.to_string())),
    },
    Key {
        name: "socket",
        meaning: "socket in the file system at which the same is served, for a proxy",
        allowed: "a path from the root, such as \"/run/hpcap-monitor/http\"",
        unset: "none",
        read: |v, m| put_some(&mut m.socket, absolute_path(v)),
        write: |m| m.socket.as_ref().map(|path| quote(&path.to_string_lossy())),
    },
    Key {
        name: "textfile",
        meaning: "file that also gets the metrics, for the textfile collector of node_exporter",
        allowed: "a path from the root, such as \"/var/lib/node_exporter/hpcap.prom\"",
        unset: "none",
        read: |v, m| put_some(&mut m.textfile, absolute_path(v)),
        write: |m| {
            m.textfile
                .as_ref()
                .map(|path| quote(&path.to_string_lossy()))
        },
    },
    Key {
        name: "keep_age",
        meaning: "age at which logs are deleted",
        allowed: "a time from \"1d\" on, such as \"90d\"",
        unset: "",
        read: |v, m| {
            let range = Duration::from_secs(86_400)..=Duration::from_nanos(u64::MAX);
            put(&mut m.keep_age, v.time(range))
        },
        write: |m| Some(quote(&time_text(m.keep_age))),
    },
    Key {
        name: "event_command",
        meaning: "command of the shell that runs at each event, which it gets as JSON in $HPCAP_EVENT",
        allowed: "a command, such as \"/usr/local/bin/page-me\"",
        unset: "none",
        read: |v, m| {
            let command = v
                .text()
                .filter(|text| !text.is_empty() && !text.contains('\0'));
            put_some(&mut m.event_command, command.map(str::to_owned))
        },
        write: |m| m.event_command.as_deref().map(quote),
    },
];
