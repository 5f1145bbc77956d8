//! Runs a command many times and reports whether the kernel has less memory afterwards or uses more
//! objects. The exit code is 0 if it does not, and 1 if something leaks or the command fails.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use hpcap_e2e::kernel_memory::{Snapshot, unreferenced};
use serde_json::json;

/// Number of times that memory is compared again before growth is believed.
const LOOKS: u32 = 5;
/// Number of times that all rounds are repeated while the same slab cache grows. After the last
/// one, the growth is reported as a leak.
const REPEATS: u32 = 3;

#[derive(Debug, Parser)]
struct Cli {
    /// Number of measured rounds, which are repeated while the same slab cache grows
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// Number of rounds before the measurement, in which everything is allocated that is kept for good
    #[arg(long, default_value_t = 3)]
    warm_up: u32,
    /// Command that each round runs
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match check(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("leak-check: {e}");
            ExitCode::FAILURE
        }
    }
}

fn check(cli: &Cli) -> std::io::Result<bool> {
    for _ in 0..cli.warm_up {
        round(&cli.command)?;
    }
    let mut before = Snapshot::take()?;
    let mut leaks = Vec::new();
    // Slab caches that grew during every repetition so far, with the growth of each repetition.
    let mut suspects: Option<BTreeMap<String, Vec<i64>>> = None;
    for _ in 0..REPEATS {
        for _ in 0..cli.rounds {
            round(&cli.command)?;
        }
        let after = settled(&before, cli.rounds)?;
        leaks.extend(before.leaks(&after, cli.rounds));
        let mut grown = before.suspects(&after, cli.rounds);
        suspects = Some(match suspects {
            None => grown.into_iter().map(|(name, n)| (name, vec![n])).collect(),
            Some(suspects) => suspects
                .into_iter()
                .filter_map(|(name, mut each)| {
                    each.push(grown.remove(&name)?);
                    Some((name, each))
                })
                .collect(),
        });
        before = after;
        if suspects.as_ref().is_some_and(BTreeMap::is_empty) {
            break;
        }
    }
    let suspects = suspects.unwrap_or_default();
    leaks.extend(suspects.iter().map(|(cache, each)| {
        let rounds = cli.rounds;
        format!("{each:?} objects of {cache}, each time in {rounds} rounds")
    }));
    let lost = unreferenced()?;
    println!(
        "{}",
        json!({
            "event": "end",
            "rounds": cli.rounds,
            "leaks": leaks,
            "unreferenced": lost,
        })
    );
    Ok(leaks.is_empty() && lost.is_empty())
}

/// Takes a snapshot after objects whose release was deferred (to RCU or to a worker) have been
/// freed. Only leaked objects stay in use that long.
fn settled(before: &Snapshot, rounds: u32) -> std::io::Result<Snapshot> {
    let mut after = Snapshot::take()?;
    for _ in 0..LOOKS {
        if before.leaks(&after, rounds).is_empty() && before.suspects(&after, rounds).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
        after = Snapshot::take()?;
    }
    Ok(after)
}

fn round(command: &[String]) -> std::io::Result<()> {
    let mut child = Command::new(&command[0]);
    let done = child.args(&command[1..]).stdout(Stdio::null()).status()?;
    if done.success() {
        return Ok(());
    }
    Err(std::io::Error::other(format!(
        "{command:?} ended with {done}"
    )))
}
