//! Traffic into a simulated NIC that accepts some of the frames, and the record of the traffic.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::Kind;
use hpcap_source::SourceSpec;
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::shared::Shared;
use vmlab::traffic::content::Frames;
use vmlab::traffic::{Nic, Pace, Record, Sender};

/// A NIC with `room` descriptors, to which a driver adds `refill` descriptors after every burst.
#[derive(Debug, Default)]
struct Fake {
    down: bool,
    room: usize,
    refill: usize,
    /// Whether some frames, chosen by number, have another outcome than room decides.
    whims: bool,
    seen: u64,
    delivered: Vec<Vec<Vec<u8>>>,
}

impl Receive for Fake {
    fn is_up(&self) -> bool {
        !self.down
    }

    fn has_room(&self, _: &[u8]) -> bool {
        self.room > 0
    }

    fn receive(&mut self, frame: &[u8]) -> Outcome {
        self.seen += 1;
        if self.whims && self.seen.is_multiple_of(7) {
            return Outcome::Error;
        }
        if self.whims && self.seen.is_multiple_of(11) {
            return Outcome::Filtered;
        }
        if self.room == 0 {
            return Outcome::Missed;
        }
        self.room -= 1;
        let queue = frame.len() % 3;
        self.delivered.resize(3, Vec::new());
        self.delivered[queue].push(frame.to_vec());
        Outcome::Delivered {
            queue: queue as u16,
        }
    }

    fn flush(&mut self) {
        self.room += self.refill;
    }
}

struct Bench {
    fake: Arc<Shared<Fake>>,
    sender: Sender,
    folder: tempfile::TempDir,
}

fn bench(fake: Fake) -> Bench {
    let fake = Arc::new(Shared::new(fake));
    let folder = tempfile::tempdir().unwrap();
    let nic: Nic = fake.clone();
    Bench {
        sender: Sender::new(Record::new("nic0", true), nic, folder.path()).unwrap(),
        fake,
        folder,
    }
}

impl Bench {
    fn start(&self, source: &str) {
        let source: SourceSpec = source.parse().unwrap();
        self.sender.start(&source, Pace::of(&source)).unwrap();
    }

    fn all(&self, source: &str) -> Record {
        self.start(source);
        self.sender.wait().unwrap();
        self.sender.record()
    }

    fn until_seen(&self, frames: u64) {
        while self.fake.bus().seen < frames {
            std::thread::yield_now();
        }
    }

    /// Verifies that the record's delivered frames are those that the NIC delivered, to the byte.
    fn check(&self) -> Record {
        let record = self.sender.record();
        let mut expected = vec![Vec::new(); 3];
        let mut offered = 0;
        for segment in &record.segments {
            let mut frames = Frames::open(&segment.content.parse().unwrap()).unwrap();
            for outcome in segment.runs.outcomes() {
                let frame = frames.next().unwrap().expect("as many as were offered");
                offered += 1;
                if let Outcome::Delivered { queue } = outcome {
                    expected[usize::from(queue)].push(frame.to_vec());
                }
            }
        }
        let mut fake = self.fake.bus();
        fake.delivered.resize(3, Vec::new());
        assert!(fake.delivered == expected, "other frames than recorded");
        assert_eq!(fake.seen, offered);
        assert_eq!(record.totals.offered.frames, offered);
        for (queue, frames) in expected.iter().enumerate() {
            let total = record.totals.delivered.get(&(queue as u16));
            let total = total.copied().unwrap_or_default();
            let bytes = frames.iter().map(|f| f.len() as u64).sum::<u64>();
            assert_eq!((total.frames, total.bytes), (frames.len() as u64, bytes));
        }
        record
    }
}

#[test]
fn sender_that_waits_misses_nothing() {
    let bench = bench(Fake {
        room: 5,
        refill: 97,
        ..Fake::default()
    });
    bench.all("gen:size=60-1514,count=20000");
    let totals = bench.check().totals;
    assert_eq!(totals.offered.frames, 20_000);
    assert_eq!(totals.missed.frames, 0);
    assert_eq!(totals.all_delivered().frames, 20_000);
}

#[test]
fn record_has_every_outcome() {
    let bench = bench(Fake {
        room: 500,
        refill: 30,
        whims: true,
        ..Fake::default()
    });
    let source = "gen:size=imix,count=20000".parse().unwrap();
    bench.sender.start(&source, Pace::Flood).unwrap();
    bench.sender.wait().unwrap();
    let totals = bench.check().totals;
    assert_eq!(totals.errors.frames, 20_000 / 7);
    assert_eq!(totals.filtered.frames, 20_000 / 11 - 20_000 / 77);
    assert!(totals.missed.frames > 1000, "{totals:?}");
}

