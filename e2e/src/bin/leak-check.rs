//! Runs a command many times and says whether the kernel has less memory afterwards, or uses
//! more objects: exit code 0 when it has not, 1 when something leaks or the command fails.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use hpcap_e2e::kernel_memory::{Snapshot, unreferenced};
use serde_json::json;

/// How often it looks again before it calls something a leak.
const LOOKS: u32 = 5;

#[derive(Debug, Parser)]
struct Cli {
    /// Rounds that count
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// Rounds before: what is allocated once, and kept, is allocated then
    #[arg(long, default_value_t = 3)]
    warm_up: u32,
    /// What is done in each
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
    let before = Snapshot::take()?;
    for _ in 0..cli.rounds {
        round(&cli.command)?;
    }
    let mut after = Snapshot::take()?;
    let mut leaks = before.leaks(&after, cli.rounds);
    // Something may still be on its way, by RCU or a worker. What has leaked stays.
    for _ in 0..LOOKS {
        if leaks.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
        after = Snapshot::take()?;
        leaks = before.leaks(&after, cli.rounds);
    }
    let lost = unreferenced()?;
    println!(
        "{}",
        json!({
            "event": "end",
            "rounds": cli.rounds,
            "known_before": before.ours().0,
            "known_after": after.ours().0,
            "leaks": leaks,
            "unreferenced": lost,
        })
    );
    Ok(leaks.is_empty() && lost.is_empty())
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
