//! Tests of the specification of a source: which texts are valid, how it is printed, and the
//! errors.

use std::time::Duration;

use hpcap::Kind;
use hpcap::units::Rate;
use hpcap_host::pages::Pages;
use hpcap_source::SourceSpec;
use hpcap_source::af_packet::{AfPacketSpec, Direction, Time};
use hpcap_source::af_xdp::{self, AfXdpSpec, Mode, Queues, ZeroCopy};
use hpcap_source::auto::AutoSpec;
use hpcap_source::generator::{GeneratorSpec, Late, Sizes};
use hpcap_source::pcap::{PcapSpec, Speed};
use proptest::prelude::*;

fn parse(text: &str) -> SourceSpec {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn specification_is_parsed() {
    assert_eq!(
        parse("af_packet:eth0"),
        SourceSpec::AfPacket(AfPacketSpec::new("eth0"))
    );
    assert_eq!(
        parse(
            "af_packet:eth0.100,promisc=off,direction=in,time=hardware,block=256K,blocks=16,delay=250ms,fanout=3"
        ),
        SourceSpec::AfPacket(AfPacketSpec {
            interface: "eth0.100".into(),
            promiscuous: false,
            direction: Direction::In,
            time: Time::Hardware,
            block_bytes: 256 << 10,
            blocks: 16,
            delay: Some(Duration::from_millis(250)),
            fanout: Some(3),
        })
    );
    assert_eq!(
        parse("af_xdp:eth0"),
        SourceSpec::AfXdp(AfXdpSpec::new("eth0"))
    );
    assert_eq!(
        parse(
            "af_xdp:eth0:2-5,promisc=off,mode=native,zerocopy=off,time=poll,pass=off,takeover=on,\
             frames=1024,pages=2M,busy_poll=on"
        ),
        SourceSpec::AfXdp(AfXdpSpec {
            interface: "eth0".into(),
            queues: Some(Queues { first: 2, last: 5 }),
            promiscuous: false,
            mode: Mode::Native,
            zero_copy: ZeroCopy::Off,
            time: af_xdp::Time::Poll,
            pass: false,
            takeover: true,
            frames: Some(1024),
            pages: Pages::Huge2M,
            busy_poll: true,
        })
    );
    assert_eq!(
        parse("auto:eth0,promisc=off"),
        SourceSpec::Auto(AutoSpec {
            interface: "eth0".into(),
            promiscuous: false,
        })
    );
    assert_eq!(
        parse("pcap:/tmp/a b.pcap"),
        SourceSpec::Pcap(PcapSpec::new("/tmp/a b.pcap"))
    );
    assert_eq!(
        parse(r"pcap:C:\,loop=1,b.pcap,speed=real,loop=forever"),
        SourceSpec::Pcap(PcapSpec {
            path: "C:,loop=1,b.pcap".into(),
            speed: Speed::Real,
            loops: None,
        })
    );
    assert_eq!(
        parse("gen:"),
        SourceSpec::Generator(GeneratorSpec::default())
    );
    assert_eq!(
        parse("gen:size=60,rate=10G,count=1000000"),
        SourceSpec::Generator(GeneratorSpec {
            sizes: Sizes::Fixed(60),
            rate: Some(Rate::BitsPerSecond(10_000_000_000)),
            count: Some(1_000_000),
            ..GeneratorSpec::default()
        })
    );
    assert_eq!(
        parse("gen:vlan=7,duration=1500ms,late=delay,rate=1Mpps,seed=5,flows=1,start=0"),
        SourceSpec::Generator(GeneratorSpec {
            sizes: Sizes::Fixed(64),
            rate: Some(Rate::FramesPerSecond(1_000_000)),
            count: None,
            duration: Some(Duration::from_millis(1500)),
            seed: 5,
            flows: 1,
            vlan: Some(7),
            start_ns: Some(0),
            late: Some(Late::Delay),
        })
    );
}

#[test]
fn large_block_leaves_room_for_fewer_blocks() {
    let SourceSpec::AfPacket(spec) = parse("af_packet:eth0,block=64M") else {
        panic!()
    };
    assert!(u64::from(spec.block_bytes) * u64::from(spec.blocks) < 1 << 32);
}

#[test]
fn printed_specification_is_canonical() {
    for (text, canonical) in [
        (
            "af_packet:eth0,promisc=on,direction=both,block=1M,blocks=64",
            "af_packet:eth0",
        ),
        (
            "af_packet:eth0,fanout=1,blocks=8",
            "af_packet:eth0,blocks=8,fanout=1",
        ),
        (
            "af_xdp:eth0:3-3,busy_poll=off,pass=on,frames=512,mode=generic",
            "af_xdp:eth0:3,mode=generic,frames=512",
        ),
        ("auto:eth0,promisc=on", "auto:eth0"),
        ("pcap:a,b.pcap,speed=max,loop=1", r"pcap:a\,b.pcap"),
        ("gen:count=5,size=60", "gen:count=5"),
        ("gen:rate=1000Mbps,size=64,vlan=3", "gen:rate=1G,vlan=3"),
        (
            "gen:rate=14.88Mpps,size=imix,duration=1m",
            "gen:size=imix,rate=14880kpps,duration=60s",
        ),
    ] {
        assert_eq!(parse(text).to_string(), canonical);
    }
}

#[test]
fn error_names_the_mistake() {
    let forms = "expected af_packet:INTERFACE, af_xdp:INTERFACE, auto:INTERFACE, pcap:FILE or gen:";
    for (text, words) in [
        ("eth0", ["source \"eth0\"", forms]),
        ("", ["source \"\"", forms]),
        ("gen", ["source \"gen\"", forms]),
        ("xdp:eth0", ["source \"xdp:eth0\"", forms]),
        ("AF_PACKET:eth0", ["source \"AF_PACKET:eth0\"", forms]),
        (
            "af_packet:",
            ["af_packet:IF", "the name of the interface is missing"],
        ),
        (
            "af_packet:,promisc=on",
            ["af_packet:IF", "the name of the interface is missing"],
        ),
        (
            "af_packet:eth0,promisc=yes",
            ["promisc=yes", "expected on or off"],
        ),
        (
            "af_packet:eth0,direction=rx",
            ["direction=rx", "expected in, out or both"],
        ),
        (
            "af_packet:eth0,block=1000",
            ["block=1000", "expected a multiple of 64K from 128K"],
        ),
        (
            "af_packet:eth0,block=64K",
            ["block=64K", "from 128K to 64M"],
        ),
        ("af_packet:eth0,block=6G", ["block=6G", "from 128K to 64M"]),
        ("af_packet:eth0,blocks=1", ["blocks=1", "from 2 to 65536"]),
        (
            "af_packet:eth0,block=1M,blocks=4096",
            ["blocks=4096", "below 4 GiB in all"],
        ),
        ("af_packet:eth0,fanout=-1", ["fanout=-1", "from 0 to 65535"]),
        ("af_packet:eth0,delay=0s", ["delay=0s", "from 1ms to 1s"]),
        ("af_packet:eth0,delay=2s", ["delay=2s", "from 1ms to 1s"]),
        (
            "af_packet:eth0,speed=max",
            [
                "speed",
                "there are promisc, direction, time, block, blocks, delay, fanout",
            ],
        ),
        (
            "af_packet:eth0,promisc=on,promisc=on",
            ["promisc", "given twice"],
        ),
        (
            "af_xdp:",
            ["af_xdp:IF", "the name of the interface is missing"],
        ),
        (
            "af_xdp::3",
            ["af_xdp:IF", "the name of the interface is missing"],
        ),
        ("af_xdp:eth0:", ["queues \"\"", "a range such as 0-3"]),
        ("af_xdp:eth0:a", ["queues \"a\"", "a range such as 0-3"]),
        ("af_xdp:eth0:3-1", ["queues \"3-1\"", "a range such as 0-3"]),
        ("af_xdp:eth0:0-1024", ["queues \"0-1024\"", "up to 1023"]),
        (
            "af_xdp:eth0,mode=skb",
            ["mode=skb", "expected auto, native or generic"],
        ),
        (
            "af_xdp:eth0,mode=generic,zerocopy=on",
            ["zerocopy=on", "auto or off with mode=generic"],
        ),
        ("af_xdp:eth0,frames=1000", ["frames=1000", "a power of two"]),
        (
            "af_xdp:eth0,pages=1G",
            ["pages=1G", "expected auto, ordinary or 2M"],
        ),
        (
            "af_xdp:eth0,time=hardware",
            ["time=hardware", "kernel or poll"],
        ),
        (
            "af_xdp:eth0,direction=in",
            ["direction", "there are promisc, mode, zerocopy, time, pass"],
        ),
        ("auto:", ["auto:IF", "the name of the interface is missing"]),
        ("auto:eth0,mode=native", ["mode", "there are promisc"]),
        ("pcap:", ["pcap:FILE", "the name of the file is missing"]),
        ("pcap:a,speed=fast", ["speed=fast", "expected max or real"]),
        (
            "pcap:a,loop=0",
            ["loop=0", "expected a number of times, from 1, or forever"],
        ),
        (
            "pcap:a,sped=max",
            ["sped", "no such option; there are speed, loop"],
        ),
        ("pcap:a,speed=max,b", ["\"b\"", "key=value"]),
        ("gen:60", ["\"60\"", "key=value"]),
        (
            "gen:size=13",
            [
                "size=13",
                "from 14 to 131072, a range such as 60-1514, or imix",
            ],
        ),
        (
            "gen:size=1514-60",
            ["size=1514-60", "a range such as 60-1514"],
        ),
        (
            "gen:rate=fast",
            ["rate=fast", "expected a rate such as 10G"],
        ),
        ("gen:rate=0", ["rate=0", "expected a rate such as 10G"]),
        (
            "gen:count=1e6",
            ["count=1e6", "expected a number of frames"],
        ),
        (
            "gen:duration=long",
            ["duration=long", "expected a time such as 10s"],
        ),
        ("gen:seed=x", ["seed=x", "expected a number"]),
        ("gen:flows=0", ["flows=0", "from 1 to 65536"]),
        ("gen:vlan=4096", ["vlan=4096", "from 0 to 4095"]),
        ("gen:start=now", ["start=now", "in nanoseconds since 1970"]),
        (
            "gen:rate=1G,late=never",
            ["late=never", "expected miss or delay"],
        ),
        ("gen:late=miss", ["late", "means nothing without a rate"]),
        (
            "gen:sise=60",
            [
                "sise",
                "there are size, rate, count, duration, seed, flows, vlan",
            ],
        ),
        ("gen:,", ["\"\"", "key=value"]),
    ] {
        let error = text.parse::<SourceSpec>().expect_err(text);
        assert_eq!(error.kind(), Kind::Usage, "{text}");
        for word in words {
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}

fn sizes() -> impl Strategy<Value = Sizes> {
    prop_oneof![
        (14u32..=131_072).prop_map(Sizes::Fixed),
        Just(Sizes::Imix),
        (14u32..=131_072, 0u32..1000)
            .prop_map(|(min, more)| Sizes::Range(min..=(min + more).min(131_072))),
    ]
}

fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![
        (1u64..).prop_map(Rate::BitsPerSecond),
        (1u64..1000).prop_map(|n| Rate::BitsPerSecond(n * 1_000_000_000)),
        (1u64..).prop_map(Rate::FramesPerSecond),
    ]
}

prop_compose! {
    fn generator()(
        sizes in sizes(),
        rate in proptest::option::of(rate()),
        count: Option<u64>,
        duration in proptest::option::of((0..u64::MAX).prop_map(Duration::from_nanos)),
        seed: u64,
        flows in 1u32..=65_536,
        vlan in proptest::option::of(0u16..4096),
        start_ns: Option<u64>,
        late in proptest::option::of(prop_oneof![Just(Late::Miss), Just(Late::Delay)]),
    ) -> GeneratorSpec {
        let late = rate.and(late);
        GeneratorSpec { sizes, rate, count, duration, seed, flows, vlan, start_ns, late }
    }
}

prop_compose! {
    fn pcap()(path in ".+", real: bool, loops in proptest::option::of(1u64..)) -> PcapSpec {
        let speed = if real { Speed::Real } else { Speed::Max };
        PcapSpec { path: path.into(), speed, loops }
    }
}

prop_compose! {
    fn af_packet()(
        interface in ".+",
        promiscuous: bool,
        direction in prop_oneof![
            Just(Direction::In), Just(Direction::Out), Just(Direction::Both)
        ],
        time in prop_oneof![Just(Time::Kernel), Just(Time::Hardware)],
        steps in 2u32..=16,
        blocks in 2u32..=4000,
        delay_ms in proptest::option::of(1u64..=1000),
        fanout: Option<u16>,
    ) -> AfPacketSpec {
        let delay = delay_ms.map(Duration::from_millis);
        AfPacketSpec {
            interface, promiscuous, direction, time, block_bytes: steps << 16, blocks, delay, fanout,
        }
    }
}

prop_compose! {
    fn af_xdp()(
        interface in "[^:]+",
        first in 0u32..1024,
        more in proptest::option::of(0u32..10),
        flags: [bool; 4],
        mode in prop_oneof![Just(Mode::Auto), Just(Mode::Native), Just(Mode::Generic)],
        zero_copy in prop_oneof![Just(ZeroCopy::Auto), Just(ZeroCopy::Off)],
        time in prop_oneof![Just(af_xdp::Time::Kernel), Just(af_xdp::Time::Poll)],
        frames in proptest::option::of((8u32..=20).prop_map(|n| 1 << n)),
        pages in prop_oneof![Just(Pages::Auto), Just(Pages::Ordinary), Just(Pages::Huge2M)],
    ) -> AfXdpSpec {
        let [promiscuous, pass, takeover, busy_poll] = flags;
        let queues = more.map(|more| Queues { first, last: (first + more).min(1023) });
        AfXdpSpec {
            interface, queues, promiscuous, mode, zero_copy, time, pass, takeover, frames, pages,
            busy_poll,
        }
    }
}

proptest! {
    #[test]
    fn printed_specification_reads_back(
        spec in prop_oneof![
            generator().prop_map(SourceSpec::Generator),
            pcap().prop_map(SourceSpec::Pcap),
            af_packet().prop_map(SourceSpec::AfPacket),
            af_xdp().prop_map(SourceSpec::AfXdp),
            (".+", any::<bool>()).prop_map(|(interface, promiscuous)| {
                SourceSpec::Auto(AutoSpec { interface, promiscuous })
            }),
        ]
    ) {
        prop_assert_eq!(&spec.to_string().parse::<SourceSpec>().unwrap(), &spec);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(af_packet|af_xdp|auto|pcap|gen)?:?.*") {
        if let Ok(spec) = text.parse::<SourceSpec>() {
            prop_assert_eq!(spec.to_string().parse::<SourceSpec>().unwrap(), spec);
        }
    }
}
