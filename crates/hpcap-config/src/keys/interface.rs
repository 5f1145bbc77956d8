//! The keys of an interface.

use hpcap::filter::Filter;
use hpcap::units::{Rate, parse_rate};
use hpcap_host::pages::Pages;
use hpcap_source::af_packet::AfPacketSpec;
use hpcap_source::af_xdp::AfXdpSpec;

use super::{Key, dedup};
use crate::model::{Engine, Interface, Mode, Poll, Priority, WhenFull};
use crate::value::{Refusal, Value, put, put_some, quote, size_literal, word_literal};

const MODES: &[(&str, Mode)] = &[("capture", Mode::Capture), ("standard", Mode::Standard)];
const ENGINES: &[(&str, Engine)] = &[
    ("userspace", Engine::Userspace),
    ("af_xdp", Engine::AfXdp),
    ("ixgbe", Engine::Ixgbe),
    ("ixgbevf", Engine::Ixgbevf),
    ("igb", Engine::Igb),
    ("netdev", Engine::Netdev),
];
const PAGES: &[(&str, Pages)] = &[
    ("auto", Pages::Auto),
    ("ordinary", Pages::Ordinary),
    ("2M", Pages::Huge2M),
    ("1G", Pages::Huge1G),
];
const POLL: &[(&str, Poll)] = &[("adaptive", Poll::Adaptive), ("busy", Poll::Busy)];
const WHEN_FULL: &[(&str, WhenFull)] = &[("drop", WhenFull::Drop), ("hold", WhenFull::Hold)];

/// Speeds of Ethernet links in Mb/s.
const SPEEDS: [u32; 11] = [
    10, 100, 1_000, 2_500, 5_000, 10_000, 25_000, 40_000, 50_000, 100_000, 200_000,
];

/// The word for [`Priority::Fifo`], in the module, too.
const FIFO: &str = "fifo";

fn priority(value: Value<'_>) -> Option<Priority> {
    match value.text() {
        Some(FIFO) => Some(Priority::Fifo),
        Some(_) => None,
        None => value.integer(-20..=19).map(Priority::Nice),
    }
}

/// The kernel refuses a longer name, and some characters.
fn interface_name(value: Value<'_>) -> Option<String> {
    let name = value.text()?;
    let good = (1..16).contains(&name.len())
        && name != "."
        && name != ".."
        && !name
            .chars()
            .any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    good.then(|| name.to_owned())
}

fn speed(value: Value<'_>) -> Option<Option<u32>> {
    let mbps = match value.text() {
        Some("auto") => return Some(None),
        Some(text) => match parse_rate(text).ok()? {
            Rate::BitsPerSecond(bits) if bits.is_multiple_of(1_000_000) => {
                u32::try_from(bits / 1_000_000).ok()?
            }
            _ => return None,
        },
        None => value.integer(0..=u32::MAX)?,
    };
    SPEEDS.contains(&mbps).then_some(Some(mbps))
}

/// A filter that libpcap understands, and that is short enough for the kernel module.
fn filter(value: Value<'_>) -> Result<String, Refusal> {
    let text = value.text().ok_or(Refusal::NotAllowed)?;
    let compiled = Filter::new(text, 1).map_err(|e| Refusal::Because(e.why_and_advice()))?;
    match compiled.program().len() {
        0..=250 => Ok(compiled.expression().to_owned()),
        n => Err(Refusal::Because(format!(
            "it takes {n} instructions, and the kernel module runs at most 250"
        ))),
    }
}

/// Options of a source of `hpcapd`; those that are keys themselves are refused. The engine, which
/// may follow in the file, decides later whose options they must be.
fn options(value: Value<'_>) -> Result<String, Refusal> {
    let text = value.text().ok_or(Refusal::NotAllowed)?;
    if text
        .split(',')
        .any(|o| o.trim_start().starts_with("promisc="))
    {
        return Err(Refusal::Because("promisc is the key promiscuous".into()));
    }
    if text
        .split(',')
        .any(|o| o.trim_start().starts_with("fanout="))
    {
        return Err(Refusal::Because(
            "fanout follows from the number of queues".into(),
        ));
    }
    if text.is_empty() {
        return Ok(String::new());
    }
    let refused = |engine| check_options(engine, text).err();
    match (refused(Engine::Userspace), refused(Engine::AfXdp)) {
        (Some(why), Some(_)) => Err(Refusal::Because(why)),
        _ => Ok(text.to_owned()),
    }
}

/// Checks that the source of `engine` has the options in `text`.
///
/// # Errors
/// Returns why not.
pub(crate) fn check_options(engine: Engine, text: &str) -> Result<(), String> {
    let source = format!("any0,{text}");
    let checked = match engine {
        Engine::Userspace => AfPacketSpec::parse(&source).map(drop),
        Engine::AfXdp => AfXdpSpec::parse(&source).map(drop),
        Engine::Ixgbe | Engine::Ixgbevf | Engine::Igb | Engine::Netdev => {
            return Err("these are options of the engines userspace and af_xdp".into());
        }
    };
    checked.map_err(|e| e.to_string())
}

