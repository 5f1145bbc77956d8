//! Journeys of frames, made of the records that a kernel writes on their way.

use super::*;

/// A record of the frame at address 1 on CPU 0; times are in ns.
fn event(time_ns: u64, point: Point, device: Option<&str>) -> Event {
    Event {
        time_ns,
        cpu: 0,
        point,
        frame: 1,
        len: 60,
        device: device.map(Arc::from),
        value: 0,
        place: 0,
    }
}

/// The journeys that have ended with these records, as "STEP@TIME STEP@TIME", and whether their end was seen.
fn follow(events: &[Event]) -> Vec<(String, bool)> {
    let mut journeys = Journeys::default();
    let mut ended = Vec::new();
    for event in events {
        ended.extend(journeys.follow(event).ended);
    }
    ended.extend(journeys.finish());
    let steps = |journey: &Journey| {
        let steps = journey.steps.iter();
        let words: Vec<_> = steps
            .map(|taken| format!("{:?}@{}", taken.step, taken.time_ns))
            .collect();
        words.join(" ")
    };
    ended
        .iter()
        .map(|journey| (steps(journey), journey.is_complete))
        .collect()
}

fn complete(steps: &str) -> (String, bool) {
    (steps.to_owned(), true)
}

fn incomplete(steps: &str) -> (String, bool) {
    (steps.to_owned(), false)
}

#[test]
fn received_frame_has_its_interrupt_and_softirq() {
    let events = [
        event(10, Point::Interrupt, Some("eth0-rx")),
        event(11, Point::SoftirqRaise, None),
        event(12, Point::InterruptEnd, None),
        event(20, Point::SoftirqEntry, None),
        event(25, Point::Gro, Some("eth0")),
        event(30, Point::Receive, Some("eth0")),
        event(40, Point::Copy, None),
        event(50, Point::Consume, None),
    ];
    let way = "Interrupt@10 SoftirqRaised@11 Softirq@20 Gro@25 Received@30 Copied@40 Freed@50";
    assert_eq!(follow(&events), [complete(way)]);
}

#[test]
fn softirq_waits_since_its_first_request() {
    let mut journeys = Journeys::default();
    let _ = journeys.follow(&event(10, Point::Interrupt, Some("eth0-rx")));
    let _ = journeys.follow(&event(12, Point::SoftirqRaise, None));
    let _ = journeys.follow(&event(15, Point::SoftirqRaise, None));
    let entry = journeys.follow(&event(20, Point::SoftirqEntry, None));
    assert_eq!(entry.softirq_waited_ns, [Some(8), Some(10)]);
    // The next run was not asked for in a handler.
    let _ = journeys.follow(&event(30, Point::InterruptEnd, None));
    let _ = journeys.follow(&event(40, Point::SoftirqRaise, None));
    let entry = journeys.follow(&event(41, Point::SoftirqEntry, None));
    assert_eq!(entry.softirq_waited_ns, [Some(1), None]);
    // A run whose request was lost has waited for an unknown time.
    let entry = journeys.follow(&event(50, Point::SoftirqEntry, None));
    assert_eq!(entry.softirq_waited_ns, [None, None]);
}

#[test]
fn interrupts_of_another_cpu_are_of_another_frame() {
    let mut elsewhere = event(10, Point::SoftirqRaise, None);
    elsewhere.cpu = 1;
    let events = [
        elsewhere,
        event(20, Point::SoftirqEntry, None),
        event(30, Point::Receive, Some("eth0")),
        event(40, Point::Consume, None),
    ];
    assert_eq!(
        follow(&events),
        [complete("Softirq@20 Received@30 Freed@40")]
    );
}

#[test]
fn drop_has_its_reason_and_place() {
    let mut journeys = Journeys::default();
    let _ = journeys.follow(&event(10, Point::Receive, Some("eth0")));
    let mut dropped = event(20, Point::Drop, None);
    (dropped.value, dropped.place) = (3, 0xffff);
    let ended = journeys.follow(&dropped).ended;
    assert_eq!(ended[0].drop, Some((3, 0xffff)));
    // The record of a drop has no interface: it is that of the step before.
    assert_eq!(ended[0].steps[1].device.as_deref(), Some("eth0"));
    assert!(ended[0].passes("eth0") && !ended[0].passes("eth1"));
}

#[test]
fn driver_refuses_a_frame_and_takes_it_later() {
    let mut refused = event(30, Point::Sent, Some("eth0"));
    refused.value = 0x10;
    let events = [
        event(10, Point::Queue, Some("eth0")),
        event(20, Point::StartSend, Some("eth0")),
        refused,
        event(40, Point::StartSend, Some("eth0")),
        event(50, Point::Sent, Some("eth0")),
        event(60, Point::Consume, None),
    ];
    let way = "Queued@10 StartSend@20 Busy@30 StartSend@40 Sent@50 Freed@60";
    assert_eq!(follow(&events), [complete(way)]);
}

