//! `lab`: sends requests of programs in the guest to the host. As the first program of the guest,
//! it also sets the guest up.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::Value;
use vmlab::control::{Pace, Request, SOCKET};

/// Asks the host of a virtual machine for traffic, faults and counts.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Ask(Ask),
    /// Serves the commands of the host, as the service of an installed system.
    Serve,
    /// Prints where the modules of hpcap are in memory, as commands for gdb, as they are loaded.
    Symbols,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Starts and ends traffic into a NIC, and waits for its end.
    #[command(subcommand)]
    Traffic(Traffic),
    /// Prints what became of the frames so far, as JSON.
    Counts {
        /// The NIC, from 0; by default all NICs.
        #[arg(long)]
        nic: Option<usize>,
    },
    /// Injects a fault into a NIC or its link.
    Fault {
        /// Name of the fault.
        kind: String,
        /// Arguments of the fault, such as a number of milliseconds.
        arguments: Vec<String>,
        /// The NIC, from 0.
        #[arg(long, default_value_t = 0)]
        nic: usize,
    },
}

#[derive(Debug, Subcommand)]
enum Traffic {
    /// Starts the traffic.
    Start {
        /// Where frames come from, such as `gen:size=60,count=1000000`; without it what `vmlab
        /// run --traffic` says.
        spec: Option<String>,
        /// The NIC, from 0.
        #[arg(long, default_value_t = 0)]
        nic: usize,
        /// Sends as fast as possible, whether the NIC has room or not.
        #[arg(long)]
        flood: bool,
    },
    /// Waits until all of the traffic has been sent.
    Wait {
        /// The NIC, from 0.
        #[arg(long, default_value_t = 0)]
        nic: usize,
    },
    /// Ends the traffic.
    Stop {
        /// The NIC, from 0.
        #[arg(long, default_value_t = 0)]
        nic: usize,
    },
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Traffic(Traffic::Start { spec, nic, flood }) => {
                let pace = if flood { Pace::Flood } else { Pace::Source };
                Self::TrafficStart { nic, spec, pace }
            }
            Ask::Traffic(Traffic::Wait { nic }) => Self::TrafficWait { nic },
            Ask::Traffic(Traffic::Stop { nic }) => Self::TrafficStop { nic },
            Ask::Counts { nic } => Self::Counts { nic },
            Ask::Fault {
                kind,
                arguments,
                nic,
            } => Self::Fault {
                nic,
                kind,
                arguments,
            },
        }
    }
}

fn main() -> ExitCode {
    if std::process::id() == 1 {
        let Err(e) = vmlab::guest::first_program();
        eprintln!("lab: {e}");
        return ExitCode::FAILURE;
    }
    let question = match Cli::parse().action {
        Action::Ask(question) => question.into(),
        Action::Serve => {
            return match vmlab::guest::serve_system() {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("lab: serve: {e}");
                    ExitCode::FAILURE
                }
            };
        }
        Action::Symbols => {
            return match vmlab::guest::symbols::follow() {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("lab: symbols: {e}");
                    ExitCode::FAILURE
                }
            };
        }
    };
    match ask(&question) {
        Ok(Ok(Value::Null)) => ExitCode::SUCCESS,
        Ok(Ok(answer)) => {
            println!("{answer:#}");
            ExitCode::SUCCESS
        }
        Ok(Err(refused)) => {
            eprintln!("lab: {refused}");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("lab: the host cannot be asked at {SOCKET}: {e}");
            eprintln!("  This works in a guest that vmlab started.");
            ExitCode::FAILURE
        }
    }
}

fn ask(request: &Request) -> std::io::Result<Result<Value, String>> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.write_all(&serde_json::to_vec(request)?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
