//! `hpcap-diag profile`: where poll threads, recorders and softirqs spend their time.
//!
//! | module | content |
//! |---|---|
//! | [`targets`] | the processes that a profile is about |
//! | [`sampling`] | the best events that this machine and this user have |
//! | [`tally`] | counting samples by thread and place, in bounded memory |
//! | [`kernel`], [`user`] | names of places in the kernel, and in programs |
//! | [`result`] | the finished profile |
//! | [`text`], [`flame`] | the profile for people, and as a flame graph |
//!
//! The kernel samples all CPUs. A sample in a softirq counts for softirqs of its CPU, whatever thread it interrupted;
//! other samples count for their thread. Of the functions of a program, only the innermost one is certain: those that
//! have called it could be found with frame pointers alone, which optimised programs do not have.

pub mod flame;
pub mod kernel;
pub mod result;
pub mod sampling;
pub mod tally;
pub mod targets;
pub mod text;
pub mod user;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hpcap::message::{Level, Messages, Stream};
use hpcap::visible::visible_json;
use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;
use nix::sys::resource::{UsageWho, getrusage};

use crate::cli;
use crate::collect::command::stop_flag;
use crate::output::PartFile;
use crate::report::print;
use kernel::KernelSymbols;
use result::{Profile, Taken, finish};
use sampling::Sampling;
use tally::Tally;
use targets::Targets;
use user::UserSymbols;

/// Longest time between two looks at the rings.
const PAUSE: Duration = Duration::from_millis(100);

/// Profiles as `options` say, and prints the result. A signal ends it early, with what was sampled until then.
///
/// # Errors
/// What forbids a profile; that there was nothing to profile; errors of the files to write.
pub fn run(options: &cli::Profile, messages: &Messages) -> Result<()> {
    let tree = Tree::machine();
    let stop = stop_flag()?;
    let targets = match options.pid.is_empty() {
        true => Targets::of_hpcap(&tree),
        false => Targets::of_pids(&tree, &options.pid)?,
    };
    // Before the profile, because nobody wants to learn after it that a file cannot be written.
    let create = |path: &Option<_>| path.as_deref().map(PartFile::create).transpose();
    let (flame, folded) = (create(&options.flame)?, create(&options.folded)?);
    let mut sampling = sampling::open(&tree, &targets, options.frequency)?;
    if targets.is_empty() {
        let text =
            "No program of hpcap runs, so only softirqs are profiled; --pid names other processes.";
        sampling.missing.insert(0, text.to_owned());
    }
    let what = match targets.is_empty() {
        true => "softirqs".to_owned(),
        false => targets.describe(),
    };
    let text = format!("profiling {what} for {} s", options.time.as_secs_f64());
    messages.tell(Level::Progress, Stream::Errors, text);
    let profile = take(&tree, &targets, sampling, options.time, &stop)?;

    let write = |file: Option<(PartFile, std::fs::File)>, bytes: &dyn Fn() -> Result<Vec<u8>>| {
        let Some((part, file)) = file else {
            return Ok(());
        };
        let path = part.path().to_owned();
        part.write(file, &bytes()?)?;
        tell_written(messages, &path);
        Ok::<(), Error>(())
    };
    write(folded, &|| Ok(flame::folded(&profile).into_bytes()))?;
    if flame.is_some() && profile.stacks.is_empty() {
        print_profile(&profile, options)?;
        let why = "there is no sample in a thread that is profiled, nor in a softirq";
        return Err(Error::new(Kind::NotFound, "draw a flame graph", why));
    }
    write(flame, &|| flame::svg(&profile))?;
    print_profile(&profile, options)
}

fn tell_written(messages: &Messages, path: &Path) {
    let text = format!("wrote {}", path.display());
    messages.tell(Level::Info, Stream::Errors, text);
}

fn print_profile(profile: &Profile, options: &cli::Profile) -> Result<()> {
    if !options.json {
        return print(&text::render(profile, options.top));
    }
    let json = serde_json::to_string(profile)
        .map_err(|e| Error::new(Kind::Format, "print the profile", e.to_string()))?;
    print(&format!("{}\n", visible_json(&json)))
}

/// Samples `targets` for `time`, or until `stop`.
fn take(
    tree: &Tree,
    targets: &Targets,
    sampling: Sampling,
    time: Duration,
    stop: &AtomicBool,
) -> Result<Profile> {
    let kernel = KernelSymbols::read(tree);
    let user = UserSymbols::of(tree, targets.pids());
    let Sampling {
        mut rings,
        event,
        frequency,
        mut missing,
    } = sampling;
    if kernel.are_hidden() {
        missing.push(
            "The kernel hides the names of its functions from this user (kernel.kptr_restrict): softirqs count for \
             the threads that they interrupt."
                .to_owned(),
        );
    }
    let mut tally = Tally::new(tree, &kernel, targets);
    let cpu_before = own_cpu_seconds();
    let began = Instant::now();
    rings.enable()?;
    while began.elapsed() < time && !stop.load(Ordering::Relaxed) {
        rings.wait(PAUSE.min(time.saturating_sub(began.elapsed())))?;
        rings.drain(|sample| tally.add(sample))?;
    }
    rings.disable();
    let seconds = began.elapsed().as_secs_f64();
    rings.drain(|sample| tally.add(sample))?;
    let taken = Taken {
        event,
        frequency_hz: frequency,
        seconds,
        lost: rings.lost()?,
        throttled: rings.throttled(),
        own_cpu_seconds: own_cpu_seconds() - cpu_before,
        missing,
    };
    // The rings are large, and naming needs memory.
    drop(rings);
    Ok(finish(tree, &tally, targets, &kernel, &user, taken))
}

/// Time of a CPU that this process has used.
pub(crate) fn own_cpu_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0.0;
    };
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}
