//! The software model of the 82599.
//!
//! | module | contents |
//! |---|---|
//! | [`pf`] | the physical function: the behaviour of its registers |
//! | [`vf`] | a virtual function: registers, mailbox |
//! | `bars` | configuration space, registers and MSI-X of both, as the bus accesses them |
//! | [`registers`] | the table of its registers, and their bits |
//! | `ring`, `rx`, `tx` | rings in the guest's memory, for both functions |
//! | `filter`, `parse`, `rss` | the choice of frames, and of the queue of each |
//! | `packet_buffer` | the buffer in which frames wait for descriptors |
//! | `causes` | interrupts, from queues and events to vectors |
//! | `statistics`, `eeprom` | the statistics registers and the EEPROM |
//! | [`faults`] | faults of a NIC that a driver must survive |
//! | [`socket`] | the wire of a NIC that is not of this model: one that QEMU emulates |

pub mod faults;
pub mod pf;
pub mod registers;
pub mod socket;
pub mod vf;

mod bars;
mod causes;
mod eeprom;
mod filter;
mod packet_buffer;
mod parse;
mod ring;
mod rss;
mod rx;
mod statistics;
mod tx;

/// The outcome of a frame that was offered to a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The frame is in the guest's memory, in this Rx queue.
    Delivered {
        /// Index of the queue.
        queue: u16,
    },
    /// The frame is in the guest's memory, but a fault changed its descriptor: the descriptor does
    /// not end the frame, or it has error bits or a wrong length.
    Spoiled {
        /// Index of the queue.
        queue: u16,
    },
    /// The frame was lost because there was no descriptor or no room in the packet buffer. The NIC
    /// counts it.
    Missed,
    /// The address or VLAN filter refused the frame. As in hardware, no register counts it.
    Filtered,
    /// The frame was received damaged, and the NIC counted it.
    Error,
    /// The frame was not received, because the link is down or reception is not enabled.
    Down,
    /// The frame was accepted, and still in the packet buffer when the driver reset the NIC or
    /// stopped the ring. `receive` cannot know this yet: see [`Receive::take_discarded`].
    Discarded,
}

/// A NIC that receives frames from a wire.
pub trait Receive: Send {
    /// Returns whether reception is enabled and the link is up.
    fn is_up(&self) -> bool;
    /// Returns whether `frame` would be received without being missed. Senders that wait ask this.
    fn has_room(&self, frame: &[u8]) -> bool;
    /// Receives one frame from the wire, without FCS.
    fn receive(&mut self, frame: &[u8]) -> Outcome;
    /// Writes descriptors back and raises the pending interrupts. The sender calls this after a
    /// burst.
    fn flush(&mut self);
    /// Returns, by queue, how many frames were [`Delivered`](Outcome::Delivered) into the packet
    /// buffer and then discarded since the last call. They are the last frames of that queue.
    fn take_discarded(&mut self) -> Vec<(u16, u64)> {
        Vec::new()
    }
}

/// The other end of a NIC's wire.
pub trait Wire: Send {
    /// Receives a frame that the guest transmitted (without FCS, padded to 60 bytes as a MAC does).
    /// The frames added to `answers` are then received by the NIC, padded as well. The NIC is
    /// locked during the call, so the call must not wait.
    fn transmitted(&mut self, frame: &[u8], answers: &mut Vec<Vec<u8>>);
}
