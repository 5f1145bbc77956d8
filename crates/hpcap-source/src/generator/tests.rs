//! Tests of the generator with a clock that the tests set.

use super::*;

const NOW_NS: u64 = 1_700_000_000_000_000_000;

fn generator(spec: &str) -> Generator {
    Generator::new(&GeneratorSpec::parse(spec).unwrap()).unwrap()
}

/// Calls `fill` once and returns stamps, lengths and losses, after checking that stamps, timestamps
/// and lengths agree.
fn take(generator: &mut Generator, elapsed_ns: u64) -> (Vec<(Stamp, usize)>, Count, State) {
    let state = generator.fill(elapsed_ns, NOW_NS + elapsed_ns);
    let missed = generator.missed[0].1;
    let frames = generator
        .batch
        .lend()
        .iter()
        .map(|frame| {
            let stamp = verify(frame.data()).expect("a whole frame");
            assert_eq!(frame.len as usize, frame.data().len());
            assert_eq!(
                frame.sec * 1_000_000_000 + u64::from(frame.nsec),
                stamp.sent_ns
            );
            (stamp, frame.data().len())
        })
        .collect();
    (frames, missed, state)
}

#[test]
fn generator_ends_after_its_count() {
    let mut g = generator("size=imix,count=1000");
    let mut all = Vec::new();
    loop {
        let (frames, missed, state) = take(&mut g, 0);
        assert!(missed.is_zero());
        all.extend(frames);
        if state == State::Ended {
            break;
        }
    }
    assert!(all.iter().map(|(s, _)| s.seq).eq(0..1000));
    assert!(
        all.is_sorted_by(|a, b| a.0.sent_ns < b.0.sent_ns),
        "times differ and go up"
    );
    let bytes: usize = all[..12].iter().map(|(_, len)| len).sum();
    assert_eq!(bytes, 7 * 60 + 4 * 590 + 1514);
    assert!(g.description().waits);
}

#[test]
fn paced_frames_have_the_time_they_were_due() {
    let mut g = generator("rate=1Mpps");
    let (frames, _, state) = take(&mut g, 0);
    assert_eq!((frames.len(), state), (1, State::Idle));
    let (frames, missed, state) = take(&mut g, 10_500);
    assert_eq!(
        (frames.len(), missed, state),
        (10, Count::default(), State::Idle)
    );
    assert_eq!(
        frames[9].0,
        Stamp {
            seq: 10,
            sent_ns: NOW_NS + 10_000
        }
    );
    let (frames, _, _) = take(&mut g, 10_999);
    assert!(frames.is_empty());
    assert!(!g.description().waits);
}

#[test]
fn stall_costs_old_frames_only() {
    let mut g = generator("rate=1Mpps,size=imix");
    take(&mut g, 0);
    let (mut got, mut lost) = (1, Count::default());
    let mut last = 0;
    loop {
        let (frames, missed, state) = take(&mut g, 1_000_000_000);
        got += frames.len() as u64;
        lost += missed;
        if let Some((stamp, _)) = frames.last() {
            last = stamp.seq;
        }
        if state == State::Idle {
            break;
        }
    }
    assert_eq!(
        got + lost.frames,
        1_000_001,
        "every frame is one or the other"
    );
    assert_eq!(got, 100_002, "the first, and those of the last 100 ms");
    assert_eq!(last, 1_000_000);
    let mean = lost.bytes / lost.frames;
    assert_eq!(mean, (7 * 60 + 4 * 590 + 1514) / 12);
}

#[test]
fn missed_frames_count_towards_the_end() {
    let mut g = generator("rate=1Mpps,count=1000");
    take(&mut g, 0);
    let (frames, missed, state) = take(&mut g, 10_000_000_000);
    assert_eq!((frames.len(), missed.frames, state), (0, 999, State::Busy));
    assert_eq!(take(&mut g, 10_000_000_000).2, State::Ended);
}

#[test]
fn late_delay_misses_nothing() {
    let mut g = generator("rate=1Mpps,count=1000,late=delay");
    take(&mut g, 0);
    let mut seqs = Vec::new();
    let mut elapsed_ns = 10_000_000_000;
    loop {
        let (frames, missed, state) = take(&mut g, elapsed_ns);
        assert!(missed.is_zero());
        seqs.extend(frames.iter().map(|(s, _)| s.seq));
        elapsed_ns += 1_000;
        if state == State::Ended {
            break;
        }
    }
    assert!(seqs.into_iter().eq(1..1000));
    assert!(elapsed_ns > 10_000_990_000, "not in one burst");
}

#[test]
fn duration_with_rate_counts_due_times() {
    let mut g = generator("rate=1000pps,duration=50ms,late=delay");
    let (mut frames, mut elapsed_ns) = (0, 0);
    loop {
        let (now, _, state) = take(&mut g, elapsed_ns);
        frames += now.len();
        elapsed_ns += 300_000;
        if state == State::Ended {
            break;
        }
    }
    assert_eq!(frames, 50);
}

#[test]
fn duration_without_rate_counts_the_clock() {
    let mut g = generator("duration=1s");
    assert_eq!(take(&mut g, 999_999_999).2, State::Busy);
    let (frames, _, state) = take(&mut g, 1_000_000_000);
    assert!(frames.is_empty());
    assert_eq!(state, State::Ended);
}

#[test]
fn seed_decides_the_bytes() {
    let bytes = |spec: &str| {
        let mut g = generator(spec);
        g.fill(0, NOW_NS);
        g.batch
            .lend()
            .iter()
            .map(|f| f.data().to_vec())
            .collect::<Vec<_>>()
    };
    let spec = "size=60-1514,start=1000000000,count=200";
    assert_eq!(bytes(spec), bytes(spec));
    assert_ne!(bytes(spec), bytes(&format!("{spec},seed=1")));
}

#[test]
fn start_sets_the_time_at_the_nominal_rate() {
    let mut g = generator("start=5,count=2");
    let (frames, _, _) = take(&mut g, 0);
    let times: Vec<_> = frames.iter().map(|(s, _)| s.sent_ns).collect();
    assert_eq!(times, [5, 72], "84 bytes on the wire are 67.2 ns");
    assert_eq!(take(&mut generator("start=0,count=1"), 0).0[0].0.sent_ns, 0);
}

#[test]
fn flows_are_different_and_come_in_turn() {
    let mut g = generator("flows=100,count=200,seed=9");
    g.fill(0, NOW_NS);
    // Both MAC addresses, and both IP addresses and ports.
    let headers: Vec<_> = g
        .batch
        .lend()
        .iter()
        .map(|f| (f.data()[..12].to_vec(), f.data()[26..38].to_vec()))
        .collect();
    let different: std::collections::HashSet<_> = headers.iter().collect();
    assert_eq!(different.len(), 100);
    assert_eq!(headers[..100], headers[100..]);
}

#[test]
fn frame_holds_its_vlan_tag() {
    let mut g = generator("vlan=100,size=imix,count=12");
    let (frames, _, _) = take(&mut g, 0);
    assert_eq!(frames.iter().map(|(_, len)| len).max(), Some(&1518));
    assert_eq!(g.batch.lend()[0].data()[12..16], [0x81, 0, 0, 100]);
}
