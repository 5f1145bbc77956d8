//! The smallest useful client: counts the frames of a queue by EtherType, once a second.
//!
//!     cargo run --release -p hpcap --example count -- hpcap0
//!
//! It is lossy, so that it never costs a recorder a frame, and says what it missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hpcap::raw::Item;
use hpcap::{Contract, Kind, Queue, Reason, Request, Result, Start, Waited};

fn count(name: &str) -> Result<()> {
    let queue = Queue::open(name.parse()?)?;
    let mut listener = queue.attach(&Request {
        contract: Contract::Lossy,
        start: Start::Newest,
        program: "count".into(),
    })?;
    let mut frames: BTreeMap<u16, u64> = BTreeMap::new();
    let mut print = Instant::now() + Duration::from_secs(1);
    loop {
        match listener.next_record() {
            Ok(Some(Item::Frame(frame))) => {
                if let Some(&[high, low]) = frame.data.get(12..14) {
                    *frames.entry(u16::from_be_bytes([high, low])).or_default() += 1;
                }
            }
            // Padding, or a gap: frames are missing for everybody.
            Ok(Some(_)) => {}
            Ok(None) => {
                listener.ack()?;
                if listener.wait(1, Duration::from_millis(100))? == Waited::Ended {
                    return Ok(());
                }
            }
            // Too slow: go on with the newest block, and know what is missing.
            Err(e) if e.kind() == Kind::Overrun => {
                let missed = listener.resync(Start::Newest)?;
                println!("missed {} frames", missed[Reason::Overrun].frames);
            }
            Err(e) => return Err(e),
        }
        if Instant::now() >= print {
            print += Duration::from_secs(1);
            for (ethertype, n) in std::mem::take(&mut frames) {
                println!("{ethertype:#06x} {n}");
            }
        }
    }
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
