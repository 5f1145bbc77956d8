//! Captures per queue and per NUMA node.

use testkit::network::{FrameSender, in_namespace};
use testkit::tap::Tap;

use crate::counts::on_loopback;
use crate::lab::{Lab, lines, ping};

/// Waits for the frames by their number, because a device hands them over in its own time.
#[test]
fn received_frames_are_counted_by_queue() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 4) else {
            return;
        };
        let lab = Lab::new();
        let capture = lab.start_with_sysfs("rxqueue", "-c 6 -w out.pcapng tap0");
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
        let bytes = std::fs::read(lab.path("out-3.pcapng")).unwrap();
        // epb_queue, with four bytes.
        let option = [6, 0, 4, 0, 3, 0, 0, 0];
        assert_eq!(
            bytes.windows(8).filter(|window| *window == option).count(),
            3
        );
    });
}

#[test]
fn sent_frames_are_counted_by_queue() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 2) else {
            return;
        };
        let sender = FrameSender::visible("tap0");
        let capture = Lab::new().start_with_sysfs("txqueue", "-c 20 tap0");
        for n in 0..20 {
            sender.send(&[n; 60]);
        }
        let ended = capture.wait().exits(0);
        let through = |queue| std::iter::from_fn(|| tap.take_sent(queue)).count();
        let expected = [
            format!("{} packets captured on queue 0.", through(0)),
            format!("{} packets captured on queue 1.", through(1)),
            "20 packets captured total.".to_owned(),
        ];
        assert_eq!(lines(&ended), expected);
    });
}

#[test]
fn queue_list_chooses_queues() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 4) else {
            return;
        };
        let capture = Lab::new().start_with_sysfs("rxtxqueue", "-l 1-2 -c 2 tap0");
        for queue in 0..4 {
            tap.receive(queue, &[0x55; 60]);
        }
        let ended = capture.wait().exits(0);
        let expected = [
            "1 packets captured on queue 1.",
            "1 packets captured on queue 2.",
            "2 packets captured total.",
        ];
        assert_eq!(lines(&ended), expected);
    });
}

#[test]
fn frames_are_counted_by_node() {
    on_loopback(|| {
        if !std::path::Path::new("/sys/devices/system/node/node0").exists() {
            return testkit::skip("this machine has no NUMA nodes");
        }
        let capture = Lab::new().start("rxtxnuma", "-l 0 lo");
        ping(0, 3);
        let ended = capture.interrupt().exits(0);
        let expected = [
            "12 packets captured on numa node 0.",
            "12 packets captured total.",
        ];
        assert_eq!(lines(&ended), expected);
    });
}
