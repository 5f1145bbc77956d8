//! Tests of AF_XDP captures whose interface goes down, vanishes, comes back, or must not be taken.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::{Error, Kind};
use hpcap_source::Source;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::source::{
    Harvested, assert_goes_on_after_replacements, assert_reports_a_short_absence, harvest_until,
    open, open_af_xdp_or_skip, send_generated, try_open,
};

/// Opens a capture without its first events, which say how it started.
fn open_started(text: &str) -> Box<dyn Source> {
    let mut source = open(text);
    let is_about_start = |text: &str| text.contains("AF_XDP");
    for _ in 0..2 {
        let event = source.next_event().unwrap();
        assert!(is_about_start(&event.display("rx").to_string()));
    }
    source
}

/// Runs `test` in a namespace with a veth pair, where the kernel has AF_XDP.
fn with_veth(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        if open_af_xdp_or_skip("af_xdp:rx,mode=native").is_some() {
            test();
        }
    });
}

fn refusal(text: &str) -> Error {
    try_open(text).err().unwrap()
}

/// Returns whether a program is attached to `rx`.
fn has_program() -> bool {
    ip("link show rx").contains("xdp")
}

#[test]
fn capture_goes_on_after_a_link_flap() {
    with_veth(|| {
        ip("link set rx down");
        let mut source = open_started("af_xdp:rx");
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| !g.events.is_empty());
        assert_eq!(got.events, ["rx is down: waiting for it"]);
        ip("link set rx up");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 1);
        assert_eq!(got.events[1], "rx is up again");
        let sender = FrameSender::new("snd");
        send_generated(&sender, 0, 10);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 10);
        ip("link set rx down");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 2);
        ip("link set rx up");
        harvest_until(source.as_mut(), &mut got, |g| g.events.len() > 3);
        send_generated(&sender, 10, 20);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 20);
        assert!(got.generated_numbers().into_iter().eq(0..20));
    });
}

#[test]
fn short_absence_of_the_interface_is_reported() {
    with_veth(|| {
        let mut source = open_started("af_xdp:rx");
        assert_reports_a_short_absence(source.as_mut());
    });
}

#[test]
fn capture_continues_on_a_new_interface() {
    with_veth(|| {
        let mut source = open_started("af_xdp:rx");
        assert_goes_on_after_replacements(source.as_mut());
    });
}

#[test]
fn capture_goes_on_after_a_rename() {
    with_veth(|| {
        let mut source = open_started("af_xdp:rx");
        ip("link set rx down");
        ip("link set rx name other");
        ip("link set other up");
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| {
            g.events.concat().contains("rx is called other now")
        });
        send_generated(&FrameSender::new("snd"), 0, 10);
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 10);
    });
}

/// An interface that moves to another namespace has left this one.
#[test]
fn interface_that_moves_away_is_gone() {
    with_veth(|| {
        let mut source = open_started("af_xdp:rx");
        let mut sleeper = std::process::Command::new("unshare");
        let Ok(mut sleeper) = sleeper.args(["--net", "sleep", "600"]).spawn() else {
            testkit::skip("there is no unshare here");
            return;
        };
        testkit::wait::wait_until("the other namespace exists", || {
            let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            std::fs::read_link(format!("/proc/{}/ns/net", sleeper.id())).is_ok_and(|n| n != own)
        });
        ip(&format!("link set rx netns {}", sleeper.id()));
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| !g.events.is_empty());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(got.events[0], "rx is gone: waiting for it to come back");
    });
}

#[test]
fn program_goes_with_the_source() {
    with_veth(|| {
        let source = open_started("af_xdp:rx");
        assert!(has_program());
        drop(source);
        assert!(!has_program());
    });
}

#[test]
fn second_capture_of_an_interface_is_refused() {
    with_veth(|| {
        let _first = open_started("af_xdp:rx");
        let error = refusal("af_xdp:rx");
        assert_eq!(error.kind(), Kind::Busy);
        let text = error.to_string();
        for word in ["rx", "another capture of hpcap", "hpcapd af_xdp:rx"] {
            assert!(text.contains(word), "{text}");
        }
    });
}

