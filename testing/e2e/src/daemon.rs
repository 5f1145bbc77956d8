//! `hpcapd` in a lab.

use hpcap::Reason;
use serde_json::Value;

use crate::lab::Lab;
use testkit::process::{Finished, Process, run};

/// A running daemon.
#[derive(Debug)]
pub struct Daemon<'a> {
    lab: &'a Lab,
    /// The process of the daemon.
    pub process: Process,
}

impl<'a> Daemon<'a> {
    /// Starts `hpcapd` with `args`, and returns when the daemon serves its queue: `hpcap0` unless
    /// `args` name another.
    #[must_use]
    pub fn start(lab: &'a Lab, args: &[&str]) -> Self {
        let mut process = Process::spawn(lab.tool("hpcapd").arg("--json").args(args));
        process.wait_for("\"event\":\"serving\"");
        Self { lab, process }
    }

    /// Returns what `hpcapctl status` reports about `queue`.
    #[must_use]
    pub fn status(&self, queue: &str) -> Value {
        status(self.lab, queue)
    }

    /// Returns the listeners of `queue`.
    #[must_use]
    pub fn listeners(&self, queue: &str) -> Vec<Value> {
        self.status(queue)["listeners"].as_array().unwrap().clone()
    }

    /// Stops the daemon with SIGINT.
    #[must_use]
    pub fn stop(self) -> Finished {
        self.process.interrupt()
    }
}

/// Returns what `hpcapctl status` reports about `queue`.
#[must_use]
pub fn status(lab: &Lab, queue: &str) -> Value {
    let shown = run(lab.tool("hpcapctl").args(["status", "--json", queue])).exits(0);
    serde_json::from_str(&shown.out).unwrap()
}

/// Returns the number of frames that `ledger` (JSON) counts for `reason`.
#[must_use]
pub fn frames(ledger: &Value, reason: Reason) -> u64 {
    ledger[reason.name()]["frames"].as_u64().unwrap_or(0)
}

/// Returns the number of frames on the wire, which is the sum over the reasons of the queue itself.
#[must_use]
pub fn on_the_wire(ledger: &Value) -> u64 {
    Reason::ledger().iter().map(|r| frames(ledger, *r)).sum()
}
