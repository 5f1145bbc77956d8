//! Random system calls on the kernel module's device nodes, in any order, with any pointer, size,
//! offset and command, from several threads that close each other's files. The kernel must survive
//! all of them. The answers are counted, so that a test knows how deep the calls went.
//!
//! | module | contents |
//! |---|---|
//! | [`descriptors`] | the open files, which all threads share |
//! | [`pointers`] | valid, invalid and partly valid addresses |
//! | [`mappings`] | mappings of the device, accessed through system calls |
//! | [`ioctls`] | commands of the module and of other drivers |
//! | [`calls`] | all other calls on open files |

pub mod calls;
pub mod descriptors;
pub mod ioctls;
pub mod mappings;
pub mod pointers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Pid, getpid, gettid};

use crate::random::Random;
use descriptors::Descriptors;
use mappings::Mappings;
use pointers::Arena;

/// Time after which a thread that waits in the kernel is interrupted at the latest.
const INTERRUPT_EVERY: Duration = Duration::from_millis(5);

/// Settings of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Device nodes to make calls on. No other file is touched.
    pub devices: Vec<PathBuf>,
    /// Number of calls, over all threads.
    pub calls: u64,
    /// Number of threads.
    pub threads: u32,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Number of calls by name and answer. Answer 0 is success, every other one an error number.
pub type Tally = BTreeMap<&'static str, BTreeMap<i32, u64>>;

/// The state of one thread.
#[derive(Debug)]
pub(crate) struct Fuzzer {
    random: Random,
    devices: Vec<PathBuf>,
    files: Arc<Descriptors>,
    mappings: Mappings,
    arena: Arena,
    tally: Tally,
}

impl Fuzzer {
    fn count(&mut self, call: &'static str, answer: Result<(), Errno>) {
        let errno = answer.err().map_or(0, |e| e as i32);
        *self
            .tally
            .entry(call)
            .or_default()
            .entry(errno)
            .or_default() += 1;
    }

    /// Returns a descriptor of the device, or -1 if all places that were tried are empty.
    fn file(&mut self) -> i32 {
        self.files.any(&mut self.random)
    }

    fn step(&mut self) {
        // The weights are out of a thousand. Calls that take long are rare.
        match self.random.below(1000) {
            0..60 => self.open(),
            60..100 => self.close(),
            100..340 => self.ask(),
            340..400 => self.wait(),
            400..440 => self.ring_fd(),
            440..450 => self.set_ring(),
            450..520 => self.any_ioctl(),
            520..640 => self.map(),
            640..690 => self.unmap(),
            690..730 => self.change_mapping(),
            730..800 => self.look(),
            800..860 => self.scribble(),
            860..920 => self.poll(),
            920..999 => self.odd_call(),
            _ => self.fork(),
        }
    }
}

/// Makes the calls of `plan` and returns their answers.
///
/// # Errors
/// Fails if a thread cannot be started or the signal handler cannot be installed, but never for
/// what a call answers.
pub fn run(plan: &Plan) -> std::io::Result<Tally> {
    ignore(Signal::SIGUSR1)?;
    ignore(Signal::SIGIO)?;
    let files = Arc::new(Descriptors::new());
    let left = Arc::new(AtomicU64::new(plan.calls));
    let over = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for number in 0..plan.threads {
        let seed = plan.seed.wrapping_mul(1_000_003) + u64::from(number);
        let (plan, files, left) = (plan.clone(), Arc::clone(&files), Arc::clone(&left));
        let (tell, told) = std::sync::mpsc::channel();
        let worker = std::thread::Builder::new().name(format!("fuzz{number}"));
        let worker = worker.spawn(move || {
            let _ = tell.send(gettid());
            let mut fuzzer = Fuzzer {
                random: Random::new(seed),
                mappings: Mappings::new(&plan.devices),
                devices: plan.devices,
                files,
                arena: Arena::new(),
                tally: Tally::new(),
            };
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
            {
                fuzzer.step();
            }
            fuzzer.tally
        })?;
        threads.push((told.recv().map_err(std::io::Error::other)?, worker));
    }
    let interrupter = interrupt_all(threads.iter().map(|t| t.0).collect(), &over);
    let mut all = Tally::new();
    let mut panicked = false;
    for (_, worker) in threads {
        match worker.join() {
            Ok(tally) => add(&mut all, tally),
            Err(_) => panicked = true,
        }
    }
    over.store(true, Ordering::Relaxed);
    let _ = interrupter.join();
    files.close_all();
    if panicked {
        return Err(std::io::Error::other("a thread of the fuzzer has panicked"));
    }
    Ok(all)
}

fn add(all: &mut Tally, one: Tally) {
    for (call, answers) in one {
        for (errno, times) in answers {
            *all.entry(call).or_default().entry(errno).or_default() += times;
        }
    }
}

extern "C" fn nothing(_: libc::c_int) {}

/// Installs a handler that does nothing: the signal only interrupts system calls.
fn ignore(signal: Signal) -> std::io::Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing, which is async-signal-safe.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// Sends a signal to every thread at short intervals, so that no system call sleeps for long.
fn interrupt_all(threads: Vec<Pid>, over: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(INTERRUPT_EVERY);
            for thread in &threads {
                // SAFETY: the call takes no pointer. If a thread has ended and another thread of
                // this process has its number now, that thread is interrupted, which is harmless.
                // The call cannot reach other processes.
                unsafe {
                    libc::syscall(
                        libc::SYS_tgkill,
                        getpid().as_raw(),
                        thread.as_raw(),
                        libc::SIGUSR1,
                    )
                };
            }
        }
    })
}
