//! Finds threads of another process, and stops one, which then behaves like a thread that hangs.

use std::path::Path;

use nix::libc;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Returns the id of the thread with the given name in process `pid`.
///
/// Panics when there is no such thread.
#[must_use]
pub fn thread_named(pid: u32, name: &str) -> Pid {
    let folder = format!("/proc/{pid}/task");
    let named = |task: &Path| {
        let comm = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        comm.trim_end() == name
    };
    let thread = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|task| named(task))
        .unwrap_or_else(|| panic!("{folder} has no thread called {name:?}"));
    let id = thread.file_name().and_then(|id| id.to_str());
    Pid::from_raw(id.unwrap().parse().unwrap())
}

/// A stopped thread. Dropping it continues the thread.
#[derive(Debug)]
pub struct StoppedThread(Pid);

impl StoppedThread {
    /// Stops the thread with the given name in process `pid`. The other threads go on.
    ///
    /// Panics when there is no such thread, or when this user may not trace the process.
    #[must_use]
    pub fn stop(pid: u32, name: &str) -> Self {
        let thread = thread_named(pid, name);
        trace(libc::PTRACE_SEIZE, thread);
        trace(libc::PTRACE_INTERRUPT, thread);
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }
}

impl Drop for StoppedThread {
    fn drop(&mut self) {
        trace(libc::PTRACE_DETACH, self.0);
    }
}

fn trace(request: libc::c_uint, thread: Pid) {
    // SAFETY: none of these requests reads or writes memory of this process.
    let outcome = unsafe { libc::ptrace(request, thread.as_raw(), 0, 0) };
    let error = std::io::Error::last_os_error();
    assert!(outcome == 0, "ptrace of thread {thread}: {error}");
}
