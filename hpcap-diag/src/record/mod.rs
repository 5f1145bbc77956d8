//! Facts that the kernel and producers have in no file, in the form in which a collection has them.

mod interface;
mod queue;
mod socket;

pub use interface::InterfaceRecord;
pub use queue::{BlockRecord, Place, QueueRecord, QueuesRecord};
pub use socket::{SocketRecord, parse_sockets};

/// The file of the interfaces.
pub const INTERFACES: &str = "interfaces.json";
/// The file of the queues.
pub const QUEUES: &str = "queues.json";
/// The file of the sockets.
pub const SOCKETS: &str = "sockets.json";
/// The file of the clock.
pub const CLOCK: &str = "clock.json";
/// The file of the versions of programs and modules.
pub const VERSIONS: &str = "versions.json";
/// The file of the capture files.
pub const CAPTURES: &str = "captures.json";
/// The file of the symbolic links of sysfs.
pub const LINKS: &str = "links";