/// The keys of `[[interface]]`.
pub static INTERFACE: &[Key<Interface>] = &[
    Key {
        name: "name",
        meaning: "name of the interface",
        allowed: "1 to 15 bytes without spaces, slashes, colons and control characters",
        unset: "one of name, pci and mac is needed",
        read: |v, i| put_some(&mut i.name, interface_name(v)),
        write: |i| i.name.as_deref().map(quote),
    },
    Key {
        name: "pci",
        meaning: "address of the port on the PCI bus, in place of its name",
        allowed: "an address as lspci -D prints it, such as \"0000:03:00.0\"",
        unset: "one of name, pci and mac is needed",
        read: |v, i| put_some(&mut i.pci, v.parsed()),
        write: |i| i.pci.map(|a| quote(&a.to_string())),
    },
    Key {
        name: "mac",
        meaning: "permanent MAC address of the port, in place of its name",
        allowed: "six bytes, such as \"00:1b:21:3c:9d:f8\"",
        unset: "one of name, pci and mac is needed",
        read: |v, i| put_some(&mut i.mac, v.parsed()),
        write: |i| i.mac.map(|a| quote(&a.to_string())),
    },
    Key {
        name: "number",
        meaning: "the N in the names of the queues, hpcapN and hpcapN:Q. The engines ixgbe, \
                  ixgbevf and igb number ports by their place on the PCI bus",
        allowed: "0 to 65535",
        unset: "the number in the name hpcapN or xgbN, otherwise the interface's position in the \
                file, from 0",
        read: |v, i| put_some(&mut i.number, v.integer(0..=u16::MAX)),
        write: |i| i.number.map(|n| n.to_string()),
    },
    Key {
        name: "mode",
        meaning: "\"capture\": hpcap takes the frames. \"standard\": the network stack has the \
                  interface, as without hpcap",
        allowed: "\"capture\" or \"standard\"",
        unset: "",
        read: |v, i| put(&mut i.mode, v.word(MODES)),
        write: |i| word_literal(MODES, &i.mode),
    },
    Key {
        name: "engine",
        meaning: "what captures: \"userspace\" is hpcapd, for every interface; \"af_xdp\" is \
                  hpcapd, which takes the frames away from the network stack; the others are \
                  kernel modules: \"ixgbe\" for 82599, X540 and X550, \"ixgbevf\" for their virtual \
                  functions, \"igb\" for the 82576, \"netdev\" for every interface",
        allowed: "\"userspace\", \"af_xdp\", \"ixgbe\", \"ixgbevf\", \"igb\" or \"netdev\"",
        unset: "",
        read: |v, i| put(&mut i.engine, v.word(ENGINES)),
        write: |i| word_literal(ENGINES, &i.engine),
    },
    Key {
        name: "options",
        meaning: "further options of the source af_packet or af_xdp (docs/sources.md), for the \
                  engines userspace and af_xdp",
        allowed: "text such as \"direction=in,time=hardware\"",
        unset: "",
        read: |v, i| options(v).map(|text| i.options = text),
        write: |i| Some(quote(&i.options)),
    },
    Key {
        name: "queues",
        meaning: "number of queues over which the flows are spread, each with a ring and a poll \
                  thread",
        allowed: "1 to 16 (at most 2 with ixgbevf, 8 with igb)",
        unset: "",
        read: |v, i| put(&mut i.queues, v.integer(1..=16)),
        write: |i| Some(i.queues.to_string()),
    },
    Key {
        name: "ring",
        meaning: "size of the ring of each queue",
        allowed: "a size from \"512K\" to \"16T\", a multiple of the page size",
        unset: "",
        read: |v, i| put(&mut i.ring_bytes, v.size(512 << 10..=16 << 40)),
        write: |i| Some(size_literal(i.ring_bytes)),
    },
    Key {
        name: "pages",
        meaning: "memory pages under the ring; \"auto\" takes the largest of which enough are free",
        allowed: "\"auto\", \"ordinary\", \"2M\" or \"1G\"",
        unset: "",
        read: |v, i| put(&mut i.pages, v.word(PAGES)),
        write: |i| word_literal(PAGES, &i.pages),
    },
    Key {
        name: "node",
        meaning: "NUMA node of the ring's memory",
        allowed: "0 to 1023",
        unset: "the node of the NIC",
        read: |v, i| put_some(&mut i.node, v.integer(0..=1023)),
        write: |i| i.node.map(|n| n.to_string()),
    },
    Key {
        name: "cpus",
        meaning: "CPUs of the poll threads, one for each queue. No other thread of hpcap may have \
                  one of them",
        allowed: "a list of different numbers from 0 to 8191, one for each queue, such as [2, 3]",
        unset: "chosen by the modules, not pinned by hpcapd",
        read: |v, i| put(&mut i.cpus, v.numbers(&(0..=8191))),
        write: |i| (!i.cpus.is_empty()).then(|| format!("{:?}", i.cpus)),
    },
    Key {
        name: "caplen",
        meaning: "bytes kept of each frame; 0 keeps whole frames",
        allowed: "0 to 65535 bytes",
        unset: "",
        read: |v, i| put(&mut i.caplen, v.integer(0..=65_535)),
        write: |i| Some(i.caplen.to_string()),
    },
    Key {
        name: "filter",
        meaning: "filter in tcpdump's syntax; frames that do not match are counted as filtered",
        allowed: "an expression of pcap-filter(7) with at most 250 instructions",
        unset: "",
        read: |v, i| filter(v).map(|text| i.filter = text),
        write: |i| Some(quote(&i.filter)),
    },
    dedup::ENABLED,
    dedup::ACTION,
    dedup::WINDOW,
    dedup::COMPARE_BYTES,
    dedup::AGE,
    dedup::RENEW,
    dedup::IGNORE_TTL,
    dedup::IGNORE_IP_CHECKSUM,
    dedup::IGNORE_VLAN,
    dedup::IGNORE_MAC,
    Key {
        name: "poll",
        meaning: "what a poll thread does while no frames come, for the kernel engines: sleep for \
                  short times, or never",
        allowed: "\"adaptive\" or \"busy\"",
        unset: "",
        read: |v, i| put(&mut i.poll, v.word(POLL)),
        write: |i| word_literal(POLL, &i.poll),
    },
    Key {
        name: "priority",
        meaning: "priority of the poll threads, for the kernel engines: a nice value, or \"fifo\" \
                  for before all ordinary threads, for which Linux takes up to 50 ms of each second \
                  away from a thread that never sleeps",
        allowed: "-20 to 19, or \"fifo\"",
        unset: "",
        read: |v, i| put(&mut i.priority, priority(v)),
        write: |i| {
            Some(match i.priority {
                Priority::Nice(nice) => nice.to_string(),
                Priority::Fifo => quote(FIFO),
            })
        },
    },
    Key {
        name: "when_full",
        meaning: "what happens while a lossless listener holds the ring back, for the kernel \
                  engines: drop frames, or leave them in the NIC",
        allowed: "\"drop\" or \"hold\"",
        unset: "",
        read: |v, i| put(&mut i.when_full, v.word(WHEN_FULL)),
        write: |i| word_literal(WHEN_FULL, &i.when_full),
    },
    Key {
        name: "plain",
        meaning: "whether the stream has no tags, for readers made for the original HPCAP",
        allowed: "true or false",
        unset: "",
        read: |v, i| put(&mut i.plain, v.boolean()),
        write: |i| Some(i.plain.to_string()),
    },
    Key {
        name: "look_back",
        meaning: "whether frames are captured while nobody listens, too, so that a later listener \
                  can look back",
        allowed: "true or false",
        unset: "",
        read: |v, i| put(&mut i.look_back, v.boolean()),
        write: |i| Some(i.look_back.to_string()),
    },
    Key {
        name: "promiscuous",
        meaning: "whether frames that are addressed to other machines are received",
        allowed: "true or false",
        unset: "",
        read: |v, i| put(&mut i.promiscuous, v.boolean()),
        write: |i| Some(i.promiscuous.to_string()),
    },
    Key {
        name: "mtu",
        meaning: "MTU of the interface",
        allowed: "68 to 65535 bytes",
        unset: "left as it is",
        read: |v, i| put_some(&mut i.mtu, v.integer(68..=65_535)),
        write: |i| i.mtu.map(|n| n.to_string()),
    },
    Key {
        name: "speed",
        meaning: "speed of the link; \"auto\" lets both ends agree on it",
        allowed: "\"auto\", or 10, 100, 1000, 2500, 5000, 10000, 25000, 40000, 50000, 100000 or \
                  200000 Mb/s; \"10G\" is 10000",
        unset: "",
        read: |v, i| put(&mut i.speed, speed(v)),
        write: |i| Some(i.speed.map_or_else(|| quote("auto"), |n| n.to_string())),
    },
    Key {
        name: "pause",
        meaning: "whether pause frames are sent and obeyed; a capturing port must not slow down the \
                  senders",
        allowed: "true or false",
        unset: "",
        read: |v, i| put(&mut i.pause, v.boolean()),
        write: |i| Some(i.pause.to_string()),
    },
    Key {
        name: "address",
        meaning: "IP address of a standard interface",
        allowed: "an address with the length of its prefix, such as \"192.0.2.1/24\"",
        unset: "left as it is",
        read: |v, i| put_some(&mut i.address, v.parsed()),
        write: |i| i.address.map(|a| quote(&a.to_string())),
    },
];
