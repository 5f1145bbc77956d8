//! Tests with the traffic of another program, mostly on another machine, through an interface or a queue of this one.
//!
//! The link may carry other frames, too, so that the frames on the wire are at least those of the sender.

use std::fmt;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use hpcap::{Kind, Ledger, Queue, QueueName, Reason, Result};
use hpcap_ipc::connection::socket_path;
use hpcap_sender::{Load, Program, Sender, Template};

use super::Outcome;
use super::run::{Lab, Running};
use super::traffic::{check_files, remove, told, wrong};

/// Sizes of the frames, in bytes without their check sequence: the shortest and the longest of an ordinary link.
const SIZES: [u16; 2] = [60, 1514];

/// Frames that a link may carry beside those of the sender before the sender's count is doubted: one of a hundred, and a
/// thousand.
const OTHERS: (u64, u64) = (100, 1000);

/// The time for which a queue gets no frame before all frames of the sender are taken to have arrived.
const QUIET: Duration = Duration::from_millis(500);

/// The longest wait for such a time.
const QUIET_LIMIT: Duration = Duration::from_secs(20);

/// Whom to ask for traffic, and where it arrives.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Also capture traffic that arrives here: a network interface, or a queue that is served, such as hpcap0
    #[arg(long, value_name = "IF|QUEUE", requires = "send")]
    capture: Option<String>,

    /// Command that sends; {size}, {frames}, {pps}, {mbits}, {seconds} are replaced
    #[arg(long, value_name = "COMMAND", requires = "capture", value_parser = Template::from_str)]
    send: Option<Template>,

    /// Program whose output COMMAND prints: hpcap-bench, moongen, pktgen, trex or other
    #[arg(long, value_name = "PROGRAM", default_value = "hpcap-bench", value_parser = Program::from_str, requires = "send")]
    sender: Program,

    /// Frames of each size that COMMAND is asked to send
    #[arg(long, value_name = "N", default_value_t = 200_000, requires = "send",
        value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,

    /// Frames a second that COMMAND is asked to send
    #[arg(long, value_name = "N", default_value_t = 50_000, requires = "send",
        value_parser = clap::value_parser!(u64).range(1..))]
    pps: u64,
}

impl Options {
    /// Runs a test for each size of frames, if a command that sends was given.
    pub(super) fn run(
        &self,
        lab: &Lab,
        tell: &mut impl FnMut(&Outcome) -> Result<()>,
    ) -> Result<()> {
        let (Some(capture), Some(template)) = (&self.capture, &self.send) else {
            return Ok(());
        };
        let sender = Sender::new(self.sender, template.clone());
        for size in SIZES {
            let load = Load {
                size,
                frames: self.frames,
                pps: self.pps,
            };
            tell(&told("wire", receive(lab, capture, &sender, load)))?;
        }
        Ok(())
    }
}

/// What captures: a queue of the machine, or a daemon of the test.
struct Capture {
    queue: Queue,
    /// The queue's name.
    name: String,
    daemon: Option<Running>,
}

impl Capture {
    fn start(lab: &Lab, what: &str) -> Result<Self> {
        // An interface that the kernel module captures is called as its queue is, and only the queue has its frames.
        let named = what.parse::<QueueName>().ok().map(Queue::open);
        match named {
            Some(Ok(queue)) => Ok(Self {
                queue,
                name: what.to_owned(),
                daemon: None,
            }),
            Some(Err(e)) if e.kind() != Kind::NotFound => Err(e),
            _ => Self::of_interface(lab, what),
        }
    }

    fn of_interface(lab: &Lab, interface: &str) -> Result<Self> {
        let source = format!("hpcap0=auto:{interface}");
        let run_dir = lab.path("run");
        let run_dir = run_dir.to_string_lossy();
        let arguments = ["--run-dir", &run_dir, "--json", "--ring", "64M", &source];
        let mut daemon = lab.start("hpcapd", &arguments)?;
        daemon.wait_for("serving")?;
        let name = QueueName::new(0, 0);
        Ok(Self {
            queue: Queue::open(socket_path(&lab.path("run"), name))?,
            name: name.to_string(),
            daemon: Some(daemon),
        })
    }
}

/// What became of the frames of a sender.
struct Arrived {
    size: u16,
    sent: u64,
    /// What the queue has counted meanwhile.
    counted: Ledger,
    others: u64,
}

impl fmt::Display for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, sent, .. } = self;
        let wire = self.counted.on_the_wire().frames;
        write!(f, "{sent} frames of {size} bytes sent, {wire} on the wire")?;
        if self.others > 0 {
            write!(f, " ({} of others)", self.others)?;
        }
        for (reason, count) in self.counted.iter().filter(|(_, count)| count.frames > 0) {
            write!(f, ", {} {reason}", count.frames)?;
        }
        Ok(())
    }
}

/// Has the frames sent, records them, and compares what the sender, the ledger and the files have.
fn receive(lab: &Lab, capture: &str, sender: &Sender, load: Load) -> Result<String> {
    let captured = Capture::start(lab, capture)?;
    let folder = format!("wire-{}", load.size);
    let destination = lab.path(&folder).display().to_string();
    let recorder = ["--json", &captured.name, &destination];
    let mut recorder = match captured.daemon {
        Some(_) => lab.start("hpcapdd", &recorder)?,
        None => lab.start_on_the_machine("hpcapdd", &recorder)?,
    };
    recorder.wait_for("start")?;

    let before = captured.queue.ledger().ledger;
    let sent = sender.send(load)?;
    wait_until_quiet(&captured.queue);
    let counted = captured.queue.ledger().ledger.since(&before);

    recorder.interrupt_and_wait()?;
    if let Some(daemon) = captured.daemon {
        daemon.interrupt_and_wait()?;
    }
    let files = check_files(lab, &destination)?;
    remove(lab, &folder);

    let wire = counted.on_the_wire().frames;
    let arrived = Arrived {
        size: load.size,
        sent,
        others: wire.saturating_sub(sent),
        counted,
    };
    if sent == 0 {
        let asked = load.frames;
        return Err(wrong(format!(
            "the sender says that it has sent nothing; it was asked for {asked} frames"
        )));
    }
    if wire < sent {
        let missing = sent - wire;
        let why = format!("{arrived}; {missing} did not reach the queue");
        return Err(wrong(why).advise(
            "see whether the link is up, whether switches pass the frames, and the errors in ethtool -S IF",
        ));
    }
    if arrived.others > sent / OTHERS.0 + OTHERS.1 {
        let why = format!("{arrived}; the sender sent more than it says, or the link is in use");
        return Err(wrong(why));
    }
    let lost = arrived.counted.lost().frames;
    if lost > 0 {
        return Err(wrong(format!("{arrived}; {lost} were lost")));
    }
    if files.frames < arrived.counted[Reason::Captured].frames {
        let found = files.describe();
        return Err(wrong(format!("{arrived}; only {found}")));
    }
    Ok(format!("{arrived}: {}", files.describe()))
}

/// Waits until the queue has had no frame for a while. On a link with other traffic, that may never be.
fn wait_until_quiet(queue: &Queue) {
    let end = Instant::now() + QUIET_LIMIT;
    let on_the_wire = || queue.ledger().ledger.on_the_wire().frames;
    let mut last = (on_the_wire(), Instant::now());
    while last.1.elapsed() < QUIET && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
        let now = on_the_wire();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
}
