//! A listener as a separate process, which verifies every generated frame of a queue, slowly if
//! requested.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hpcap::raw::Event;
use hpcap::{Contract, Kind, Listener, Queue, QueueName, Reason, Request, Result, Start, Waited};
use hpcap_source::generator::verify;
use serde_json::json;

/// Number of bytes between two acknowledgements.
const ACK_EVERY: u64 = 256 << 10;

#[derive(Debug, Parser)]
struct Cli {
    queue: QueueName,
    /// lossless, lossless:TIME or lossy
    #[arg(long, default_value = "lossless")]
    contract: Contract,
    /// file, newest or oldest
    #[arg(long, default_value = "newest")]
    start: Start,
    /// Sleep so many milliseconds ...
    #[arg(long, default_value_t = 0)]
    sleep_ms: u64,
    /// ... after so many frames
    #[arg(long, default_value_t = 1000)]
    every: u64,
    /// Attach, say so, and wait until this file exists before looking at anything
    #[arg(long)]
    after: Option<PathBuf>,
    /// Attach, say so, and never look at anything
    #[arg(long)]
    stuck: bool,
}

/// Counts of the frames that the listener has verified.
#[derive(Debug, Default)]
struct Seen {
    frames: u64,
    corrupt: u64,
    backwards: u64,
    missing: u64,
    lost: u64,
    last: Option<u64>,
}

impl Seen {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Frame(frame) => {
                self.frames += 1;
                let Some(stamp) = verify(frame.data) else {
                    self.corrupt += 1;
                    return;
                };
                match self.last {
                    Some(last) if stamp.seq <= last => self.backwards += 1,
                    Some(last) => self.missing += stamp.seq - last - 1,
                    None => {}
                }
                self.last = Some(stamp.seq);
            }
            Event::Missed(gap) => self.lost += gap.lost.lost().frames,
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    match listen(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("e2e-listener: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn listen(cli: &Cli) -> Result<()> {
    let request = Request {
        contract: cli.contract,
        start: cli.start,
        program: "e2e-listener".into(),
    };
    let mut listener = Queue::open(cli.queue)?.attach(&request)?;
    let slot =
        (0..hpcap::abi::HPCAP_SLOTS).find(|n| listener.page().listener(*n).id == listener.id());
    let start_frames = listener.page().listener(slot.unwrap()).start_frames;
    println!("{}", json!({"event": "attached", "id": listener.id()}));
    if cli.stuck {
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
    while cli.after.as_ref().is_some_and(|file| !file.exists()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut seen = Seen::default();
    let end = read_to_end(&mut listener, cli, &mut seen);
    let end_name = match &end {
        Ok(()) if listener.producer_died() => "producer gone",
        Ok(()) => "source ended",
        Err(e) if e.kind() == Kind::Killed => "killed",
        Err(_) => "failed",
    };
    let captured = listener.ledger().ledger[Reason::Captured].frames;
    println!(
        "{}",
        json!({
            "event": "end",
            "end": end_name,
            "frames": seen.frames,
            "corrupt": seen.corrupt,
            "backwards": seen.backwards,
            "missing": seen.missing,
            "lost": seen.lost,
            "missed": listener.missed().frames,
            "captured": captured - start_frames,
        })
    );
    end
}

fn read_to_end(listener: &mut Listener, cli: &Cli, seen: &mut Seen) -> Result<()> {
    let mut acked = listener.position();
    loop {
        match listener.next_record() {
            Ok(Some(event)) => {
                seen.see(&event);
                if cli.sleep_ms > 0 && seen.frames.is_multiple_of(cli.every) {
                    std::thread::sleep(Duration::from_millis(cli.sleep_ms));
                }
            }
            Ok(None) => {
                acked = acknowledge(listener)?;
                if listener.wait(1, Duration::from_secs(1))? == Waited::Ended {
                    return Ok(());
                }
            }
            Err(e) if e.kind() == Kind::Overrun => acked = resync(listener)?,
            Err(e) => return Err(e),
        }
        if listener.position() - acked >= ACK_EVERY {
            acked = acknowledge(listener)?;
        }
    }
}

/// Acknowledges everything up to the listener's position, and returns that position. After an
/// overrun, the listener resynchronises first: the frames before it were verified when they were
/// read.
fn acknowledge(listener: &mut Listener) -> Result<u64> {
    match listener.ack() {
        Err(e) if e.kind() == Kind::Overrun => resync(listener),
        other => other.map(|()| listener.position()),
    }
}

fn resync(listener: &mut Listener) -> Result<u64> {
    loop {
        match listener.resync(Start::Oldest) {
            Ok(_) => return Ok(listener.position()),
            Err(e) if e.kind() == Kind::NotFound => std::thread::sleep(Duration::from_millis(1)),
            Err(e) => return Err(e),
        }
    }
}