#[test]
fn sources_follow_each_other_at_their_rate() {
    let bench = bench(Fake {
        room: usize::MAX / 2,
        ..Fake::default()
    });
    let from = Instant::now();
    bench.all("gen:rate=10kpps,duration=100ms");
    let took = from.elapsed();
    assert!(took >= Duration::from_millis(99), "{took:?}");
    bench.all("gen:count=50,seed=2");
    let record = bench.check();
    let frames: Vec<_> = record.segments.iter().map(|s| s.runs.frames()).collect();
    assert_eq!(frames, [1000, 50]);
}

#[test]
fn sender_waits_for_the_interface() {
    let bench = bench(Fake {
        down: true,
        room: 1000,
        ..Fake::default()
    });
    bench.start("gen:rate=1Mpps,count=100");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(bench.fake.bus().seen, 0);
    assert!(bench.sender.is_busy());
    bench.fake.bus().down = false;
    bench.sender.wait().unwrap();
    assert_eq!(bench.check().totals.offered.frames, 100);
}

#[test]
fn second_traffic_waits_for_the_first() {
    let bench = bench(Fake {
        room: 100,
        ..Fake::default()
    });
    bench.start("gen:");
    let other = "gen:count=1".parse().unwrap();
    let refused = bench.sender.start(&other, Pace::Room).unwrap_err();
    assert_eq!(refused.kind(), Kind::Busy);
    // There is no room after 100 frames. The sender waits, and can be stopped.
    bench.until_seen(100);
    bench.sender.stop().unwrap();
    assert!(!bench.sender.is_busy());
    assert_eq!(bench.check().totals.offered.frames, 100);
}

#[test]
fn flood_does_not_wait_for_room() {
    let bench = bench(Fake {
        room: 10,
        ..Fake::default()
    });
    bench.sender.storm(500).unwrap();
    bench.sender.wait().unwrap();
    let totals = bench.check().totals;
    assert_eq!(totals.all_delivered().frames, 10);
    assert_eq!(totals.missed.frames, 490);

    // A storm during traffic that waits consists of the next frames of this traffic.
    bench.start("gen:count=1000");
    bench.sender.storm(300).unwrap();
    bench.until_seen(800);
    bench.sender.stop().unwrap();
    let record = bench.check();
    assert_eq!(record.totals.missed.frames, 790);
    assert_eq!(record.segments[1].runs.to_string(), "missed*300");
}

#[test]
fn failing_source_is_named() {
    let bench = bench(Fake {
        room: 10,
        ..Fake::default()
    });
    let missing: SourceSpec = "pcap:/nowhere/x.pcap".parse().unwrap();
    let error = bench.sender.start(&missing, Pace::Room).unwrap_err();
    assert!(error.to_string().contains("/nowhere/x.pcap"), "{error}");

    // The file is truncated in its second frame. The first frame is sent, and the error is
    // reported.
    let path = bench.folder.path().join("cut.pcap");
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1, 1, 0, 60, 60] {
        file.extend(word.to_le_bytes());
    }
    file.extend([9; 60]);
    file.extend([1, 0, 0]);
    std::fs::write(&path, file).unwrap();
    bench.start(&format!("pcap:{}", path.display()));
    let error = bench.sender.wait().unwrap_err();
    assert!(error.to_string().contains("cut.pcap"), "{error}");
    assert_eq!(bench.sender.record().totals.offered.frames, 1);
}

/// Creates a network namespace for this thread with a pair of interfaces: frames to 10.9.0.2 leave
/// `near` and arrive at `far`. Returns `None` where this is not allowed.
fn two_interfaces() -> Option<()> {
    if let Err(e) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
        println!("skipped: frames of an interface; a network namespace: {e}");
        return None;
    }
    let script = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
        ip link add near type veth peer name far
        ip address add 10.9.0.1/24 dev near
        ip link set near up; ip link set far up
        ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:99 dev near";
    let done = Command::new("sh").args(["-ec", script]).status().unwrap();
    assert!(done.success());
    Some(())
}

#[test]
fn live_frames_are_kept_for_comparison() {
    if two_interfaces().is_none() {
        return;
    }
    let bench = bench(Fake {
        room: 1000,
        ..Fake::default()
    });
    bench.start("af_packet:far,direction=in");
    let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
    for n in 0..100u8 {
        socket
            .send_to(&vec![n; 10 + usize::from(n)], "10.9.0.2:9")
            .unwrap();
    }
    bench.until_seen(100);
    bench.sender.stop().unwrap();
    let record = bench.check();
    assert_eq!(record.totals.offered.frames, 100);
    // The headers have 42 bytes. Short frames are padded.
    let bytes: u64 = (0..100).map(|n| (52 + n).max(60)).sum();
    assert_eq!(record.totals.offered.bytes, bytes);
    assert!(record.segments[0].content.starts_with("pcap:/"));
}
