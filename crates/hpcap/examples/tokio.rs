//! Counts the frames of several queues in one thread of tokio, and prints the counts every second.
//!
//!     cargo run --release -p hpcap --example tokio -- hpcap0 hpcap1
//!
//! A stream becomes a descriptor that tokio waits for. While frames come faster than the program
//! reads them, each task lets the others run after a thousand events.

use std::cell::Cell;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use hpcap::stream::Pollable;
use hpcap::{Event, Queue, Result};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::{LocalSet, yield_now};

/// Events that a task reads before it lets the others run.
const EVENTS: usize = 1000;

/// The counts of frames of one queue.
#[derive(Default)]
struct Counts {
    frames: Cell<u64>,
    missed: Cell<u64>,
}

/// Why a task stopped reading.
enum Stopped {
    /// There are more events, but it is the turn of the other tasks.
    Turn,
    /// No more events have come yet.
    Pending,
    /// The source of the queue has ended.
    Ended,
}

fn read(stream: &mut Pollable, counts: &Counts) -> Result<Stopped> {
    for _ in 0..EVENTS {
        match stream.try_next()? {
            Poll::Ready(Some(Event::Frame(_))) => counts.frames.set(counts.frames.get() + 1),
            Poll::Ready(Some(Event::Missed(gap))) => {
                counts.missed.set(counts.missed.get() + gap.frames());
            }
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => return Ok(Stopped::Ended),
            Poll::Pending => return Ok(Stopped::Pending),
        }
    }
    Ok(Stopped::Turn)
}

async fn follow(
    name: &str,
    counts: &Counts,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let stream = Queue::open(name)?.follow("tokio-example")?.pollable()?;
    // SAFETY: the stream owns its descriptor and returns the same one until it is dropped.
    let mut stream = unsafe { AsyncFd::register_with_interest(stream, Interest::READABLE) }?;
    loop {
        match read(stream.get_mut(), counts)? {
            Stopped::Turn => yield_now().await,
            Stopped::Pending => stream.readable().await?.clear_ready(),
            Stopped::Ended => return Ok(()),
        }
    }
}

/// Follows the queue `name` until its end, and prints its counts every second.
async fn count(name: String) -> bool {
    let counts = Counts::default();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let following = follow(&name, &counts);
    tokio::pin!(following);
    loop {
        tokio::select! {
            ended = &mut following => {
                if let Err(e) = &ended {
                    eprintln!("tokio: {name}: {e}");
                }
                return ended.is_ok();
            }
            _ = second.tick() => {
                println!("{name}: {} frames, {} missed", counts.frames.take(), counts.missed.take());
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names.push("hpcap0".into());
    }
    let tasks = LocalSet::new();
    let counting: Vec<_> = names
        .into_iter()
        .map(|name| tasks.spawn_local(count(name)))
        .collect();
    tasks.await;
    for queue in counting {
        if !queue.await.unwrap_or(false) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
