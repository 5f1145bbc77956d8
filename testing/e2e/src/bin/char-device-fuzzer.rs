//! Makes random system calls on the kernel module's device nodes, and on no other file. Prints, as
//! JSON, how often each call gave which answer. The exit code is 0 unless the program itself
//! failed, because the faults that it provokes appear in the kernel's log.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hpcap_e2e::device_fuzz::{Plan, run};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use serde_json::{Map, json};

#[derive(Debug, Parser)]
struct Cli {
    /// Device nodes: /dev/hpcap_0_0
    #[arg(required = true)]
    devices: Vec<PathBuf>,
    /// Calls in all
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Threads that make them
    #[arg(long, default_value_t = 4)]
    threads: u32,
    /// Seed of the random calls
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run as this user, in the group that owns the first device and in no other
    #[arg(long)]
    as_uid: Option<u32>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    for device in &cli.devices {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        assert!(
            name.starts_with("hpcap_"),
            "{} is no device of hpcap",
            device.display()
        );
    }
    if let Some(uid) = cli.as_uid {
        become_member(&cli.devices[0], uid);
    }
    let plan = Plan {
        devices: cli.devices,
        calls: cli.calls,
        threads: cli.threads,
        seed: cli.seed,
    };
    match run(&plan) {
        Ok(tally) => {
            let mut calls = Map::new();
            for (call, answers) in tally {
                let name = |errno: i32| match errno {
                    0 => "ok".to_owned(),
                    errno => format!("{:?}", Errno::from_raw(errno)),
                };
                let answers: Map<_, _> = answers
                    .into_iter()
                    .map(|(errno, times)| (name(errno), json!(times)))
                    .collect();
                calls.insert(call.to_owned(), answers.into());
            }
            println!(
                "{}",
                json!({"event": "end", "seed": plan.seed, "calls": calls})
            );
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("char-device-fuzzer: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes user `uid` in the group that owns `device`, without any other group.
fn become_member(device: &PathBuf, uid: u32) {
    use std::os::unix::fs::MetadataExt;
    let group = Gid::from_raw(std::fs::metadata(device).unwrap().gid());
    setgroups(&[group]).unwrap();
    setgid(group).unwrap();
    setuid(Uid::from_raw(uid)).unwrap();
}
