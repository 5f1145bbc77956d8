//! The answers of the program to Wireshark.

use std::fmt::Write;

use hpcap::visible::visible;
use hpcap::{Kind, Queue, QueueName, Result};

use super::ALL_QUEUES;

/// The options of every interface.
pub(super) const CONFIGURATION: &str = "\
arg {number=0}{call=--snaplen}{display=Bytes of each frame}{tooltip=0 keeps whole frames}{type=unsigned}{range=0,65535}{default=0}
arg {number=1}{call=--start}{display=Begin with}{tooltip=What is in the ring was captured before Wireshark started}{type=selector}
value {arg=1}{value=newest}{display=the next frame}{default=true}
value {arg=1}{value=oldest}{display=the oldest frame in the ring}
";

/// Number of the toolbar's field that shows losses.
pub(super) const LOSSES_FIELD: u8 = 0;

/// Lists the queues of this machine.
pub(super) fn interfaces() -> String {
    let mut text = format!(
        "extcap {{version={}}}{{display=hpcap}}\n",
        env!("CARGO_PKG_VERSION")
    );
    let (names, _) = Queue::list();
    for (name, opened) in names.iter().zip(Queue::open_all(&names)) {
        interface(&mut text, &name.to_string(), &describe(*name, opened));
    }
    if names.len() > 1 {
        interface(&mut text, ALL_QUEUES, "hpcap: all queues");
    }
    if !names.is_empty() {
        let _ = writeln!(
            text,
            "control {{number={LOSSES_FIELD}}}{{type=string}}{{display=Missing frames}}\
             {{tooltip=Frames that this capture has missed, and that were lost before the ring}}"
        );
    }
    text
}

fn interface(text: &mut String, value: &str, display: &str) {
    let _ = writeln!(
        text,
        "interface {{value={value}}}{{display={}}}",
        plain(display)
    );
}

/// Describes a queue for people.
fn describe(name: QueueName, opened: Result<Queue>) -> String {
    match opened {
        Ok(queue) => format!("hpcap: queue {name}, {}", queue.info().interface),
        // The capture itself says why and what to do.
        Err(e) if e.kind() == Kind::Timeout => {
            format!("hpcap: queue {name}, whose producer does not answer")
        }
        Err(_) => format!("hpcap: queue {name}, which this user may not open"),
    }
}

/// Makes `text` safe inside braces.
fn plain(text: &str) -> String {
    visible(text).replace('{', "(").replace('}', ")")
}

/// Names a link type (LINKTYPE_ value).
pub(super) fn link_type(number: u32) -> String {
    let (name, display) = match number {
        1 => ("EN10MB".to_owned(), "Ethernet".to_owned()),
        101 => ("RAW".to_owned(), "Raw IP".to_owned()),
        113 => ("LINUX_SLL".to_owned(), "Linux cooked capture".to_owned()),
        other => (format!("LINKTYPE_{other}"), format!("Link type {other}")),
    };
    format!("dlt {{number={number}}}{{name={name}}}{{display={display}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_cannot_end_a_value() {
        assert_eq!(plain("a}{b\n"), "a)(b\\n");
    }

    #[test]
    fn link_type_has_its_name() {
        assert_eq!(
            link_type(1),
            "dlt {number=1}{name=EN10MB}{display=Ethernet}\n"
        );
    }
}
