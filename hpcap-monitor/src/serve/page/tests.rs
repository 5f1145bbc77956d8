//! The page of known samples.

use std::sync::Arc;

use hpcap::{Count, Reason};

use super::*;
use crate::events::{Event, Phase, Told, Topic};
use crate::sample::tests::{interface, listener, queue, sample};
use crate::span::spans_of_samples;

const SECOND: Duration = Duration::from_secs(1);

/// What is published after samples of consecutive seconds.
fn published(samples: Vec<Sample>) -> Published {
    let published = Published {
        samples: samples.len() as u64,
        ..Published::default()
    };
    let samples: Vec<Arc<Sample>> = samples.into_iter().map(Arc::new).collect();
    let mut spans = std::collections::BTreeMap::new();
    for pair in samples.windows(2) {
        spans = spans_of_samples(&pair[0], &pair[1], SECOND)
            .into_iter()
            .collect();
        let mut history = published.history.lock().unwrap();
        spans
            .iter()
            .for_each(|(name, span)| history.add(name, span));
    }
    Published {
        sample: samples.last().cloned(),
        spans,
        ..published
    }
}

fn begun(topic: Topic, subject: &str, second: u32) -> Event {
    Event {
        time: Timestamp::new(second, 0),
        topic,
        phase: Phase::Begin,
        subject: subject.into(),
        frames: None,
        seconds: None,
        message: format!("{subject} has begun"),
    }
}

/// A queue whose listener holds it back, with a loss of 5,000 frames in the last second.
fn losing() -> Published {
    let at = |captured, lost| {
        let mut one = queue("hpcap0:1", 1, captured, lost);
        one.listeners = vec![listener(4, "hpcapdd", 1 << 20), listener(5, "tap", 1)];
        one.listeners[1].reading.lossless = false;
        one.reading.counts.ledger[Reason::NicMissed] = Count::new(12, 0);
        one
    };
    let mut published = published(vec![
        sample(1_795_155_000, vec![at(0, 0)]),
        sample(1_795_155_001, vec![at(1_234_567, 5000)]),
    ]);
    published.conditions = vec![begun(Topic::Loss, "hpcap0", 1_795_154_401)];
    published
}

/// The text of the page, without markup.
fn text(page: &str) -> String {
    let mut text = String::new();
    for part in page.split('<').skip(1) {
        text.push_str(part.split_once('>').map_or("", |(_, text)| text));
        text.push('|');
    }
    text
}

#[test]
fn loss_is_named_first() {
    let page = losing().page("n");
    let title = page
        .split_once("<h1>")
        .unwrap()
        .1
        .split_once("</h1>")
        .unwrap()
        .0;
    assert_eq!(title, "Frames are being lost: hpcap0");
    let text = text(&page);
    // Where, since when, and who holds the ring.
    for part in [
        "(10m00s), 5 000 frames in the last hour",
        "a listener held the ring back: listener 4 (hpcapdd, pid 4711) of hpcap0:1",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn page_has_the_numbers_of_the_sample() {
    let text = text(&losing().page("n"));
    for part in [
        "|1 234 567|",
        "|5 000|",
        "|12|",
        "100 % of 1 MiB",
        "|1 048 576|",
        "|lossy|",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn quiet_machine_is_good() {
    let mut now = sample(11, vec![queue("hpcap0", 1, 100, 0)]);
    now.interfaces = vec![interface("eth0", 2, 50, 0)];
    let published = published(vec![sample(10, vec![queue("hpcap0", 1, 0, 0)]), now]);
    let page = published.page("n");
    assert!(page.contains("<header class=\"good\">"), "{page}");
    assert!(page.contains("No frame was lost in the last day"), "{page}");
}

#[test]
fn past_loss_is_shown() {
    let mut published = losing();
    published.conditions.clear();
    let page = published.page("n");
    assert!(page.contains("<header class=\"past\">"), "{page}");
    let title =
        "No frames are being lost now; 5 000 were lost in the last hour, 5 000 in the last day";
    assert!(page.contains(title), "{page}");
}

#[test]
fn other_condition_is_an_alarm() {
    let mut published = published(vec![sample(10, vec![]), sample(11, vec![])]);
    published.conditions = vec![begun(Topic::DiskNearlyFull, "/data", 9)];
    let page = published.page("n");
    assert!(page.contains("<header class=\"bad\">"), "{page}");
    assert!(page.contains("/data has begun"), "{page}");
}

#[test]
fn names_of_strangers_are_no_markup() {
    const HOSTILE: &str = "</td><script>alert(1)</script>\"'\u{1b}[2J";
    let at = |second, frames| {
        let mut one = queue("hpcap0", 1, frames, frames);
        one.interface = HOSTILE.into();
        one.listeners = vec![listener(4, HOSTILE, 1 << 20)];
        let mut sample = sample(second, vec![one]);
        sample.interfaces = vec![interface(HOSTILE, 2, frames, frames)];
        sample.unseen = vec![HOSTILE.into()];
        sample
    };
    let mut published = published(vec![at(10, 0), at(11, 7)]);
    published.conditions = vec![
        begun(Topic::Loss, HOSTILE, 9),
        begun(Topic::LinkDown, HOSTILE, 9),
    ];
    published.recent = vec![Told::from(&published.conditions[0])];
    published.disks = vec![(HOSTILE.into(), 50.0)];
    let page = published.page("n");
    assert!(
        !page.contains("<script") && !page.contains('\u{1b}'),
        "{page}"
    );
    assert!(page.matches("&lt;script&gt;").count() > 7, "{page}");
}

#[test]
fn page_is_small_and_complete() {
    let many = |second, frames| {
        let mut sample = sample(second, vec![]);
        sample.interfaces = (1..=64)
            .map(|n| interface(&format!("eth{n}"), n, frames, u64::from(n)))
            .collect();
        sample
    };
    let page = published(vec![many(10, 0), many(11, 5)]).page("n");
    assert!(page.len() < 400 << 10, "{}", page.len());
    assert!((1..=64).all(|n| page.contains(&format!("<td>eth{n}</td>"))));
    assert_eq!(page.matches("<h3>").count(), CHARTS);
    assert!(page.ends_with("</html>\n"));
}
