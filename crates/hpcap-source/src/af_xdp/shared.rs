//! The attached program, which the sources of this process share that capture queues of the same
//! interface: an interface can have one program only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hpcap::error::Context;
use hpcap::{Error, Result};
use hpcap_host::Interface;

use super::bpf::{Link, Place};
use super::program::Program;
use super::spec::{AfXdpSpec, Time};

/// A program that is attached to an interface for as long as any source uses it.
#[derive(Debug)]
pub(super) struct Attached {
    /// The program is detached when this is dropped.
    _link: Link,
    pub(super) program: Program,
    pub(super) place: Place,
    pub(super) cookie: Option<u64>,
    pass: bool,
    interface: Where,
}

/// An interface, in a way that is unique on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Where {
    /// Device and inode of the network namespace.
    namespace: (u64, u64),
    index: u32,
}

impl Where {
    fn of(interface: &Interface) -> Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let path = "/proc/thread-self/ns/net";
        let namespace = std::fs::metadata(path).context(|| format!("look at {path}"))?;
        Ok(Self {
            namespace: (namespace.dev(), namespace.ino()),
            index: interface.index,
        })
    }
}

/// The programs of this process. The lock is held while a capture opens, so that two sources that
/// open at the same time share one program.
static ATTACHED: Mutex<Vec<Weak<Attached>>> = Mutex::new(Vec::new());

/// The right to attach a program, or to join one.
pub(super) struct Opening {
    programs: MutexGuard<'static, Vec<Weak<Attached>>>,
    interface: Where,
}

impl Opening {
    /// Waits until no other source of this process is opening.
    pub(super) fn begin(interface: &Interface) -> Result<Self> {
        let mut programs = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        programs.retain(|program| program.strong_count() > 0);
        Ok(Self {
            programs,
            interface: Where::of(interface)?,
        })
    }

    /// Returns the program that this process has attached to the interface, if it has and `spec`
    /// names some of the queues.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) if the program cannot do what `spec` says.
    pub(super) fn joined(&self, spec: &AfXdpSpec) -> Result<Option<Arc<Attached>>> {
        if spec.queues.is_none() {
            return Ok(None);
        }
        let there = self.programs.iter().filter_map(Weak::upgrade);
        let Some(attached) = there
            .into_iter()
            .find(|attached| attached.interface == self.interface)
        else {
            return Ok(None);
        };
        let stamps = spec.time == Time::Kernel;
        if attached.pass != spec.pass || attached.cookie.is_some() != stamps {
            return Err(Error::usage(
                format!("source {spec}"),
                "sources of one program that capture queues of the same interface share an XDP \
                 program, so they have the same pass= and time=",
            ));
        }
        Ok(Some(attached))
    }

    /// Lets later sources join a program that was just attached.
    pub(super) fn share(
        mut self,
        link: Link,
        program: Program,
        place: Place,
        cookie: Option<u64>,
        spec: &AfXdpSpec,
    ) -> Arc<Attached> {
        let attached = Arc::new(Attached {
            _link: link,
            program,
            place,
            cookie,
            pass: spec.pass,
            interface: self.interface,
        });
        self.programs.push(Arc::downgrade(&attached));
        attached
    }
}
