//! What a program in the guest asks of the host: traffic, faults, counts.
//!
//! The program is `lab`. Its questions travel on the machine's [channel](crate::channel) and are
//! answered by a [`Handler`] on the host.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a program in the guest reaches the host: a socket of the first program.
pub const SOCKET: &str = "/run/lab.sock";

/// A question. NICs are numbered from 0, in the order of `--nic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Starts to send frames into a NIC.
    TrafficStart {
        /// The NIC.
        nic: usize,
        /// Where the frames come from, such as `gen:size=60,count=1000000`; that of the command
        /// line when there is none.
        spec: Option<String>,
        /// When the next frame is sent.
        pace: Pace,
    },
    /// Answers when the traffic into a NIC has ended.
    TrafficWait {
        /// The NIC.
        nic: usize,
    },
    /// Ends the traffic into a NIC.
    TrafficStop {
        /// The NIC.
        nic: usize,
    },
    /// What became of the frames so far, of one NIC or of all.
    Counts {
        /// The NIC.
        nic: Option<usize>,
    },
    /// Something goes wrong with a NIC or its link.
    Fault {
        /// The NIC.
        nic: usize,
        /// Which fault.
        kind: String,
        /// What it takes, such as a number of milliseconds.
        arguments: Vec<String>,
    },
}

/// When the next frame is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// As the source says; one without a rate waits for room, so that no frame is missed.
    #[default]
    Source,
    /// As fast as possible, whether there is room or not.
    Flood,
}

/// Who answers on the host.
pub trait Handler: Send + Sync {
    /// Answers a question; JSON's null is printed as nothing. May take its time: each question
    /// has a thread of its own.
    ///
    /// # Errors
    /// A message for whoever asked.
    fn handle(&self, request: &Request) -> Result<Value, String>;
}

/// Answers nothing: for machines without NICs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHandler;

impl Handler for NoHandler {
    fn handle(&self, _: &Request) -> Result<Value, String> {
        Err("this machine has no NIC of the lab".to_owned())
    }
}
