//! The software 82599 with the distribution's own ixgbe, in a virtual machine of each kernel. This
//! driver does not know that the NIC is software, so it is an independent judge. Each machine takes
//! about 15 s: boot, the driver's self-test, and its link changes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use vmlab::kernel::Kernel;
use vmlab::machine::{Guest, Machine};
use vmlab::nic::pf::Pf;
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::shared::Shared;
use vmlab::traffic::answer::Neighbour;

use common::kernel;

/// Ends only what hangs: a busy host makes a machine many times slower.
const LIMIT: Duration = Duration::from_secs(1200);
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// A guest with one software 82599. The driver is loaded and the link is up.
struct Lab {
    guest: Guest,
    nic: Arc<Shared<Pf>>,
}

impl Lab {
    fn boot(kernel: Kernel) -> Self {
        let machine = Machine::new(kernel).unwrap().limit(Some(LIMIT));
        let mut nic = Pf::new(MAC, Box::new(machine.interrupts()));
        nic.set_wire(Box::new(Neighbour::of(0)));
        let nic = Arc::new(Shared::new(nic));
        let guest = machine.nic(nic.clone()).boot().unwrap();
        let lab = Self { guest, nic };
        lab.run("modprobe ixgbe; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
        lab.run("ip link set eth0 up; ip address add 10.0.0.2/24 dev eth0");
        lab.wait_for_carrier();
        lab
    }

    fn run(&self, script: &str) -> String {
        let out = self.guest.run(&["sh", "-ec", script], LIMIT).unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(
            out.code,
            0,
            "{script}\n{text}\n{}",
            String::from_utf8_lossy(&out.stderr)
        );
        text
    }

    fn wait_for_carrier(&self) {
        self.run("until grep -q 1 /sys/class/net/eth0/carrier; do sleep 0.05; done");
    }

    /// Returns how many frames the driver has received.
    fn packets(&self) -> u64 {
        let text = self.run("cat /sys/class/net/eth0/statistics/rx_packets");
        text.trim().parse().unwrap()
    }

    /// Waits until the driver has received this many frames.
    fn wait_for_packets(&self, number: u64) {
        self.run(&format!(
            "cd /sys/class/net/eth0/statistics
             until [ $(cat rx_packets) -ge {number} ]; do sleep 0.05; done"
        ));
    }

    /// Returns rx_packets, rx_bytes, rx_missed_errors, rx_crc_errors, rx_length_errors.
    fn counters(&self) -> [u64; 5] {
        // ethtool -S makes the driver read the NIC's registers at once, instead of within two
        // seconds.
        let text = self.run(
            "ethtool -S eth0 > /dev/null; cd /sys/class/net/eth0/statistics
             cat rx_packets rx_bytes rx_missed_errors rx_crc_errors rx_length_errors",
        );
        let numbers: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    /// Returns the growth of the counters during `meanwhile`.
    fn counted(&self, meanwhile: impl FnOnce(&Self)) -> [u64; 5] {
        let before = self.counters();
        meanwhile(self);
        let after = self.counters();
        std::array::from_fn(|i| after[i] - before[i])
    }

    /// Sends frames that wait for room, so that none is missed, and waits until the driver has received the last one.
    fn send(&self, frames: usize, len: usize) {
        let frame = frame(len);
        let all = self.packets() + frames as u64;
        let limit = Instant::now() + LIMIT;
        let mut sent = 0;
        while sent < frames {
            let mut nic = self.nic.wire();
            let mut burst = 0;
            while burst < 64 && sent < frames && nic.has_room(&frame) {
                assert_eq!(nic.receive(&frame), Outcome::Delivered { queue: 0 });
                burst += 1;
                sent += 1;
            }
            nic.flush();
            drop(nic);
            if burst == 0 {
                assert!(
                    Instant::now() < limit,
                    "the driver takes no frames after {sent}"
                );
                thread::sleep(Duration::from_micros(100));
            }
        }
        self.wait_for_packets(all);
    }
}

/// Returns a frame to the guest with a protocol that the guest does not know.
fn frame(len: usize) -> Vec<u8> {
    let mut frame = vec![0x5A; len];
    frame[..6].copy_from_slice(&MAC);
    frame[12..14].copy_from_slice(&[0x88, 0xB5]);
    frame
}

#[test]
fn ixgbe_self_test_passes() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let lab = Lab::boot(kernel);
        lab.run("busybox ping -c 3 -i 0.2 -W 60 10.0.0.1");
        let verdict = lab.run("ethtool -t eth0 offline");
        assert!(verdict.contains("The test result is PASS"), "{verdict}");
        lab.wait_for_carrier();

        let [packets, bytes, missed, ..] = lab.counted(|lab| lab.send(20_000, 60));
        assert_eq!(
            (packets, bytes, missed),
            (20_000, 20_000 * 60, 0),
            "as fast as it can"
        );

        // The frames are far more than the ring has descriptors, and no packet buffer can hold
        // them.
        lab.nic.bus().limit_packet_buffer(Some(0));
        let mut delivered = 0;
        let [packets, _, missed, ..] = lab.counted(|lab| {
            let before = lab.packets();
            let mut nic = lab.nic.wire();
            for _ in 0..20_000 {
                let outcome = nic.receive(&frame(60));
                delivered += u64::from(outcome == Outcome::Delivered { queue: 0 });
            }
            nic.flush();
            drop(nic);
            lab.wait_for_packets(before + delivered);
        });
        assert_eq!((packets, missed), (delivered, 20_000 - delivered));
        assert!(
            (256..5000).contains(&delivered),
            "{delivered}: about a ring"
        );
        lab.nic.bus().limit_packet_buffer(None);

        // Each frame takes several descriptors.
        lab.run("ip link set eth0 mtu 9000");
        lab.wait_for_carrier();
        let [packets, bytes, ..] = lab.counted(|lab| lab.send(300, 9014));
        assert_eq!((packets, bytes), (300, 300 * 9014));
        lab.run("busybox ping -c 2 -i 0.2 -W 60 -s 8000 10.0.0.1");

        let [packets, _, _, crc, _] = lab.counted(|lab| {
            lab.nic.bus().next_frame_error(0);
            assert_eq!(lab.nic.wire().receive(&frame(60)), Outcome::Error);
            lab.send(5, 60);
        });
        assert_eq!((packets, crc), (5, 1));
        lab.guest.shutdown().unwrap();
    }
}

#[test]
fn ixgbe_survives_removal() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let lab = Lab::boot(kernel);
        for _ in 0..3 {
            lab.run("ip link set eth0 down; ip link set eth0 up");
            lab.wait_for_carrier();
            lab.run("rmmod ixgbe; modprobe ixgbe; ip link set eth0 up");
            lab.wait_for_carrier();
        }
        lab.run("ip address add 10.0.0.2/24 dev eth0; busybox ping -c 1 -W 60 10.0.0.1");
        lab.nic.bus().set_link(false);
        lab.run("until grep -q 0 /sys/class/net/eth0/carrier; do sleep 0.05; done");
        lab.nic.bus().set_link(true);
        lab.wait_for_carrier();
        lab.run("busybox ping -c 1 -W 60 10.0.0.1");
        lab.nic.bus().remove();
        lab.run("rmmod ixgbe");
        lab.guest.shutdown().unwrap();
    }
}
