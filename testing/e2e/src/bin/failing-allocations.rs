//! Repeats an operation, and lets another one of the kernel's allocations fail each time: the
//! first, the second, and so on, until the operation has no further allocation. A refused operation
//! must leave nothing behind, so the operation must succeed at the end.
//!
//! Needs a kernel with fault injection (Documentation/fault-injection/fault-injection.rst, "fail-nth").

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Parser, Subcommand};
use hpcap::{Contract, Listener, Queue, QueueName, Request, Start};
use nix::kmod::{DeleteModuleFlags, delete_module, init_module};
use nix::sys::mman::{MlockAllFlags, mlockall};
use serde_json::json;

/// Mount point of debugfs, where a test sets which allocations of the kernel fail.
const DEBUGFS: &str = "/sys/kernel/debug";

#[derive(Debug, Parser)]
struct Cli {
    /// Let only one of each STEP allocations fail
    #[arg(long, default_value_t = 1)]
    step: u32,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Load a module, and unload it
    Load {
        /// Its name
        module: String,
        /// Its parameters
        #[arg(default_value = "")]
        parameters: String,
    },
    /// Write into a file, and something that takes it back
    Write {
        /// The file
        file: PathBuf,
        /// Value to write
        value: String,
        /// The file to write into afterwards, unless the first was refused
        undo: PathBuf,
        /// Value to write there
        undo_value: String,
    },
    /// Attach to a queue, and leave it
    Attach {
        /// The queue
        queue: QueueName,
    },
}

/// The successful result of an action, with what is needed to undo it.
#[expect(clippy::large_enum_variant, reason = "one at a time")]
enum Done {
    Loaded(CString),
    Written(PathBuf, String),
    Attached(Listener),
}

impl Done {
    fn undo(self) {
        match self {
            Self::Loaded(name) => delete_module(&name, DeleteModuleFlags::empty()).unwrap(),
            Self::Written(file, value) => write(&file, &value).unwrap(),
            Self::Attached(listener) => drop(listener),
        }
    }
}

/// The part of an action that runs while allocations fail. Everything that it needs was prepared
/// before.
type Attempt<'a> = Box<dyn FnOnce() -> Result<Done, String> + 'a>;

impl Action {
    fn prepared(&self) -> Attempt<'_> {
        match self {
            Self::Load { module, parameters } => {
                let path = Command::new("modinfo").args(["-n", module]).output();
                let path = String::from_utf8(path.unwrap().stdout).unwrap();
                let module_file = fs::read(path.trim()).unwrap();
                let parameters = CString::new(parameters.as_str()).unwrap();
                let name = CString::new(module.as_str()).unwrap();
                Box::new(move || {
                    init_module(&module_file, &parameters).map_err(|e| e.to_string())?;
                    Ok(Done::Loaded(name))
                })
            }
            Self::Write {
                file,
                value,
                undo,
                undo_value,
            } => Box::new(|| {
                write(file, value).map_err(|e| e.to_string())?;
                Ok(Done::Written(undo.clone(), undo_value.clone()))
            }),
            Self::Attach { queue } => Box::new(|| {
                let queue = Queue::open(*queue).map_err(|e| e.to_string())?;
                let request = Request {
                    contract: Contract::Lossy,
                    start: Start::Newest,
                    program: "failing-allocations".to_owned(),
                };
                let listener = queue.attach(&request).map_err(|e| e.to_string())?;
                Ok(Done::Attached(listener))
            }),
        }
    }
}

/// Writes `value` and a line end into `file`, as `echo VALUE >FILE` does.
fn write(file: &Path, value: &str) -> std::io::Result<()> {
    let line = format!("{value}\n");
    let file = File::options().write(true).open(file)?;
    file.write_at(line.as_bytes(), 0).map(drop)
}

/// Lets every kind of allocation fail, including those that may sleep, and turns off the kernel's
/// reports of injected faults.
fn let_allocations_fail() {
    for (name, value) in [
        ("failslab/ignore-gfp-wait", "N"),
        ("failslab/verbose", "0"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-highmem", "N"),
        ("fail_page_alloc/min-order", "0"),
        ("fail_page_alloc/verbose", "0"),
    ] {
        fs::write(Path::new(DEBUGFS).join(name), value).unwrap();
    }
}

fn main() {
    let cli = Cli::parse();
    // Pages of this program that are loaded now need not be loaded, perhaps over a network, while
    // allocations fail.
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).unwrap();
    let_allocations_fail();
    // This file is the countdown for allocations that the kernel makes for this thread.
    let countdown = "/proc/thread-self/fail-nth";
    let countdown = File::options().read(true).write(true).open(countdown);
    let countdown = countdown.unwrap();
    let (mut nth, mut went_on) = (1_u32, 0_u32);
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let attempt = cli.action.prepared();
        countdown.write_at(nth.to_string().as_bytes(), 0).unwrap();
        let result = attempt();
        let mut left = [0; 16];
        let len = countdown.read_at(&mut left, 0).unwrap();
        countdown.write_at(b"0", 0).unwrap();
        let all_had = left[..len] != *b"0\n";
        let failed = result.as_ref().err().cloned();
        if let Ok(done) = result {
            done.undo();
        }
        match failed {
            None if all_had => break,
            None => went_on += 1,
            Some(why) => {
                assert!(!all_had, "refused without a reason: {why}");
                *refused.entry(why).or_default() += 1;
            }
        }
        nth += cli.step;
    }
    println!(
        "{}",
        json!({ "event": "end", "allocations": nth, "step": cli.step,
                "refused": refused, "went_on": went_on })
    );
}
