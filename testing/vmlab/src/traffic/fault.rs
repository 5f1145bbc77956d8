//! Faults and their names, as in `lab fault link-flap 200`.

use std::time::Duration;

use hpcap::{Error, Result};

use crate::nic::faults::{FrameFault, RXE};
use crate::nic::pf::{Counts, Pf};
use crate::nic::vf::Vf;
use crate::nic::{Receive, Wire};

/// Default time for which a link is down in a flap.
const FLAP: Duration = Duration::from_millis(100);

/// A fault of a NIC or its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `link-down`, `link-up`: the cable is unplugged or plugged in.
    Link(bool),
    /// `link-flap [MS]`: the link is down for this time, 100 ms by default.
    Flap(Duration),
    /// `no-eop`, `error [BITS]`, `crc`, `length N`: the next frame has this fault.
    Frame(FrameFault),
    /// `stall`, `unstall`: the NIC stops writing to the guest, or continues.
    Stall(bool),
    /// `remove`: the NIC is removed from its slot, and all reads return ones.
    Remove,
    /// `restore`: the NIC answers again, as after a reset of its slot.
    Restore,
    /// `storm N`: N frames are sent at once, even without room for them.
    Storm(u64),
}

const KINDS: &str = "expected link-down, link-up, link-flap [MS], no-eop, error [BITS], crc, \
                     length BYTES, stall, unstall, remove, restore or storm FRAMES";

/// Parses a decimal or hexadecimal number, such as `1234` or `0x4d2`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Fault {
    /// Parses the fault with the name `kind` and its arguments.
    ///
    /// # Errors
    /// [`Usage`](hpcap::Kind::Usage) for unknown names, and for arguments that are not numbers.
    pub fn parse(kind: &str, arguments: &[String]) -> Result<Self> {
        let bad = || {
            let words: Vec<_> = std::iter::once(kind)
                .chain(arguments.iter().map(String::as_str))
                .collect();
            Error::usage(format!("fault {}", words.join(" ")), KINDS)
        };
        let value = match arguments {
            [] => None,
            [text] => Some(number(text).ok_or_else(bad)?),
            _ => return Err(bad()),
        };
        Ok(match (kind, value) {
            ("link-down", None) => Self::Link(false),
            ("link-up", None) => Self::Link(true),
            ("link-flap", ms) => Self::Flap(ms.map_or(FLAP, Duration::from_millis)),
            ("no-eop", None) => Self::Frame(FrameFault::WithoutEop),
            ("error", bits) => {
                let bits = u32::try_from(bits.unwrap_or(u64::from(RXE))).map_err(|_| bad())?;
                Self::Frame(FrameFault::Status(bits))
            }
            ("crc", None) => Self::Frame(FrameFault::Crc),
            ("length", Some(bytes)) => {
                let bytes = u16::try_from(bytes).map_err(|_| bad())?;
                Self::Frame(FrameFault::Length(bytes))
            }
            ("stall", None) => Self::Stall(true),
            ("unstall", None) => Self::Stall(false),
            ("remove", None) => Self::Remove,
            ("restore", None) => Self::Restore,
            ("storm", Some(frames)) => Self::Storm(frames),
            _ => return Err(bad()),
        })
    }
}

/// A software NIC, as the host handles it.
pub trait Device: Receive {
    /// Whether the NIC tells its driver how many frames it missed.
    const COUNTS_MISSED: bool;

    /// Plugs the cable in, or unplugs it.
    fn set_link(&mut self, up: bool);
    /// Sets a fault for the next frame that has none yet.
    fn add_frame_fault(&mut self, fault: FrameFault);
    /// Makes the NIC stop writing to the guest, or continue.
    fn stall(&mut self, stalled: bool);
    /// Removes the NIC from its slot.
    fn remove(&mut self);
    /// Makes a removed NIC answer again.
    fn restore(&mut self);
    /// Sets who receives the frames that the guest transmits.
    fn set_wire(&mut self, wire: Box<dyn Wire>);
    /// Returns the counters so far.
    fn counts(&self) -> Counts;
}

macro_rules! device {
    ($nic:ty, counts_missed: $counts_missed:literal) => {
        impl Device for $nic {
            const COUNTS_MISSED: bool = $counts_missed;

            fn set_link(&mut self, up: bool) {
                self.set_link(up);
            }
            fn add_frame_fault(&mut self, fault: FrameFault) {
                self.add_frame_fault(fault);
            }
            fn stall(&mut self, stalled: bool) {
                self.stall(stalled);
            }
            fn remove(&mut self) {
                self.remove();
            }
            fn restore(&mut self) {
                self.restore();
            }
            fn set_wire(&mut self, wire: Box<dyn Wire>) {
                self.set_wire(wire);
            }
            fn counts(&self) -> Counts {
                self.counts()
            }
        }
    };
}

device!(Pf, counts_missed: true);
// No register of a virtual function counts frames that found no descriptor.
device!(Vf, counts_missed: false);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Option<Fault> {
        let mut words = words.split(' ');
        let kind = words.next().unwrap();
        let arguments: Vec<_> = words.map(str::to_owned).collect();
        Fault::parse(kind, &arguments).ok()
    }

    #[test]
    fn fault_parses_its_words() {
        for (words, fault) in [
            ("link-down", Fault::Link(false)),
            ("link-flap", Fault::Flap(FLAP)),
            ("link-flap 250", Fault::Flap(Duration::from_millis(250))),
            ("no-eop", Fault::Frame(FrameFault::WithoutEop)),
            ("error", Fault::Frame(FrameFault::Status(RXE))),
            (
                "error 0x01000000",
                Fault::Frame(FrameFault::Status(1 << 24)),
            ),
            ("crc", Fault::Frame(FrameFault::Crc)),
            ("length 0", Fault::Frame(FrameFault::Length(0))),
            ("stall", Fault::Stall(true)),
            ("unstall", Fault::Stall(false)),
            ("remove", Fault::Remove),
            ("restore", Fault::Restore),
            ("storm 5000", Fault::Storm(5000)),
        ] {
            assert_eq!(parse(words), Some(fault), "{words}");
        }
        for words in [
            "",
            "fire",
            "length",
            "length 65536",
            "storm",
            "stall 1",
            "link-flap 1 2",
        ] {
            assert_eq!(parse(words), None, "{words}");
        }
    }
}
