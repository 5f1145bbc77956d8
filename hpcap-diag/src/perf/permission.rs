//! Why the kernel does not let a process see perf events, and what would help.

use hpcap::{Error, Kind};
use hpcap_host::Tree;
use nix::errno::Errno;

/// `kernel.perf_event_paranoid`: how much the kernel shows to users without rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paranoia(pub i32);

impl Paranoia {
    /// Reads the setting of the machine; `None` if its kernel has no perf events.
    #[must_use]
    pub fn read(tree: &Tree) -> Option<Self> {
        tree.value("/proc/sys/kernel/perf_event_paranoid").map(Self)
    }

    /// Whether a user without rights sees what the kernel does on behalf of their own threads.
    #[must_use]
    pub fn shows_the_kernel(self) -> bool {
        self.0 <= 1
    }
}

/// The error of a profile that the kernel refuses with `errno`: what forbids it, and what would help.
#[must_use]
pub fn denied(tree: &Tree, tried: &str, errno: Errno) -> Error {
    let Some(Paranoia(level)) = Paranoia::read(tree) else {
        let why = "this kernel was built without perf events (CONFIG_PERF_EVENTS)";
        return Error::new(Kind::NotFound, tried, why);
    };
    match errno {
        Errno::EACCES | Errno::EPERM => Error::new(
            Kind::Permission,
            tried,
            format!("this user may not see these events (kernel.perf_event_paranoid is {level})"),
        )
        .advise("run it as root, or with the capability CAP_PERFMON"),
        Errno::ENOMEM => Error::io(tried, errno.into())
            .advise("raise kernel.perf_event_mlock_kb with sysctl, or run it as root"),
        _ => Error::io(tried, errno.into()),
    }
}
