//! The differences between two configurations.
//!
//! Interfaces and recorders are compared by their names, whatever their order. A key that is not set has its default, so
//! writing the default of a key is no difference.
//!
//! ```
//! use hpcap_config::Document;
//! use hpcap_config::diff::differences;
//!
//! let config = |ring: &str| {
//!     let text = format!("[[interface]]\nname = \"eth0\"\nring = {ring:?}\n");
//!     Document::parse("example.toml", &text).unwrap().config
//! };
//! let found = differences(&config("64M"), &config("1G"));
//! assert_eq!(found.len(), 1);
//! assert_eq!((&found[0].section[..], found[0].key), ("interface eth0", "ring"));
//! assert!(differences(&config("1G"), &config("1024M")).is_empty());
//! ```

use serde::Serialize;

use crate::keys::{INTERFACE, Key, MONITOR, RECORDER};
use crate::model::{Config, Interface, Recorder};

/// A key with different values in two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The section, such as `interface eth0`.
    pub section: String,
    /// The key; empty when a whole section is missing on one side.
    pub key: &'static str,
    /// The value of the first, as TOML; `None` when it is not set.
    pub first: Option<String>,
    /// The value of the second.
    pub second: Option<String>,
}

/// Compares two configurations. Interfaces are matched by what names them, recorders by queue and
/// destination.
#[must_use]
pub fn differences(first: &Config, second: &Config) -> Vec<Difference> {
    let mut found = Vec::new();
    let interface = |i: &Interface| format!("interface {}", i.label());
    compare_lists(
        INTERFACE,
        &first.interfaces,
        &second.interfaces,
        interface,
        &mut found,
    );
    let recorder = |r: &Recorder| {
        let queue = r.queue.map(|q| q.to_string()).unwrap_or_default();
        let to = r.destination.clone().unwrap_or_default();
        format!("recorder of {queue} to {}", to.display())
    };
    compare_lists(
        RECORDER,
        &first.recorders,
        &second.recorders,
        recorder,
        &mut found,
    );
    compare(
        MONITOR,
        &first.monitor,
        &second.monitor,
        "monitor",
        &mut found,
    );
    found
}

fn compare_lists<T: Default>(
    keys: &[Key<T>],
    first: &[T],
    second: &[T],
    name: impl Fn(&T) -> String,
    found: &mut Vec<Difference>,
) {
    let missing = |section: String, first: bool| Difference {
        section,
        key: "",
        first: first.then(|| "present".to_owned()),
        second: (!first).then(|| "present".to_owned()),
    };
    for one in first {
        match second.iter().find(|other| name(other) == name(one)) {
            Some(other) => compare(keys, one, other, &name(one), found),
            None => found.push(missing(name(one), true)),
        }
    }
    let only_second = second
        .iter()
        .filter(|one| first.iter().all(|other| name(other) != name(one)));
    found.extend(only_second.map(|one| missing(name(one), false)));
}

fn compare<T: Default>(
    keys: &[Key<T>],
    first: &T,
    second: &T,
    section: &str,
    found: &mut Vec<Difference>,
) {
    for key in keys {
        let (first, second) = (key.literal(first), key.literal(second));
        if first != second {
            found.push(Difference {
                section: section.to_owned(),
                key: key.name,
                first,
                second,
            });
        }
    }
}
