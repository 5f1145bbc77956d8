//! Tests of streams that a program waits for with poll(2) and epoll, on running engines.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::Poll;

use hpcap::abi::{self, hpcap_attach};
use hpcap::pcapfile::{PcapWriter, Precision};
use hpcap::stream::Pollable;
use hpcap::{Contract, Error, Event, Kind, QueueName, Reason, Request, Start, Timestamp};
use hpcap_engine::{Engine, EngineConfig};
use hpcap_ipc::socket::Socket;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use testkit::wait::{time_limit, wait_until};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A source that is slow enough for a listener to wait for it again and again.
const SLOW: &str = "gen:size=60,rate=5000pps,count=1000";
const SLOW_FRAMES: u64 = 1000;

/// A source that gives nothing while a test runs.
const SILENT: &str = "gen:size=60,rate=1pps,count=1000000";

fn start(source: &str) -> Engine {
    let mut config = EngineConfig::new(QueueName::new(0, 0), source.parse().unwrap());
    config.ring_bytes = 4 << 20;
    config.start_on_attach = true;
    Engine::start(&config).unwrap().0
}

fn record(engine: &Engine) -> Pollable {
    engine.queue().record("test").unwrap().pollable().unwrap()
}

fn readable(stream: &Pollable, timeout: PollTimeout) -> bool {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, timeout).unwrap() > 0
}

/// Waits until the descriptor is readable.
fn wait(stream: &Pollable) {
    let limit = PollTimeout::try_from(time_limit()).unwrap();
    let listener = stream.stream().listener().unwrap();
    assert!(
        readable(stream, limit),
        "the descriptor stays silent at {}, with {} unread bytes, ended: {}",
        listener.position(),
        listener.available(),
        listener.ended()
    );
}

/// Reads until nothing more has come yet.
fn read_all(stream: &mut Pollable) -> u64 {
    let mut frames = 0;
    loop {
        match stream.try_next().unwrap() {
            Poll::Ready(Some(event)) => frames += u64::from(matches!(event, Event::Frame(_))),
            Poll::Ready(None) => panic!("the source ended"),
            Poll::Pending => return frames,
        }
    }
}

/// Waits for the descriptor, again and again, until the stream ends. Returns the error.
fn error_at_the_end(stream: &mut Pollable) -> Error {
    loop {
        match stream.try_next() {
            Ok(Poll::Ready(event)) => assert!(event.is_some(), "no error"),
            Ok(Poll::Pending) => wait(stream),
            Err(e) => return e,
        }
    }
}

#[test]
fn poll_wakes_for_every_frame_until_the_end() {
    let engine = start(SLOW);
    let mut stream = record(&engine);
    let (mut frames, mut waits) = (0, 0);
    loop {
        match stream.try_next().unwrap() {
            Poll::Ready(Some(event)) => frames += u64::from(matches!(event, Event::Frame(_))),
            Poll::Ready(None) => break,
            Poll::Pending => {
                waits += 1;
                wait(&stream);
            }
        }
    }
    assert_eq!(frames, SLOW_FRAMES);
    assert!(waits > 1, "{waits} waits");
    engine.stop().unwrap();
}

/// A program may wait before each event, although it should read until `Pending`.
#[test]
fn poll_before_each_event_never_hangs() {
    let engine = start(SLOW);
    let mut stream = record(&engine);
    let mut frames = 0;
    loop {
        match stream.try_next().unwrap() {
            Poll::Ready(Some(event)) => frames += u64::from(matches!(event, Event::Frame(_))),
            Poll::Ready(None) => break,
            Poll::Pending => {}
        }
        if frames < SLOW_FRAMES {
            wait(&stream);
        }
    }
    assert_eq!(frames, SLOW_FRAMES);
    engine.stop().unwrap();
}

#[test]
fn edge_triggered_epoll_misses_no_wakeup() {
    let engine = start(SLOW);
    let mut stream = record(&engine);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0);
    epoll.add(stream.as_fd(), event).unwrap();
    let limit = EpollTimeout::try_from(time_limit()).unwrap();
    let mut frames = 0;
    loop {
        match stream.try_next().unwrap() {
            Poll::Ready(Some(event)) => frames += u64::from(matches!(event, Event::Frame(_))),
            Poll::Ready(None) => break,
            Poll::Pending => {
                let mut events = [EpollEvent::empty()];
                assert_eq!(epoll.wait(&mut events, limit).unwrap(), 1);
            }
        }
    }
    assert_eq!(frames, SLOW_FRAMES);
    engine.stop().unwrap();
}

#[tokio::test]
async fn tokio_misses_no_wakeup() {
    let engine = start(SLOW);
    let stream = record(&engine);
    // SAFETY: the stream owns its descriptor and returns the same one until it is dropped.
    let mut stream =
        unsafe { AsyncFd::register_with_interest(stream, Interest::READABLE) }.unwrap();
    let mut frames = 0;
    loop {
        match stream.get_mut().try_next().unwrap() {
            Poll::Ready(Some(event)) => frames += u64::from(matches!(event, Event::Frame(_))),
            Poll::Ready(None) => break,
            Poll::Pending => {
                let ready = tokio::time::timeout(time_limit(), stream.readable()).await;
                ready.expect("a wake-up").unwrap().clear_ready();
            }
        }
    }
    assert_eq!(frames, SLOW_FRAMES);
    engine.stop().unwrap();
}

#[test]
fn descriptor_is_silent_while_nothing_comes() {
    let engine = start(SILENT);
    let mut stream = record(&engine);
    read_all(&mut stream);
    // A wake-up that was on its way may still arrive, but after it the descriptor is silent.
    wait_until("silence", || {
        read_all(&mut stream);
        !readable(&stream, PollTimeout::ZERO)
    });
    engine.stop().unwrap();
}

