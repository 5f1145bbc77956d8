//! Runs the recorder, and reads what it wrote.

#![expect(dead_code, reason = "each test binary uses its part")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

pub(crate) mod daemon;
pub(crate) mod statistics;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hpcap::raw::check::Checker;
use hpcap::raw::index::Index;
use hpcap::raw::{Event, Reader};
use hpcap::{Count, Ledger, Reason};
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::process::Process;
use testkit::wait::{time_limit, wait_until};

/// The recorder's command, without arguments.
pub(crate) fn hpcapdd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpcapdd"));
    command.stdin(Stdio::null());
    command
}

/// Runs the recorder to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    hpcapdd().args(arguments).output().unwrap()
}

/// Records `source` into `folder` with more `arguments`, which must succeed. Returns the events.
pub(crate) fn record(source: &str, folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = hpcapdd()
        .args(["--json", "--source", source])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}: {text}", output.status);
    events(&output.stdout)
}

/// Parses the events, one JSON object per line.
pub(crate) fn events(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The events of one kind.
pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["event"] == kind).collect()
}

/// The summary, which must be the last event.
pub(crate) fn summary(events: &[Value]) -> &Value {
    let last = events.last().unwrap();
    assert_eq!(last["event"], "summary", "{last}");
    last
}

/// A running recorder whose events are read as they come. Dropping it kills the recorder.
pub(crate) struct Running {
    process: Process,
    /// Bytes of standard output that have become events.
    parsed: usize,
    pub(crate) seen: Vec<Value>,
}

impl Running {
    /// Starts `command` with `--json` as a further argument.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self {
            process: Process::spawn(command.arg("--json")),
            parsed: 0,
            seen: Vec::new(),
        };
        running.wait_for("start");
        running
    }

    /// Records `source` into `folder`.
    pub(crate) fn source(source: &str, folder: &Path, arguments: &[&str]) -> Self {
        Self::start(
            hpcapdd()
                .args(["--source", source])
                .arg(folder)
                .args(arguments),
        )
    }

    /// Waits for the next event of this kind.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(|event| event["event"] == kind)
    }

    /// Waits for the next event that `is_wanted` accepts.
    pub(crate) fn wait_until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            // This is checked before the output is read, so that everything that an ended recorder
            // wrote is there.
            let ended = self.process.has_closed_output();
            while let Some(event) = self.next_event() {
                if is_wanted(&event) {
                    return event;
                }
            }
            assert!(
                !ended && start.elapsed() < time_limit(),
                "the event did not come; events were {:#?}\n{}",
                self.seen,
                self.process.err()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn next_event(&mut self) -> Option<Value> {
        let out = self.process.out();
        let line = out[self.parsed..].split_inclusive('\n').next()?;
        let event: Value = serde_json::from_str(line.strip_suffix('\n')?).unwrap();
        self.parsed += line.len();
        self.seen.push(event.clone());
        Some(event)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the recorder has ended, with whatever result.
    pub(crate) fn wait_for_end(&mut self) {
        wait_until("the recorder has ended", || !self.process.is_running());
    }

    /// Waits until the recorder has ended. Returns its exit code, all its events, and what it wrote to
    /// standard error.
    pub(crate) fn finish(self) -> (i32, Vec<Value>, String) {
        let done = self.process.wait();
        let mut seen = self.seen;
        seen.extend(events(&done.out_bytes[self.parsed..]));
        (done.code().unwrap_or(-1), seen, done.err)
    }
}

/// The files below `folder` whose names end with `end`, ordered by the numbers in their names.
pub(crate) fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        hpcap::raw::name::FileName::parse(name).map(|n| (n.start_sec, n.sequence))
    });
    found
}

/// The content of a RAW file.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: u64,
    pub(crate) frames: Count,
    /// Sequence numbers of generated frames, all verified.
    pub(crate) sequence: Vec<u64>,
    /// Losses that all gaps tell together.
    pub(crate) lost: Ledger,
    /// The losses before the first frame, and those behind the last one.
    pub(crate) lost_at_start: Ledger,
    pub(crate) lost_at_end: Ledger,
    pub(crate) headers: u64,
    pub(crate) gaps: u64,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) last_event: &'static str,
}

