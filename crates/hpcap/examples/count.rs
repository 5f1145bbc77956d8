//! A minimal client, which counts the frames of a queue by EtherType and prints the counts every
//! second.
//!
//!     cargo run --release -p hpcap --example count -- hpcap0
//!
//! The stream is lossy, so that it never costs a recorder a frame; it reports the frames it missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hpcap::{Event, Queue, Result};

fn count(name: &str) -> Result<()> {
    let queue = Queue::open(name)?;
    let mut stream = queue
        .stream("count")
        .report_idle(Duration::from_millis(100))
        .open()?;
    let mut frames: BTreeMap<u16, u64> = BTreeMap::new();
    let mut print = Instant::now() + Duration::from_secs(1);
    while let Some(event) = stream.next()? {
        match event {
            Event::Frame(frame) => {
                if let Some(&[high, low]) = frame.data.get(12..14) {
                    *frames.entry(u16::from_be_bytes([high, low])).or_default() += 1;
                }
            }
            Event::Missed(gap) => println!("missed {} frames: {}", gap.frames(), gap.reason()),
            _ => {}
        }
        if Instant::now() >= print {
            print += Duration::from_secs(1);
            for (ethertype, n) in std::mem::take(&mut frames) {
                println!("{ethertype:#06x} {n}");
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_else(|| "hpcap0".into());
    match count(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("count: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
