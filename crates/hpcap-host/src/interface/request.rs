//! Requests to the kernel over a route netlink socket: changes that the kernel acknowledges, and lists.

use std::io;

use hpcap_base::{Error, Kind};
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;

/// Bytes of the header of a netlink message, which an error repeats.
const HEADER_BYTES: usize = 16;
/// `NLMSGERR_ATTR_MSG`: the reason in words.
const REASON: u16 = 1;

/// A refusal of the kernel.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The error number.
    error: io::Error,
    /// The reason in the kernel's words, if it gave one.
    reason: Option<String>,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            reason: None,
        }
    }
}

impl Refusal {
    /// The error number of the system.
    pub(super) fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// Returns the error of the operation `tried`.
    pub(super) fn because(self, tried: String) -> Error {
        let error = Error::io(tried, self.error);
        match (error.kind(), self.reason) {
            (_, Some(reason)) => error.advise(format!("the kernel says: {reason}")),
            (Kind::Permission, None) => error.advise("become root"),
            _ => error,
        }
    }
}

/// Sends a change and returns when the kernel has made it.
pub(super) fn change(message: RouteNetlinkMessage, flags: u16) -> Result<(), Refusal> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    // Kernels that cannot give reasons still do what is asked.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    socket.send(&bytes_of(message, NLM_F_REQUEST | NLM_F_ACK | flags), 0)?;
    let answer = receive(&socket)?;
    match parse(&answer)?.payload {
        NetlinkPayload::Error(error) => match error.code {
            None => Ok(()),
            Some(code) => Err(Refusal {
                error: io::Error::from_raw_os_error(code.get().wrapping_neg()),
                reason: reason_of(&error),
            }),
        },
        _ => Err(invalid("the kernel did not acknowledge a change".to_owned()).into()),
    }
}

/// Asks for a list. A message of the list that cannot be parsed is left out: it has something that only a
/// newer kernel knows.
pub(super) fn list(message: &RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    loop {
        // Each attempt has a new socket, because answers to the previous attempt may still wait in the old socket.
        let socket = Socket::new(NETLINK_ROUTE)?;
        socket.send(&bytes_of(message.clone(), NLM_F_REQUEST | NLM_F_DUMP), 0)?;
        if let Some(found) = read_list(&socket)? {
            return Ok(found);
        }
    }
}

/// Reads a list to its end; `None` if it changed meanwhile.
fn read_list(socket: &Socket) -> io::Result<Option<Vec<RouteNetlinkMessage>>> {
    let mut found = Vec::new();
    loop {
        let answers = receive(socket)?;
        let mut rest = answers.as_slice();
        while !rest.is_empty() {
            let bytes = NetlinkBuffer::new_checked(&rest)
                .map_err(|e| invalid(e.to_string()))?
                .length() as usize;
            if let Ok(message) = parse(rest) {
                if message.header.flags & NLM_F_DUMP_INTR != 0 {
                    return Ok(None);
                }
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(Some(found)),
                    NetlinkPayload::Error(error) => {
                        let errno = error.code.map_or(0, |code| code.get().wrapping_neg());
                        return Err(io::Error::from_raw_os_error(errno));
                    }
                    NetlinkPayload::InnerMessage(inner) => found.push(inner),
                    _ => {}
                }
            }
            rest = rest.get(bytes.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn bytes_of(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    loop {
        match socket.recv_from_full() {
            Ok((bytes, _)) => return Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(bytes).map_err(|e| invalid(e.to_string()))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Returns the reason that the kernel adds to an error, behind the header of the message that it refused.
fn reason_of(error: &ErrorMessage) -> Option<String> {
    let attributes = error.header.get(HEADER_BYTES..)?;
    let reason = NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == REASON)?;
    let text = reason.value().split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};

    #[test]
    fn refusal_has_the_error_of_the_kernel() {
        let mut link = LinkMessage::default();
        link.header.index = 1 << 30;
        link.attributes.push(LinkAttribute::Mtu(1500));
        let refused = change(RouteNetlinkMessage::SetLink(link), 0).unwrap_err();
        let error = refused.because("set the MTU of nothing".into());
        assert!(
            matches!(error.kind(), Kind::Io | Kind::NotFound | Kind::Permission),
            "{error}"
        );
    }

    #[test]
    fn reason_stands_behind_the_header() {
        let mut error = ErrorMessage::default();
        error.header = vec![0; HEADER_BYTES];
        assert_eq!(reason_of(&error), None);
        error.header.extend([12, 0, 1, 0]);
        error.header.extend(b"too big\0");
        assert_eq!(reason_of(&error).as_deref(), Some("too big"));
        error.header.truncate(HEADER_BYTES + 3);
        assert_eq!(reason_of(&error), None);
    }
}
