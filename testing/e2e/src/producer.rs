//! Who fills the queue of a test: `hpcapd`, or the kernel module where the environment variable
//! `HPCAP_TEST_PRODUCER` is `module` (in a virtual machine: modules are loaded and unloaded).
//!
//! The same test runs with both: a listener cannot tell them apart.

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
    /// Whether the tests of this process look at the kernel module.
    #[must_use]
    pub fn is_the_module() -> bool {
        match std::env::var("HPCAP_TEST_PRODUCER").as_deref() {
            Ok("module") => true,
            Ok("daemon") | Err(_) => false,
            Ok(other) => panic!("HPCAP_TEST_PRODUCER is daemon or module, not {other:?}"),
        }
    }

    /// The exit code of a recorder whose queue ends with its finite source. The module knows no end
    /// of a source: its interface is taken away, and a recorder was meant to go on.
    #[must_use]
    pub fn recorder_code_at_the_end() -> i32 {
        i32::from(Self::is_the_module())
    }

    /// A producer that does what `hpcapd` does with `args`; it serves when this returns.
    #[must_use]
    pub fn start(lab: &'a Lab, args: &[&str]) -> Self {
        if Self::is_the_module() {
            Self::Module(Box::new(Module::start(lab, args)))
        } else {
            Self::Daemon(Daemon::start(lab, args))
        }
    }

    /// What `hpcapctl status` says of the queue.
    #[must_use]
    pub fn status(&self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.status("hpcap0"),
            Self::Module(module) => module.status(),
        }
    }

    /// The listeners of the queue.
    #[must_use]
    pub fn listeners(&self) -> Vec<Value> {
        self.status()["listeners"].as_array().unwrap().clone()
    }

    /// Whether it still runs; the module always does.
    pub fn is_running(&mut self) -> bool {
        match self {
            Self::Daemon(daemon) => daemon.process.is_running(),
            Self::Module(_) => true,
        }
    }

    /// Waits until its source has ended and the listeners have everything; the ledger then.
    #[must_use]
    pub fn ended(self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.process.wait().exits(0).event("ended")["ledger"].take(),
            Self::Module(module) => module.ended(),
        }
    }

    /// Stops it; the ledger then.
    #[must_use]
    pub fn stop(self) -> Value {
        match self {
            Self::Daemon(daemon) => daemon.stop().exits(0).event("ended")["ledger"].take(),
            Self::Module(module) => module.stop(),
        }
    }

    /// Its end without a warning: the daemon is killed, the module's interface is taken away.
    pub fn vanish(self) {
        match self {
            Self::Daemon(daemon) => drop(daemon.process.kill()),
            Self::Module(module) => drop(module.stop()),
        }
    }
}
