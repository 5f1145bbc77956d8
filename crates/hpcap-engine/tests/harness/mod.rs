//! A producer and its listeners in one thread, which tests run step by step, without a clock or a
//! poll thread.

#![expect(dead_code, reason = "each test file uses a part of it")]
#![expect(unreachable_pub, reason = "not an API")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};

use hpcap::abi::{self, hpcap_attach, hpcap_listener};
use hpcap::queue::Connect;
use hpcap::raw::{Altered, Event, Gap};
use hpcap::{Contract, Kind, Listener, Queue, Reason, Request, Result, Start};
use hpcap_engine::ring::Producer;
use hpcap_engine::ring::memory::{Pages, QueueMemory, new_slot};
use hpcap_ipc::connection::Connection;
use hpcap_ipc::memory::{Access, Mapping};
use hpcap_ipc::socket::Socket;
use hpcap_source::Frame;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// Returns connections that already contain the producer's reply.
#[derive(Debug, Default)]
struct Answered(Mutex<Vec<OwnedFd>>);

impl Connect for Answered {
    fn connect(&self) -> Result<Connection> {
        let end = self.0.lock().unwrap().pop().expect("a prepared connection");
        Ok(Connection::from(end))
    }
}

/// A queue without a poll thread.
pub struct Bench {
    pub producer: Producer,
    pub queue: Queue,
    answered: Arc<Answered>,
    clock_ns: u64,
    next_id: u64,
    pub block_bytes: u64,
    /// The producer's ends of the connections, which must stay open.
    kept: Vec<(usize, Socket)>,
}

/// An attached listener and its slot.
#[derive(Debug)]
pub struct Attached {
    pub listener: Listener,
    pub slot: usize,
}

/// Layout and flags of a test's queue.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub ring_bytes: u64,
    /// Number of blocks in the longest file.
    pub file_blocks: u64,
    /// Stream offset of the first byte; rounded down to a block.
    pub start_off: u64,
    pub plain: bool,
    pub look_back: bool,
}

impl Shape {
    pub fn small() -> Self {
        Self {
            ring_bytes: 512 << 10,
            file_blocks: 2,
            start_off: 0,
            plain: false,
            look_back: false,
        }
    }
}

/// Adds a connection that already contains `message` and `fds`. Returns the producer's end of it.
fn prepare(answered: &Answered, message: &hpcap_attach, fds: &[i32]) -> Socket {
    let (client, server) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let server = Socket::from(server);
    server.send(message, fds).unwrap();
    answered.0.lock().unwrap().push(client);
    server
}

fn answer() -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        ..hpcap_attach::zeroed()
    }
}

impl Bench {
    pub fn new(shape: Shape) -> Self {
        let (mut memory, _) = QueueMemory::allocate(shape.ring_bytes, Pages::Ordinary).unwrap();
        let mut block_bytes = 0;
        memory.describe(|page| {
            block_bytes = page.block_bytes;
            page.start_off = shape.start_off / block_bytes * block_bytes;
            page.file_bytes_max = shape.file_blocks * block_bytes;
            let flag = |set: bool, flag: u32| if set { flag } else { 0 };
            page.flags = flag(shape.plain, abi::HPCAP_QUEUE_PLAIN)
                | flag(shape.look_back, abi::HPCAP_QUEUE_LOOK_BACK);
            page.link_type = 1;
            page.start_ns = 1;
            page.interface = abi::field("test0");
        });
        let producer = Producer::new(memory).unwrap();
        let answered = Arc::new(Answered::default());
        let queue_fd = producer.memory().queue_fd().as_raw_fd();
        let kept = prepare(&answered, &answer(), &[queue_fd]);
        let queue = Queue::of(answered.clone()).unwrap();
        let mut bench = Self {
            producer,
            queue,
            answered,
            clock_ns: 0,
            next_id: 1,
            block_bytes,
            kept: vec![(usize::MAX, kept)],
        };
        bench.service();
        bench
    }

    /// Advances the clock by slightly more than a millisecond and services the producer.
    pub fn service(&mut self) {
        self.pass(1_100_000);
    }

    pub fn pass(&mut self, ns: u64) {
        self.clock_ns += ns;
        self.producer
            .service(self.clock_ns, 1_000_000_000 + self.clock_ns);
    }

