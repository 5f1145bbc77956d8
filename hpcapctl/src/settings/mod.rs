//! `hpcapctl get` and `hpcapctl set`: the settings of queues of the kernel module, in sysfs.

mod folder;
mod get;
mod set;

pub use folder::Folder;
pub use get::Get;
pub use set::Set;
