//! Tests of interfaces that do not exist, go down, vanish and come back.

use hpcap::Kind;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::source::{
    Harvested, assert_goes_on_after_replacements, assert_reports_a_short_absence, harvest_until,
    open, send_generated, try_open,
};

#[test]
fn unknown_interface_lists_the_others() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let error = try_open("af_packet:eth7").err().unwrap();
        assert_eq!(error.kind(), Kind::NotFound);
        let text = error.to_string();
        for word in ["\"eth7\"", "lo", "snd", "rx"] {
            assert!(text.contains(word), "{text}");
        }
    });
}

#[test]
fn source_waits_for_an_interface_that_is_down() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        ip("link set rx down");
        let mut source = open("af_packet:rx");
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| !g.events.is_empty());
        assert_eq!(got.events, ["rx is down: waiting for it"]);
        ip("link set rx up");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 1);
        assert_eq!(got.events[1], "rx is up again");
        send_generated(&FrameSender::new("snd"), 0, 10);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 10);
        assert!(got.generated_numbers().into_iter().eq(0..10));
    });
}

#[test]
fn capture_goes_on_after_a_link_flap() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut source = open("af_packet:rx");
        let mut got = Harvested::default();
        send_generated(&sender, 0, 10);
        // The ring keeps the frames that were captured before the interface went down.
        ip("link set rx down");
        harvest_until(source.as_mut(), &mut got, |g| {
            !g.events.is_empty() && g.frames.len() >= 10
        });
        assert_eq!(got.events, ["rx is down: waiting for it"]);
        ip("link set rx up");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 1);
        assert_eq!(got.events[1], "rx is up again");
        send_generated(&sender, 10, 20);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 20);
        assert!(got.generated_numbers().into_iter().eq(0..20));
    });
}

#[test]
fn short_absence_of_the_interface_is_reported() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx");
        assert_reports_a_short_absence(source.as_mut());
    });
}

#[test]
fn capture_continues_on_a_new_interface() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx");
        assert_goes_on_after_replacements(source.as_mut());
    });
}

#[test]
fn capture_goes_on_after_a_rename() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx");
        ip("link set rx down");
        ip("link set rx name other");
        ip("link set other up");
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| !g.events.is_empty());
        assert!(
            got.events.concat().contains("rx is called other now"),
            "{:?}",
            got.events
        );
        send_generated(&FrameSender::new("snd"), 0, 10);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 10);
    });
}

#[test]
fn interface_without_addresses_has_link_type_ip() {
    in_namespace(|| {
        ip("tuntap add tun9 mode tun");
        let source = open("af_packet:tun9");
        assert_eq!(source.description().link_type, 101);
    });
}

#[test]
fn unsupported_interface_is_refused_by_name() {
    in_namespace(|| {
        let kinds = [
            ("vcan", "CAN"),
            ("nlmon", "netlink"),
            ("ipip", "tunnel"),
            ("sit", "tunnel"),
        ];
        let made = kinds.into_iter().find(|(kind, _)| {
            let mut ip = std::process::Command::new("ip");
            let ip = ip.args(["link", "add", "odd9", "type", kind]);
            ip.output().is_ok_and(|output| output.status.success())
        });
        let Some((_, what)) = made else {
            println!("skipped: this kernel makes no interface that is neither Ethernet nor IP");
            return;
        };
        let error = try_open("af_packet:odd9").err().unwrap();
        assert_eq!(error.kind(), Kind::Format);
        assert!(error.to_string().contains(what), "{error}");
    });
}

#[test]
fn fanout_member_outlives_its_interface() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx,fanout=9");
        let mut got = Harvested::default();
        ip("link set rx down");
        harvest_until(source.as_mut(), &mut got, |g| !g.events.is_empty());
        ip("link del snd");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 1);
        create_veth_pair("snd", "rx", 9000);
        harvest_until(source.as_mut(), &mut got, |g| {
            let last = g.events.last().unwrap();
            last == "rx is back" || last == "rx is up again"
        });
        send_generated(&FrameSender::new("snd"), 0, 10);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 10);
        assert!(got.generated_numbers().into_iter().eq(0..10));
    });
}

#[test]
fn interface_that_joins_frames_causes_a_warning() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut ethtool = std::process::Command::new("ethtool");
        let gro = ethtool.args(["-K", "rx", "gro", "on"]).output();
        if !gro.is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no ethtool here that could switch GRO on");
            return;
        }
        let mut source = open("af_packet:rx");
        let event = source.next_event().unwrap();
        assert_eq!(source.next_event(), None);
        let text = event.display("rx").to_string();
        assert!(text.contains("ethtool -K rx gro off"), "{text}");
    });
}
