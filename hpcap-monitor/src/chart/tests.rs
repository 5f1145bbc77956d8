//! Charts of known traffic.

use std::time::Duration;

use hpcap::Count;

use super::*;
use crate::sample::Traffic;
use crate::span::Span;

/// An hour with a loss in the middle and a gap.
fn chart(lost: u64) -> Chart {
    let mut buckets = Buckets::default();
    for second in (0..3600_u64).filter(|second| !(600..900).contains(second)) {
        let lost = if (1800..1830).contains(&second) {
            lost
        } else {
            0
        };
        let causes = Causes {
            ring_full: lost,
            nic_missed: lost / 4,
            ..Causes::default()
        };
        let traffic = Traffic {
            received: Count::new(1000, 600_000_000 + 10_000 * second),
            lost: Count::new(lost + lost / 4, 0),
            causes,
        };
        let end = Timestamp::from_ns((1_795_155_001 + second) * 1_000_000_000);
        buckets.add(&Span::of(end, Duration::from_secs(1), traffic));
    }
    Chart {
        title: "hpcap0: 1 < 2".into(),
        details: vec!["ring_full 9".into()],
        buckets,
        start: Timestamp::new(1_795_155_000, 0),
        end: Timestamp::new(1_795_158_600, 0),
    }
}

#[test]
fn picture_is_twice_the_drawing() {
    for size in [Size::Wide, Size::Narrow] {
        let drawing = chart(90).draw(size);
        let png = drawing.png(Theme::Light).unwrap();
        assert_eq!(&png[1..4], b"PNG");
        let width = u32::from_be_bytes(png[16..20].try_into().unwrap());
        assert_eq!(f64::from(width), f64::from(drawing.width) * 2.0);
    }
}

#[test]
fn losses_have_their_numbers() {
    let svg = chart(90).draw(Size::Wide).svg(Paint::Fixed(Theme::Light));
    assert!(svg.contains(">ring_full 2 700<"), "{svg}");
    assert!(svg.contains(">nic_missed 660<"), "{svg}");
    assert!(svg.contains(">3 360 in all<"), "{svg}");
    assert!(svg.contains(">Received, Gb/s<"), "{svg}");
    assert!(svg.contains(">no data<"), "{svg}");
}

#[test]
fn time_without_losses_shows_none() {
    let svg = chart(0).draw(Size::Wide).svg(Paint::Fixed(Theme::Light));
    assert!(!svg.contains("Lost"), "{svg}");
    assert!(
        svg.contains(&Theme::Light.colour(Role::Good).to_string()),
        "{svg}"
    );
}

#[test]
fn markup_in_a_title_is_text() {
    let svg = chart(1).draw(Size::Narrow).svg(Paint::Classes);
    assert!(svg.contains("hpcap0: 1 &lt; 2"), "{svg}");
    assert!(!svg.contains("1 < 2"), "{svg}");
}

#[test]
fn empty_chart_is_drawn() {
    let mut empty = chart(0);
    empty.buckets.parts.clear();
    empty.end = empty.start;
    assert!(empty.draw(Size::Wide).png(Theme::Dark).is_ok());
}
