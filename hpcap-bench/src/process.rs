//! The programs that are measured: how to run them, and the time that they take.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

/// Returns the path of one of hpcap's own programs: beside this program, or found through PATH.
#[must_use]
pub fn own(name: &str) -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|here| Some(here.parent()?.join(name)))
        .filter(|path| path.exists())
        .unwrap_or_else(|| name.into())
}

/// Returns whether a program of this name is in PATH or in a usual folder for administrators.
#[must_use]
pub fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

fn interrupt() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    // Without the handlers, a signal ends the program at once and leaves its files behind, which is no
    // reason to fail.
    FLAG.get_or_init(|| hpcap_service::stop_flag().unwrap_or_default())
}

/// From this call on, SIGINT, SIGTERM and SIGHUP end a measurement with an error, so that its files are
/// removed.
pub fn catch_interrupts() {
    let _ = interrupt();
}

/// Checks whether SIGINT, SIGTERM or SIGHUP has arrived since [`catch_interrupts`].
///
/// # Errors
/// [`Kind::Gone`] if one has arrived.
pub fn check_interrupted() -> Result<()> {
    if interrupt().load(Ordering::Relaxed) {
        return Err(Error::new(Kind::Gone, "go on measuring", "interrupted"));
    }
    Ok(())
}

/// The time that a program took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time from start to end.
    pub wall: Duration,
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
}

/// A running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
    started: Instant,
    reaped: bool,
}