    /// Attaches a listener, and lets time pass until its file starts. `None` if all slots are
    /// taken, or if the ring is so full that no file can start.
    pub fn attach(&mut self, contract: Contract, start: Start) -> Option<Attached> {
        let (slot_fd, map) = new_slot().unwrap();
        let (code, max_stall_ns) = match contract {
            Contract::Lossless => (abi::HPCAP_LOSSLESS, 0),
            Contract::LosslessFor(t) => (abi::HPCAP_LOSSLESS, t.as_nanos() as u64),
            Contract::Lossy => (abi::HPCAP_LOSSY, 0),
        };
        let id = self.next_id;
        let listener = hpcap_listener {
            id,
            contract: code,
            max_stall_ns,
            ..hpcap_listener::zeroed()
        };
        let slot = match self.producer.attach(map, &listener, start) {
            Ok(slot) => slot,
            Err(e) => {
                assert_eq!(e.kind(), Kind::Full);
                return None;
            }
        };
        self.next_id += 1;
        // The producer ends a small file for a new listener only when the file is 10 s old.
        for _ in 0..200 {
            if self.producer.is_active(slot) {
                break;
            }
            self.pass(100_000_000);
        }
        if !self.producer.is_active(slot) {
            self.producer.detach(slot);
            return None;
        }
        let message = hpcap_attach {
            slot: slot as u32,
            id,
            ..answer()
        };
        let fds = [
            self.producer.memory().ring_fd().as_raw_fd(),
            self.producer.memory().queue_fd().as_raw_fd(),
            slot_fd.as_raw_fd(),
        ];
        let kept = prepare(&self.answered, &message, &fds);
        self.kept.push((slot, kept));
        let request = Request {
            contract,
            start,
            program: "test".into(),
        };
        let listener = self.queue.attach(&request).unwrap();
        Some(Attached { listener, slot })
    }

    /// Attaches a listener whose slot page the test itself writes. Returns the slot and the page.
    pub fn attach_hostile(&mut self, contract: u32, start: Start) -> (usize, Mapping) {
        let (slot_fd, map) = new_slot().unwrap();
        let hostile = Mapping::of(
            slot_fd.as_fd(),
            abi::HPCAP_SLOT_BYTES,
            Access::Write,
            "slot",
        )
        .unwrap();
        let listener = hpcap_listener {
            id: self.next_id,
            contract,
            ..hpcap_listener::zeroed()
        };
        self.next_id += 1;
        let slot = self.producer.attach(map, &listener, start).unwrap();
        (slot, hostile)
    }

    pub fn detach(&mut self, attached: Attached) {
        self.producer.detach(attached.slot);
        self.kept.retain(|(slot, _)| *slot != attached.slot);
    }

    /// Pushes one frame. Returns whether the ring took it.
    pub fn push(&mut self, data: &[u8], sec: u64, nsec: u32) -> bool {
        self.push_long(data, data.len() as u32, sec, nsec)
    }

    /// Pushes and publishes frames of 100 bytes, whose numbers are their times in seconds and decide
    /// their [`content`].
    pub fn push_numbered(&mut self, frames: std::ops::Range<u64>) {
        for n in frames {
            assert!(self.push(&content(n, 100), n, 0), "frame {n}");
        }
        self.service();
    }

    pub fn push_long(&mut self, data: &[u8], len: u32, sec: u64, nsec: u32) -> bool {
        self.producer.push(&[Frame::new(data, len, sec, nsec)]) == 1
    }

    /// Services the producer and returns the published stream offset.
    pub fn head(&mut self) -> u64 {
        self.service();
        self.queue.page().published()
    }

    /// Returns the producer's description of the listener in `slot`.
    pub fn producer_listener(&self, slot: usize) -> hpcap_listener {
        self.queue.page().listener(slot)
    }

    pub fn captured(&self) -> u64 {
        self.queue.ledger().ledger[Reason::Captured].frames
    }
}

/// Returns the content of frame `number`, which follows from the number, so that a test can check
/// it.
pub fn content(number: u64, bytes: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// An owned copy of an event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Frame { ns: u64, len: u16, data: Vec<u8> },
    Padding(usize),
    FileHeader,
    Gap(Box<Gap>),
    Ledger,
    Duplicate,
    Sent,
    Altered(Altered),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Frame(f) => Self::Frame {
                ns: f.time.as_ns(),
                len: f.len,
                data: f.data.to_vec(),
            },
            Event::Padding(body) => {
                assert!(body.iter().all(|b| *b == 0), "padding leaks");
                Self::Padding(body.len())
            }
            Event::FileStart(_) => Self::FileHeader,
            Event::Missed(gap) => Self::Gap(gap),
            Event::FileEnd(_) => Self::Ledger,
            Event::Duplicate => Self::Duplicate,
            Event::Sent => Self::Sent,
            Event::Altered(had) => Self::Altered(had),
            Event::Damaged(damage) => panic!("a listener finds no damage: {damage:?}"),
        }
    }
}

/// Reads everything that is published, and acknowledges it.
pub fn read_all(listener: &mut Listener) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(event) = listener.next_record().unwrap() {
        seen.push(Seen::from(event));
    }
    listener.ack().unwrap();
    seen
}

/// Returns the data of the frames in `seen`.
pub fn frames(seen: &[Seen]) -> Vec<Vec<u8>> {
    seen.iter()
        .filter_map(|s| match s {
            Seen::Frame { data, .. } => Some(data.clone()),
            _ => None,
        })
        .collect()
}