#[test]
fn frame_through_a_virtual_cable_is_one_journey() {
    let events = [
        event(10, Point::Queue, Some("veth-a")),
        event(20, Point::StartSend, Some("veth-a")),
        event(30, Point::Backlog, Some("veth-b")),
        event(31, Point::SoftirqRaise, None),
        event(40, Point::Sent, Some("veth-a")),
        event(50, Point::SoftirqEntry, None),
        event(60, Point::Receive, Some("veth-b")),
        event(70, Point::Copy, None),
        event(80, Point::Consume, None),
    ];
    let way = "Queued@10 StartSend@20 Backlog@30 Sent@40 Softirq@50 Received@60 Copied@70 Freed@80";
    assert_eq!(follow(&events), [complete(way)]);
}

#[test]
fn memory_that_is_used_again_is_another_journey() {
    // The kernel freed the first frame without a word.
    let events = [
        event(5, Point::SoftirqEntry, None),
        event(10, Point::Receive, Some("eth0")),
        event(15, Point::SoftirqEntry, None),
        event(20, Point::Receive, Some("eth0")),
        event(30, Point::Consume, None),
    ];
    assert_eq!(
        follow(&events),
        [
            incomplete("Softirq@5 Received@10"),
            complete("Softirq@15 Received@20 Freed@30")
        ]
    );
}

#[test]
fn memory_of_a_merged_frame_is_used_again() {
    // GRO has merged the first frame into another one; the kernel writes no GRO records of eth1.
    let events = [
        event(5, Point::SoftirqEntry, None),
        event(10, Point::Gro, Some("eth0")),
        event(20, Point::Receive, Some("eth1")),
        event(30, Point::Drop, None),
    ];
    assert_eq!(
        follow(&events),
        [
            incomplete("Softirq@5 Gro@10"),
            complete("Softirq@5 Received@20 Dropped@30")
        ]
    );
}

#[test]
fn router_hands_a_frame_on_within_its_softirq() {
    let begun = [
        event(5, Point::SoftirqEntry, None),
        event(10, Point::Receive, Some("eth0")),
    ];
    let on = event(20, Point::Queue, Some("eth1"));
    let same_run = [begun.as_slice(), std::slice::from_ref(&on)].concat();
    assert_eq!(
        follow(&same_run),
        [incomplete("Softirq@5 Received@10 Queued@20")]
    );
    let later = [
        begun.as_slice(),
        &[event(15, Point::SoftirqEntry, None), on],
    ]
    .concat();
    assert_eq!(
        follow(&later),
        [incomplete("Softirq@5 Received@10"), incomplete("Queued@20")]
    );
}

#[test]
fn end_without_a_begin_is_no_journey() {
    for point in [Point::Copy, Point::Consume, Point::Sent] {
        assert_eq!(follow(&[event(10, point, None)]), []);
    }
    assert_eq!(
        follow(&[event(10, Point::Drop, None)]),
        [complete("Dropped@10")]
    );
}

#[test]
fn frame_in_a_loop_has_a_bounded_journey() {
    let mut events = Vec::new();
    for round in 0..100 {
        events.push(event(round * 10, Point::StartSend, Some("a")));
        events.push(event(round * 10 + 5, Point::Sent, Some("a")));
    }
    events.push(event(2000, Point::Drop, None));
    let mut journeys = Journeys::default();
    let ended: Vec<_> = events
        .iter()
        .flat_map(|event| journeys.follow(event).ended)
        .collect();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].steps.len(), STEPS_MAX + 1);
    // However long the way was, its end is known.
    assert_eq!(ended[0].steps[STEPS_MAX].step, Step::Dropped);
    assert!(ended[0].is_complete && ended[0].drop.is_some());
}

#[test]
fn too_many_frames_forget_the_oldest() {
    let mut journeys = Journeys::default();
    let frame = |address: u64, time_ns: u64| {
        let mut event = event(time_ns, Point::Receive, Some("eth0"));
        event.frame = address;
        event
    };
    let many = OPEN_MAX as u64;
    for address in 0..many {
        assert!(journeys.follow(&frame(address, 10)).ended.is_empty());
    }
    // Nobody has been on the way for long enough to be forgotten.
    assert!(journeys.follow(&frame(many, 20)).ended.is_empty());
    assert_eq!(journeys.untracked, 1);
    let late = FORGOTTEN_NS + 11;
    let ended = journeys.follow(&frame(many + 1, late)).ended;
    assert_eq!(ended.len(), OPEN_MAX);
    assert_eq!(journeys.untracked, 1);
    assert_eq!(journeys.finish().count(), 1);
}
