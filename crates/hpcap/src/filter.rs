//! Filters in tcpdump's syntax, which libpcap compiles and its interpreter runs.
//!
//! The same filters, compiled by the same library, choose frames in `hpcapd`, in the kernel module and in the tools. An
//! expression that libpcap cannot compile is a wrong use of the program ([`Kind::Usage`]), with libpcap's message.
//!
//! ```
//! use hpcap::Kind;
//! use hpcap::filter::Filter;
//!
//! // Link type 1 is Ethernet.
//! let filter = Filter::new("ether proto 0x0806", 1)?;
//! let mut arp = [0_u8; 60];
//! arp[12..14].copy_from_slice(&[0x08, 0x06]);
//! assert!(filter.matches(&arp, 60));
//! assert!(!filter.matches(&[0; 60], 60));
//!
//! assert!(Filter::new("", 1)?.is_empty(), "no expression accepts every frame");
//! let error = Filter::new("udp prot 53", 1).unwrap_err();
//! assert_eq!(error.kind(), Kind::Usage);
//! # Ok::<(), hpcap::Error>(())
//! ```

use std::ffi::c_uint;

use pcap::{Capture, Linktype};

use crate::error::{Error, Kind, Result};
use crate::listener::RingBytes;

pub use hpcap_sys::filter::Instruction;

unsafe extern "C" {
    /// libpcap's interpreter. Returns the number of bytes to keep; 0 = the frame is rejected.
    fn bpf_filter(
        program: *const Instruction,
        packet: *const u8,
        wire_len: c_uint,
        captured_len: c_uint,
    ) -> c_uint;
}

/// LINKTYPE_RAW as it is in files; libpcap's compiler expects `DLT_RAW` for it.
const LINKTYPE_RAW: u32 = 101;
const DLT_RAW: i32 = 12;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    expression: String,
    program: Vec<Instruction>,
}

impl Filter {
    /// Compiles `expression` for frames of `link_type` (LINKTYPE_ value; 1 = Ethernet). An empty
    /// expression accepts every frame.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`] with libpcap's message when the expression is invalid.
    pub fn new(expression: &str, link_type: u32) -> Result<Self> {
        let expression = expression.trim().to_owned();
        if expression.is_empty() {
            return Ok(Self {
                expression,
                program: Vec::new(),
            });
        }
        let bad = |why: String| {
            Error::usage(format!("filter {expression:?}"), why)
                .advise("see pcap-filter(7) for the syntax")
        };
        if expression.contains('\0') {
            return Err(bad("it has a zero byte in it".into()));
        }
        let dlt = match link_type {
            LINKTYPE_RAW => DLT_RAW,
            other => i32::try_from(other)
                .map_err(|_| bad(format!("there is no link type {link_type}")))?,
        };
        let message = |e: pcap::Error| match e {
            pcap::Error::PcapError(text) => text,
            other => other.to_string(),
        };
        let compiler = Capture::dead(Linktype(dlt)).map_err(|e| {
            Error::new(
                Kind::Io,
                format!("compile the filter {expression:?}"),
                message(e),
            )
        })?;
        let compiled = compiler
            .compile(&expression, true)
            .map_err(|e| bad(message(e)))?;
        let instructions = compiled.get_instructions();
        // SAFETY: `BpfInstruction` is a transparent wrapper of libpcap's `struct bpf_insn`, whose
        // layout is part of its ABI: u16, u8, u8, u32 (the size is checked below). `compiled` keeps
        // the slice alive.
        let program = unsafe {
            std::slice::from_raw_parts(
                instructions.as_ptr().cast::<Instruction>(),
                instructions.len(),
            )
        }
        .to_vec();
        Ok(Self {
            expression,
            program,
        })
    }

    /// The source of the filter.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The compiled program; empty when every frame is accepted.
    #[must_use]
    pub fn program(&self) -> &[Instruction] {
        &self.program
    }

    /// Whether every frame is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.program.is_empty()
    }

    /// Whether the filter accepts a frame of `len` bytes on the wire, of which `data` was captured.
    #[must_use]
    #[inline]
    pub fn matches(&self, data: &[u8], len: u32) -> bool {
        self.matches_in_ring(&RingBytes::from(data), len)
    }

    /// Whether the filter accepts a frame in the ring, of `len` bytes on the wire. The answer is valid only if the
    /// producer has not overwritten the frame before the filter returns.
    #[must_use]
    #[inline]
    pub fn matches_in_ring(&self, data: &RingBytes<'_>, len: u32) -> bool {
        if self.program.is_empty() {
            return true;
        }
        let captured = c_uint::try_from(data.len()).unwrap_or(c_uint::MAX);
        // SAFETY: libpcap's compiler made the program, so it ends with a return on every path and
        // jumps only forward within itself. The interpreter reads at most `captured` bytes of
        // `data`, which has at least that many, and depends on none of their values.
        unsafe {
            bpf_filter(
                self.program.as_ptr(),
                data.as_ptr(),
                len.max(captured),
                captured,
            ) != 0
        }
    }
}

const _: () = assert!(
    size_of::<Instruction>() == 8 && size_of::<pcap::BpfInstruction>() == size_of::<Instruction>()
);

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 UDP datagram from port 53.
    fn dns() -> Vec<u8> {
        let mut frame = vec![0_u8; 60];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[14] = 0x45;
        frame[23] = 17;
        frame[34..36].copy_from_slice(&53_u16.to_be_bytes());
        frame
    }

    #[test]
    fn expressions_of_tcpdump_match() {
        let frame = dns();
        for (expression, passes) in [
            ("", true),
            ("  ", true),
            ("udp port 53", true),
            ("udp", true),
            ("tcp", false),
            ("ip and not udp", false),
            ("greater 60", true),
            ("less 59", false),
        ] {
            let filter = Filter::new(expression, 1).unwrap();
            assert_eq!(filter.matches(&frame, 60), passes, "{expression}");
        }
    }

    #[test]
    fn filter_sees_the_length_on_the_wire() {
        let filter = Filter::new("greater 1000", 1).unwrap();
        assert!(filter.matches(&dns(), 1500));
        assert!(!filter.matches(&dns(), 60));
    }

    #[test]
    fn frame_that_is_too_short_is_refused() {
        assert!(
            !Filter::new("udp port 53", 1)
                .unwrap()
                .matches(&dns()[..20], 60)
        );
        assert!(!Filter::new("udp", 1).unwrap().matches(&[], 0));
    }

    #[test]
    fn other_link_types_are_filtered() {
        let ip = &dns()[14..];
        assert!(Filter::new("udp", LINKTYPE_RAW).unwrap().matches(ip, 46));
    }

    #[test]
    fn error_has_the_reason_of_libpcap() {
        let error = Filter::new("nonsense and", 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let text = error.to_string();
        assert!(
            text.contains("nonsense and") && text.contains("syntax error"),
            "{text}"
        );
        assert!(Filter::new("a\0b", 1).is_err());
    }
}
