//! Tests of a recorder whose storing thread panics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use hpcap::listener::Listener;
use hpcap::message::Printer;
use hpcap::raw::check::Checker;
use hpcap::{Contract, QueueName, Start};
use hpcap_engine::EngineConfig;

use super::*;
use crate::report::reporter::Style;
use crate::sink::Ending;
use crate::sink::block::{BlockLimits, BlockSink};
use crate::storage::finish::Finisher;
use crate::storage::folder::OutputFolder;

/// A sink that panics when it has stored `frames` frames or, if `at_end`, when the recording ends.
struct Panicking {
    sink: BlockSink,
    frames: u64,
    at_end: bool,
}

impl Sink for Panicking {
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step> {
        assert!(
            listener.told()[Reason::Captured].frames + listener.position() < self.frames,
            "a defect"
        );
        self.sink.step(listener, until)
    }

    fn done_to(&self, listener: &Listener) -> u64 {
        self.sink.done_to(listener)
    }

    fn rotate(&mut self, listener: &mut Listener) {
        self.sink.rotate(listener);
    }

    fn finish(&mut self, listener: &mut Listener, ending: &Ending) {
        assert!(!self.at_end, "a defect at the end");
        self.sink.finish(listener, ending);
    }

    fn tally(&self) -> Tally {
        self.sink.tally()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.sink.take_notices()
    }
}

/// Records endless frames into `folder` until the storing thread panics.
fn record(folder: &std::path::Path, at_end: bool) -> Recorded {
    let name = QueueName::new(0, 0);
    let mut config = EngineConfig::new(name, "gen:size=1000".parse().unwrap());
    config.ring_bytes = 1 << 20;
    config.start_on_attach = true;
    let input = Input::source(&config, Contract::Lossless, Start::File).unwrap();
    let output = OutputFolder::open(folder, name, false).unwrap();
    let sink = Panicking {
        sink: BlockSink::new(&input.listener, output, BlockLimits::default()),
        frames: 4 << 20,
        at_end,
    };
    let printer = Printer::start(|_, dropped| dropped.to_string()).unwrap();
    let mut reporter = Reporter::new(printer.messages(), Style::Quiet, false);
    let completion = Completion::new(Finisher::start().unwrap(), None, None);
    let session = Session::new(
        input,
        Box::new(sink),
        Some(completion),
        &mut reporter,
        Signals::default(),
        Timing::default(),
    );
    let recorded = session.run();
    printer.finish();
    recorded
}

#[test]
fn panic_of_the_storing_thread_closes_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = record(dir.path(), false);
    let error = recorded.outcome.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    let thread = "panic_of_the_storing_thread_closes_the_files";
    assert!(text.contains("a defect") && text.contains(thread), "{text}");
    assert_eq!(recorded.ended_by, EndedBy::Failed);
    assert!(recorded.tally.stored.frames > 1000);
    let half_hour = std::fs::read_dir(dir.path()).unwrap().next().unwrap();
    let mut stored = 0;
    for entry in std::fs::read_dir(half_hour.unwrap().path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.extension().is_some_and(|end| end != "part"),
            "{path:?}"
        );
        if path.extension().is_some_and(|end| end == "raw") {
            let report = Checker::new().check_file(&path, &mut |_| Ok(())).unwrap();
            assert!(report.is_sound(), "{report:#?}");
            stored += report.frames.frames;
        }
    }
    assert_eq!(stored, recorded.tally.stored.frames);
}

#[test]
fn panic_at_the_end_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = record(dir.path(), true);
    assert_eq!(recorded.outcome.unwrap_err().exit_code(), 1);
}
