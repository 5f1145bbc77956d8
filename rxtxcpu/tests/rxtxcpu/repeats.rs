//! The case that the authors of the original tell: one frame appears in the transmit stream of a CPU again
//! and again, and never leaves.

use std::process::Command;

use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::process::run;

use crate::counts::on_loopback;
use crate::lab::{Lab, ping};

/// Runs `tc` with the words of `line`. Returns whether the kernel has what the line asks for.
fn tc(line: &str) -> bool {
    let done = Command::new("tc").args(line.split(' ')).output();
    done.is_ok_and(|done| done.status.success())
}

/// A veth pair that sends each frame back and forth between its two ends, slowly.
///
/// The loop must be taken apart. A frame on its way keeps the socket that sent it, and the socket keeps the network
/// namespace: with a frame in the loop, the namespace would outlive the test, and the frame would go round, and keep a
/// processor busy, until the machine is switched off.
struct FrameLoop;

impl FrameLoop {
    /// Makes the loop. Returns `None` if the kernel lacks something that the loop needs.
    fn create() -> Option<Self> {
        create_veth_pair("one", "other", 1500);
        let made = Self;
        let is_whole = ["one", "other"].into_iter().all(|name| {
            tc(&format!("qdisc add dev {name} root tbf rate 8mbit burst 4kb latency 50ms"))
                && tc(&format!("qdisc add dev {name} clsact"))
                && tc(&format!(
                    "filter add dev {name} ingress protocol all u32 match u32 0 0 action mirred egress redirect dev {name}"
                ))
        });
        is_whole.then_some(made)
    }
}

impl Drop for FrameLoop {
    fn drop(&mut self) {
        ip("link del one");
    }
}

/// A TCP segment without data, with the addresses of the authors' case.
fn stuck_frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([122, 0, 0, 0, 205, 0, 0, 0, 0xd4, 0xf5, 0, 80]);
    frame.resize(60, 0);
    frame
}

#[test]
fn frame_that_never_leaves_is_named() {
    in_namespace(|| {
        let Some(_loop) = FrameLoop::create() else {
            return testkit::skip("a loop of frames needs tc, sch_tbf, cls_u32 and act_mirred");
        };
        let capture = Lab::new().start("txcpu", "--repeats -c 1000 one");
        let sender = FrameSender::new("other");
        sender.send(&stuck_frame());
        sender.send(&[7; 61]);
        let ended = capture.wait().exits(0);
        assert!(
            ended.out.contains("1000 packets captured total.\n"),
            "{}",
            ended.out
        );
        let named = |line: &&str| line.contains("122.0.0.0 port 54517 > 205.0.0.0 port 80, tcp");
        let times: u64 = ended
            .out
            .lines()
            .filter(named)
            .map(|line| {
                line.trim()
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum();
        // Both frames go round, each on any CPU.
        assert!((100..1000).contains(&times), "{}", ended.out);
        assert!(ended.out.contains("Repeated on cpu"), "{}", ended.out);
        assert!(ended.out.contains("60 bytes"), "{}", ended.out);
    });
}

#[test]
fn frames_that_differ_are_not_named() {
    on_loopback(|| {
        let capture = Lab::new().start("rxtxcpu", "--repeats=2 lo");
        ping(0, 20);
        let ended = capture.interrupt().exits(0);
        assert!(!ended.out.contains("Repeated"), "{}", ended.out);
    });
}

#[test]
fn repeats_need_sent_frames() {
    let lab = Lab::new();
    let _ = run(&mut lab.tool("rxcpu", "--repeats lo"))
        .exits(2)
        .says(&["--repeats looks at sent packets", "Usage: rxcpu"]);
    let _ = run(&mut lab.tool("rxtxcpu", "--repeats=1 lo"))
        .exits(2)
        .says(&["--repeats", "Usage: rxtxcpu"]);
}
