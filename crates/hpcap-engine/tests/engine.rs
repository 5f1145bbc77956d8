//! Tests of engines as programs use them: with a source, listeners of all contracts, and the
//! ledger.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use hpcap::queue::LedgerSnapshot;
use hpcap::raw::Event;
use hpcap::{Contract, Count, Kind, Listener, QueueName, Reason, Request, Start, Waited};
use hpcap_engine::{Engine, EngineConfig};

const SECOND: Duration = Duration::from_secs(1);

fn request(contract: Contract, start: Start) -> Request {
    Request {
        contract,
        start,
        program: "test".into(),
    }
}

fn config(source: &str) -> EngineConfig {
    let mut config = EngineConfig::new(QueueName::new(0, 0), source.parse().unwrap());
    config.ring_bytes = 4 << 20;
    config
}

fn start(config: &EngineConfig) -> Engine {
    Engine::start(config).unwrap().0
}

/// Reads until the queue ends. Returns the count of the frames, and of the losses that gaps report.
fn drain(listener: &mut Listener) -> (Count, Count) {
    let mut frames = Count::default();
    let mut lost = Count::default();
    loop {
        while let Some(event) = listener.next_record().unwrap() {
            match event {
                Event::Frame(frame) => frames += Count::new(1, u64::from(frame.len)),
                Event::Missed(gap) => lost += gap.lost.lost(),
                _ => {}
            }
        }
        listener.ack().unwrap();
        match listener.wait(1, 10 * SECOND).unwrap() {
            Waited::Ended => return (frames, lost),
            Waited::Ready => {}
            Waited::TimedOut => panic!("nothing for 10 s"),
        }
    }
}

fn assert_balances(snapshot: &LedgerSnapshot, sent: u64) {
    assert_eq!(
        snapshot.ledger.on_the_wire().frames,
        sent,
        "{:?}",
        snapshot.ledger
    );
}

#[test]
fn every_frame_of_a_source_that_waits_is_read() {
    let engine = start(&config("gen:size=imix,count=100000"));
    let mut listener = engine
        .attach(&request(Contract::Lossless, Start::File))
        .unwrap();
    let (frames, lost) = drain(&mut listener);
    assert_eq!(frames.frames, 100_000);
    assert!(lost.is_zero());
    let ledger = listener.ledger();
    assert_eq!(ledger.ledger[Reason::Captured], frames);
    assert_balances(&ledger, 100_000);
    engine.stop().unwrap();
}

#[test]
fn stuck_listener_costs_a_paced_source_frames() {
    let engine = start(&config("gen:size=1500,rate=20G,late=delay,count=20000"));
    let mut listener = engine
        .attach(&request(Contract::Lossless, Start::File))
        .unwrap();
    while !engine.source_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (frames, lost) = drain(&mut listener);
    let ledger = listener.ledger();
    assert_balances(&ledger, 20_000);
    assert_eq!(ledger.ledger[Reason::Captured], frames);
    assert!(ledger.ledger[Reason::RingFull].frames > 0, "{ledger:?}");
    // The ring may have had no room for the last gap record, so the listener's end has the rest.
    let end = listener.end().unwrap();
    let since = end.at.ledger.since(&listener.start().ledger);
    assert_eq!(lost + end.untold.lost(), since.lost());
    engine.stop().unwrap();
}

