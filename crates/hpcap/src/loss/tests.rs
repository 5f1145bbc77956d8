//! Tests of this module.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn listener(pid: u32, contract: Contract, lag_bytes: u64) -> ListenerInfo {
    ListenerInfo {
        id: u64::from(pid),
        slot: 0,
        program: "slow".into(),
        pid,
        uid: 0,
        contract,
        starting: false,
        killed: false,
        finished: false,
        demoted: None,
        attached: Timestamp::from_ns(1),
        lag_bytes,
    }
}

fn add(ledger: &mut Ledger, reason: Reason, frames: u64) {
    ledger[reason] += Count::new(frames, frames * 60);
}

/// Loses ten of a hundred frames per second for `seconds`, then none for ten seconds.
fn phases(seconds: u32) -> Vec<Loss> {
    let mut ledger = Ledger::default();
    let mut now = Instant::now();
    let mut watch = LossWatch::new(ledger, now);
    let listeners = || {
        vec![
            listener(7, Contract::Lossless, 900),
            listener(8, Contract::Lossy, 5000),
            listener(9, Contract::Lossless, 10),
        ]
    };
    let mut told = Vec::new();
    for second in 0..seconds + 10 {
        add(&mut ledger, Reason::Captured, 90);
        if second < seconds {
            add(&mut ledger, Reason::RingFull, 10);
        }
        now += SECOND;
        told.extend(watch.look(&ledger, now, listeners));
    }
    told
}

#[test]
fn loss_is_reported_when_it_begins() {
    let told = phases(2);
    assert_eq!(told[0].phase, Phase::Begins);
    assert_eq!((told[0].frames, told[0].frame_bytes), (10, 600));
    assert!((told[0].share - 0.1).abs() < 1e-9);
}

#[test]
fn loss_is_reported_every_ten_seconds() {
    let told = phases(35);
    let count = told.iter().filter(|l| l.phase == Phase::GoesOn).count();
    assert_eq!(count, 3);
    assert_eq!(told.len(), 5);
}

#[test]
fn loss_is_reported_when_it_ends() {
    let last = phases(20).pop().unwrap();
    assert_eq!((last.phase, last.frames), (Phase::Ended, 200));
    assert!((last.seconds - 20.0).abs() < 1e-6);
}

#[test]
fn loss_names_the_slowest_lossless_listener() {
    let told = phases(1);
    assert_eq!(told[0].listener.as_ref().unwrap().pid, 7);
    let text = told[0].to_string();
    assert!(
        text.contains("of slow (pid 7) held the ring back"),
        "{text}"
    );
}

#[test]
fn earlier_losses_are_not_reported() {
    let mut ledger = Ledger::default();
    add(&mut ledger, Reason::NicMissed, 5);
    let now = Instant::now();
    let mut watch = LossWatch::new(ledger, now);
    assert!(watch.look(&ledger, now + SECOND, Vec::new).is_empty());
}

#[test]
fn end_of_watch_ends_its_losses() {
    let mut ledger = Ledger::default();
    let now = Instant::now();
    let mut watch = LossWatch::new(ledger, now);
    add(&mut ledger, Reason::Storage, 5);
    let phases: Vec<Phase> = watch
        .end(&ledger, now + SECOND, Vec::new)
        .iter()
        .map(|l| l.phase)
        .collect();
    assert_eq!(phases, [Phase::Begins, Phase::Ended]);
}
