//! `rxtxcpu steer`: which queue and which CPU the frames of a flow will reach, and why.

mod cli;
mod explain;
mod forecast;
mod observe;
mod place;
pub mod toeplitz;

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use hpcap::Error;
use hpcap_host::{Interface, Tree};

use crate::failure::Failure;
use crate::say::say;
pub use cli::Steer;
use explain::{Diversions, explain};
use forecast::{Forecast, Nic};
use observe::observe;
use place::Place;

/// Predicts, and prints what was found.
pub(crate) fn run(program: &str, steer: &Steer) -> ExitCode {
    let printed = report(steer).and_then(|text| {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // The reader has read enough.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(Error::io("write to standard output", e).into()),
            Ok(()) => Ok(()),
        }
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format_args!("{program}: {failure}"));
            failure.exit_code()
        }
    }
}

fn report(steer: &Steer) -> Result<String, Failure> {
    let flow = steer.flow()?;
    let nic = Nic::of(steer, flow.kind())?;
    let there = Forecast::of(&nic, flow.source, flow.destination);
    let back = Forecast::of(&nic, flow.destination, flow.source);
    let tree = Tree::machine();
    let name = &steer.interface;
    let mut text = String::new();
    let _ = writeln!(text, "flow   {flow}");
    let _ = writeln!(
        text,
        "hash   {:#010x}, Toeplitz of {}",
        there.hash,
        nic.hashed()
    );
    let entries = nic.hash.table.len();
    let _ = writeln!(
        text,
        "queue  {}, entry {} of {entries}",
        there.queue, there.entry
    );
    let place = Place::of(&tree, name, there.queue);
    let _ = write!(text, "{place}");
    let other = match back.queue == there.queue {
        true => format!("queue {}: the same", back.queue),
        false => format!("queue {}: not the same", back.queue),
    };
    let _ = writeln!(
        text,
        "back   {other} (if its answers are received here, too)"
    );
    match steer.observe {
        Some(time) => {
            let seen = observe(name, &flow, time)?;
            let diversions = Diversions::of(&tree, &Interface::required(name)?);
            let place_of = |queue| Place::of(&tree, name, queue);
            text += &explain(name, there.queue, &seen, time, &diversions, place_of);
        }
        None => {
            let (flow, assumed) = (flow.words(), steer.assumed());
            let _ = writeln!(
                text,
                "\nTo see where it arrives:\n  rxtxcpu steer {name} {flow}{assumed} --observe 5s"
            );
        }
    }
    if back.queue != there.queue {
        let _ = writeln!(
            text,
            "\nTo give both directions of every flow the same queue:\n  ethtool -X {name} hkey {}",
            key_text(&nic.symmetric_key())
        );
        let _ = writeln!(
            text,
            "To undo that:\n  ethtool -X {name} hkey {}",
            key_text(&nic.hash.key)
        );
    }
    if let Some(queue) = steer.to_queue {
        let _ = writeln!(
            text,
            "\nTo send this flow to queue {queue}:\n  ethtool -N {name} {} action {queue}",
            flow.rule()
        );
        let _ = writeln!(
            text,
            "To undo that, with the number that the command prints:\n  ethtool -N {name} delete NUMBER"
        );
    }
    Ok(text)
}

/// Writes a key as ethtool reads it.
fn key_text(key: &[u8]) -> String {
    let hex: Vec<String> = key.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(":")
}
