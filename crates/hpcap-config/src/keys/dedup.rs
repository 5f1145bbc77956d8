//! The keys of the duplicate filter. They have the names of the files in sysfs, except that the age
//! has a unit.

use std::time::Duration;

use hpcap::dedup::Action;

use super::Key;
use crate::model::Interface;
use crate::value::{put, quote, time_text, word_literal};

/// The table of an interface that has the keys of the duplicate filter.
pub const DEDUP: &str = "dedup";

const ACTIONS: &[(&str, Action)] = &[("drop", Action::Drop), ("mark", Action::Mark)];
const TRUE_OR_FALSE: &str = "true or false";

pub(super) const ENABLED: Key<Interface> = Key {
    name: "dedup.enabled",
    meaning: "whether copies of frames, such as a mirror port sends, are removed or marked",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.enabled, v.boolean()),
    write: |i| Some(i.dedup.enabled.to_string()),
};

pub(super) const ACTION: Key<Interface> = Key {
    name: "dedup.action",
    meaning: "remove copies, or keep each behind a mark",
    allowed: "\"drop\" or \"mark\"",
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.action, v.word(ACTIONS)),
    write: |i| word_literal(ACTIONS, &i.dedup.settings.action),
};

pub(super) const WINDOW: Key<Interface> = Key {
    name: "dedup.window",
    meaning: "number of frames that are remembered",
    allowed: "1 to 16777216 frames",
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.window, v.integer(1..=1 << 24)),
    write: |i| Some(i.dedup.settings.window.to_string()),
};

pub(super) const COMPARE_BYTES: Key<Interface> = Key {
    name: "dedup.compare_bytes",
    meaning: "bytes of a frame that are compared; \"auto\" compares those that distinguish a frame \
              (the original compared 70)",
    allowed: "\"auto\", or 1 to 2048 bytes",
    unset: "",
    read: |v, i| {
        let bytes = match v.text() {
            Some("auto") => Some(None),
            _ => v.integer(1..=2048).map(Some),
        };
        put(&mut i.dedup.settings.bytes, bytes)
    },
    write: |i| {
        let bytes = i.dedup.settings.bytes;
        Some(bytes.map_or_else(|| quote("auto"), |n| n.to_string()))
    },
};

pub(super) const AGE: Key<Interface> = Key {
    name: "dedup.age",
    meaning: "longest time between a frame and its copy",
    allowed: "a time such as \"2s\" or \"1500us\", up to 18446744073s",
    unset: "",
    read: |v, i| {
        let any = Duration::ZERO..=Duration::from_nanos(u64::MAX);
        put(&mut i.dedup.settings.age, v.time(any))
    },
    write: |i| Some(quote(&time_text(i.dedup.settings.age))),
};

pub(super) const RENEW: Key<Interface> = Key {
    name: "dedup.renew",
    meaning: "whether the age counts from the last copy of a frame, not from the first",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.renew, v.boolean()),
    write: |i| Some(i.dedup.settings.renew.to_string()),
};

pub(super) const IGNORE_TTL: Key<Interface> = Key {
    name: "dedup.ignore_ttl",
    meaning: "whether copies may differ in TTL or hop limit",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.ignore.ttl, v.boolean()),
    write: |i| Some(i.dedup.settings.ignore.ttl.to_string()),
};

pub(super) const IGNORE_IP_CHECKSUM: Key<Interface> = Key {
    name: "dedup.ignore_ip_checksum",
    meaning: "whether copies may differ in the checksum of the IPv4 header",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.ignore.ip_sum, v.boolean()),
    write: |i| Some(i.dedup.settings.ignore.ip_sum.to_string()),
};

pub(super) const IGNORE_VLAN: Key<Interface> = Key {
    name: "dedup.ignore_vlan",
    meaning: "whether copies may differ in their VLAN tags",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.ignore.vlan, v.boolean()),
    write: |i| Some(i.dedup.settings.ignore.vlan.to_string()),
};

pub(super) const IGNORE_MAC: Key<Interface> = Key {
    name: "dedup.ignore_mac",
    meaning: "whether copies may differ in their MAC addresses",
    allowed: TRUE_OR_FALSE,
    unset: "",
    read: |v, i| put(&mut i.dedup.settings.ignore.mac, v.boolean()),
    write: |i| Some(i.dedup.settings.ignore.mac.to_string()),
};
