//! Filters with which the kernel writes no records of other interfaces.
//!
//! Some tracepoints stay without one. Records of frees, drops and copies have no interface. Those of frames that are
//! received and queued have one, but every frame begins with one of the two: without it, the end of a frame of
//! another interface would pass for that of an earlier frame in the same memory.

use std::collections::BTreeSet;

use hpcap::Result;
use hpcap_host::Interface;

use super::event::{NET_RX, Point};
use super::format::Format;

/// Most interfaces that a filter names.
const INTERFACES_MAX: usize = 64;

/// Names of the interfaces through which frames of the interface called `name` pass before or after it: the other end of a veth
/// pair, the ports of its bridge or bond, VLANs on it. It is the first. An interface in another network namespace is not
/// among `all`, though one of them may have its number.
#[must_use]
pub fn connected<'a>(name: &str, all: &'a [Interface]) -> Vec<&'a Interface> {
    let mut found: Vec<&Interface> = all.iter().filter(|one| one.name == name).collect();
    let mut known: BTreeSet<u32> = found.iter().map(|one| one.index).collect();
    let mut at = 0;
    while let Some(here) = found.get(at).copied() {
        let leads_to = |from: &Interface, to: &Interface| {
            from.controller == Some(to.index) || from.leads_to(to)
        };
        for other in all {
            if (leads_to(here, other) || leads_to(other, here)) && known.insert(other.index) {
                found.push(other);
            }
        }
        at += 1;
    }
    found
}

/// Interfaces whose records the kernel writes, and what is not known about them, in sentences.
#[derive(Debug, Default)]
pub struct Selection {
    /// Their names.
    pub names: Vec<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Selection {
    /// The interface called `name` and those through which its frames pass, also the other end of a veth pair in another
    /// network namespace.
    ///
    /// # Errors
    /// An error of the kernel.
    pub fn of(name: &str) -> Result<Self> {
        let all = Interface::all()?;
        let mut selection = Self::default();
        let here = connected(name, &all);
        for one in &here {
            selection.names.push(one.name.clone());
        }
        for one in here.iter().filter(|one| one.lower_namespace.is_some()) {
            selection.add_elsewhere(one);
        }
        Ok(selection)
    }

    /// Adds what `one` leads to in another network namespace.
    fn add_elsewhere(&mut self, one: &Interface) {
        let own = &one.name;
        let note = match one.find_lower() {
            Ok(Some(other)) => {
                let note = format!(
                    "{own} leads to {} in another network namespace: interfaces behind that one are left out.",
                    other.name
                );
                if !self.names.contains(&other.name) {
                    self.names.push(other.name);
                }
                note
            }
            Ok(None) => {
                format!("{own} leads to another network namespace: what is there is left out.")
            }
            Err(e) => format!("{own} leads to another network namespace, which is left out: {e}"),
        };
        self.notes.push(note);
    }
}

/// Returns the filter for a tracepoint, in the kernel's syntax, that lets records of `interfaces` pass; `None` if all
/// its records are needed.
#[must_use]
pub fn filter(point: Point, format: &Format, interfaces: Option<&[String]>) -> Option<String> {
    match point {
        Point::SoftirqRaise | Point::SoftirqEntry => {
            format.has("vec").then(|| format!("vec == {NET_RX}"))
        }
        Point::NapiPoll | Point::Gro | Point::Backlog | Point::StartSend | Point::Sent => {
            let field = point.device_field();
            let interfaces = interfaces.filter(|names| names.len() <= INTERFACES_MAX)?;
            let equal = interfaces.iter().map(|name| equals(field, name));
            let equal: Option<Vec<String>> = equal.collect();
            let equal = equal.filter(|equal| !equal.is_empty() && format.has_text(field))?;
            Some(equal.join(" || "))
        }
        _ => None,
    }
}

/// Says that a filter would have to name too many interfaces.
#[must_use]
pub fn too_many(interfaces: &[String]) -> Option<String> {
    let number = interfaces.len();
    (number > INTERFACES_MAX).then(|| {
        format!(
            "Frames of this interface pass {number} interfaces, and a filter names at most {INTERFACES_MAX}: records of all \
             interfaces take room in the buffers."
        )
    })
}

/// A comparison with `name`; `None` for a name with both kinds of quotes, which the kernel has no syntax for.
fn equals(field: &str, name: &str) -> Option<String> {
    let quote = ['"', '\'']
        .into_iter()
        .find(|quote| !name.contains(*quote))?;
    Some(format!("{field} == {quote}{name}{quote}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str, controller: u32, lower: u32) -> Interface {
        let mut interface = Interface::any();
        (interface.index, interface.name) = (index, name.to_owned());
        interface.controller = (controller != 0).then_some(controller);
        interface.lower = (lower != 0).then_some(lower);
        interface
    }

    #[test]
    fn frames_pass_connected_interfaces() {
        let all = [
            interface(1, "lo", 0, 0),
            interface(2, "eth0", 5, 0),
            interface(3, "eth1", 5, 0),
            interface(4, "eth2", 0, 0),
            interface(5, "br0", 0, 0),
            interface(6, "br0.7", 0, 5),
            interface(7, "veth-a", 0, 8),
            interface(8, "veth-b", 0, 7),
        ];
        let names = |name: &str| {
            let found: Vec<&str> = connected(name, &all).iter().map(|one| &*one.name).collect();
            found.join(" ")
        };
        assert_eq!(names("eth0"), "eth0 br0 eth1 br0.7");
        assert_eq!(names("veth-b"), "veth-b veth-a");
        assert_eq!(names("eth2"), "eth2");
        assert_eq!(names("gone"), "");
        // Number 2 of another namespace is not eth0.
        let mut elsewhere = interface(9, "veth-c", 0, 2);
        elsewhere.lower_namespace = Some(0);
        let all = [&all[..], &[elsewhere]].concat();
        assert_eq!(connected("veth-c", &all).len(), 1);
        assert_eq!(connected("eth0", &all).len(), 4);
    }

    #[test]
    fn filter_names_interfaces_where_records_have_them() {
        let format = Format::parse(
            "ID: 7\nfield:__data_loc char[] dev_name;\toffset:8;\tsize:4;\nfield:unsigned int vec;\toffset:12;\tsize:4;",
        )
        .unwrap();
        let names = ["eth0".to_owned(), "a\"b".to_owned()];
        let of = |point, names: &[String]| filter(point, &format, Some(names));
        let both = "dev_name == \"eth0\" || dev_name == 'a\"b'";
        assert_eq!(of(Point::NapiPoll, &names).unwrap(), both);
        assert_eq!(filter(Point::NapiPoll, &format, None), None);
        assert_eq!(of(Point::SoftirqEntry, &[]).unwrap(), "vec == 3");
        // Records of this format have no "name", the kernel has no syntax for the name, and no interface is none.
        assert_eq!(of(Point::Gro, &names), None);
        assert_eq!(of(Point::NapiPoll, &["'\"".to_owned()]), None);
        assert_eq!(of(Point::NapiPoll, &[]), None);
        let many = vec!["eth0".to_owned(); INTERFACES_MAX + 1];
        assert_eq!(of(Point::NapiPoll, &many), None);
        assert_eq!(too_many(&names), None);
        assert!(too_many(&many).unwrap().contains("65 interfaces"));
    }
}
