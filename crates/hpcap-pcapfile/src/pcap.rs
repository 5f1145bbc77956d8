//! Reads classic pcap.

use std::io::Read;

use pcap_parser::pcap::{LegacyPcapBlock, parse_pcap_frame, parse_pcap_frame_be};
use pcap_parser::pcap::{parse_pcap_frame_modified, parse_pcap_header};

use super::FRAME_BYTES_MAX;
use super::input::Input;
use super::reader::{Place, without_fcs};
use hpcap_base::error::Result;

pub(super) const HEADER_BYTES: usize = 24;
/// Bit of the link type field: set when the field also holds the length of the FCS.
const FCS_PRESENT: u32 = 0x0400_0000;

type Parse = for<'a> fn(
    &'a [u8],
) -> pcap_parser::nom::IResult<
    &'a [u8],
    LegacyPcapBlock<'a>,
    pcap_parser::PcapError<&'a [u8]>,
>;

/// The layout of a file, as its header describes it.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) link_type: u32,
    /// Length of the FCS at the end of each frame, in bytes.
    fcs_bytes: u32,
    big_endian: bool,
    /// Nanoseconds per unit of the second time field.
    unit_ns: u64,
    /// Length of the header of a frame, in bytes.
    header: usize,
    parse: Parse,
}

/// Whether `head` begins with a magic number of pcap.
pub(super) fn is_magic(head: &[u8]) -> bool {
    const MAGICS: [u32; 5] = [
        0xa1b2_c3d4,
        0xd4c3_b2a1,
        0xa1b2_3c4d,
        0x4d3c_b2a1,
        0xa1b2_cd34,
    ];
    head.first_chunk()
        .is_some_and(|magic| MAGICS.contains(&u32::from_le_bytes(*magic)))
}

impl Layout {
    /// Parses the header of a file; `None` when it is not one of pcap.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let (_, header) = parse_pcap_header(head).ok()?;
        let modified = header.is_modified_format();
        let big_endian = header.is_bigendian();
        let parse: Parse = match (modified, big_endian) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        // The upper half says whether frames have an FCS, and gives its length in 16-bit words.
        let network = header.network.0.cast_unsigned();
        let has_fcs = network & FCS_PRESENT != 0;
        Some(Self {
            link_type: network & 0xffff,
            fcs_bytes: if has_fcs { (network >> 28) * 2 } else { 0 },
            big_endian,
            unit_ns: if header.is_nanosecond_precision() {
                1
            } else {
                1000
            },
            header: if modified { 24 } else { 16 },
            parse,
        })
    }

    fn caplen(&self, window: &[u8]) -> u32 {
        let bytes = window
            .get(8..12)
            .and_then(|b| b.try_into().ok())
            .unwrap_or([0; 4]);
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    pub(super) fn next<R: Read>(&self, input: &mut Input<R>) -> Result<Option<Place>> {
        if !input.want(self.header)? {
            let left = input.window().len();
            return match left {
                0 => Ok(None),
                _ => Err(input.damaged(format!(
                    "the file ends within the header of a frame ({left} of {} bytes)",
                    self.header
                ))),
            };
        }
        let caplen = self.caplen(input.window());
        if caplen > FRAME_BYTES_MAX {
            return Err(input.damaged(format!(
                "a frame claims {caplen} captured bytes, {FRAME_BYTES_MAX} are the most"
            )));
        }
        let bytes = self.header + caplen as usize;
        if !input.want(bytes)? {
            return Err(input.damaged(format!(
                "the file ends within a frame ({} of {caplen} bytes)",
                input.window().len() - self.header
            )));
        }
        let frame = match (self.parse)(input.window()) {
            Ok((_, frame)) => frame,
            Err(e) => return Err(input.damaged(format!("a frame is malformed: {e:?}"))),
        };
        let ns = u64::from(frame.ts_usec) * self.unit_ns;
        let data = self.header..bytes;
        let (data, len) = without_fcs(data, frame.origlen.max(caplen), self.fcs_bytes);
        Ok(Some(Place {
            sec: u64::from(frame.ts_sec) + ns / 1_000_000_000,
            nsec: u32::try_from(ns % 1_000_000_000).unwrap_or(0),
            data,
            len,
            link_type: self.link_type,
            bytes,
            ..Place::default()
        }))
    }
}
