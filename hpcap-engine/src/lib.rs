//! The userspace producer: sources of frames, the poll thread, the daemon's server.

pub mod source;
