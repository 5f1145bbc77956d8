//! The settings of a queue of the kernel module, which sysfs shows and changes while it captures.
//!
//! The text of a key in a configuration is for people; that of a file in sysfs is for the module: ages in nanoseconds,
//! sizes in bytes, filters as programs. [`Hot`] converts one into the other.
//!
//! ```
//! use hpcap_config::hot::Hot;
//! use hpcap_config::model::Interface;
//!
//! # fn main() -> hpcap::Result<()> {
//! let mut interface = Interface::default();
//! let ring = Hot::of("ring")?;
//! ring.read("67108864\n", &mut interface)?;
//! assert_eq!(interface.ring_bytes, 64 << 20);
//! assert_eq!((ring.file, ring.text(&interface)?), ("ring_bytes", "67108864".into()));
//!
//! let error = Hot::of("rnig").unwrap_err();
//! assert!(error.to_string().contains("ring"));
//! # Ok(())
//! # }
//! ```

use std::fmt::Write;

use hpcap::filter::Filter;
use hpcap::{Error, Result};

use crate::keys::{INTERFACE, advise_known, find, set};
use crate::model::Interface;

/// A setting in the folder of a queue in sysfs.
#[derive(Debug)]
pub struct Hot {
    /// The key of an interface that has this setting; `cpu` is the CPU of this queue alone.
    pub key: &'static str,
    /// The file in the queue's folder.
    pub file: &'static str,
    /// When a change takes effect, if not with the next frames.
    pub note: &'static str,
}

/// The settings that sysfs shows, in the order in which they are written: a new ring comes last,
/// because it takes over `plain` and `look_back`.
pub static HOT: &[Hot] = &[
    hot("caplen", "caplen"),
    hot("filter", "filter"),
    hot("dedup.window", "dedup/window"),
    hot("dedup.compare_bytes", "dedup/compare_bytes"),
    hot("dedup.age", "dedup/age_ns"),
    hot("dedup.renew", "dedup/renew"),
    hot("dedup.ignore_ttl", "dedup/ignore_ttl"),
    hot("dedup.ignore_ip_checksum", "dedup/ignore_ip_checksum"),
    hot("dedup.ignore_vlan", "dedup/ignore_vlan"),
    hot("dedup.ignore_mac", "dedup/ignore_mac"),
    hot("dedup.action", "dedup/action"),
    hot("dedup.enabled", "dedup/enabled"),
    hot("poll", "poll"),
    hot("when_full", "when_full"),
    hot("cpu", "cpu"),
    hot("priority", "priority"),
    Hot {
        key: "plain",
        file: "plain",
        note: "takes effect with the next ring",
    },
    Hot {
        key: "look_back",
        file: "look_back",
        note: "takes effect with the next ring",
    },
    Hot {
        key: "ring",
        file: "ring_bytes",
        note: "the queue starts anew, in a ring of ordinary pages",
    },
];

const fn hot(key: &'static str, file: &'static str) -> Hot {
    Hot {
        key,
        file,
        note: "",
    }
}

