//! Generates valid configurations, and texts like configurations.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hpcap::QueueName;
use hpcap::compress::{Compression, FileFormat};
use hpcap::dedup::{Action, DedupSettings, Ignore};
use hpcap::free_space::FreeSpace;
use hpcap_config::model::{
    Address, Config, Contract, Dedup, Engine, Interface, Listen, MacAddress, Mode, Monitor,
    PciAddress, Poll, Priority, Recorder, WhenFull,
};
use hpcap_host::pages::Pages;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn dedup() -> impl Strategy<Value = Dedup> {
    let numbers = (1_u32..=1 << 24, option::of(1_u32..=2048), any::<u64>());
    let flags = any::<[bool; 7]>();
    (numbers, flags).prop_map(|((window, bytes, age), flags)| Dedup {
        enabled: flags[0],
        settings: DedupSettings {
            window,
            bytes,
            age: Duration::from_nanos(age),
            renew: flags[1],
            ignore: Ignore {
                ttl: flags[2],
                ip_sum: flags[3],
                vlan: flags[4],
                mac: flags[5],
            },
            action: if flags[6] { Action::Mark } else { Action::Drop },
        },
    })
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (any::<u32>(), 0_u8..=32).prop_map(|(ip, prefix)| Address {
            ip: IpAddr::V4(Ipv4Addr::from(ip)),
            prefix
        }),
        (any::<u128>(), 0_u8..=128).prop_map(|(ip, prefix)| Address {
            ip: IpAddr::V6(Ipv6Addr::from(ip)),
            prefix
        }),
    ]
}

prop_compose! {
    fn capture()(
        (engine, options) in select(vec![
            (Engine::Userspace, ""),
            (Engine::Userspace, "direction=in"),
            (Engine::Userspace, "time=hardware,blocks=8"),
            (Engine::AfXdp, "mode=native,zerocopy=off"),
            (Engine::Ixgbe, ""),
            (Engine::Igb, ""),
            (Engine::Netdev, ""),
        ]),
        queues in 1_u16..=16,
        pinned in any::<bool>(),
        pages in select(vec![Pages::Auto, Pages::Ordinary, Pages::Huge2M, Pages::Huge1G]),
        ring in 1_u64..=1000,
        node in option::of(0_u32..=1023),
        caplen in 0_u32..=65_535,
        filter in select(vec!["", "udp", "host 192.0.2.1 and port 53"]),
        dedup in dedup(),
        kernel in (
            select(vec![Poll::Adaptive, Poll::Busy]),
            prop_oneof![Just(Priority::Fifo), (-20_i8..=19).prop_map(Priority::Nice)],
            select(vec![WhenFull::Drop, WhenFull::Hold]),
        ),
        flags in any::<[bool; 2]>(),
    ) -> Interface {
        let queues = queues.min(engine.most_queues());
        let (poll, priority, when_full) = if engine.is_kernel() { kernel } else { Default::default() };
        Interface {
            engine,
            options: options.into(),
            queues,
            // The numbers of the CPUs are set when all interfaces are there.
            cpus: if pinned { vec![0; queues.into()] } else { Vec::new() },
            pages,
            ring_bytes: ring << match pages {
                Pages::Huge1G => 30,
                Pages::Huge2M => 21,
                _ => 19,
            },
            node,
            caplen,
            filter: filter.into(),
            dedup,
            poll,
            priority,
            when_full,
            plain: flags[0],
            look_back: flags[1],
            ..Interface::default()
        }
    }
}

fn interface() -> impl Strategy<Value = Interface> {
    let standard = option::of(address()).prop_map(|address| Interface {
        mode: Mode::Standard,
        address,
        ..Interface::default()
    });
    let link = (
        any::<[bool; 2]>(),
        option::of(68_u32..=65_535),
        option::of(select(vec![10_u32, 1000, 10_000, 200_000])),
    );
    let identity = (0_u8..3, any::<[u8; 4]>());
    let body = prop_oneof![3 => capture(), 1 => standard];
    (body, link, identity).prop_map(|(mut i, (flags, mtu, speed), (kind, bytes))| {
        (i.promiscuous, i.pause, i.mtu, i.speed) = (flags[0], flags[1], mtu, speed);
        match kind {
            0 => i.name = Some(format!("é\u{202e}\"\\{}", bytes[0])),
            1 => {
                i.pci = Some(PciAddress {
                    domain: u32::from_be_bytes(bytes),
                    bus: bytes[0],
                    device: bytes[1] % 32,
                    function: bytes[2] % 8,
                });
            }
            _ => i.mac = Some(MacAddress([bytes[0], bytes[1], bytes[2], bytes[3], 5, 6])),
        }
        i
    })
}

