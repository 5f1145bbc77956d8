//! Live taps at full load: what one costs the producer while it is attached and after it has left, and what it costs
//! when many are attached and killed beside a recorder.
//!
//! A generator without a limit fills the ring of hpcapd. The measured time is the processor time of hpcapd for each
//! frame, so that it matters little what other programs run on the same processors.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hpcap::{Queue, Reason, Result};

use crate::capture::{SETTLE, wait_for};
use crate::process::{Running, Times, check_interrupted, own};
use crate::report::{Pairs, Report, Row, Target, Unit, median};
use crate::workspace::Workspace;

/// Settings of the measurement.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for sockets and outputs.
    pub dir: PathBuf,
    /// Seconds of each measurement.
    pub seconds: u32,
    /// Number of runs.
    pub runs: usize,
    /// Number of taps that are attached and killed in all runs together.
    pub taps: usize,
}

/// The queue of hpcapd.
const QUEUE: &str = "hpcap0";
/// A filter that no frame of the generator matches.
const NO_FRAME: &str = "tcp port 1";
/// Bytes that the programs may write.
const ROOM: u64 = 64 << 20;
/// Most nanoseconds that a tap may cost the producer for each frame.
const TAP_NS: f64 = 2.0;
/// Smallest part of the speed that is left while taps are attached and killed.
const RATIO: f64 = 0.98;

/// Frames that hpcapd captured in some time.
#[derive(Debug, Clone, Copy)]
struct Span {
    frames: u64,
    wall: Duration,
    /// Processor time of hpcapd.
    time: Duration,
}

impl Span {
    fn ns_per_frame(&self) -> f64 {
        self.time.as_nanos() as f64 / self.frames.max(1) as f64
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.wall.as_secs_f64()
    }
}

/// A running hpcapd.
struct Producer<'a> {
    running: Running,
    queue: Queue,
    folder: &'a Path,
}

impl<'a> Producer<'a> {
    /// Starts hpcapd, which captures without listeners, too, and waits until it serves its queue.
    fn start(folder: &'a Path) -> Result<Self> {
        let mut daemon = Command::new(own("hpcapd"));
        daemon.env("HPCAP_RUN_DIR", folder);
        daemon.args(["--quiet", "--ring", "64M", "--look-back", "gen:size=60"]);
        let running = Running::start(&mut daemon, folder)?;
        let socket = folder.join(format!("{QUEUE}.sock"));
        let mut queue = None;
        wait_for("hpcapd serves its queue", || {
            queue = Queue::open(socket.as_path()).ok();
            queue.is_some()
        })?;
        let queue = queue.map_or_else(|| Queue::open(socket.as_path()), Ok)?;
        Ok(Self {
            running,
            queue,
            folder,
        })
    }

    /// Starts a program that attaches to the queue, and waits until it has.
    fn attach(&self, program: &str, args: &[&str]) -> Result<Running> {
        let before = self.queue.listeners().len();
        let mut command = Command::new(own(program));
        command.env("HPCAP_RUN_DIR", self.folder).args(args);
        let running = Running::start(&mut command, self.folder)?;
        wait_for(&format!("{program} attaches"), || {
            self.queue.listeners().len() > before
        })?;
        Ok(running)
    }

    /// Starts a tap that gets no frame.
    fn tap(&self) -> Result<Running> {
        self.attach("hpcap-tap", &[QUEUE, "-f", NO_FRAME, "-w", "/dev/null"])
    }

    /// Kills a tap, and waits until its slot is free.
    fn kill(&self, tap: Running) -> Result<()> {
        let left = self.queue.listeners().len() - 1;
        // A program that was not waited for is killed.
        drop(tap);
        wait_for("the tap has left", || self.queue.listeners().len() <= left)
    }

