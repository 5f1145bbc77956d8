//! Queries about interfaces: `RTM_GETLINK` over a route netlink socket.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::Interface;

const MESSAGE_BYTES: usize = 16;
const LINK_BYTES: usize = 16;
const ATTRIBUTE_BYTES: usize = 4;
/// Size of the receive buffer, which exceeds both one answer of a dump and a single answer.
const ANSWER_BYTES: usize = 64 << 10;

/// `IFLA_PROP_LIST`: a list of properties, which may contain names.
const PROPERTIES: u16 = 52;
/// `IFLA_ALT_IFNAME`: an alternative name.
const OTHER_NAME: u16 = 53;
/// The bits of an attribute's type that identify the attribute.
const KIND: u16 = 0x3fff;

/// The interfaces that a query asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    All,
    Index(u32),
    Name(&'a str),
}

/// How the query goes on after a datagram of answers.
enum Said {
    More,
    Done,
    /// The list of interfaces changed during the dump, so the query must be repeated.
    Again,
}

/// Sends the query and collects the answers. Returns an empty list if no interface matches.
pub(super) fn ask(which: Which<'_>) -> io::Result<Vec<Interface>> {
    // SAFETY: `socket` accesses no memory of this process; the result is checked.
    let fd = unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_ROUTE,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let request = request(which);
    let mut answer = vec![0; ANSWER_BYTES];
    'again: loop {
        // SAFETY: the kernel only reads the request's bytes, which outlive the call.
        let sent = unsafe {
            libc::send(
                socket.as_raw_fd(),
                request.as_ptr().cast(),
                request.len(),
                0,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut found = Vec::new();
        loop {
            // SAFETY: the kernel writes at most as many bytes as the buffer has.
            let got = unsafe {
                libc::recv(
                    socket.as_raw_fd(),
                    answer.as_mut_ptr().cast(),
                    answer.len(),
                    0,
                )
            };
            let Ok(got) = usize::try_from(got) else {
                match io::Error::last_os_error() {
                    e if e.kind() == io::ErrorKind::Interrupted => continue,
                    e => return Err(e),
                }
            };
            match read_answers(&answer[..got], &mut found)? {
                // Only a dump is followed by an end message.
                Said::More if matches!(which, Which::All) => {}
                Said::More | Said::Done => return Ok(found),
                Said::Again => {
                    drain(&socket, &mut answer)?;
                    continue 'again;
                }
            }
        }
    }
}

/// Receives and drops the rest of a dump that is repeated.
fn drain(socket: &OwnedFd, answer: &mut [u8]) -> io::Result<()> {
    loop {
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: the kernel writes at most as many bytes as the buffer has.
        let got = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                answer.as_mut_ptr().cast(),
                answer.len(),
                flags,
            )
        };
        if got <= 0 {
            return match io::Error::last_os_error() {
                e if got < 0 && e.kind() != io::ErrorKind::WouldBlock => Err(e),
                _ => Ok(()),
            };
        }
    }
}

