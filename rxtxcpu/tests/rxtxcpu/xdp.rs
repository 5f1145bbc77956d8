//! Captures of receive queues by an XDP program, before the network stack.

use nix::sys::signal::Signal;
use testkit::network::{in_namespace, ip};
use testkit::pcap;
use testkit::process::{Process, run};
use testkit::source::open_af_xdp_or_skip;
use testkit::tap::Tap;
use testkit::wait::wait_until;

use crate::lab::{Lab, lines, udp_frame};

/// Runs `test` in a namespace with a device of four queues, where the kernel has AF_XDP.
fn on_tap(test: impl FnOnce(&Tap) + Send + 'static) {
    in_namespace(|| {
        if let Some(tap) = Tap::create("tap0", 4)
            && open_af_xdp_or_skip("af_xdp:tap0").is_some()
        {
            test(&tap);
        }
    });
}

fn has_program() -> bool {
    ip("link show tap0").contains("xdp")
}

#[test]
fn program_takes_the_packets_of_each_queue() {
    on_tap(|tap| {
        let lab = Lab::new();
        let capture = lab.start_with_sysfs("rxqueue", "--xdp -c 6 -w out.pcapng tap0");
        assert!(has_program());
        for (queue, frames) in [(0, 1), (1, 2), (3, 3)] {
            for _ in 0..frames {
                tap.receive(queue, &[0x55; 60]);
            }
        }
        let ended = capture.wait().exits(0);
        let expected = [
            "1 packets captured on queue 0.",
            "2 packets captured on queue 1.",
            "0 packets captured on queue 2.",
            "3 packets captured on queue 3.",
            "6 packets captured total.",
        ];
        assert_eq!(lines(&ended), expected);
        let _ = ended.says(&["tap0: an XDP program takes the packets of receive queues '0-3'"]);
        assert!(!has_program());
        let bytes = std::fs::read(lab.path("out-3.pcapng")).unwrap();
        // epb_queue, with four bytes.
        let option = [6, 0, 4, 0, 3, 0, 0, 0];
        let queues = bytes.windows(8).filter(|window| *window == option);
        assert_eq!(queues.count(), 3);
    });
}

/// A capture by packet sockets beside it shows what the stack gets.
#[test]
fn stack_gets_the_packets_of_other_queues_only() {
    on_tap(|tap| {
        let lab = Lab::new();
        let program = lab.start_with_sysfs("rxqueue", "--xdp -l 1-2 -c 3 tap0");
        let stack = lab.start_with_sysfs("rxqueue", "-c 5 tap0");
        for (queue, frames) in [(1, 1), (2, 2), (0, 2), (3, 3)] {
            for _ in 0..frames {
                tap.receive(queue, &[0x55; 60]);
            }
        }
        let expected = [
            "1 packets captured on queue 1.",
            "2 packets captured on queue 2.",
            "3 packets captured total.",
        ];
        assert_eq!(lines(&program.wait().exits(0)), expected);
        let expected = [
            "2 packets captured on queue 0.",
            "0 packets captured on queue 1.",
            "0 packets captured on queue 2.",
            "3 packets captured on queue 3.",
            "5 packets captured total.",
        ];
        assert_eq!(lines(&stack.wait().exits(0)), expected);
    });
}

#[test]
fn filter_and_snaplen_apply_to_the_program_too() {
    on_tap(|tap| {
        let lab = Lab::new();
        let line = "--xdp -l 0 -c 2 -s 40 -w out.pcap tap0";
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.extend(["-f", "udp port 53 or (vlan and udp port 53)"]);
        let capture = lab.start_with_sysfs_words("rxqueue", &words);
        for (port, tagged) in [(80, false), (53, false), (80, true), (53, true)] {
            tap.receive(0, &udp_frame(port, tagged));
        }
        let _ = capture.wait().exits(0);
        let file = pcap::read(&lab.path("out-0.pcap"));
        let lengths: Vec<_> = file.frames.iter().map(|p| (p.data.len(), p.len)).collect();
        assert_eq!(lengths, [(40, 60), (40, 64)]);
    });
}

/// What a queue's memory has no room for while the worker stands still is lost, and counted to the last packet.
#[test]
fn lost_packets_are_counted() {
    const SENT: u64 = 2000;
    on_tap(|tap| {
        let lab = Lab::new();
        let capture = lab.start_with_sysfs("rxqueue", "--xdp=frames=256 -l 2 tap0");
        capture.signal(Signal::SIGSTOP);
        for _ in 0..SENT {
            tap.receive(2, &[0x55; 60]);
        }
        capture.signal(Signal::SIGCONT);
        let ended = capture.interrupt().exits(0);
        let number = |text: &str, what: &str| -> u64 {
            let line = text.lines().find(|line| line.contains(what));
            let line = line.unwrap_or_else(|| panic!("no {what:?} in {text}"));
            line.split(' ').next().unwrap().parse().unwrap()
        };
        let captured = number(&ended.out, "packets captured on queue 2");
        let lost = number(&ended.err, "packets dropped on queue 2");
        assert_eq!(captured + lost, SENT);
        assert!(captured >= 256 - 64, "{captured}");
    });
}

#[test]
fn killed_capture_leaves_no_program() {
    on_tap(|tap| {
        let lab = Lab::new();
        let capture = lab.start_with_sysfs("rxqueue", "--xdp tap0");
        assert!(has_program());
        drop(capture.kill());
        wait_until("the program is gone", || !has_program());
        let again = lab.start_with_sysfs("rxqueue", "--xdp -c 1 tap0");
        tap.receive(3, &[0x55; 60]);
        let _ = again.wait().exits(0);
    });
}

#[test]
fn interface_that_vanishes_ends_the_capture() {
    on_tap(|_| {
        let capture = Lab::new().start_with_sysfs("rxqueue", "--xdp tap0");
        ip("link del tap0");
        let ended = capture.wait().exits(1);
        assert!(ended.out.contains("0 packets captured total."));
        let _ = ended.says(&["rxqueue: interface 'tap0' is gone"]);
    });
}

#[test]
fn interface_that_the_machine_uses_is_refused() {
    on_tap(|tap| {
        ip("addr add 192.0.2.1/24 dev tap0");
        let lab = Lab::new();
        let refused = run(&mut lab.with_sysfs("rxqueue", &["--xdp", "tap0"])).exits(1);
        let _ = refused.says(&[
            "rxqueue: this machine uses interface 'tap0': it has the address 192.0.2.1",
            "--xdp=takeover=on takes them all the same",
        ]);
        assert!(!has_program());
        let capture = lab.start_with_sysfs("rxqueue", "--xdp=takeover=on -c 1 tap0");
        tap.receive(0, &[0x55; 60]);
        let _ = capture.wait().exits(0);
    });
}

#[test]
fn second_program_is_refused() {
    on_tap(|_| {
        let lab = Lab::new();
        let first: Process = lab.start_with_sysfs("rxqueue", "--xdp -l 0 tap0");
        let refused = run(&mut lab.with_sysfs("rxqueue", &["--xdp", "-l", "1", "tap0"])).exits(1);
        let _ = refused.says(&["another capture of hpcap"]);
        let _ = first.interrupt().exits(0);
    });
}
