//! The software virtual function with the distribution's own ixgbevf, in a virtual machine of each
//! kernel, with the traffic and the faults of the lab. Each kernel takes about 12 s, most of it for
//! booting and for that driver's watchdog, which checks the link every two seconds.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::kernel;
use serde_json::Value;
use vmlab::kernel::Kernel;
use vmlab::machine::{Guest, Machine, NicSpec};
use vmlab::traffic::{Fault, Lab};

/// Ends only what hangs: a busy host makes a machine many times slower.
const LIMIT: Duration = Duration::from_secs(1200);

/// A guest with one virtual function. The driver is loaded and the link is up.
struct Bench {
    guest: Guest,
    lab: Arc<Lab>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn boot(kernel: Kernel) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lab = Lab::new(None, folder.path());
        let spec: NicSpec = "82599vf".parse().unwrap();
        let machine = Machine::new(kernel).unwrap().limit(Some(LIMIT));
        let machine = machine.lab_nic(spec, &mut lab).unwrap();
        let lab = Arc::new(lab);
        let guest = machine.handler(Arc::clone(&lab) as Arc<_>).boot().unwrap();
        let bench = Self {
            guest,
            lab,
            _folder: folder,
        };
        bench.run("modprobe ixgbevf; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
        // The generator's frames have destination addresses of other machines, so the interface is
        // promiscuous.
        bench.run("ip link set eth0 up promisc on; ip address add 10.0.0.2/24 dev eth0");
        bench.wait_for_carrier(1);
        bench
    }

    fn run(&self, script: &str) -> String {
        let out = self.guest.run(&["sh", "-ec", script], LIMIT).unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.code, 0, "{script}\n{text}\n{errors}");
        text
    }

    fn wait_for_carrier(&self, carrier: u8) {
        self.run(&format!(
            "until grep -q {carrier} /sys/class/net/eth0/carrier; do sleep 0.05; done"
        ));
    }

    /// Returns the frames and bytes that the guest has received.
    fn received(&self) -> (u64, u64) {
        let text = self.run("cd /sys/class/net/eth0/statistics; cat rx_packets rx_bytes");
        let mut numbers = text.lines().map(|line| line.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// Returns how many frames the virtual function has delivered.
    fn delivered(&self) -> u64 {
        self.lab.record(0).unwrap().totals.all_delivered().frames
    }

    /// Sends traffic, and waits for its end and until the guest has received what was delivered. Returns the frames and
    /// bytes that the guest received meanwhile.
    fn send(&self, options: &str) -> (u64, u64) {
        let (before, delivered) = (self.received(), self.delivered());
        self.run(&format!("lab traffic start {options}; lab traffic wait"));
        let all = before.0 + self.delivered() - delivered;
        self.run(&format!(
            "cd /sys/class/net/eth0/statistics
             until [ $(cat rx_packets) -ge {all} ]; do sleep 0.05; done"
        ));
        let after = self.received();
        (after.0 - before.0, after.1 - before.1)
    }
}

#[test]
fn ixgbevf_receives_every_frame() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let bench = Bench::boot(kernel);
        bench.run("busybox ping -c 3 -i 0.2 -W 60 10.0.0.1");

        let got = bench.send("gen:count=20000");
        assert_eq!(got, (20_000, 20_000 * 60), "{name}: as fast as it can");
        let before = bench.lab.record(0).unwrap().totals;
        let got = bench.send("gen:size=60-1514,rate=5kpps,count=5000");
        let now = bench.lab.record(0).unwrap().totals;
        let frames = now.all_delivered().frames - before.all_delivered().frames;
        let bytes = now.all_delivered().bytes - before.all_delivered().bytes;
        assert_eq!(got, (frames, bytes), "{name}: at a rate");
        assert_eq!(frames + now.missed.frames, 5000, "{name}");

        // The frames are far more than the ring has descriptors. Only the host knows how many are
        // missed.
        let before = bench.lab.record(0).unwrap().totals;
        let (frames, _) = bench.send("--flood gen:count=100000");
        let now = bench.lab.record(0).unwrap().totals;
        let delivered = now.all_delivered().frames - before.all_delivered().frames;
        let missed = now.missed.frames - before.missed.frames;
        assert_eq!((frames, delivered + missed), (delivered, 100_000), "{name}");
        assert!(missed > 0, "{name}");
        let counts = bench.run("lab counts --nic 0");
        let counts: Value = serde_json::from_str(&counts).unwrap();
        assert_eq!(counts["missed"]["frames"], now.missed.frames, "{name}");

        bench.lab.fault(0, Fault::Link(false)).unwrap();
        bench.wait_for_carrier(0);
        bench.run("lab fault link-up");
        bench.wait_for_carrier(1);
        assert_eq!(
            bench.send("gen:count=100"),
            (100, 6000),
            "{name}: after the flap"
        );
        let wrong = bench.guest.run(&["lab", "fault", "fire"], LIMIT).unwrap();
        assert_ne!(wrong.code, 0, "{name}");
        bench.guest.shutdown().unwrap();
    }
}
