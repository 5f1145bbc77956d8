//! Whether this machine itself uses an interface: a capture by AF_XDP takes the frames away from
//! the network stack, and must not cut off the person who starts it.

use hpcap::Result;
use hpcap_host::Interface;

/// Returns for what this machine uses `interface`, such as `it has the address 192.0.2.1`, or `None` if a capture by AF_XDP may
/// take it away from the network stack.
///
/// # Errors
/// The interfaces or addresses of this machine cannot be read.
pub fn use_of(interface: &Interface) -> Result<Option<String>> {
    let all = Interface::all()?;
    if let Some(index) = interface.controller {
        let controller = all.iter().find(|i| i.index == index);
        let name = controller.map_or("another interface", |i| &i.name);
        return Ok(Some(format!("it is a port of {name}")));
    }
    if let Some(use_of_address) = address_of(interface)? {
        return Ok(Some(format!("it {use_of_address}")));
    }
    for upper in all.iter().filter(|upper| stands_on(upper, interface)) {
        if let Some(use_of_address) = address_of(upper)? {
            return Ok(Some(format!(
                "{}, which stands on it, {use_of_address}",
                upper.name
            )));
        }
        if upper.controller.is_some() {
            return Ok(Some(format!(
                "{}, which stands on it, is a port",
                upper.name
            )));
        }
    }
    Ok(default_route(&interface.name).then(|| "the default route leads over it".to_owned()))
}

/// Returns whether `upper` gets its frames from `lower`, as a VLAN does. The two ends of a veth pair
/// name each other, and neither stands on the other.
fn stands_on(upper: &Interface, lower: &Interface) -> bool {
    upper.leads_to(lower) && upper.index != lower.index && !lower.leads_to(upper)
}

/// Returns the address of `interface` by which other machines can reach this one, if there is one.
fn address_of(interface: &Interface) -> Result<Option<String>> {
    let addresses = interface.addresses()?;
    // Every interface has a link-local address of IPv6, whether or not it is used.
    let address = addresses.iter().find(|address| match address.ip {
        std::net::IpAddr::V4(_) => true,
        std::net::IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    });
    Ok(address.map(|address| format!("has the address {}", address.ip)))
}

/// Returns whether a default route of IPv4 or IPv6 leads over the interface called `name`.
fn default_route(name: &str) -> bool {
    // Unlike /proc/net, this folder shows the namespace of the calling thread.
    let lines = |file: &str| {
        std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default()
    };
    let fields =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let is_v4 = |f: Vec<String>| {
        matches!(&f[..], [i, to, _, _, _, _, _, mask, ..]
        if i == name && to == "00000000" && mask == "00000000")
    };
    // The table of IPv6 also has routes that refuse everything; they lead over lo.
    let is_v6 = |f: Vec<String>| {
        matches!(&f[..], [to, bits, .., i]
        if i == name && bits == "00" && to.bytes().all(|b| b == b'0') && name != "lo")
    };
    lines("route").lines().any(|line| is_v4(fields(line)))
        || lines("ipv6_route").lines().any(|line| is_v6(fields(line)))
}
