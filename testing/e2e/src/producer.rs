//! The producer of a test: `hpcapd`, or the kernel module where the environment variable
//! `HPCAP_TEST_PRODUCER` is `module`. The latter only runs in a virtual machine, because it loads and
//! unloads modules.
//!
//! The same tests run with both producers, because a listener cannot tell them apart.

use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::Lab;
use crate::module::Module;

/// A producer that fills `hpcap0`.
#[derive(Debug)]
pub enum Producer<'a> {
    /// The daemon.
    Daemon(Daemon<'a>),
    /// The kernel module, on one end of a virtual cable whose other end a sender feeds.
    Module(Box<Module<'a>>),
}

impl<'a> Producer<'a> {
    /// Returns whether the tests of this process use the kernel module.
    #[must_use]
    pub fn is_the_module() -> bool {
        match std::env::var("HPCAP_TEST_PRODUCER").as_deref() {
            Ok("module") => true,
            Ok("daemon") | Err(_) => false,
            Ok(other) => panic!("HPCAP_TEST_PRODUCER is daemon or module, not {other:?}"),
        }
    }

    /// Returns the exit code of a recorder whose queue ends with its source. The sources of the module have
    /// no end: the test removes the interface, which a recorder reports as a failure.
    #[must_use]
    pub fn recorder_code_at_the_end() -> i32 {
        i32::from(Self::is_the_module())
    }

    /// Starts a producer that does what `hpcapd` does with `args`, and waits until it serves its queue.
    #[must_use]
    pub fn start(lab: &'a Lab, args: &[&str]) -> Self {
        if Self::is_the_module() {
            Self::Module(Box::new(Module::start(lab, args)))
        } else {
            Self::Daemon(Daemon::start(lab, args))
        }
    }

    /// Returns what `hpcapctl status` reports about the queue.
    #[must_use]
    pub fn status(&self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.status("hpcap0"),
            Self::Module(module) => module.status(),
        }
    }

    /// Returns the listeners of the queue.
    #[must_use]
    pub fn listeners(&self) -> Vec<Value> {
        self.status()["listeners"].as_array().unwrap().clone()
    }

    /// Returns whether the producer still runs. The module always does.
    pub fn is_running(&mut self) -> bool {
        match self {
            Self::Daemon(daemon) => daemon.process.is_running(),
            Self::Module(_) => true,
        }
    }

    /// Waits until the source has ended and the listeners have read everything. Returns the ledger.
    #[must_use]
    pub fn ended(self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.process.wait().exits(0).event("ended")["ledger"].take(),
            Self::Module(module) => module.ended(),
        }
    }

    /// Stops the producer. Returns the ledger.
    #[must_use]
    pub fn stop(self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.stop().exits(0).event("ended")["ledger"].take(),
            Self::Module(module) => module.stop(),
        }
    }

    /// Ends the producer without warning: kills the daemon, or removes the module's interface.
    pub fn vanish(self) {
        match self {
            Self::Daemon(daemon) => drop(daemon.process.kill()),
            Self::Module(module) => drop(module.stop()),
        }
    }
}