impl Running {
    /// Starts `command`. Its stdout and stderr go to files in `folder`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command, folder: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let base = Path::new(&name).file_name().unwrap_or_default();
        let log = folder.join(base).with_extension("stderr");
        let file = |path: &Path| File::create(path).context(|| format!("run {name}"));
        command
            .stdin(Stdio::null())
            .stdout(file(&log.with_extension("stdout"))?)
            .stderr(file(&log)?);
        let started = Instant::now();
        let child = command.spawn().context(|| format!("run {name}"))?;
        Ok(Self {
            child,
            name,
            log,
            started,
            reaped: false,
        })
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program has written to stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.log.with_extension("stdout")).unwrap_or_default()
    }

    /// Returns what the program has written to stdout and stderr.
    #[must_use]
    pub fn printed(&self) -> String {
        let errors = std::fs::read(&self.log).unwrap_or_default();
        format!("{}\n{}", self.stdout(), String::from_utf8_lossy(&errors))
    }

    /// Sends SIGINT to the program.
    pub fn interrupt(&self) {
        // SAFETY: kill(2) accesses no memory; the child is not reaped yet, so its id is still
        // valid.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    /// When the program fails, with the end of its stderr, or when this program is interrupted.
    pub fn wait(&mut self) -> Result<Usage> {
        self.wait_watching(Duration::from_millis(1), |_| {})
    }

    /// Waits for the end of the program, and calls `look` with its process id at each interval.
    ///
    /// # Errors
    /// As [`Running::wait`].
    pub fn wait_watching(&mut self, every: Duration, mut look: impl FnMut(u32)) -> Result<Usage> {
        let tried = || format!("run {}", self.name);
        let mut asked = false;
        loop {
            if let Some((status, usage)) = reap(self.pid()).context(tried)? {
                self.reaped = true;
                let usage = Usage {
                    wall: self.started.elapsed(),
                    ..usage
                };
                return match (interrupt().load(Ordering::Relaxed), status) {
                    (true, _) => Err(Error::new(Kind::Gone, tried(), "interrupted")),
                    (false, 0) => Ok(usage),
                    (false, _) => Err(Error::new(Kind::Io, tried(), self.last_words(status))),
                };
            }
            if interrupt().load(Ordering::Relaxed) && !asked {
                self.interrupt();
                asked = true;
            }
            look(self.pid());
            std::thread::sleep(every);
        }
    }

    fn last_words(&self, status: i32) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(3).collect();
        let said = lines.into_iter().rev().collect::<Vec<_>>().join(" / ");
        if libc::WIFEXITED(status) {
            format!("exit code {}: {said}", libc::WEXITSTATUS(status))
        } else {
            format!("killed by signal {}: {said}", libc::WTERMSIG(status))
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` to its end. Its stdout and stderr go to files in `folder`.
///
/// # Errors
/// As [`Running::start`] and [`Running::wait`].
pub fn run(command: &mut Command, folder: &Path) -> Result<Usage> {
    Running::start(command, folder)?.wait()
}

/// Returns the exit status and the processor time of a child, once it has ended.
fn reap(pid: u32) -> io::Result<Option<(i32, Usage)>> {
    let mut status = 0;
    // SAFETY: zero is a valid value of every field of a `rusage`.
    let mut taken: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for writing.
    let reaped = unsafe {
        libc::wait4(
            pid.cast_signed(),
            &raw mut status,
            libc::WNOHANG,
            &raw mut taken,
        )
    };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    match reaped {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some((
            status,
            Usage {
                wall: Duration::ZERO,
                user: time(taken.ru_utime),
                system: time(taken.ru_stime),
            },
        ))),
    }
}

/// Processor time of a living process so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Nanoseconds by the scheduler's clock.
    total_ns: u64,
    /// Ticks in the process's own code, as sampled.
    user: u64,
    /// Ticks in the kernel, as sampled.
    system: u64,
}

impl Times {
    /// Reads the times of all threads of process `pid`; `None` if there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let mut total_ns = 0;
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            // A thread may end during this loop, so a missing file is no error.
            let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat"));
            let first = stat
                .ok()
                .and_then(|s| s.split(' ').next()?.parse::<u64>().ok());
            total_ns += first.unwrap_or(0);
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain any characters, so the parser starts after it.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(11);
        Some(Self {
            total_ns,
            user: fields.next()?.parse().ok()?,
            system: fields.next()?.parse().ok()?,
        })
    }

    /// Returns the time since `earlier`.
    #[must_use]
    pub fn total_since(&self, earlier: &Self) -> Duration {
        Duration::from_nanos(self.total_ns.saturating_sub(earlier.total_ns))
    }

    /// Returns the time since `earlier` in the process's own code, and in the kernel. The sum is exact. The split comes
    /// from samples, which are few in a short time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> (Duration, Duration) {
        let total = Duration::from_nanos(self.total_ns.saturating_sub(earlier.total_ns));
        let user = self.user.saturating_sub(earlier.user) as f64;
        let system = self.system.saturating_sub(earlier.system) as f64;
        let part = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.5
        };
        let user = total.mul_f64(part);
        (user, total.saturating_sub(user))
    }
}

/// Returns how often the threads of process `pid` have gone to sleep so far; zero if there is no such process.
pub(crate) fn voluntary_switches(pid: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let switches = |status: String| -> Option<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    };
    // A thread may end during this loop, so a missing file is no error.
    let of = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("status")).ok();
    threads.flatten().filter_map(of).filter_map(switches).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_program_has_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck >&2; exit 3"]);
        let error = run(&mut command, folder.path()).unwrap_err();
        assert!(
            error.to_string().contains("exit code 3: no such luck"),
            "{error}"
        );
    }

    #[test]
    fn sleeping_counts_as_a_switch() {
        let before = voluntary_switches(std::process::id());
        std::thread::sleep(Duration::from_millis(2));
        assert!(voluntary_switches(std::process::id()) > before);
    }

    #[test]
    fn times_belong_to_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]);
        let usage = run(&mut command, folder.path()).unwrap();
        assert!(
            usage.user > Duration::ZERO && usage.user <= usage.wall * 2,
            "{usage:?}"
        );
        let times = Times::of(std::process::id()).unwrap();
        assert_eq!(times.since(&times), (Duration::ZERO, Duration::ZERO));
        let later = Times {
            total_ns: times.total_ns + 1000,
            user: times.user + 1,
            system: times.system + 3,
        };
        let (user, system) = later.since(&times);
        assert_eq!((user.as_nanos(), system.as_nanos()), (250, 750));
    }
}
