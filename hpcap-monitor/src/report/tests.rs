//! Reports of logs as the monitor writes them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::log::writer::{Job, Writer};
use crate::log::{FULL, index, retention};
use crate::sample::tests::{listener, queue, sample};
use crate::sample::{MachineSample, Sample};
use crate::span::State;

/// 2026-11-20T06:57:40Z.
const START: u32 = 1_795_157_860;

/// Writes the logs of samples, all of one run of the monitor.
fn write(folder: &Path, samples: Vec<Sample>) {
    let age = Duration::from_secs(1 << 33);
    let mut writer = Writer::start(folder.to_owned(), Duration::from_secs(1), age).unwrap();
    let mut before: Option<Arc<Sample>> = None;
    for (count, now) in samples.into_iter().enumerate() {
        let now = Arc::new(now);
        // More jobs than the writer has room for would be dropped.
        if count % 50 == 49 {
            assert!(writer.finish());
            writer = Writer::start(folder.to_owned(), Duration::from_secs(1), age).unwrap();
        }
        writer.write(Job::Sample {
            before: before.replace(Arc::clone(&now)),
            now,
            machine: MachineSample::default(),
        });
    }
    assert!(writer.finish());
}

/// A sample of a queue that started at `start`.
fn at(second: u32, start: u32, captured: u64, lost: u64) -> Sample {
    let mut one = queue("hpcap0", start, captured, lost);
    one.listeners = vec![listener(4, "hpcapdd", 1 << 20)];
    sample(second, vec![one])
}

fn options(folder: &Path) -> ReportOptions {
    ReportOptions {
        log: "hpcap0".into(),
        basedir: folder.to_owned(),
        from: None,
        to: None,
        bytes: false,
        json: false,
        svg: None,
        png: None,
        html: None,
    }
}

fn report(folder: &Path) -> Report {
    options(folder).report().unwrap()
}

/// An hour with 3 frames in each second, and a loss of 7 frames in each 100th.
fn an_hour() -> Vec<Sample> {
    let lost = |second: u32| u64::from(second / 100 * 7);
    (0..3600_u32)
        .map(|second| at(START + second, START, u64::from(3 * second), lost(second)))
        .collect()
}

#[test]
fn report_counts_less_than_a_frame_a_second() {
    let dir = tempfile::tempdir().unwrap();
    // Fewer than one frame a second, which rates of whole frames cannot tell.
    let frames = |n: u32| u64::from(n / 3);
    let samples = (0..40).map(|n| at(START + n, START, frames(n), u64::from(n >= 20)));
    write(dir.path(), samples.collect());
    let summary = report(dir.path()).summary;
    assert!(summary.exact);
    assert_eq!(
        (summary.received_frames, summary.received_bytes),
        (13, 1300)
    );
    assert_eq!(
        (summary.lost_frames, summary.lost_by_cause.ring_full),
        (1, 1)
    );
    assert_eq!(summary.first_loss, Some(Timestamp::new(START + 19, 0)));
    let holder = summary.holder.unwrap();
    assert_eq!(holder, "listener 4 (hpcapdd, pid 4711) of hpcap0");
}

#[test]
fn index_agrees_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), an_hour());
    let folder = dir.path().join(FULL);
    let with_index = report(dir.path());
    let files = retention::hours(&folder);
    assert_eq!(files.len(), 2);
    // The hour under way has none.
    assert!(index::path_of(&files[0].path).exists() && !index::path_of(&files[1].path).exists());
    std::fs::remove_file(index::path_of(&files[0].path)).unwrap();
    let without_index = report(dir.path());
    assert_eq!(with_index.timeline, without_index.timeline);
    assert_eq!(with_index.summary, without_index.summary);
    assert_eq!(with_index.summary.lost_frames, 35 * 7);
}

#[test]
fn parts_of_the_time_add_up() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), an_hour());
    let whole = report(dir.path()).summary;
    let mut frames = (0, 0);
    for (from, to) in [(0, 100), (100, 141), (141, 3000), (3000, 3600)] {
        let part = ReportOptions {
            from: Some(Timestamp::new(START + from, 0)),
            to: Some(Timestamp::new(START + to, 0)),
            ..options(dir.path())
        };
        let part = part.report().unwrap().summary;
        frames.0 += part.received_frames;
        frames.1 += part.lost_frames;
    }
    assert_eq!(frames, (whole.received_frames, whole.lost_frames));
}

#[test]
fn pause_of_the_monitor_loses_no_count() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        vec![at(START, START, 0, 0), at(START + 1, START, 10, 0)],
    );
    // The monitor rests for two hours, in which 5 frames are lost.
    let later = START + 7200;
    write(
        dir.path(),
        vec![at(later, START, 900, 5), at(later + 1, START, 910, 5)],
    );
    let report = report(dir.path());
    let states: Vec<State> = report.timeline.iter().map(|span| span.state).collect();
    assert_eq!(states, [State::Received, State::NoData, State::Received]);
    let summary = report.summary;
    assert_eq!((summary.received_frames, summary.lost_frames), (910, 5));
    assert_eq!(summary.lost_without_time, 5);
    assert_eq!(summary.missing, Duration::from_secs(7199));
    assert_eq!((summary.mean_bps, summary.highest_bps), (8000.0, 8000));
}

