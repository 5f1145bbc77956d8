//! The 82599.
//!
//! | module | is |
//! |---|---|
//! | [`pf`] | the physical function: what its registers do |
//! | [`vf`] | a virtual function: registers, mailbox |
//! | `bars` | how the bus reaches both: configuration space, registers, MSI-X |
//! | [`registers`] | the table of its registers, and their bits |
//! | `ring`, `rx`, `tx` | rings in the guest's memory, without registers: the virtual function's as well |
//! | `filter`, `parse`, `rss` | which frames are taken, and into which queue |
//! | `packet_buffer` | where frames wait for descriptors |
//! | `causes` | interrupts, from queues and events to vectors |
//! | `statistics`, `eeprom` | what their names say |
//! | [`faults`] | what a NIC may do that a driver must survive |

pub mod faults;
pub mod pf;
pub mod registers;
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

/// What became of a frame that was offered to a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// In the guest's memory, in this Rx queue.
    Delivered {
        /// Index of the queue.
        queue: u16,
    },
    /// In the guest's memory, but not as it was: its descriptor does not end the frame, has
    /// error bits or a wrong length. Only where a fault was asked for.
    Spoiled {
        /// Index of the queue.
        queue: u16,
    },
    /// No descriptor, or no room in the packet buffer: lost, and counted by the NIC.
    Missed,
    /// Refused by the address or VLAN filter, as a NIC does, without being counted.
    Filtered,
    /// Received damaged, and counted so.
    Error,
    /// The link is down, or reception is not enabled: the wire ends nowhere.
    Down,
    /// Accepted, and still in the packet buffer when the driver reset the NIC or ended the ring.
    /// `receive` cannot know: see [`Receive::take_discarded`].
    Discarded,
}

/// A NIC that takes frames off a wire.
pub trait Receive: Send {
    /// Whether reception is enabled, and the link up.
    fn is_up(&self) -> bool;
    /// Whether a frame of `len` bytes can be taken without being missed. For senders that wait.
    fn has_room(&self, frame: &[u8]) -> bool;
    /// One frame off the wire, without FCS.
    fn receive(&mut self, frame: &[u8]) -> Outcome;
    /// After a burst: descriptors are written back and the interrupts raised that are due.
    fn flush(&mut self);
    /// Frames that were [`Delivered`](Outcome::Delivered) into the packet buffer and got no
    /// further, since this was last called: of which queue, and how many. They are the youngest
    /// of that queue.
    fn take_discarded(&mut self) -> Vec<(u16, u64)> {
        Vec::new()
    }
}

/// The other end of a NIC's wire.
pub trait Wire: Send {
    /// The guest transmitted a frame (without FCS, padded to 60 bytes as a MAC does). What is
    /// put into `answers` comes back in as received frames, after it, and padded as well. The NIC's lock is held:
    /// do not wait here.
    fn transmitted(&mut self, frame: &[u8], answers: &mut Vec<Vec<u8>>);
}