#[test]
fn lossy_listener_learns_its_exact_losses() {
    let engine = start(&config("gen:size=60-1514,count=300000"));
    let mut slow = engine
        .attach(&request(Contract::Lossy, Start::File))
        .unwrap();
    let mut recorder = engine
        .attach(&request(Contract::Lossless, Start::Newest))
        .unwrap();
    let reader = std::thread::spawn(move || drain(&mut recorder));
    // The slow listener starts to read once it is overrun, however slow the producer is.
    while slow.page().oldest() <= slow.position() && !slow.ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut seen = Count::default();
    loop {
        match slow.next_record() {
            Ok(Some(Event::Frame(frame))) => {
                seen += Count::new(1, u64::from(frame.len));
                if seen.frames.is_multiple_of(1000) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => match slow.wait(1, 10 * SECOND).unwrap() {
                Waited::Ended => break,
                Waited::Ready => {}
                Waited::TimedOut => panic!("nothing for 10 s"),
            },
            Err(e) if e.kind() == Kind::Overrun => {
                while slow.resync(Start::Newest).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Err(e) => panic!("{e}"),
        }
    }
    reader.join().unwrap();
    let captured = slow.ledger().ledger[Reason::Captured];
    assert_eq!(seen + slow.missed(), captured);
    assert!(slow.missed().frames > 0, "the test means to be overrun");
    engine.stop().unwrap();
}

#[test]
fn stalled_listener_with_a_limit_becomes_lossy() {
    let engine = start(&config("gen:size=1514,count=50000"));
    let cap = Duration::from_millis(50);
    let mut stuck = engine
        .attach(&request(Contract::LosslessFor(cap), Start::File))
        .unwrap();
    let mut reader = engine
        .attach(&request(Contract::Lossless, Start::Newest))
        .unwrap();
    let (frames, _) = drain(&mut reader);
    assert!(frames.frames > 0);
    assert_eq!(stuck.contract(), Contract::Lossy);
    assert_eq!(stuck.next_record().unwrap_err().kind(), Kind::Overrun);
    let seen = engine.queue().listeners();
    assert!(
        seen.iter()
            .any(|l| l.id == stuck.id() && l.demoted.is_some())
    );
    engine.stop().unwrap();
}

#[test]
fn killed_listener_gets_an_error_and_holds_nothing() {
    let engine = start(&config("gen:size=1514,count=50000"));
    let mut stuck = engine
        .attach(&request(Contract::Lossless, Start::File))
        .unwrap();
    let mut reader = engine
        .attach(&request(Contract::Lossless, Start::Newest))
        .unwrap();
    let queue = engine.queue();
    let id = stuck.id();
    let killer = std::thread::spawn({
        let queue = std::sync::Arc::clone(queue);
        move || {
            std::thread::sleep(Duration::from_millis(100));
            queue.kill(id).unwrap();
        }
    });
    drain(&mut reader);
    killer.join().unwrap();
    // The killed listener may still read what was published before, as far as the ring has it.
    let error = loop {
        let result = match stuck.next_record() {
            Err(e) if e.kind() == Kind::Overrun => stuck.resync(Start::Newest).map(|_| ()),
            other => other.map(|_| ()),
        };
        if let Err(e) = result {
            break e;
        }
    };
    assert_eq!(error.kind(), Kind::Killed);
    assert_eq!(engine.queue().kill(99).unwrap_err().kind(), Kind::NotFound);
    engine.stop().unwrap();
}

#[test]
fn listener_beyond_the_slots_is_refused() {
    let engine = start(&config("gen:size=60,rate=1000pps,count=100000"));
    let ask = request(Contract::Lossy, Start::Newest);
    let mut all: Vec<_> = (0..32).map(|_| engine.attach(&ask).unwrap()).collect();
    let refused = engine.attach(&ask).unwrap_err();
    assert_eq!(refused.kind(), Kind::Full, "{refused}");
    let gone = all.remove(7).id();
    let again = loop {
        // The engine notices a moment later that the listener's connection was closed.
        match engine.attach(&ask) {
            Ok(listener) => break listener,
            Err(e) => assert_eq!(e.kind(), Kind::Full),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(again.id() > 32 && again.id() != gone);
    engine.stop().unwrap();
}

/// Like a network, a generator with a rate does not wait. Frames that it sends before the first
/// listener attaches are lost for that listener, unless the engine holds the source back.
#[test]
fn held_source_starts_with_its_first_listener() {
    let mut config = config("gen:size=60,rate=100kpps,count=2000");
    config.start_on_attach = true;
    let engine = start(&config);
    std::thread::sleep(Duration::from_millis(50));
    let mut listener = engine
        .attach(&request(Contract::Lossless, Start::File))
        .unwrap();
    let (frames, lost) = drain(&mut listener);
    let ledger = listener.ledger();
    assert_eq!(ledger.ledger[Reason::NoListener], Count::default());
    assert_eq!(frames.frames + lost.frames, 2000);
    assert_balances(&ledger, 2000);
    engine.stop().unwrap();
}
