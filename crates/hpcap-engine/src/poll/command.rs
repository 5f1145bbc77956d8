//! Requests of other threads to the poll thread.

use std::sync::mpsc::Sender;

use hpcap::abi::hpcap_listener;
use hpcap::{Result, Start};
use hpcap_ipc::memory::Mapping;

use crate::server::WakeupSocket;
use crate::stages::Dedup;

/// A request to the poll thread.
pub(crate) enum Command {
    /// Attach a new listener.
    Attach {
        /// The producer's mapping of the listener's slot.
        slot: Mapping,
        /// The listener's name, process and contract.
        listener: Box<hpcap_listener>,
        /// Where the listener starts to read.
        start: Start,
        /// Receives the index of the slot once the listener is active.
        reply: Sender<Result<usize>>,
    },
    /// Detach the listener with this id. The id of a listener that was killed is unknown by then.
    Detach(u64),
    /// Kill the listener with this id: it gets no more frames but an error, and its slot becomes
    /// free.
    Kill {
        /// The listener's id.
        id: u64,
        /// Receives the outcome: an error if there is no such listener.
        reply: Sender<Result<()>>,
    },
    /// Wake the listener with this id over a socket, too.
    Wakeup {
        /// The listener's id.
        id: u64,
        /// The producer's end of the socket.
        socket: WakeupSocket,
        /// Receives the outcome: an error if there is no such listener.
        reply: Sender<Result<()>>,
    },
    /// Keep at most this many bytes of each frame; 0 keeps whole frames.
    Caplen(u32),
    /// Find duplicates with this window; `None` turns the duplicate filter off.
    Dedup(Option<Box<Dedup>>),
    /// End the queue and the thread.
    Stop,
}
