//! Tests of the duplicate filter in an engine, switched on and off while it runs.

use std::time::{Duration, Instant};

use hpcap::dedup::{Action, DedupSettings};
use hpcap::raw::Event;
use hpcap::{Contract, QueueName, Reason, Request, Start, Waited};
use hpcap_engine::{Engine, EngineConfig};

use super::dedup_cases::of_one_flow;

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request {
    Request {
        contract: Contract::Lossless,
        start: Start::File,
        program: "test".into(),
    }
}

/// Writes a capture file that has each of `frames` frames twice.
fn twice(folder: &std::path::Path, frames: u64) -> std::path::PathBuf {
    let path = folder.join("twice.pcap");
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    for i in 0..2 * frames {
        for word in [1000, i as u32, 60, 60] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(of_one_flow(i / 2));
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

fn config(source: &str) -> EngineConfig {
    let mut config = EngineConfig::new(QueueName::new(0, 0), source.parse().unwrap());
    config.ring_bytes = 4 << 20;
    config
}

/// Reads until the queue ends. Returns the numbers of frames and of marks.
fn read(engine: &Engine) -> (u64, u64) {
    let mut listener = engine.attach(&request()).unwrap();
    let (mut frames, mut marks) = (0, 0);
    loop {
        let mut marked = false;
        while let Some(event) = listener.next_record().unwrap() {
            match event {
                Event::Duplicate => marked = true,
                Event::Frame(frame) => {
                    // The second frame of each pair is the copy, and it has an odd number of
                    // microseconds.
                    assert!(!marked || frame.time.nsec() / 1000 % 2 == 1, "{frame:?}");
                    frames += 1;
                    marks += u64::from(marked);
                    marked = false;
                }
                _ => assert!(!marked),
            }
        }
        listener.ack().unwrap();
        match listener.wait(1, 10 * SECOND).unwrap() {
            Waited::Ended => return (frames, marks),
            Waited::Ready => {}
            Waited::TimedOut => panic!("nothing for 10 s"),
        }
    }
}

#[test]
fn copies_are_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("pcap:{}", twice(folder.path(), 50_000).display());
    let mut config = config(&source);
    config.dedup = Some(DedupSettings::default());
    let engine = Engine::start(&config).unwrap().0;
    assert_eq!(read(&engine), (50_000, 0));
    let ledger = engine.queue().ledger();
    assert_eq!(ledger.ledger[Reason::Captured].frames, 50_000);
    assert_eq!(ledger.ledger[Reason::Duplicate].frames, 50_000);
    assert_eq!(ledger.ledger[Reason::Duplicate].bytes, 50_000 * 60);
    assert_eq!(ledger.duplicates_marked, 0);
}

#[test]
fn copies_are_marked_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("pcap:{}", twice(folder.path(), 50_000).display());
    let mut config = config(&source);
    config.dedup = Some(DedupSettings {
        action: Action::Mark,
        ..DedupSettings::default()
    });
    let engine = Engine::start(&config).unwrap().0;
    assert_eq!(read(&engine), (100_000, 50_000));
    let ledger = engine.queue().ledger();
    assert_eq!(ledger.ledger[Reason::Captured].frames, 100_000);
    assert!(ledger.ledger[Reason::Duplicate].is_zero());
    assert_eq!(ledger.duplicates_marked, 50_000);
}

/// In the original the switch had no effect: the table was used whenever it had been compiled in.
#[test]
fn switch_takes_effect_while_frames_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = twice(folder.path(), 20);
    let source = format!("pcap:{},loop=forever", path.display());
    let mut config = config(&source);
    config.look_back = true;
    let engine = Engine::start(&config).unwrap().0;
    let count = |reason: Reason| engine.queue().ledger().ledger[reason].frames;
    let wait_for_more = |reason: Reason| {
        let (before, start) = (count(reason), Instant::now());
        while count(reason) < before + 1000 {
            assert!(start.elapsed() < 10 * SECOND, "no more {reason}");
            std::thread::yield_now();
        }
    };
    wait_for_more(Reason::Captured);
    assert_eq!(count(Reason::Duplicate), 0);
    for _ in 0..3 {
        engine.set_dedup(Some(DedupSettings::default())).unwrap();
        wait_for_more(Reason::Duplicate);
        engine.set_dedup(None).unwrap();
        wait_for_more(Reason::Captured);
        let duplicates = count(Reason::Duplicate);
        wait_for_more(Reason::Captured);
        assert_eq!(count(Reason::Duplicate), duplicates);
    }
}

#[test]
fn unsuitable_settings_are_refused() {
    let marks = DedupSettings {
        action: Action::Mark,
        ..DedupSettings::default()
    };
    let mut plain = config("gen:count=1");
    plain.plain = true;
    plain.dedup = Some(marks);
    let error = Engine::start(&plain).unwrap_err().to_string();
    assert!(error.contains("plain"), "{error}");
    plain.dedup = None;
    let engine = Engine::start(&plain).unwrap().0;
    assert!(engine.set_dedup(Some(marks)).is_err());
}
