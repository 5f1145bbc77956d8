//! System calls with anything in them, on the kernel module's device nodes: any order, any
//! pointer, size, offset and command, from several threads that close each other's files. What
//! the kernel must never do is to fall over; what the calls answer is counted, so that a test
//! knows how deep they went.
//!
//! | module | is |
//! |---|---|
//! | [`descriptors`] | the open files, which all threads share |
//! | [`pointers`] | addresses that are good, bad, or good as far as they go |
//! | [`mappings`] | what is mapped of the device: used through the kernel, so that nothing kills us |
//! | [`ioctls`] | the module's commands, and others |
//! | [`calls`] | everything else that can be done with a file |

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

/// A thread that waits in the kernel is interrupted after this time, at the latest.
const INTERRUPT_EVERY: Duration = Duration::from_millis(5);

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The device nodes; nothing else is touched.
    pub devices: Vec<PathBuf>,
    /// Calls in all.
    pub calls: u64,
    /// Threads that make them.
    pub threads: u32,
    /// What the calls follow from.
    pub seed: u64,
}

/// How often each call gave which answer: 0 is success, everything else an error number.
pub type Tally = BTreeMap<&'static str, BTreeMap<i32, u64>>;

/// One thread's state.
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

    /// An open file of the device; opens one where there is none.
    fn file(&mut self) -> i32 {
        self.files.any(&mut self.random)
    }

    fn step(&mut self) {
        // Out of a thousand: what takes long is rare.
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

/// Does what `plan` says.
///
/// # Errors
/// When a thread cannot be started or signals cannot be handled; never for what a call answers.
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

/// A handler that does nothing: the signal only interrupts.
fn ignore(signal: Signal) -> std::io::Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing, which is safe at any time.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// No call sleeps for long: every thread gets a signal now and then, in whatever it is doing.
fn interrupt_all(threads: Vec<Pid>, over: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(INTERRUPT_EVERY);
            for thread in &threads {
                // SAFETY: takes no pointer. A number that another thread of this process has
                // got meanwhile is interrupted instead, which it does not mind; other
                // processes are not reached.
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
