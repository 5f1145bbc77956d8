//! Settings of virtual functions that their physical function decides.

use hpcap_base::Result;
use hpcap_base::error::Context;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkMessage, LinkVfInfo, VfInfo, VfInfoTrust,
};

use super::Interface;
use super::request::list;

/// What a physical function allows a virtual function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFunction {
    /// Number of the virtual function on its interface, from 0.
    pub number: u32,
    /// Whether it may receive frames for addresses of others; `None` if the driver does not say.
    pub trusted: Option<bool>,
}

impl Interface {
    /// Returns the virtual functions of the interface; empty for an interface that has none.
    ///
    /// # Errors
    /// [`hpcap_base::Kind::Io`] when the kernel does not answer.
    pub fn virtual_functions(&self) -> Result<Vec<VirtualFunction>> {
        let mut message = LinkMessage::default();
        // The kernel leaves virtual functions out unless it is asked for them.
        let wanted = LinkAttribute::ExtMask(vec![LinkExtentMask::Vf]);
        message.attributes.push(wanted);
        let asked = RouteNetlinkMessage::GetLink(message);
        let all =
            list(&asked).context(|| format!("list the virtual functions of {}", self.name))?;
        Ok(all
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) if link.header.index == self.index => Some(link),
                _ => None,
            })
            .flat_map(|link| functions_of(&link.attributes))
            .collect())
    }

    /// Allows a virtual function to receive frames for other addresses, or forbids it.
    ///
    /// # Errors
    /// Errors of the driver: one without virtual functions does not support it.
    pub fn set_trust(&self, function: u32, trusted: bool) -> Result<()> {
        let trust = VfInfo::Trust(VfInfoTrust::new(function, trusted));
        self.set_attribute(
            LinkAttribute::VfInfoList(vec![LinkVfInfo(vec![trust])]),
            || {
                let verb = if trusted { "trust" } else { "stop trusting" };
                format!("{verb} virtual function {function} of {}", self.name)
            },
        )
    }
}

fn functions_of(attributes: &[LinkAttribute]) -> Vec<VirtualFunction> {
    let lists = attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::VfInfoList(list) => Some(list),
        _ => None,
    });
    lists
        .flatten()
        .filter_map(|LinkVfInfo(facts)| {
            let number = facts.iter().find_map(|fact| match fact {
                VfInfo::Mac(mac) => Some(mac.vf_id),
                _ => None,
            })?;
            let trusted = facts.iter().find_map(|fact| match fact {
                VfInfo::Trust(trust) => Some(trust.enabled),
                _ => None,
            });
            Some(VirtualFunction { number, trusted })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::network::{create_veth_pair, in_namespace};

    #[test]
    fn facts_of_functions_are_read() {
        let trust = |number, on| {
            let mut mac = netlink_packet_route::link::VfInfoMac::default();
            mac.vf_id = number;
            LinkVfInfo(vec![
                VfInfo::Mac(mac),
                VfInfo::Trust(VfInfoTrust::new(number, on)),
            ])
        };
        let list = LinkAttribute::VfInfoList(vec![trust(0, true), trust(1, false)]);
        let found = functions_of(&[LinkAttribute::Mtu(1500), list]);
        let pairs: Vec<_> = found.iter().map(|f| (f.number, f.trusted)).collect();
        assert_eq!(pairs, [(0, Some(true)), (1, Some(false))]);
    }

    #[test]
    fn interface_without_functions_refuses_trust() {
        in_namespace(|| {
            create_veth_pair("a0", "b0", 1500);
            let a = Interface::to_change("a0").unwrap();
            assert!(a.virtual_functions().unwrap().is_empty());
            let error = a.set_trust(0, true).unwrap_err().to_string();
            assert!(error.contains("trust virtual function 0 of a0"), "{error}");
        });
    }
}