fn request(which: Which<'_>) -> Vec<u8> {
    let mut flags = libc::NLM_F_REQUEST as u16;
    let (mut index, mut name) = (0, &[][..]);
    match which {
        Which::All => flags |= libc::NLM_F_DUMP as u16,
        Which::Index(n) => index = n,
        Which::Name(text) => name = text.as_bytes(),
    }
    // A name longer than the kernel allows is cut. It cannot match, because the caller compares
    // names.
    let name = &name[..name.len().min(libc::IFNAMSIZ - 1)];
    let mut body = vec![0; LINK_BYTES];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    if !name.is_empty() {
        let bytes = (ATTRIBUTE_BYTES + name.len() + 1) as u16;
        body.extend_from_slice(&bytes.to_ne_bytes());
        body.extend_from_slice(&libc::IFLA_IFNAME.to_ne_bytes());
        body.extend_from_slice(name);
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut request = Vec::with_capacity(MESSAGE_BYTES + body.len());
    request.extend_from_slice(&((MESSAGE_BYTES + body.len()) as u32).to_ne_bytes());
    request.extend_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    request.extend_from_slice(&flags.to_ne_bytes());
    request.extend_from_slice(&[0; 8]); // sequence and port are 0: one query at a time
    request.extend_from_slice(&body);
    request
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Parses the messages of one datagram, and adds the interfaces to `found`.
fn read_answers(mut answers: &[u8], found: &mut Vec<Interface>) -> io::Result<Said> {
    const INTERRUPTED: u16 = libc::NLM_F_DUMP_INTR as u16;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "an answer that makes no sense");
    while !answers.is_empty() {
        let bytes = u32_at(answers, 0).ok_or_else(strange)? as usize;
        let (Some(kind), Some(flags)) = (u16_at(answers, 4), u16_at(answers, 6)) else {
            return Err(strange());
        };
        let body = answers.get(MESSAGE_BYTES..bytes).ok_or_else(strange)?;
        if flags & INTERRUPTED != 0 {
            return Ok(Said::Again);
        }
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(Said::Done),
            libc::NLMSG_ERROR => {
                let errno = u32_at(body, 0)
                    .ok_or_else(strange)?
                    .cast_signed()
                    .wrapping_neg();
                return match errno {
                    libc::ENODEV | libc::ENXIO => Ok(Said::Done),
                    errno => Err(io::Error::from_raw_os_error(errno)),
                };
            }
            _ if kind == libc::RTM_NEWLINK => found.extend(read_link(body)),
            _ => {}
        }
        answers = answers.get(bytes.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Said::More)
}

/// Parses the interface of one message; `None` if a required field is missing.
fn read_link(body: &[u8]) -> Option<Interface> {
    let mut interface = Interface {
        name: String::new(),
        index: u32_at(body, 4)?,
        hardware: u16_at(body, 2)?,
        mtu: 0,
        flags: u32_at(body, 8)?,
        rx_errors: 0,
        rx_missed: 0,
        other_names: Vec::new(),
    };
    let mut attributes = body.get(LINK_BYTES..)?;
    while let (Some(bytes), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let value = attributes.get(ATTRIBUTE_BYTES..usize::from(bytes))?;
        match kind & KIND {
            libc::IFLA_IFNAME => interface.name = text(value),
            PROPERTIES => interface.other_names = read_other_names(value)?,
            libc::IFLA_MTU => interface.mtu = u32_at(value, 0)?,
            // `struct rtnl_link_stats64` consists of 64-bit counters.
            libc::IFLA_STATS64 => {
                interface.rx_errors = u64_at(value, 4 * 8)?;
                interface.rx_missed = u64_at(value, 15 * 8)?;
            }
            _ => {}
        }
        attributes = attributes
            .get(usize::from(bytes).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    (!interface.name.is_empty()).then_some(interface)
}

/// Returns the text up to the first zero byte.
fn text(value: &[u8]) -> String {
    let text = value.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Parses the alternative names in a list of properties.
fn read_other_names(mut attributes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while let (Some(bytes), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let value = attributes.get(ATTRIBUTE_BYTES..usize::from(bytes))?;
        if kind & KIND == OTHER_NAME {
            names.push(text(value));
        }
        attributes = attributes
            .get(usize::from(bytes).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn answers_may_be_anything(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_answers(&bytes, &mut Vec::new());
            let _ = read_link(&bytes);
        }
    }

    #[test]
    fn one_by_name_or_number_is_the_same_as_in_the_list() {
        let identity = |i: &Interface| (i.name.clone(), i.index, i.hardware, i.mtu);
        for interface in ask(Which::All).unwrap() {
            for which in [Which::Index(interface.index), Which::Name(&interface.name)] {
                let one = ask(which).unwrap();
                assert_eq!(one.len(), 1, "{which:?}");
                assert_eq!(identity(&one[0]), identity(&interface));
            }
        }
        assert!(ask(Which::Index(1 << 30)).unwrap().is_empty());
        assert!(ask(Which::Name("no-such-if")).unwrap().is_empty());
    }
}
