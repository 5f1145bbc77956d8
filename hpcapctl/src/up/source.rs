//! The sources of an interface, as hpcapd gets them, and what its service needs for them.

use std::fmt::Write;

use hpcap::QueueName;
use hpcap_config::model::{Engine, Interface};

/// Additions to the unit of hpcapd, which has `CAP_NET_RAW` alone: loading an XDP program and
/// attaching it takes more.
const AF_XDP_RIGHTS: &str = "\
AmbientCapabilities=CAP_NET_ADMIN CAP_BPF
CapabilityBoundingSet=CAP_NET_ADMIN CAP_BPF
RestrictAddressFamilies=AF_XDP
SystemCallFilter=bpf
";

/// The settings that the engine needs in the unit, in addition to those of the packaged unit.
pub(super) fn rights(engine: Engine) -> &'static str {
    match engine {
        Engine::AfXdp => AF_XDP_RIGHTS,
        Engine::Userspace | Engine::Ixgbe | Engine::Ixgbevf | Engine::Igb | Engine::Netdev => "",
    }
}

/// The sources that capture `interface`, called `name`, into `queues`. `receive_queues` is the number
/// of receive queues that its NIC uses then.
pub(super) fn sources(
    interface: &Interface,
    name: &str,
    queues: &[QueueName],
    receive_queues: u32,
) -> Vec<String> {
    let mut options = String::new();
    if !interface.promiscuous {
        options.push_str(",promisc=off");
    }
    if !interface.options.is_empty() {
        let _ = write!(options, ",{}", interface.options);
    }
    let source = |number: usize, queue: &QueueName| match (interface.engine, queues.len()) {
        (Engine::AfXdp, 1) => format!("{queue}=af_xdp:{name}{options}"),
        (Engine::AfXdp, all) => {
            let part = part_of(receive_queues, number, all);
            format!("{queue}=af_xdp:{name}:{part}{options}")
        }
        (_, 1) => format!("{queue}=af_packet:{name}{options}"),
        // The sources of one interface share its flows as a group, whose number is that of the
        // adapter.
        _ => format!("{queue}=af_packet:{name}{options},fanout={}", queue.adapter),
    };
    let numbered = queues.iter().enumerate();
    numbered
        .map(|(number, queue)| source(number, queue))
        .collect()
}

/// The receive queues of part `number` of `all` parts, which are as equal as possible: `4-7` or `4`.
fn part_of(receive_queues: u32, number: usize, all: usize) -> String {
    let receive_queues = (receive_queues as usize).max(all);
    let first = receive_queues * number / all;
    let last = receive_queues * (number + 1) / all - 1;
    match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_receive_queue_is_in_one_part() {
        let parts = |receive_queues, all| -> Vec<String> {
            (0..all).map(|n| part_of(receive_queues, n, all)).collect()
        };
        assert_eq!(parts(4, 4), ["0", "1", "2", "3"]);
        assert_eq!(parts(8, 3), ["0-1", "2-4", "5-7"]);
        assert_eq!(parts(1, 2), ["0", "1"]);
    }

    #[test]
    fn several_rings_share_the_receive_queues() {
        let interface = Interface {
            engine: Engine::AfXdp,
            promiscuous: false,
            options: "zerocopy=off".into(),
            ..Interface::default()
        };
        let names = [QueueName::new(2, 0), QueueName::new(2, 1)];
        assert_eq!(
            sources(&interface, "eth0", &names, 6),
            [
                "hpcap2=af_xdp:eth0:0-2,promisc=off,zerocopy=off",
                "hpcap2:1=af_xdp:eth0:3-5,promisc=off,zerocopy=off",
            ]
        );
        assert_eq!(
            sources(&interface, "eth0", &names[..1], 6),
            ["hpcap2=af_xdp:eth0,promisc=off,zerocopy=off"]
        );
    }
}
