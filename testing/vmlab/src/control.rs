//! Requests of programs in the guest to the host: traffic, faults, counts.
//!
//! The program `lab` sends them. They travel on the machine's [channel](crate::channel) and are
//! answered by a [`Handler`] on the host.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Path of the socket in the guest on which the first program accepts requests for the host.
pub const SOCKET: &str = "/run/lab.sock";

/// A request. NICs are numbered from 0, in the order of `--nic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Starts to send frames into a NIC.
    TrafficStart {
        /// Number of the NIC.
        nic: usize,
        /// Source of the frames, such as `gen:size=60,count=1000000`. Without it, the source on the
        /// command line is used.
        spec: Option<String>,
        /// Pace of the frames.
        pace: Pace,
    },
    /// Answers when the traffic into a NIC has ended.
    TrafficWait {
        /// Number of the NIC.
        nic: usize,
    },
    /// Ends the traffic into a NIC.
    TrafficStop {
        /// Number of the NIC.
        nic: usize,
    },
    /// Returns the outcomes of the frames so far, of one NIC or of all.
    Counts {
        /// Number of the NIC, or `None` for all.
        nic: Option<usize>,
    },
    /// Injects a fault into a NIC or its link.
    Fault {
        /// Number of the NIC.
        nic: usize,
        /// Name of the fault.
        kind: String,
        /// Arguments of the fault, such as a number of milliseconds.
        arguments: Vec<String>,
    },
}

/// Pace of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// The pace of the source. A source without a rate waits for room, so that no frame is missed.
    #[default]
    Source,
    /// As fast as possible, even while the NIC has no room.
    Flood,
}

/// Answers the requests on the host.
pub trait Handler: Send + Sync {
    /// Answers a request. `lab` prints nothing for the answer null. The answer may take time,
    /// because each request has a thread of its own.
    ///
    /// # Errors
    /// Returns a message for the user who made the request.
    fn handle(&self, request: &Request) -> Result<Value, String>;
}

/// Answers every request with an error, for machines without NICs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHandler;

impl Handler for NoHandler {
    fn handle(&self, _: &Request) -> Result<Value, String> {
        Err("this machine has no NIC of the lab".to_owned())
    }
}
