//! A queue without a poll thread, whose producer is the measuring thread itself.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hpcap::abi::{self, hpcap_attach, hpcap_listener};
use hpcap::error::Context;
use hpcap::queue::Connect;
use hpcap::{Contract, Error, Kind, Listener, Queue, Request, Result, Start};
use hpcap_engine::ring::Producer;
use hpcap_engine::ring::memory::{Pages, QueueMemory, new_slot};
use hpcap_ipc::connection::Connection;
use hpcap_ipc::socket::Socket;
use hpcap_source::Frame;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// Number of frames in a batch.
const BATCH: usize = 64;

/// A producer and the queue as a listener sees it.
pub(super) struct TestQueue {
    producer: Producer,
    queue: Queue,
    answers: Arc<Answers>,
    frame: Vec<u8>,
    portion: u64,
    clock_ns: u64,
}

/// Connections that already contain the producer's answer.
#[derive(Debug, Default)]
struct Answers {
    connections: Mutex<Vec<OwnedFd>>,
    /// The producer's ends, which must stay open.
    kept: Mutex<Vec<Socket>>,
}

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connect for Answers {
    fn connect(&self) -> Result<Connection> {
        let mut connections = lock(&self.connections);
        let why = "no answer is prepared";
        let end = connections.pop();
        end.map(Connection::from)
            .ok_or_else(|| Error::new(Kind::Gone, "connect to the queue", why))
    }
}

impl Answers {
    /// Prepares a connection that contains `message` and `fds`.
    fn add(&self, message: &hpcap_attach, fds: &[RawFd]) -> Result<()> {
        let (client, server) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .context(|| "make a socket pair")?;
        let server = Socket::from(server);
        server.send(message, fds).context(|| "answer a client")?;
        lock(&self.connections).push(client);
        lock(&self.kept).push(server);
        Ok(())
    }
}

fn answer() -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        ..hpcap_attach::zeroed()
    }
}

impl TestQueue {
    /// Creates a queue of frames of `frame_bytes` bytes.
    pub(super) fn new(ring_bytes: u64, frame_bytes: usize) -> Result<Self> {
        let (mut memory, _) = QueueMemory::allocate(ring_bytes, Pages::Auto)?;
        memory.describe(|page| {
            page.link_type = 1;
            page.start_ns = 1;
        });
        let producer = Producer::new(memory)?;
        let answers = Arc::new(Answers::default());
        answers.add(&answer(), &[producer.memory().queue_fd().as_raw_fd()])?;
        Ok(Self {
            queue: Queue::of(answers.clone())?,
            producer,
            answers,
            frame: (0..=u8::MAX).cycle().take(frame_bytes).collect(),
            portion: ring_bytes / 2 / (frame_bytes as u64 + abi::HPCAP_RECORD_BYTES as u64),
            clock_ns: 0,
        })
    }

    /// Attaches a listener.
    pub(super) fn attach(&mut self, contract: Contract) -> Result<Listener> {
        let (slot_fd, slot) = new_slot()?;
        let listener = hpcap_listener {
            id: 1,
            contract: match contract {
                Contract::Lossy => abi::HPCAP_LOSSY,
                _ => abi::HPCAP_LOSSLESS,
            },
            ..hpcap_listener::zeroed()
        };
        let slot = self.producer.attach(slot, &listener, Start::Newest)?;
        let message = hpcap_attach {
            slot: u32::try_from(slot).unwrap_or(u32::MAX),
            id: 1,
            ..answer()
        };
        let memory = self.producer.memory();
        let fds = [
            memory.ring_fd().as_raw_fd(),
            memory.queue_fd().as_raw_fd(),
            slot_fd.as_raw_fd(),
        ];
        self.answers.add(&message, &fds)?;
        self.queue.attach(&Request {
            contract,
            start: Start::Newest,
            program: "bench".into(),
        })
    }

    /// Pushes at most `frames` frames and at most half a ring of them. Returns their number.
    pub(super) fn fill(&mut self, frames: u64) -> Result<u64> {
        let portion = frames.min(self.portion);
        let len = u32::try_from(self.frame.len()).unwrap_or(u32::MAX);
        let batch = [Frame::new(&self.frame, len, 1, 0); BATCH];
        let mut left = portion;
        while left > 0 {
            let n = usize::try_from(left).unwrap_or(BATCH).min(BATCH);
            if self.producer.push(&batch[..n]) < n {
                let why = "the ring is full although everything was read";
                return Err(Error::new(Kind::Full, "fill the ring", why));
            }
            left -= n as u64;
            self.clock_ns += 10_000;
            self.producer
                .service(self.clock_ns, 1_000_000_000 + self.clock_ns);
        }
        Ok(portion)
    }
}
