//! Queries about interfaces: `RTM_GETLINK` over a route netlink socket.

use std::io;

use hpcap_base::nic::InterfaceCounters;
use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator, ParseableParametrized,
};
use netlink_packet_route::link::{LinkAttribute, LinkHeader, LinkMessage, Prop};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::Interface;

/// The interfaces that a query asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    All,
    Index(u32),
    /// An index in another network namespace, with the number that this namespace has for it.
    IndexIn(u32, i32),
    Name(&'a str),
}

/// How the query goes on after a datagram of answers.
enum Progress {
    More,
    Done,
    /// The list of interfaces changed during the dump, so the query must be repeated.
    Repeat,
}

/// Sends the query and collects the answers. Returns an empty list if no interface matches.
pub(super) fn query(which: Which<'_>) -> io::Result<Vec<Interface>> {
    loop {
        // A query that is repeated has a socket of its own, because answers to the previous query may still wait in the
        // old socket.
        if let Some(found) = query_once(&Socket::new(NETLINK_ROUTE)?, which)? {
            return Ok(found);
        }
    }
}

/// As [`query`]; `None` if the list changed meanwhile.
fn query_once(socket: &Socket, which: Which<'_>) -> io::Result<Option<Vec<Interface>>> {
    socket.send(&request(which), 0)?;
    let mut found = Vec::new();
    loop {
        let answers = match socket.recv_from_full() {
            Ok((answers, _)) => answers,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        match read_answers(&answers, &mut found)? {
            // Only a dump is followed by an end message.
            Progress::More if matches!(which, Which::All) => {}
            Progress::More | Progress::Done => return Ok(Some(found)),
            Progress::Repeat => return Ok(None),
        }
    }
}

fn request(which: Which<'_>) -> Vec<u8> {
    let mut link = LinkMessage::default();
    let mut flags = NLM_F_REQUEST;
    match which {
        Which::All => flags |= NLM_F_DUMP,
        Which::Index(index) => link.header.index = index,
        Which::IndexIn(index, namespace) => {
            link.header.index = index;
            link.attributes.push(LinkAttribute::IfNetnsId(namespace));
        }
        Which::Name(name) => {
            // A name longer than the kernel allows is cut. It cannot match, because the caller
            // compares names.
            let length = name.floor_char_boundary(libc::IFNAMSIZ - 1);
            let name = name[..length].to_owned();
            link.attributes.push(LinkAttribute::IfName(name));
        }
    }
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(link));
    message.header.flags = flags;
    message.finalize();
    let mut request = vec![0; message.buffer_len()];
    message.serialize(&mut request);
    request
}

/// Parses the messages of one datagram, and adds the interfaces to `found`.
fn read_answers(mut answers: &[u8], found: &mut Vec<Interface>) -> io::Result<Progress> {
    let invalid = |e: DecodeError| io::Error::new(io::ErrorKind::InvalidData, e.to_string());
    while !answers.is_empty() {
        let bytes = NetlinkBuffer::new_checked(&answers)
            .map_err(invalid)?
            .length() as usize;
        let message = NetlinkMessage::<LinkAnswer>::deserialize(answers).map_err(invalid)?;
        if message.header.flags & NLM_F_DUMP_INTR != 0 {
            return Ok(Progress::Repeat);
        }
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(Progress::Done),
            NetlinkPayload::Error(error) => {
                let errno = error.code.map_or(0, |code| code.get().wrapping_neg());
                return match errno {
                    libc::ENODEV | libc::ENXIO => Ok(Progress::Done),
                    errno => Err(io::Error::from_raw_os_error(errno)),
                };
            }
            NetlinkPayload::InnerMessage(LinkAnswer(interface)) => found.extend(interface),
            _ => {}
        }
        answers = answers.get(bytes.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Progress::More)
}

/// The interface in a message; `None` if the message has none, or if a required field is missing.
struct LinkAnswer(Option<Interface>);

impl NetlinkDeserializable for LinkAnswer {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let is_link = header.message_type == libc::RTM_NEWLINK;
        Ok(Self(is_link.then(|| read_link(payload).ok()).flatten()))
    }
}

