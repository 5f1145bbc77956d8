//! Tests of the redactor with examples and with random inputs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, Ipv6Addr};

use hpcap_diag::redact::{Names, Redactor, Style, Thing};
use proptest::prelude::*;

fn names() -> Names {
    let mut names = Names::default();
    names.add_host("probe7.example.lan");
    names.add(Thing::User, "alice");
    names.add_mac("02:11:22:33:44:55");
    names
}

fn redact(text: &str, style: Style) -> String {
    Redactor::new(names()).unwrap().redact_text(text, style)
}

#[test]
fn things_are_replaced_by_their_names() {
    let cases = [
        (
            "inet 192.0.2.7/24 brd 192.0.2.255",
            "inet ipv4-1/24 brd ipv4-2",
        ),
        (
            "from 192.0.2.7, again 192.0.2.007.",
            "from ipv4-1, again ipv4-1.",
        ),
        (
            "IP 192.0.2.7.53 > 192.0.2.8.40000:",
            "IP ipv4-1.53 > ipv4-2.40000:",
        ),
        ("host ip-192-0-2-7 up", "host ip-ipv4-1 up"),
        ("inet6 2001:db8::1/64", "inet6 ipv6-1/64"),
        ("2001:DB8:0:0::1 = 2001:db8::1.", "ipv6-1 = ipv6-1."),
        (
            "addr:fe80::1%eth0 [2001:db8::2]:80",
            "addr:ipv6-1%eth0 [ipv6-2]:80",
        ),
        ("::ffff:192.0.2.7 192.0.2.7", "::ffff:ipv4-1 ipv4-1"),
        ("2001:db8::192.0.2.7", "ipv6-1"),
        ("fe80::1: unreachable", "ipv6-1: unreachable"),
        ("MAC=02:11:22:33:44:55:08:00 x", "MAC=mac-1 x"),
        (
            "02:11:22:33:44:55 02-11-22-33-44-55 0211.2233.4455",
            "mac-1 mac-1 mac-1",
        ),
        ("enx021122334455: up, 021122334455", "mac-1: up, mac-1"),
        ("probe7 kernel: PROBE7.example.lan", "host-1 kernel: host-2"),
        (
            "/HOME/alice/x alice's /HOME/bob",
            "/HOME/user-1/x user-1's /HOME/user-2",
        ),
        ("mail me@mail.example.com", "mail mail-1"),
        ("to www.example.com!", "to host-1!"),
        ("password=hunter2 x", "password=secret-1 x"),
        (
            "psk: \"a b\"; token='c'",
            "psk: \"secret-1\"; token='secret-2'",
        ),
        (
            "--password hunter2 --api-key=hunter2",
            "--password secret-1 --api-key=secret-1",
        ),
        (
            "https://bob:hunter2@x.example.org/",
            "https://secret-1@host-1/",
        ),
        (
            "skb linear:   00000000: 45 00 00 54",
            "skb linear (data of the frame left out)",
        ),
    ];
    for (text, expected) in cases {
        let [text, expected] = [text, expected].map(|text| text.replace("HOME", "home"));
        assert_eq!(redact(&text, Style::Text), expected, "{text}");
    }
}

#[test]
fn other_text_stays() {
    for text in [
        "127.0.0.1 ::1 0.0.0.0 :: 255.255.255.0 00:00:00:00:00:00 ff:ff:ff:ff:ff:ff",
        "0000:81:00.0 ixgbe 12:34:56 2026-11-29T12:34:56+00:00 6.1.0-30-amd64 1.2.3",
        "cpu0 1 2 3 4 5.6 7.8 hpcapd@eth0.service /sys/class/net/eth0 std::fmt std::abc",
        "softnet 00000012 00000000 deadbeef ff:ff",
        "an unexpected token in line 3; CONFIG_SECRETMEM is on",
    ] {
        assert_eq!(redact(text, Style::Text), text);
    }
}

#[test]
fn words_of_the_kernel_stay() {
    let text = "alice probe7 192.0.2.7 CONFIG_TOKEN=y";
    assert_eq!(
        redact(text, Style::Kernel),
        "alice probe7 ipv4-1 CONFIG_TOKEN=y"
    );
}