prop_compose! {
    fn recorder()(
        destination in "/[ -~é\u{7f}\u{1}\u{10ffff}]{0,20}/folder",
        format in select(vec![FileFormat::Raw, FileFormat::Pcap, FileFormat::Pcapng]),
        compress in select(vec![Compression::None, Compression::Gzip, Compression::Zstd]),
        rotate_size in option::of(4096_u64..=2 << 30),
        rotate_time in option::of(1_000_000_000_u64..),
        aligned in any::<bool>(),
        keep in (option::of(1_000_000_000_u64..), option::of(1_u64..), option::of(prop_oneof![1_u64..200, 1_u64..]), option::of(1_u64..=i64::MAX as u64)),
        contract in prop_oneof![
            Just(Contract::Lossless),
            Just(Contract::Lossy),
            (1_u64..).prop_map(|ns| Contract::LosslessFor(Duration::from_nanos(ns))),
        ],
        owner in "[a-z_][a-z0-9_-]{0,31}",
        file_group in option::of("[a-z_][a-z0-9_-]{0,31}"),
        file_mode in option::of(0_u32..=0o177),
    ) -> Recorder {
        Recorder {
            destination: Some(destination.into()),
            format,
            compress: if format == FileFormat::Raw { Compression::None } else { compress },
            rotate_size,
            rotate_time: rotate_time.map(Duration::from_nanos),
            aligned: aligned && rotate_time.is_some(),
            keep_age: keep.0.map(Duration::from_nanos),
            keep_size: keep.1,
            keep_free: keep.2.map(|bytes| match u8::try_from(bytes) {
                Ok(percent @ 1..=99) => FreeSpace::Percent(percent),
                _ => FreeSpace::Bytes(bytes),
            }),
            keep_files: keep.3,
            contract,
            owner,
            file_group,
            file_mode: file_mode.map(|mode| mode | 0o600),
            ..Recorder::default()
        }
    }
}

prop_compose! {
    fn monitor()(
        enabled in any::<bool>(),
        basedir in "/[ -~]{0,20}",
        interval in 100_u64..=86_400_000,
        listen in option::of(any::<std::net::SocketAddr>()),
        socket in option::of("/[ -~]{0,20}"),
        textfile in option::of("/[ -~]{0,20}"),
        keep_days in 1_u64..=10_000,
        event_command in option::of("[ -~é]{1,20}"),
    ) -> Monitor {
        Monitor {
            enabled,
            basedir: basedir.into(),
            interval: Duration::from_millis(interval),
            cpu: None,
            listen: match listen {
                // The scope and the flow label of an address are not part of its text.
                Some(address) => Listen::At((address.ip(), address.port()).into()),
                None => Listen::Nowhere,
            },
            socket: socket.map(Into::into),
            textfile: textfile.map(Into::into),
            keep_age: Duration::from_secs(keep_days * 86_400),
            event_command,
        }
    }
}

/// Generates valid configurations.
pub(crate) fn config() -> impl Strategy<Value = Config> {
    let parts = (vec(interface(), 0..4), vec(recorder(), 0..3), monitor());
    parts.prop_map(|(mut interfaces, mut recorders, monitor)| {
        let mut cpu = 0..;
        for (i, interface) in interfaces.iter_mut().enumerate() {
            // Each interface gets a name, a PCI address or a MAC address of its own.
            if let Some(name) = &mut interface.name {
                name.push_str(&i.to_string());
            }
            if let Some(pci) = &mut interface.pci {
                pci.bus = u8::try_from(i).unwrap();
            }
            if let Some(mac) = &mut interface.mac {
                mac.0[5] = u8::try_from(i).unwrap();
            }
            interface
                .cpus
                .iter_mut()
                .for_each(|c| *c = cpu.next().unwrap());
            interface.cpus.reverse();
        }
        let queue = interfaces.iter().position(|i| i.mode == Mode::Capture);
        match queue {
            None => recorders.clear(),
            Some(i) => {
                for (n, recorder) in recorders.iter_mut().enumerate() {
                    recorder.queue = Some(QueueName::new(u32::try_from(i).unwrap(), 0));
                    let folder = recorder.destination.take().unwrap().join(n.to_string());
                    recorder.destination = Some(folder);
                    recorder.cpu = Some(cpu.next().unwrap());
                }
            }
        }
        Config {
            interfaces,
            recorders,
            monitor,
        }
    })
}

/// Generates text of pieces that stand in configurations.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "[[interface]]",
        "[interface.dedup]",
        "[[recorder]]",
        "[monitor]",
        "\n",
        "name",
        "caplen",
        "dedup",
        ".",
        "=",
        " ",
        "\"",
        "'",
        "1",
        "99999999999999999999",
        "{",
        "}",
        "[",
        "]",
        ",",
        "true",
        "eth0",
        "\\u001b",
        "\u{1b}",
        "é",
        "#",
        "\"\"\"",
        "cpus",
        "ring",
        "\r\n",
        "-1",
        "inf",
    ];
    prop_oneof![
        vec(select(pieces), 0..30).prop_map(|pieces| pieces.concat()),
        ".{0,60}",
    ]
}