    /// Measures what hpcapd captures during `work`.
    fn during(&self, work: impl FnOnce() -> Result<()>) -> Result<Span> {
        let captured = || self.queue.ledger().ledger[Reason::Captured].frames;
        let times = || Times::of(self.running.pid()).unwrap_or_default();
        let (frames, time, start) = (captured(), times(), Instant::now());
        work()?;
        Ok(Span {
            frames: captured() - frames,
            wall: start.elapsed(),
            time: times().total_since(&time),
        })
    }

    fn stop(mut self) -> Result<()> {
        self.running.interrupt();
        self.running.wait().map(drop)
    }
}

/// Measures live taps and adds rows to `report`.
///
/// # Errors
/// When a program fails.
pub fn tap(settings: &Settings, report: &mut Report) -> Result<()> {
    let workspace = Workspace::new(&settings.dir, ROOM)?;
    attached(settings, workspace.path(), report)?;
    killed(settings, workspace.path(), report)
}

/// Measures what a tap costs whose filter matches nothing.
fn attached(settings: &Settings, folder: &Path, report: &mut Report) -> Result<()> {
    let sleep = || {
        std::thread::sleep(Duration::from_secs(settings.seconds.into()));
        check_interrupted()
    };
    let mut with_tap = Pairs::new(Unit::NsPerFrame);
    let mut after_tap = Pairs::new(Unit::NsPerFrame);
    for _ in 0..settings.runs {
        let producer = Producer::start(folder)?;
        std::thread::sleep(SETTLE);
        let before = producer.during(sleep)?.ns_per_frame();
        let tap = producer.tap()?;
        let during = producer.during(sleep)?.ns_per_frame();
        producer.kill(tap)?;
        let after = producer.during(sleep)?.ns_per_frame();
        producer.stop()?;
        with_tap.add(during, f64::midpoint(before, after));
        after_tap.add(after, before);
    }
    report.add(
        Row::new(
            "a tap whose filter matches nothing, for each frame of the producer",
            with_tap.each(|during, without| during - without),
        )
        .target(Target::AtMost(TAP_NS))
        .note(format!(
            "{} with it, {} without",
            with_tap.ours(),
            with_tap.peer()
        )),
    );
    report.add(
        Row::new(
            "a tap that has left",
            after_tap.each(|after, before| after - before),
        )
        .note(format!(
            "{} after it, {} before",
            after_tap.ours(),
            after_tap.peer()
        )),
    );
    Ok(())
}

/// Measures what it costs to attach and kill taps beside a lossless recorder.
fn killed(settings: &Settings, folder: &Path, report: &mut Report) -> Result<()> {
    let taps = settings.taps.div_ceil(settings.runs.max(1));
    let mut pairs = Pairs::new(Unit::NsPerFrame);
    let (mut calm_rates, mut rates) = (Vec::new(), Vec::new());
    let mut lost = 0;
    for _ in 0..settings.runs {
        let producer = Producer::start(folder)?;
        let mut recorder = producer.attach("hpcapdd", &["--quiet", QUEUE, "null"])?;
        std::thread::sleep(SETTLE);
        let busy = producer.during(|| {
            for _ in 0..taps {
                check_interrupted()?;
                producer.kill(producer.tap()?)?;
            }
            Ok(())
        })?;
        let calm = producer.during(|| {
            std::thread::sleep(busy.wall);
            check_interrupted()
        })?;
        pairs.add(busy.ns_per_frame(), calm.ns_per_frame());
        rates.push(busy.frames_per_second());
        calm_rates.push(calm.frames_per_second());
        lost += producer.queue.ledger().ledger.lost().frames;
        recorder.interrupt();
        recorder.wait()?;
        producer.stop()?;
    }
    let note = format!(
        "{lost} frames lost; {:.2} and {:.2} M frames/s by the clock, with {taps} taps a run",
        median(&rates) / 1e6,
        median(&calm_rates) / 1e6
    );
    let what = "producer beside a recorder while taps are attached and killed";
    report.add(
        pairs
            .row(what, "no taps")
            .target(Target::Ratio(RATIO))
            .note(note),
    );
    Ok(())
}
