//! Regression tests for the bugs that the developer guide of the original software lists and that
//! show between programs. The number in the name of a test is the section of the guide. With
//! `HPCAP_TEST_PRODUCER=module` the queue is the kernel module's.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::Reason;
use hpcap::raw::{Event, Reader};
use hpcap_e2e::daemon::frames;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::producer::Producer;
use hpcap_e2e::recording::{files, generated};
use testkit::process::{Process, run};
use testkit::skip;
use testkit::wait::wait_until;

const GIB: u64 = 1 << 30;

fn captured(producer: &Producer<'_>) -> u64 {
    frames(&producer.status()["ledger"], Reason::Captured)
}

/// Bug 3.8.2: clients that opened a queue at the same time crashed.
#[test]
fn dg_3_8_2_queue_opens_concurrently() {
    let lab = Lab::new();
    let producer = Producer::start(&lab, &["--ring", "8M", "gen:size=imix,rate=20M,late=delay"]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    let arrive = |n: usize| -> Vec<Process> {
        let listen = |_| {
            Process::spawn(
                lab.tool("e2e-listener")
                    .args(["hpcap0", "--contract=lossy"]),
            )
        };
        (0..n).map(listen).collect()
    };
    // All slots but the recorder's are taken and left by many listeners at once, while others
    // attach.
    let mut here = arrive(31);
    for listener in &mut here {
        listener.wait_for("\"event\":\"attached\"");
    }
    assert_eq!(producer.listeners().len(), 32);
    let _ = run(lab.tool("hpcapdd").args(["hpcap0", "null"]))
        .exits(1)
        .says(&["attach to the queue", "32"]);
    for _ in 0..3 {
        let mut next = Vec::new();
        for listener in here {
            // A listener that attaches while no slot is free is refused, but not harmed.
            next.extend(arrive(1));
            drop(listener);
        }
        for listener in &mut next {
            wait_until("it attached or was refused", || {
                listener.out().contains("attached") || !listener.is_running()
            });
        }
        here = next;
    }
    for listener in here {
        let ended = listener.kill();
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        assert!(matches!(ended.code(), None | Some(1)), "{}", ended.err);
    }
    wait_until("the slots are free", || producer.listeners().len() == 1);
    let all = captured(&producer);
    wait_until("capturing goes on", || captured(&producer) > all);
    let _ = producer.stop();
    let recorded = recorder.wait().exits(1).event("summary");
    let stored = generated(&files(&lab.path("raw")));
    assert_eq!(recorded["frames"], stored.frames);
    // A gap after the last frame leaves no hole in the sequence numbers.
    assert!(stored.missing <= stored.lost && stored.damaged == 0);
}

/// Bug 3.8.5: captures were corrupted after a restart, because offsets of the previous run were
/// used.
#[test]
fn dg_3_8_5_capture_works_after_restart() {
    let lab = Lab::new();
    let mut total = 0;
    for _ in 0..3 {
        let spec = "gen:size=imix,count=20000";
        let producer = Producer::start(&lab, &["--ring", "1M", spec]);
        let recorded = run(lab.tool("hpcapdd").args(["--json", "hpcap0", "raw"]));
        let recorded = recorded.exits(Producer::recorder_code_at_the_end());
        assert_eq!(recorded.event("summary")["frames"], 20_000);
        let _ = producer.ended();
        total += 20_000;
        let stored: u64 = files(&lab.path("raw"))
            .into_iter()
            .map(|file| {
                let one = generated(&[file]);
                assert_eq!((one.missing, one.lost, one.damaged), (0, 0, 0));
                one.frames
            })
            .sum();
        assert_eq!(stored, total);
    }
    let _ = run(lab.tool("checkraw").args(["--quiet", "raw"])).exits(0);
}

/// Bug 3.8.10: the id of a listener that had left was given to another listener while programs
/// still knew the id.
#[test]
fn dg_3_8_10_listener_ids_are_unique() {
    let lab = Lab::new();
    let producer = Producer::start(&lab, &["--ring", "4M", "gen:rate=10kpps,late=delay"]);
    let mut ids = Vec::new();
    for _ in 0..40 {
        let _listener = lab.listener(&["hpcap0", "--contract=lossy"]);
        let here = producer.listeners();
        ids.extend(here.iter().map(|l| l["id"].as_u64().unwrap()).max());
    }
    wait_until("the slots are free", || producer.listeners().is_empty());
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    // Killing an id whose listener has left does not affect the next listener in the same slot.
    let mut last = lab.listener(&["hpcap0"]);
    for id in ids {
        let _ = run(lab
            .tool("hpcapctl")
            .args(["kill", "hpcap0", &id.to_string()]))
        .exits(1);
    }
    assert_eq!(producer.listeners()[0]["state"], "active");
    assert!(last.is_running());
    let _ = producer.stop();
    let _ = last.wait().exits(0);
}

/// Bug 3.8.12: after a restart, a client got the padding in the middle of its file.
#[test]
fn dg_3_8_12_recorder_restarts() {
    let lab = Lab::new();
    let producer = Producer::start(
        &lab,
        &["--ring", "4M", "gen:size=imix,rate=100M,late=delay"],
    );
    for round in 0..4 {
        let folder = format!("raw{round}");
        let recorder = lab.recorder(&["hpcap0", &folder]);
        let before = captured(&producer);
        wait_until("frames", || captured(&producer) > before + 500);
        let recorded = recorder.interrupt().exits(0).event("summary");
        let left = files(&lab.path(&folder));
        let stored = generated(&left);
        assert_eq!(recorded["frames"], stored.frames);
        // A gap after the last frame leaves no hole in the sequence numbers.
        assert!(stored.missing <= stored.lost && stored.damaged == 0);
        // The file has a file header, then frames, and padding only after the last frame.
        let mut reader = Reader::open(&left[0]).unwrap();
        let mut padded = false;
        let mut first = true;
        while reader.advance().unwrap() {
            let offset = reader.range().start;
            match reader.event().unwrap() {
                Event::FileStart(_) => assert!(first, "a header at {offset}"),
                Event::Frame(_) => assert!(!padded, "a frame behind padding at {offset}"),
                Event::Padding(_) => padded = true,
                _ => {}
            }
            assert!(!first || offset == 0);
            first = false;
        }
        assert_eq!(left.len(), 1);
    }
    let _ = producer.stop();
}

fn available_memory() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo.lines().find(|l| l.starts_with("MemAvailable:"));
    let kib = line.and_then(|l| l.split_whitespace().nth(1)).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

/// Bug 3.8.13: buffers of more than 2 GiB did not work.
#[test]
fn dg_3_8_13_ring_exceeds_2_gib() {
    if available_memory() < 5 * GIB {
        return skip("a ring of 3 GiB takes 5 GiB of free memory");
    }
    let lab = Lab::new();
    // The source sends 3.2 GiB of records, slowly enough to start a recorder shortly before the end
    // of the ring.
    let count = 3_200 * (1 << 20) / (1514 + 12);
    let spec = format!("gen:size=1514,rate=3G,late=delay,count={count}");
    let producer = Producer::start(&lab, &["--ring", "3G", &spec]);
    assert_eq!(producer.status()["ring_bytes"], 3 * GIB);
    let listener = lab.listener(&["hpcap0", "--start=file"]);
    // A busy machine is slow at making 2.4 GiB, so the time limit holds for each part of them.
    for part in 1..=6 {
        wait_until("the edge comes nearer", || {
            producer.status()["published_bytes"].as_u64().unwrap() > part * (400 << 20)
        });
    }
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    let seen = listener.wait().exits(0).event("end");
    assert_eq!(
        (&seen["corrupt"], &seen["missing"], &seen["backwards"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(seen["frames"], seen["captured"]);
    let recorded = recorder.wait().exits(0).event("summary");
    let left = files(&lab.path("raw"));
    let stored = generated(&left);
    assert_eq!((stored.missing, stored.damaged), (0, 0));
    assert_eq!(recorded["frames"], stored.frames);
    assert_eq!(stored.last, Some(count - 1));
    // The recording continues across the end of the ring.
    let mut reader = Reader::open(&left[0]).unwrap();
    let Some(Event::FileStart(header)) = reader.next().unwrap() else {
        panic!("no file header in {}", left[0].display());
    };
    assert!(header.stream_off < 3 * GIB, "{}", header.stream_off);
    let _ = producer.ended();
}