#[test]
fn promiscuous_mode_ends_with_the_capture() {
    with_veth(|| {
        let promiscuity = |n: u32| ip("-d link show rx").contains(&format!("promiscuity {n} "));
        let on = open_started("af_xdp:rx");
        assert!(promiscuity(1));
        drop(on);
        let _off = open_started("af_xdp:rx,promisc=off");
        assert!(promiscuity(0));
    });
}

#[test]
fn interface_in_use_is_not_taken() {
    with_veth(|| {
        let refused = |why: &str| {
            let error = refusal("af_xdp:rx");
            assert_eq!(error.kind(), Kind::Busy);
            let text = error.to_string();
            for word in [why, "takeover=on", "-i rx"] {
                assert!(text.contains(word), "{why}: {text}");
            }
            assert!(!has_program());
        };
        ip("addr add 192.0.2.7/24 dev rx");
        refused("it has the address 192.0.2.7");
        drop(open_started("af_xdp:rx,takeover=on"));
        ip("addr flush dev rx");
        drop(open_started("af_xdp:rx"));
        ip("route add default dev rx");
        refused("the default route leads over it");
        ip("route del default");
        let vlan = std::process::Command::new("ip")
            .args("link add link rx name rx.7 type vlan id 7".split(' '))
            .output();
        if vlan.unwrap().status.success() {
            drop(open_started("af_xdp:rx"));
            ip("addr add 192.0.2.9/24 dev rx.7");
            refused("rx.7, which stands on it, has the address 192.0.2.9");
        }
    });
}

#[test]
fn unknown_queue_is_refused() {
    with_veth(|| {
        let error = refusal("af_xdp:rx:3");
        assert_eq!(error.kind(), Kind::NotFound);
        let text = error.to_string();
        for word in ["queue 3 of rx", "one receive queue", "ethtool -l rx"] {
            assert!(text.contains(word), "{text}");
        }
    });
}

#[test]
fn incapable_interface_is_refused_with_advice() {
    with_veth(|| {
        for (source, kind, words) in [
            ("af_xdp:eth7", Kind::NotFound, ["\"eth7\"", "lo, "]),
            (
                "af_xdp:any",
                Kind::Usage,
                ["one interface", "af_packet:any"],
            ),
            (
                "af_xdp:lo,mode=native",
                Kind::Io,
                ["has no XDP", "leave out mode=native"],
            ),
            (
                "af_xdp:rx,zerocopy=on",
                Kind::Io,
                ["has no zero-copy", "leave out zerocopy=on"],
            ),
            (
                "af_xdp:rx,frames=1048576,pages=2M",
                Kind::Full,
                ["hugepages", "hpcapctl hugepages reserve"],
            ),
        ] {
            let error = refusal(source);
            assert_eq!(error.kind(), kind, "{source}: {error}");
            for word in words {
                assert!(error.to_string().contains(word), "{source}: {error}");
            }
        }
        ip("tuntap add tun9 mode tun");
        let error = refusal("af_xdp:tun9").to_string();
        assert!(error.contains("not Ethernet"), "{error}");
    });
}

#[test]
fn auto_takes_the_best_working_mode() {
    with_veth(|| {
        let chosen = |text: &str| {
            let mut source = open(text);
            source.next_event().unwrap().display("rx").to_string()
        };
        let mut ethtool = std::process::Command::new("ethtool");
        let rxvlan = ethtool.args(["-K", "rx", "rxvlan", "off"]).output();
        if !rxvlan.is_ok_and(|output| output.status.success()) {
            testkit::skip("there is no ethtool here that could switch rxvlan off");
            return;
        }
        assert_eq!(chosen("auto:rx"), "auto:rx is af_xdp");
        for (name, why) in [
            ("snd", "it takes VLAN tags out of frames"),
            ("lo", "AF_XDP does not work in its driver"),
            ("any", "one interface only"),
        ] {
            let text = chosen(&format!("auto:{name}"));
            assert!(
                text.contains(&format!("auto:{name} is af_packet: ")),
                "{text}"
            );
            assert!(text.contains(why), "{text}");
        }
        ip("addr add 192.0.2.7/24 dev rx");
        assert!(chosen("auto:rx").contains("auto:rx is af_packet: this machine uses it"));
    });
}