#[test]
fn kill_makes_the_descriptor_readable() {
    let engine = start(SILENT);
    let mut stream = record(&engine);
    read_all(&mut stream);
    let id = stream.stream().listener().unwrap().id();
    engine.queue().kill(id).unwrap();
    assert_eq!(error_at_the_end(&mut stream).kind(), Kind::Killed);
    wait(&stream);
}

#[test]
fn stop_makes_the_descriptor_readable() {
    let engine = start(SILENT);
    let mut stream = record(&engine);
    read_all(&mut stream);
    let stopper = std::thread::spawn(move || engine.stop().unwrap());
    assert_eq!(error_at_the_end(&mut stream).kind(), Kind::Gone);
    stopper.join().unwrap();
    wait(&stream);
}

#[test]
fn failure_makes_the_descriptor_readable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.pcap");
    let mut file = PcapWriter::new(Vec::new(), 1, 65_535, Precision::Nanoseconds);
    let time = Timestamp::new(1, 0);
    file.frame(time, 60, &[0; 60]).unwrap();
    let mut bytes = file.into_inner().unwrap();
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&path, bytes).unwrap();
    let engine = start(&format!("pcap:{}", path.display()));
    let mut stream = record(&engine);
    assert_eq!(error_at_the_end(&mut stream).kind(), Kind::Gone);
    assert!(engine.stop().is_err());
}

/// A connection to an engine that speaks its protocol by hand.
struct Client(Socket);

impl Client {
    fn new(engine: &Engine) -> Self {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        engine.serve(theirs).unwrap();
        Self(Socket::from(ours))
    }

    fn ask(&self, op: u32) -> (i32, Vec<OwnedFd>) {
        let message = hpcap_attach {
            magic: abi::HPCAP_ATTACH_MAGIC,
            abi_version: abi::HPCAP_ABI_VERSION,
            op,
            contract: abi::HPCAP_LOSSY,
            start: abi::HPCAP_START_NEWEST,
            ..hpcap_attach::zeroed()
        };
        self.0.send(&message, &[]).unwrap();
        let (answer, fds) = self.0.receive().unwrap().unwrap();
        (answer.error, fds)
    }
}

#[test]
fn listener_gets_one_wakeup_socket() {
    let engine = start(SILENT);
    let client = Client::new(&engine);
    assert_eq!(client.ask(abi::HPCAP_OP_WAKEUP).0, libc::EINVAL);
    assert_eq!(client.ask(abi::HPCAP_OP_ATTACH).0, 0);
    let (error, fds) = client.ask(abi::HPCAP_OP_WAKEUP);
    assert_eq!((error, fds.len()), (0, 1));
    let (error, fds) = client.ask(abi::HPCAP_OP_WAKEUP);
    assert_eq!((error, fds.len()), (libc::EBUSY, 0));
    engine.stop().unwrap();
}

/// Hostile listeners ask for wake-ups without end and never receive one, make their sockets blocking,
/// or close them. A recorder beside them still gets every frame of a source that never waits.
#[test]
fn hostile_listeners_cannot_stop_the_producer() {
    const FRAMES: u64 = 20_000;
    let engine = start(&format!(
        "gen:size=60,rate=20kpps,late=delay,count={FRAMES}"
    ));
    let request = Request {
        contract: Contract::Lossy,
        start: Start::Newest,
        program: "hostile".into(),
    };
    let mut hostile: Vec<_> = (0..31)
        .map(|_| {
            let mut listener = engine.attach(&request).unwrap();
            listener.enable_wakeup_fd().unwrap();
            listener
        })
        .collect();
    for (n, listener) in hostile.iter().enumerate() {
        let fd = listener.wakeup_fd().unwrap();
        match n % 3 {
            0 => assert_eq!(fcntl(fd, FcntlArg::F_SETFL(OFlag::empty())), Ok(0)),
            1 => shutdown(fd.as_raw_fd(), Shutdown::Both).unwrap(),
            _ => {}
        }
    }
    let mut stream = record(&engine);
    let mut frames = 0;
    loop {
        for listener in &mut hostile {
            // Requests a wake-up at each position, without ever waiting for it.
            let _ = listener.request_wakeup(1);
        }
        match stream.try_next().unwrap() {
            Poll::Ready(Some(Event::Frame(_))) => frames += 1,
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => break,
            Poll::Pending => wait(&stream),
        }
    }
    // The source began when the first listener attached, before the recorder.
    let recorder = stream.stream().listener().unwrap();
    let end = recorder.end().unwrap().at.ledger;
    let since = end.since(&recorder.start().ledger);
    assert!(since.lost().is_zero(), "{since:?}");
    assert_eq!(frames, since[Reason::Captured].frames);
    assert_eq!(end.on_the_wire().frames, FRAMES);
    engine.stop().unwrap();
}

#[test]
fn wakeup_socket_is_closed_with_its_connection() {
    let engine = start(SILENT);
    let client = Client::new(&engine);
    assert_eq!(client.ask(abi::HPCAP_OP_ATTACH).0, 0);
    let (_, fds) = client.ask(abi::HPCAP_OP_WAKEUP);
    drop(client);
    let mut ends = [PollFd::new(fds[0].as_fd(), PollFlags::empty())];
    let limit = PollTimeout::try_from(time_limit()).unwrap();
    assert_eq!(poll(&mut ends, limit).unwrap(), 1);
    engine.stop().unwrap();
}