/// Reads a file of generated frames. Verifies every frame, and allows no damage.
pub(crate) fn read(path: &Path) -> Content {
    let mut content = Content {
        bytes: path.metadata().unwrap().len(),
        ..Content::default()
    };
    let mut reader = Reader::open(path).unwrap();
    while reader.advance().unwrap() {
        content.last_event = match reader.event().unwrap() {
            Event::Frame(record) => {
                let stamp = verify(record.data);
                let at = reader.range().start;
                let stamp = stamp.unwrap_or_else(|| panic!("not as sent, at {at}"));
                if content.sequence.is_empty() {
                    content.lost_at_start = content.lost_at_end;
                }
                content.lost_at_end = Ledger::default();
                content.sequence.push(stamp.seq);
                content.frames += Count::new(1, u64::from(record.len));
                "frame"
            }
            Event::Padding(_) => "padding",
            Event::Duplicate => "duplicate",
            Event::Sent => "sent",
            Event::Altered(_) => "altered",
            Event::FileStart(_) => {
                content.headers += 1;
                "header"
            }
            Event::Missed(gap) => {
                content.gaps += 1;
                content.lost += &gap.lost;
                content.lost_at_end += &gap.lost;
                "gap"
            }
            Event::FileEnd(tag) => {
                content.ledger = Some(tag.ledger);
                "ledger"
            }
            Event::Damaged(damage) => panic!("damage in {}: {damage:?}", path.display()),
        };
    }
    content
}

/// Reads a finished file, which must be sound, with an index that fits.
pub(crate) fn read_sound(path: &Path) -> Content {
    assert_sound(path);
    read(path)
}

/// Checks that a finished file is sound, and has an index that fits.
pub(crate) fn assert_sound(path: &Path) {
    let report = Checker::new().check_file(path, &mut |_| Ok(())).unwrap();
    assert!(report.is_sound(), "{}: {report:#?}", path.display());
    let index = Index::load(path).unwrap().expect("an index");
    let built = Index::build(std::fs::File::open(path).unwrap(), index.block_bytes).unwrap();
    assert_eq!(index, built, "index of {}", path.display());
}

/// Reads all finished files below `folder`, whose frames must be `0..` without a hole. Returns
/// their number.
pub(crate) fn verify_all(folder: &Path) -> u64 {
    let mut next = 0;
    for path in files(folder, ".raw") {
        for seq in read_sound(&path).sequence {
            assert_eq!(seq, next, "in {}", path.display());
            next += 1;
        }
    }
    next
}

/// Frames that the summary's ledger counts for `reason`.
pub(crate) fn frames_of(summary: &Value, reason: Reason) -> u64 {
    summary["ledger"][reason.name()]["frames"]
        .as_u64()
        .unwrap_or(0)
}

/// Counts the frames that are missing between the first and the last of rising sequence numbers.
pub(crate) fn holes(sequence: &[u64]) -> u64 {
    assert!(sequence.windows(2).all(|w| w[0] < w[1]));
    sequence.windows(2).map(|w| w[1] - w[0] - 1).sum()
}

/// Frames that were lost before they reached the recorder. A busy machine makes even a slow
/// generator late.
pub(crate) fn lost_before_us(summary: &Value) -> u64 {
    frames_of(summary, Reason::RingFull) + frames_of(summary, Reason::NicMissed)
}

/// Frames lost before the recorder that the gaps of consecutive files tell, between the first and
/// the last frame of the files.
pub(crate) fn told_before_us(contents: &[Content]) -> u64 {
    let frames = |l: &Ledger| l[Reason::RingFull].frames + l[Reason::NicMissed].frames;
    let all: u64 = contents.iter().map(|c| frames(&c.lost)).sum();
    let outside = |c: Option<&Content>, of: fn(&Content) -> &Ledger| c.map_or(0, |c| frames(of(c)));
    all - outside(contents.first(), |c| &c.lost_at_start)
        - outside(contents.last(), |c| &c.lost_at_end)
}
