//! Listeners with different contracts on one queue: no listener costs another one a frame. With
//! `HPCAP_TEST_PRODUCER=module` the queue is the kernel module's.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::Reason;
use hpcap_e2e::daemon::{frames, on_the_wire};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::producer::Producer;
use hpcap_e2e::recording::{files, generated};
use serde_json::Value;
use testkit::process::{Finished, run};

fn end(listener: Finished) -> Value {
    let end = listener.exits(0).event("end");
    assert_eq!((&end["corrupt"], &end["backwards"]), (&0.into(), &0.into()));
    end
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap()
}

#[test]
fn slow_lossy_listener_costs_no_frame() {
    let lab = Lab::new();
    // The source sends more than twice the size of the ring. The ring holds about a second of
    // traffic, in case the disk pauses.
    let spec = "gen:size=imix,rate=100M,late=delay,count=100000";
    let producer = Producer::start(&lab, &["--ring", "16M", "--look-back", spec]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    // This listener is slower than any producer: it reads nothing before the recorder has
    // everything.
    let slow = lab.listener(&["hpcap0", "--contract=lossy", "--after=recorded"]);
    let fast = lab.listener(&["hpcap0", "--contract=lossy"]);
    let recorded = recorder.wait();
    let recorded = recorded.exits(Producer::recorder_code_at_the_end());
    let recorded = recorded.event("summary");
    std::fs::write(lab.path("recorded"), "").unwrap();
    let slow = end(slow.wait());
    let fast = end(fast.wait());
    let ledger = &producer.ended();

    assert_eq!(frames(ledger, Reason::RingFull), 0);
    assert_eq!(on_the_wire(ledger), 100_000);
    let stored = generated(&files(&lab.path("raw")));
    assert_eq!(number(&recorded, "frames"), stored.frames);
    // On a busy machine the generator itself may miss frames. The gap records count them, and no
    // other frame is missing.
    assert_eq!((stored.damaged, stored.missing), (0, stored.lost_between));
    assert_eq!(stored.last, Some(99_999));

    assert!(number(&slow, "missed") > 0, "{slow}");
    for listener in [&slow, &fast] {
        assert_eq!(
            number(listener, "frames") + number(listener, "missed"),
            number(listener, "captured"),
            "{listener}"
        );
    }
    // Every missing frame is accounted for: this listener missed it, or it was lost before.
    for listener in [&slow, &fast] {
        let accounted = number(listener, "missed") + number(listener, "lost");
        assert!(number(listener, "missing") <= accounted, "{listener}");
    }
}

#[test]
fn waiting_source_loses_nothing() {
    let lab = Lab::new();
    let producer = Producer::start(&lab, &["--ring", "1M", "gen:size=imix,count=60000"]);
    // The listeners do not read before the file `go` exists. Until then the source waits with a
    // full ring.
    let slow = lab.listener(&["hpcap0", "--after=go", "--sleep-ms=1", "--every=500"]);
    let lossy = ["hpcap0", "--contract=lossy", "--after=go"];
    let lossy = lab.listener(&[&lossy[..], &["--sleep-ms=1", "--every=100"]].concat());
    let recorder = lab.recorder(&["--start=oldest", "hpcap0", "raw"]);
    std::fs::write(lab.path("go"), "").unwrap();
    let recorded = recorder.wait();
    let recorded = recorded.exits(Producer::recorder_code_at_the_end());
    let recorded = recorded.event("summary");
    let slow = end(slow.wait());
    assert_eq!((number(&slow, "missing"), number(&slow, "missed")), (0, 0));
    assert_eq!(number(&slow, "frames"), number(&slow, "captured"));
    let lossy = end(lossy.wait());
    assert_eq!(
        number(&lossy, "frames") + number(&lossy, "missed"),
        number(&lossy, "captured")
    );
    let ledger = producer.ended();
    assert_eq!(frames(&ledger, Reason::Captured), 60_000);
    // The recording has every frame from the first whole block in the ring to the last frame sent.
    let stored = generated(&files(&lab.path("raw")));
    assert_eq!(number(&recorded, "frames"), stored.frames);
    assert_eq!((stored.missing, stored.lost), (0, 0));
    assert_eq!(stored.first.unwrap() + stored.frames, 60_000);
    let _ = run(lab.tool("checkraw").args(["--quiet", "raw"])).exits(0);
}
