//! Snapshots of what the daemon's command line prints.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use testkit::process::transcript;

/// Compares what the daemon prints with the snapshot `name`. The daemon's sockets go into a folder of this
/// test, so that no daemon of the machine is in the way.
#[track_caller]
fn assert_printed(name: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_hpcapd"))
        .args(arguments)
        .env("HPCAP_RUN_DIR", dir.path())
        .output()
        .unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("there are lo.*", "there are [INTERFACES]");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!(name, transcript(&run));
}

#[test]
fn help_explains_every_option() {
    assert_printed("help", &["--help"]);
}

#[test]
fn refused_sources_name_the_expected_form() {
    for (name, arguments) in [
        ("no_source", &[][..]),
        ("no_kind", &["nosuch"]),
        ("no_setting", &["gen:colour=red"]),
        ("queue_twice", &["hpcap0=gen:", "hpcap0=gen:"]),
        ("no_queue", &["eth0=gen:"]),
        ("small_ring", &["--ring", "1K", "gen:"]),
        ("no_pages", &["--pages", "huge", "gen:"]),
        ("filter", &["--filter", "no such", "gen:"]),
        ("misspelt", &["--rign", "1G", "gen:"]),
    ] {
        assert_printed(&format!("refused_{name}"), arguments);
    }
}

#[test]
fn failures_advise_the_user() {
    for (name, arguments) in [
        ("no_file", &["pcap:/no/such.pcap"][..]),
        ("no_interface", &["af_packet:no-such-if"]),
        ("no_cpu", &["--cpu", "100000", "gen:"]),
    ] {
        assert_printed(&format!("failed_{name}"), arguments);
    }
}