#[test]
fn restarted_queue_counts_from_zero() {
    let dir = tempfile::tempdir().unwrap();
    let samples = vec![
        at(START, START, 0, 0),
        at(START + 1, START, 1000, 3),
        at(START + 2, START + 1, 50, 0),
        at(START + 3, START + 1, 60, 1),
    ];
    write(dir.path(), samples);
    let summary = report(dir.path()).summary;
    assert_eq!((summary.received_frames, summary.lost_frames), (1060, 4));
}

#[test]
fn leap_second_is_a_second() {
    let dir = tempfile::tempdir().unwrap();
    // Linux repeats the last second of a day that has one more. The other clock goes on.
    let seconds = [57, 58, 59, 59, 60, 61];
    let mut samples = Vec::new();
    for (passed, second) in (0_u32..).zip(seconds) {
        let mut one = at(START + second, START, u64::from(100 * passed), 0);
        one.moment.monotonic = Duration::from_secs((START + 57 + passed).into());
        if passed >= 3 {
            // A frame is lost within the second that is there twice.
            one.queues[0].reading.counts.ledger[hpcap::Reason::RingFull] =
                hpcap::Count::new(1, 100);
        }
        samples.push(one);
    }
    write(dir.path(), samples);
    let summary = report(dir.path()).summary;
    assert_eq!((summary.received_frames, summary.lost_frames), (500, 1));
    assert_eq!(summary.missing, Duration::ZERO);
    // No second has more than its frames, and none has fewer.
    assert_eq!((summary.highest_bps, summary.lowest_bps), (80_000, 80_000));
    // The original's log has a row for each, two of them with the same time.
    let weeks = std::fs::read_dir(dir.path()).unwrap();
    let files = weeks.map(|week| week.unwrap().path().join("hpcap0"));
    let text: String = files
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    let rows: Vec<&str> = text.lines().collect();
    let twice = format!("{} 80000 100 ", START + 59);
    assert_eq!(
        rows.iter().filter(|row| row.starts_with(&twice)).count(),
        2,
        "{text}"
    );
}

#[test]
fn rounded_log_covers_the_time_before_the_full_log() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        (0..5)
            .map(|n| at(START + n, START, u64::from(10 * n), 0))
            .collect(),
    );
    let folder = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folder = folder
        .into_iter()
        .find(|path| path.join("hpcap0").exists())
        .unwrap();
    let own = std::fs::read_to_string(folder.join("hpcap0")).unwrap();
    let earlier = START - 1000;
    let old = format!("{earlier} 800 1 0 0\n{} 800 1 800 1\n{own}", earlier + 1);
    std::fs::write(folder.join("hpcap0"), old).unwrap();
    let summary = report(dir.path()).summary;
    // Rows of the time that the full log has are not counted again.
    assert_eq!((summary.received_frames, summary.lost_frames), (42, 1));
    assert!(!summary.exact);
    assert_eq!(summary.rounded_until, Some(Timestamp::new(earlier + 1, 0)));
}

#[test]
fn damaged_files_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), an_hour());
    let files = retention::hours(&dir.path().join(FULL));
    std::fs::remove_file(index::path_of(&files[0].path)).unwrap();
    let mut bytes = std::fs::read(&files[0].path).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&files[0].path, bytes).unwrap();
    let report = report(dir.path());
    assert!(report.summary.damaged_files + report.summary.damaged_lines > 0);
    assert!(report.to_string().contains("damaged"), "{report}");
}

#[test]
fn unknown_interface_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        vec![at(START, START, 0, 0), at(START + 1, START, 1, 0)],
    );
    let unknown = ReportOptions {
        log: "eth7".into(),
        ..options(dir.path())
    };
    let error = unknown.report().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[test]
fn page_has_the_numbers_of_the_report() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), an_hour());
    let file = |name: &str| Some(dir.path().join(name));
    let options = ReportOptions {
        svg: file("a.svg"),
        png: file("a.png"),
        html: file("a.html"),
        ..options(dir.path())
    };
    let text = options.run().unwrap();
    assert!(text.starts_with("245 frames were lost"), "{text}");
    let html = std::fs::read_to_string(dir.path().join("a.html")).unwrap();
    for part in [
        "hpcap0: 245 frames were lost",
        "ring_full 245",
        "listener 4 (hpcapdd, pid 4711)",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Nothing is loaded from elsewhere, and nothing runs.
    for part in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(part), "{part}");
    }
    let svg = std::fs::read_to_string(dir.path().join("a.svg")).unwrap();
    assert!(
        svg.contains(">ring_full 245<") && svg.contains(">245 in all<"),
        "{svg}"
    );
    assert!(
        std::fs::read(dir.path().join("a.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn file_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        vec![at(START, START, 0, 0), at(START + 1, START, 1, 0)],
    );
    let options = ReportOptions {
        png: Some(dir.path().join("missing/a.png")),
        ..options(dir.path())
    };
    let error = options.run().unwrap_err().to_string();
    assert!(error.contains("missing/a.png"), "{error}");
}
