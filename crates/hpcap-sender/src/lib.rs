//! Programs that send traffic to a capture, on this machine or, by ssh, on another one.
//!
//! A capture is tried with more frames than it ever sees otherwise, and these come from programs that people already
//! have: `MoonGen`, the packet generator of Linux, `TRex`, `hpcap-bench send`, or anything else. Each is started by a
//! [`Template`], a command of the shell in which `{size}` or `{pps}` stand for the [`Load`] that is asked for. When the
//! command has ended, a [`Program`] finds in its output how many frames it has sent. A command that fails, that says
//! nothing, or that never ends is an [`Error`](hpcap_base::Error) with the last lines that it printed, and never a
//! number.
//!
//! What a program says it sent is what it handed to its NIC. Whether these frames were on the wire is for the receiver
//! to find out.
//!
//! ```
//! use hpcap_sender::{Load, Program, Sender};
//!
//! // A program that says only how many frames it has sent, on the last line.
//! let sender = Sender::new(Program::Other, "echo would send {frames} of {size} bytes; echo {frames}".parse()?);
//! let load = Load { size: 60, frames: 1000, pps: 50_000 };
//! assert_eq!(sender.send(load)?, 1000);
//! # Ok::<(), hpcap_base::Error>(())
//! ```

mod load;
mod program;
mod run;
mod template;

pub use load::Load;
pub use program::Program;
pub use run::Sender;
pub use template::Template;
