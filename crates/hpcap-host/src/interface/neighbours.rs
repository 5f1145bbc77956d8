//! The neighbours that the kernel knows: which hardware address an address of the network has.

use std::net::IpAddr;

use hpcap_base::Result;
use hpcap_base::error::Context;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use serde::Serialize;

use super::request;

/// An entry of the table of neighbours (ARP and IPv6 neighbour discovery).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Number of the interface on which it is.
    pub interface: u32,
    /// Its address in the network.
    pub address: String,
    /// Its hardware address, in hexadecimal with colons; `None` if the kernel does not know it.
    pub hardware: Option<String>,
    /// State of the entry, such as `Reachable`, `Stale` or `Failed`.
    pub state: String,
}

impl Neighbour {
    /// Returns every neighbour of this network namespace.
    ///
    /// # Errors
    /// [`hpcap_base::Kind::Io`] when the kernel does not answer.
    pub fn all() -> Result<Vec<Self>> {
        let query = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let answers = request::list(&query).context(|| "ask the kernel about neighbours")?;
        Ok(answers.into_iter().filter_map(read).collect())
    }
}

fn read(message: RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else {
        return None;
    };
    let address = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    let hardware = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::LinkLayerAddress(bytes) => {
            let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(parts.join(":"))
        }
        _ => None,
    });
    Some(Neighbour {
        interface: message.header.ifindex,
        address: address.to_string(),
        hardware,
        state: format!("{:?}", message.header.state),
    })
}
