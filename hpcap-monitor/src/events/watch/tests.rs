use hpcap::Reason;

use super::*;
use crate::sample::tests::{interface, listener, queue, sample};

/// Observes the samples that `at` returns for the seconds 0 to `seconds`. Returns the second, the
/// topic and the phase of each event.
fn observe(
    watch: &mut Watch,
    seconds: u32,
    at: impl Fn(u32) -> Sample,
) -> Vec<(u32, Topic, Phase)> {
    (1..=seconds)
        .flat_map(|second| {
            let events = watch.observe(&at(second - 1), &at(second), &Observed::default());
            events
                .into_iter()
                .map(move |event| (second, event.topic, event.phase))
        })
        .collect()
}

#[test]
fn loss_ends_after_ten_seconds_without() {
    let mut watch = Watch::default();
    // Frames are lost in the seconds 3, 4 and 8.
    let lost = |second| u64::from(second >= 3) + u64::from(second >= 4) + u64::from(second >= 8);
    let at = |second| sample(second, vec![queue("hpcap0", 0, 9, lost(second))]);
    let events = observe(&mut watch, 30, at);
    assert_eq!(
        events,
        [
            (3, Topic::Loss, Phase::Begin),
            (19, Topic::Loss, Phase::End)
        ]
    );
}

#[test]
fn end_of_a_loss_has_all_its_frames() {
    let mut watch = Watch::default();
    let at = |second: u32| {
        let lost = 7 * u64::from(second.clamp(2, 6) - 2);
        sample(second, vec![queue("hpcap0", 0, 9, lost)])
    };
    let end = (1..30)
        .flat_map(|s| watch.observe(&at(s - 1), &at(s), &Observed::default()))
        .last()
        .unwrap();
    assert_eq!((end.phase, end.frames), (Phase::End, Some(28)));
    assert_eq!(end.seconds, Some(4.0));
    assert!(end.message.contains("28 were lost"), "{end}");
}

#[test]
fn loss_names_the_listener_that_is_behind() {
    let at = |second: u32| {
        let mut one = queue("hpcap0", 0, 9, second.into());
        one.listeners = vec![listener(3, "tap", 10), listener(4, "slow", 1 << 20)];
        sample(second, vec![one])
    };
    let events = Watch::default().observe(&at(1), &at(2), &Observed::default());
    let text = events[0].to_string();
    assert!(
        text.contains("ring_full") && text.contains("listener 4 (slow"),
        "{text}"
    );
}

#[test]
fn loss_names_only_reasons_of_now() {
    let at = |second: u32| {
        let mut one = queue("hpcap0", 0, 9, 50);
        one.reading.counts.ledger[Reason::NicMissed].frames = second.into();
        sample(second, vec![one])
    };
    let events = Watch::default().observe(&at(1), &at(2), &Observed::default());
    let text = events[0].to_string();
    assert!(
        text.contains("nic_missed") && !text.contains("ring_full"),
        "{text}"
    );
}

#[test]
fn link_that_flaps_is_no_event() {
    let mut watch = Watch::default();
    let at = |second: u32| {
        let mut one = interface("eth0", 2, 0, 0);
        // Every other second is without link until 20, and from 40 on there is none.
        one.reading.link = match second {
            0..20 => second.is_multiple_of(2),
            20..40 => true,
            _ => false,
        };
        Sample {
            interfaces: vec![one],
            ..sample(second, vec![])
        }
    };
    assert_eq!(
        observe(&mut watch, 60, at),
        [(45, Topic::LinkDown, Phase::Begin)]
    );
    assert_eq!(
        watch.active().collect::<Vec<_>>(),
        [(Topic::LinkDown, "eth0")]
    );
}

#[test]
fn removed_interface_ends_its_condition() {
    let mut watch = Watch::default();
    let at = |second: u32| {
        let mut one = interface("eth0", 2, 0, 0);
        one.reading.link = false;
        let interfaces = if second < 10 { vec![one] } else { vec![] };
        Sample {
            interfaces,
            ..sample(second, vec![])
        }
    };
    let events = observe(&mut watch, 20, at);
    assert_eq!(
        events,
        [
            (6, Topic::LinkDown, Phase::Begin),
            (15, Topic::LinkDown, Phase::End)
        ]
    );
    assert_eq!(watch.active().count(), 0);
}

#[test]
fn listener_that_reads_is_not_stuck() {
    let stuck = |stands: bool| {
        let at = move |second: u32| {
            let mut one = queue("hpcap0", 0, 9, 0);
            // The ring is full. A slow listener reads as much as is published.
            one.reading.counts.published = if stands {
                1 << 20
            } else {
                (1 << 20) + u64::from(second)
            };
            one.listeners = vec![listener(4, "slow", 1 << 20)];
            sample(second, vec![one])
        };
        observe(&mut Watch::default(), 20, at)
    };
    assert_eq!(stuck(true), [(7, Topic::ListenerStuck, Phase::Begin)]);
    assert_eq!(stuck(false), []);
}

#[test]
fn vanished_recorder_is_an_event() {
    let at = |second: u32| {
        let mut one = queue("hpcap0", 0, 9, 0);
        if !(10..40).contains(&second) {
            one.listeners = vec![listener(u64::from(second), "hpcapdd", 0)];
        }
        sample(second, vec![one])
    };
    assert_eq!(
        observe(&mut Watch::default(), 50, at),
        [
            (25, Topic::RecorderGone, Phase::Begin),
            (40, Topic::RecorderGone, Phase::End)
        ]
    );
}

#[test]
fn queue_without_recorder_is_no_event() {
    let at = |second: u32| sample(second, vec![queue("hpcap0", 0, 9, 0)]);
    assert_eq!(observe(&mut Watch::default(), 40, at), []);
    let mut expecting = Watch::new(["hpcap0".parse().unwrap()].into());
    assert_eq!(
        observe(&mut expecting, 40, at),
        [(16, Topic::RecorderGone, Phase::Begin)]
    );
}

#[test]
fn queue_that_failed_is_an_error() {
    let at = |end: Option<QueueEnd>| {
        let mut one = queue("hpcap0", 0, 9, 0);
        one.served = end.is_some();
        one.end = end;
        sample(2, vec![one])
    };
    let events = |end| Watch::default().observe(&sample(1, vec![]), &at(end), &Observed::default());
    assert_eq!(events(Some(QueueEnd::Stopped)), []);
    assert_eq!(events(Some(QueueEnd::Ended)), []);
    for end in [Some(QueueEnd::Failed), None] {
        assert_eq!(events(end)[0].topic, Topic::QueueFailed, "{end:?}");
    }
}

#[test]
fn disk_is_nearly_full_until_it_has_room() {
    let mut watch = Watch::default();
    let phases: Vec<Phase> = (1..=60)
        .flat_map(|second| {
            let percent = match second {
                0..10 => 90.0,
                10..20 => 95.5,
                20..40 => 94.0,
                _ => 92.0,
            };
            let disks = [(PathBuf::from("/data"), percent)];
            let observed = Observed {
                disks: &disks,
                log_failure: None,
            };
            watch.observe(
                &sample(second - 1, vec![]),
                &sample(second, vec![]),
                &observed,
            )
        })
        .map(|event| event.phase)
        .collect();
    assert_eq!(phases, [Phase::Begin, Phase::End]);
}

#[test]
fn stepped_clock_is_an_event() {
    let mut now = sample(11, vec![]);
    now.moment.time = hpcap::Timestamp::new(8, 500_000_000);
    let events = Watch::default().observe(&sample(10, vec![]), &now, &Observed::default());
    assert_eq!(events[0].message, "the clock was set back by 2.500 s");
}
