//! The counting rules of the original, and the options that change what is counted.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::is_root_or_skips;
use testkit::network::{in_namespace, ip};
use testkit::process::{run, sleeps};

use crate::lab::{Lab, cpus, lines, ping, summary_of};

/// Runs `test` in a namespace whose loopback interface is up.
pub(crate) fn on_loopback(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        ip("link set lo up");
        test();
    });
}

#[test]
fn three_pings_are_twelve_frames() {
    on_loopback(|| {
        for cpu in cpus() {
            let capture = Lab::new().start("rxtxcpu", "lo");
            ping(cpu, 3);
            let ended = capture.interrupt().exits(0);
            assert_eq!(lines(&ended), summary_of(cpu, 12));
        }
    });
}

#[test]
fn name_says_the_direction() {
    on_loopback(|| {
        for (name, line, frames) in [
            ("rxcpu", "lo", 6),
            ("txcpu", "lo", 6),
            ("rxcpu", "-d rxtx lo", 12),
            ("rxtxcpu", "--direction=tx lo", 6),
            ("rxtxcpu", "--dir rx lo", 6),
        ] {
            let capture = Lab::new().start(name, line);
            ping(0, 3);
            let ended = capture.interrupt().exits(0);
            assert_eq!(lines(&ended), summary_of(0, frames), "{name} {line}");
        }
    });
}

#[test]
fn count_is_over_all_streams() {
    on_loopback(|| {
        for line in ["-c6 lo", "--count 6 lo", "--count=6 lo"] {
            let capture = Lab::new().start("rxtxcpu", line);
            let last = *cpus().last().unwrap();
            ping(last, 3);
            let ended = capture.wait().exits(0);
            assert_eq!(lines(&ended), summary_of(last, 6), "{line}");
        }
        let capture = Lab::new().start("rxtxcpu", "-c0 lo");
        ping(0, 3);
        let ended = capture.interrupt().exits(0);
        assert_eq!(lines(&ended), summary_of(0, 12));
    });
}

#[test]
fn list_or_mask_chooses_cpus() {
    on_loopback(|| {
        for line in [
            "-l0 lo",
            "--cpu-list 0 lo",
            "-m 1 lo",
            "--cpu-mask=0,00000001 lo",
        ] {
            let capture = Lab::new().start("rxtxcpu", line);
            ping(0, 2);
            ping(
                *cpus().last().unwrap(),
                if cpus().len() > 1 { 1 } else { 0 },
            );
            let ended = capture.interrupt().exits(0);
            let expected = ["8 packets captured on cpu0.", "8 packets captured total."];
            assert_eq!(lines(&ended), expected, "{line}");
        }
    });
}

#[test]
fn no_interface_means_all_of_them() {
    on_loopback(|| {
        let capture = Lab::new().start("rxtxcpu", "-p");
        ping(0, 3);
        let ended = capture.interrupt().exits(0);
        assert_eq!(lines(&ended), summary_of(0, 12));
        let skipped = "skipping promiscuous mode for ifindex '0' (any interface)";
        let _ = ended.says(&["using ifindex '0' for any interface", skipped]);
    });
}

#[test]
fn two_captures_do_not_disturb_each_other() {
    on_loopback(|| {
        let lab = Lab::new();
        let (rx, tx) = (lab.start("rxcpu", "lo"), lab.start("txcpu", "lo"));
        ping(0, 2);
        for capture in [rx, tx] {
            let ended = capture.interrupt().exits(0);
            assert_eq!(lines(&ended), summary_of(0, 4));
        }
    });
}

#[test]
fn sigterm_ends_with_a_summary() {
    on_loopback(|| {
        let capture = Lab::new().start("rxtxcpu", "lo");
        ping(0, 3);
        capture.signal(Signal::SIGTERM);
        let ended = capture.wait().exits(0);
        assert_eq!(lines(&ended), summary_of(0, 12));
    });
}