impl Hot {
    /// Returns the setting of `key`.
    ///
    /// # Errors
    /// Returns an error with the setting that is meant, or with all, if a queue has no such setting.
    pub fn of(key: &str) -> Result<&'static Self> {
        HOT.iter().find(|hot| hot.key == key).ok_or_else(|| {
            Error::usage(format!("setting {key:?}"), "a queue has no such setting")
                .advise(advise_known(key, HOT.iter().map(|hot| hot.key)))
        })
    }

    /// The text to write into the file, so that the queue has the value of `interface`.
    ///
    /// # Errors
    /// Returns an error for a filter that cannot be compiled.
    pub fn text(&self, interface: &Interface) -> Result<String> {
        let switch = |on: bool| if on { "1" } else { "0" }.to_owned();
        let dedup = &interface.dedup.settings;
        let word = |key: &str| {
            let literal = find(INTERFACE, key).and_then(|key| key.literal(interface));
            literal.unwrap_or_default().trim_matches('"').to_owned()
        };
        Ok(match self.key {
            "filter" => filter_text(&interface.filter)?,
            "ring" => interface.ring_bytes.to_string(),
            "cpu" => interface.cpus.first().map_or("-1".into(), u32::to_string),
            "plain" => switch(interface.plain),
            "look_back" => switch(interface.look_back),
            "dedup.enabled" => switch(interface.dedup.enabled),
            "dedup.renew" => switch(dedup.renew),
            "dedup.ignore_ttl" => switch(dedup.ignore.ttl),
            "dedup.ignore_ip_checksum" => switch(dedup.ignore.ip_sum),
            "dedup.ignore_vlan" => switch(dedup.ignore.vlan),
            "dedup.ignore_mac" => switch(dedup.ignore.mac),
            "dedup.age" => dedup.age.as_nanos().to_string(),
            key => word(key),
        })
    }

    /// Stores in `interface` what `text`, the content of the file, says.
    ///
    /// # Errors
    /// Returns an error for a text that the module does not write.
    pub fn read(&self, text: &str, interface: &mut Interface) -> Result<()> {
        let text = text.trim();
        let switch = match text {
            "0" => "false",
            _ => "true",
        };
        match self.key {
            "filter" => {
                interface.filter = shown_filter(text);
                Ok(())
            }
            "cpu" => {
                interface.cpus = text.parse().into_iter().collect();
                Ok(())
            }
            "ring" => {
                let bytes = text.parse();
                interface.ring_bytes = bytes
                    .map_err(|_| Error::usage(format!("ring_bytes {text:?}"), "not a number"))?;
                Ok(())
            }
            "dedup.age" => set(INTERFACE, interface, self.key, &format!("{text}ns")),
            "plain"
            | "look_back"
            | "dedup.enabled"
            | "dedup.renew"
            | "dedup.ignore_ttl"
            | "dedup.ignore_ip_checksum"
            | "dedup.ignore_vlan"
            | "dedup.ignore_mac" => set(INTERFACE, interface, self.key, switch),
            key => set(INTERFACE, interface, key, text),
        }
    }

    /// The value of `interface` as `hpcapctl get` prints it.
    #[must_use]
    pub fn shown(&self, interface: &Interface) -> String {
        match self.key {
            "cpu" => interface.cpus.first().map_or("-1".into(), u32::to_string),
            key => {
                let literal = find(INTERFACE, key).and_then(|key| key.literal(interface));
                literal.unwrap_or_default()
            }
        }
    }
}

/// Writes a filter as `tcpdump -ddd` does, behind a line with its expression.
fn filter_text(expression: &str) -> Result<String> {
    let filter = Filter::new(expression, 1)?;
    if filter.is_empty() {
        return Ok("\n".into());
    }
    // The expression has one line in sysfs.
    let line = filter.expression().replace(['\n', '\r'], " ");
    let mut text = format!("# {line}\n{}\n", filter.program().len());
    for i in filter.program() {
        let _ = writeln!(text, "{} {} {} {}", i.code, i.jt, i.jf, i.k);
    }
    Ok(text)
}

/// The expression of a filter in sysfs. A program that was written without its expression is named
/// by its length.
fn shown_filter(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default().trim();
    match first.strip_prefix('#') {
        Some(expression) => expression.trim().to_owned(),
        None if first.is_empty() || first == "0" => String::new(),
        None => format!("{first} instructions without an expression"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_they_are_written() {
        let mut wanted = Interface::default();
        for (key, value) in [
            ("caplen", "128"),
            ("filter", "udp and port 53"),
            ("dedup.enabled", "true"),
            ("dedup.age", "1500us"),
            ("dedup.compare_bytes", "70"),
            ("dedup.renew", "false"),
            ("dedup.ignore_mac", "true"),
            ("dedup.action", "mark"),
            ("poll", "busy"),
            ("when_full", "hold"),
            ("plain", "true"),
            ("ring", "64M"),
            ("cpus", "[3]"),
            ("priority", "-20"),
        ] {
            set(INTERFACE, &mut wanted, key, value).unwrap();
        }
        let mut read = Interface::default();
        for hot in HOT {
            hot.read(&hot.text(&wanted).unwrap(), &mut read).unwrap();
        }
        assert_eq!(read, wanted);
    }

    #[test]
    fn priority_is_written_as_the_module_reads_it() {
        let hot = Hot::of("priority").unwrap();
        for (literal, file) in [("0", "0"), ("-20", "-20"), ("19", "19"), ("fifo", "fifo")] {
            let (mut wanted, mut read) = (Interface::default(), Interface::default());
            set(INTERFACE, &mut wanted, "priority", literal).unwrap();
            assert_eq!(hot.text(&wanted).unwrap(), file);
            hot.read(&format!("{file}\n"), &mut read).unwrap();
            assert_eq!(read, wanted);
        }
    }

    #[test]
    fn filter_has_the_form_of_tcpdump() {
        let text = filter_text("udp").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "# udp");
        assert_eq!(lines[1].parse(), Ok(lines.len() - 2));
        assert!(lines[2].split(' ').count() == 4, "{text}");
        assert_eq!(filter_text("").unwrap(), "\n");
        assert_eq!(
            shown_filter("4\n1 2 3 4"),
            "4 instructions without an expression"
        );
    }
}