/// Parses the interface of one message.
///
/// Only the attributes that are used are parsed, and one that cannot be parsed is skipped: an
/// attribute of a future kernel must not hide the interface.
fn read_link(body: &[u8]) -> Result<Interface, DecodeError> {
    const HEADER_BYTES: usize = 16;
    let header = LinkHeader::parse(body)?;
    let mut interface = Interface {
        name: String::new(),
        index: header.index,
        // The library's type has no value for hardware that the library does not know.
        hardware: u16::from_ne_bytes([body[2], body[3]]),
        mtu: 0,
        flags: header.flags.bits(),
        counters: InterfaceCounters::default(),
        other_names: Vec::new(),
        controller: None,
        lower: None,
        lower_namespace: None,
        xdp_program: None,
    };
    for attribute in NlasIterator::new(&body[HEADER_BYTES..]) {
        let attribute = attribute?;
        match attribute.kind() {
            libc::IFLA_IFNAME => interface.name = text(attribute.value()),
            libc::IFLA_MASTER => interface.controller = number(attribute.value()),
            libc::IFLA_LINK => interface.lower = number(attribute.value()),
            libc::IFLA_LINK_NETNSID => {
                let bytes = attribute.value().first_chunk();
                interface.lower_namespace = bytes.map(|bytes| i32::from_ne_bytes(*bytes));
            }
            libc::IFLA_XDP => interface.xdp_program = xdp_program(attribute.value()),
            libc::IFLA_MTU | libc::IFLA_STATS64 | libc::IFLA_PROP_LIST => {
                let parsed = LinkAttribute::parse_with_param(&attribute, AddressFamily::Unspec);
                if let Ok(attribute) = parsed {
                    set(&mut interface, attribute);
                }
            }
            _ => {}
        }
    }
    if interface.name.is_empty() {
        return Err(DecodeError::from("the interface has no name"));
    }
    Ok(interface)
}

/// Stores the value of an attribute in `interface`.
fn set(interface: &mut Interface, attribute: LinkAttribute) {
    match attribute {
        LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
        LinkAttribute::Stats64(counters) => {
            interface.counters = InterfaceCounters {
                rx_packets: counters.rx_packets,
                rx_bytes: counters.rx_bytes,
                rx_errors: counters.rx_errors,
                rx_dropped: counters.rx_dropped,
                multicast: counters.multicast,
                rx_length_errors: counters.rx_length_errors,
                rx_over_errors: counters.rx_over_errors,
                rx_crc_errors: counters.rx_crc_errors,
                rx_frame_errors: counters.rx_frame_errors,
                rx_fifo_errors: counters.rx_fifo_errors,
                rx_missed_errors: counters.rx_missed_errors,
                rx_nohandler: counters.rx_nohandler,
                tx_packets: counters.tx_packets,
                tx_bytes: counters.tx_bytes,
                tx_errors: counters.tx_errors,
                tx_dropped: counters.tx_dropped,
            };
        }
        LinkAttribute::PropList(properties) => {
            interface.other_names = properties
                .into_iter()
                .filter_map(|property| match property {
                    Prop::AltIfName(name) => Some(name),
                    _ => None,
                })
                .collect();
        }
        _ => {}
    }
}

/// Reads a number of 32 bits; `None` for 0, which stands for no interface and no program.
fn number(value: &[u8]) -> Option<u32> {
    let number = u32::from_ne_bytes(value.get(..4)?.try_into().ok()?);
    (number != 0).then_some(number)
}

/// Reads the number of the program from the attributes inside `IFLA_XDP`. Where a driver has one
/// program in the driver and another in its NIC, the kernel reports them under other attributes.
fn xdp_program(nested: &[u8]) -> Option<u32> {
    const IFLA_XDP_PROG_ID: u16 = 4;
    const IFLA_XDP_HW_PROG_ID: u16 = 7;
    NlasIterator::new(nested)
        .filter_map(Result::ok)
        .filter(|attribute| (IFLA_XDP_PROG_ID..=IFLA_XDP_HW_PROG_ID).contains(&attribute.kind()))
        .find_map(|attribute| number(attribute.value()))
}

/// Returns the text up to the first zero byte. The name of an interface need not be UTF-8.
fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of an answer about the loopback interface, with the kernel's own attributes.
    fn answer_of_the_kernel() -> Vec<u8> {
        let socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.send(&request(Which::All), 0).unwrap();
        socket.recv_from_full().unwrap().0
    }

    proptest! {
        #[test]
        fn any_answer_is_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_answers(&bytes, &mut Vec::new());
            let _ = read_link(&bytes);
        }

        #[test]
        fn damaged_answers_do_no_harm(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let mut answer = answer_of_the_kernel();
            let at = at.index(answer.len());
            answer[at] = value;
            let _ = read_answers(&answer, &mut Vec::new());
            let _ = read_answers(&answer[..at], &mut Vec::new());
        }
    }

    #[test]
    fn query_for_one_equals_the_list() {
        let identity = |i: &Interface| (i.name.clone(), i.index, i.hardware, i.mtu);
        for interface in query(Which::All).unwrap() {
            for which in [Which::Index(interface.index), Which::Name(&interface.name)] {
                let one = query(which).unwrap();
                assert_eq!(one.len(), 1, "{which:?}");
                assert_eq!(identity(&one[0]), identity(&interface));
            }
        }
        assert!(query(Which::Index(1 << 30)).unwrap().is_empty());
        assert!(query(Which::Name("no-such-if")).unwrap().is_empty());
    }
}
