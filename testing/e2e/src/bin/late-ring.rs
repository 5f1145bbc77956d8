//! Opens a queue's device, reports this, and tries to give it another ring when a file appears. By
//! then it is too late, because the test has removed the adapter.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hpcap::Result;
use hpcap_ipc::device::Device;

#[derive(Debug, Parser)]
struct Cli {
    device: PathBuf,
    /// Bytes of the ring
    ring_bytes: u64,
    /// Wait until this file exists; FILE.open says that the device is open
    #[arg(long)]
    after: PathBuf,
}

fn run(cli: &Cli) -> Result<()> {
    let device = Device::open(&cli.device)?;
    let ready = cli.after.with_extension("open");
    std::fs::write(&ready, b"").map_err(|e| hpcap::Error::io("say that it is open", e))?;
    while !Path::new(&cli.after).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    match device.set_ring(cli.ring_bytes, None) {
        Ok(()) => println!("the ring was given"),
        Err(refused) => println!("{refused}"),
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("late-ring: {error}");
            ExitCode::FAILURE
        }
    }
}