#[test]
fn duration_ends_a_capture() {
    on_loopback(|| {
        let ended = run(&mut Lab::new().tool("rxtxcpu", "--duration 50ms lo")).exits(0);
        assert_eq!(lines(&ended), summary_of(0, 0));
        assert!(ended.err.is_empty(), "{}", ended.err);
    });
}

#[test]
fn filter_counts_matching_frames() {
    on_loopback(|| {
        for (filter, frames) in [
            ("icmp[0]==8", 6),
            ("icmp", 12),
            ("udp", 0),
            ("icmp[0]==0", 6),
        ] {
            for interface in ["lo", "any"] {
                let line = format!("-f {filter} {interface}");
                let capture = Lab::new().start("rxtxcpu", &line);
                ping(0, 3);
                let ended = capture.interrupt().exits(0);
                assert_eq!(lines(&ended), summary_of(0, frames), "{line}");
            }
        }
    });
}

#[test]
fn promiscuous_mode_lasts_as_long_as_the_capture() {
    on_loopback(|| {
        let promiscuity = || {
            let shown = ip("-d link show lo");
            let after = shown.split("promiscuity ").nth(1).unwrap().to_owned();
            after.split(' ').next().unwrap().parse::<u32>().unwrap()
        };
        let capture = Lab::new().start("rxtxcpu", "-p lo");
        assert!(promiscuity() > 0);
        let _ = capture.interrupt().exits(0);
        assert_eq!(promiscuity(), 0);
        let capture = Lab::new().start("rxtxcpu", "lo");
        assert_eq!(promiscuity(), 0);
        let _ = capture.interrupt().exits(0);
    });
}

#[test]
fn verbose_says_what_is_captured() {
    if !is_root_or_skips("a capture") {
        return;
    }
    on_loopback(|| {
        let capture = Lab::new().start("rxcpu", "-l0 -c5 -U lo");
        let _ = capture.interrupt().exits(0).says(&[
            "using direction 'rx'\n",
            "using fanout group id '",
            "using fanout mode '2'\n",
            "using ifindex '1' for interface 'lo'\n",
            "packet buffered output requested\n",
            "using packet count '5'\n",
            "promiscuous mode unwanted\n",
            "using ring set '0'\n",
            "handling ring '0' running on cpu '0'",
        ]);
    });
}

#[test]
fn live_table_has_every_stream() {
    on_loopback(|| {
        let mut capture = Lab::new().start("rxtxcpu", "--live=100ms lo");
        ping(0, 3);
        capture.wait_for(" 12          0\n");
        let ended = capture.interrupt().exits(0);
        for cpu in cpus() {
            assert!(
                ended.err.contains(&format!("\ncpu{cpu}  ")),
                "{}",
                ended.err
            );
        }
        for word in ["rx/s", "tx/s", "captured", "dropped"] {
            assert!(ended.err.contains(word), "{word}: {}", ended.err);
        }
        // The output is no terminal, so the table does not move a cursor.
        assert!(!ended.err.contains('\x1b'), "{}", ended.err);
        assert_eq!(lines(&ended), summary_of(0, 12));
    });
}

#[test]
fn workers_that_write_files_seldom_wake_up() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "lo -w out.pcap");
        let workers = || sleeps(capture.pid(), "cpu");
        let (before, start) = (workers(), Instant::now());
        while start.elapsed() < Duration::from_secs(2) {
            ping(0, 1);
            std::thread::sleep(Duration::from_millis(5));
        }
        let (sleeps, seconds) = (workers() - before, start.elapsed().as_secs_f64());
        // A block of the one busy stream every 200 ms, a write every 500 ms, and each idle worker once a second.
        let most = (10.0 + cpus().len() as f64) * seconds + 10.0;
        assert!(sleeps as f64 <= most, "{sleeps} in {seconds} s");
        let _ = capture.interrupt().exits(0);
    });
}