#[test]
fn keys_of_json_stay() {
    let text = r#"{"alice":"alice at 192.0.2.7","token":"abc","n":1.5}"#;
    let expected = serde_json::json!({"alice":"user-1 at ipv4-1","n":1.5,"token":"secret-1"});
    let redacted: serde_json::Value = serde_json::from_str(&redact(text, Style::Json)).unwrap();
    assert_eq!(redacted, expected);
}

#[test]
fn private_keys_are_replaced_whole() {
    let text = "a\n-----BEGIN PRIVATE KEY-----\nMIIE\nx==\n-----END PRIVATE KEY-----\nb";
    assert_eq!(redact(text, Style::Text), "a\nsecret-1\nb");
    let cut = "a -----BEGIN RSA PRIVATE KEY-----\nMIIE";
    assert_eq!(redact(cut, Style::Text), "a secret-1");
}

/// An identifying thing, its kind, and another way to write the same.
fn thing() -> impl Strategy<Value = (String, String, &'static str)> {
    let v4 = any::<[u8; 4]>()
        .prop_map(Ipv4Addr::from)
        .prop_filter("not the same everywhere", |a| {
            ![0, 127, 255].contains(&a.octets()[0])
        })
        .prop_map(|a| (a.to_string(), a.to_string(), "ipv4"));
    let v6 = any::<[u16; 8]>()
        .prop_map(Ipv6Addr::from)
        .prop_filter("no other address inside", |a| a.to_ipv4().is_none())
        .prop_map(|a| {
            let long: Vec<String> = a.segments().iter().map(|s| format!("{s:04X}")).collect();
            (a.to_string(), long.join(":"), "ipv6")
        });
    let mac = any::<[u8; 6]>()
        .prop_filter("not the same everywhere", |m| {
            *m != [0; 6] && *m != [255; 6]
        })
        .prop_map(|m| {
            let with = |separator: &str| {
                let octets: Vec<String> = m.iter().map(|o| format!("{o:02x}")).collect();
                octets.join(separator)
            };
            (with(":"), with("-").to_uppercase(), "mac")
        });
    let user = Just(("alice".to_owned(), "Alice".to_owned(), "user"));
    let host = Just(("probe7".to_owned(), "PROBE7".to_owned(), "host"));
    prop_oneof![v4, v6, mac, user, host]
}

proptest! {
    #[test]
    fn same_thing_has_the_same_name(
        (one, other, word) in thing(),
        before in "[ \\n\\t(\\[=,/]",
        after in "[ \\n\\t)\\],/]",
    ) {
        let mut redactor = Redactor::new(names()).unwrap();
        for text in [&one, &other, &one] {
            let whole = format!("x{before}{text}{after}y");
            let expected = format!("x{before}{word}-1{after}y");
            prop_assert_eq!(redactor.redact_text(&whole, Style::Text), expected);
        }
    }

    #[test]
    fn nothing_replaceable_remains(parts in prop::collection::vec(
        prop_oneof![
            thing().prop_map(|(text, ..)| format!(" {text} ")),
            "[a-z ]{0,3}", "[.:,;=/\\[\\]() \\n-]{1,2}", "[0-9a-f]{1,4}", "\\PC{0,4}",
        ], 0..12))
    {
        let text = parts.concat();
        let once = redact(&text, Style::Text);
        // A second redactor, which also numbers from 1 on, would find any name that the text still has.
        let again = redact(&once, Style::Text);
        prop_assert_eq!(once, again);
    }

    #[test]
    fn any_bytes_are_redacted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut redactor = Redactor::new(names()).unwrap();
        for style in [Style::Kernel, Style::Text, Style::Json] {
            let once = redactor.redact(&bytes, style);
            prop_assert_eq!(redactor.redact(&bytes, style), once);
        }
    }

    #[test]
    fn address_does_not_survive_in_any_place(
        (address, ..) in thing(),
        before in "\\PC{0,6}[^0-9a-zA-Z.:_-]",
        after in "[^0-9a-zA-Z.:_-]\\PC{0,6}",
    ) {
        let text = redact(&format!("{before}{address}{after}"), Style::Text);
        prop_assert!(!text.to_lowercase().contains(&address), "{}", text);
    }
}
