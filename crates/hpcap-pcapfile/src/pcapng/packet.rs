//! The frames of packet blocks: enhanced, simple and old ones.

use std::ops::Range;

use pcap_parser::pcapng::{Block, OptionCode};

use super::{Head, Interface, OLD_PACKET, Section, u32_at, u64_of, value};
use crate::FRAME_BYTES_MAX;
use crate::direction::Direction;
use crate::reader::{Place, without_fcs};

/// Length of the fields of a packet block before its data, block header included.
const PACKET_HEADER: usize = 28;
const SIMPLE_HEADER: usize = 12;

/// Returns the range of `part` within `window`, which contains it.
fn range_in(window: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(window.as_ptr() as usize);
    start..start + part.len()
}

impl Section {
    /// Returns interface `id` of this section, and its number in the file.
    fn find(&self, id: u32) -> std::result::Result<(u32, Interface), String> {
        let number = self.first + id as usize;
        match self.interfaces.get(number) {
            Some(interface) => Ok((u32::try_from(number).unwrap_or(u32::MAX), *interface)),
            None => Err(format!(
                "a frame is of interface {id}, which is not described"
            )),
        }
    }

    pub(super) fn packet(&self, window: &[u8], head: &Head) -> std::result::Result<Place, String> {
        let block = &window[..head.bytes];
        let big_endian = self.big_endian == Some(true);
        match self.parse(block)? {
            Block::EnhancedPacket(epb) => {
                let (number, interface) = self.find(epb.if_id)?;
                let units = u64::from(epb.ts_high) << 32 | u64::from(epb.ts_low);
                let mut place = place(
                    head,
                    interface,
                    number,
                    units,
                    PACKET_HEADER,
                    epb.caplen,
                    epb.origlen,
                )?;
                for option in &epb.options {
                    let bytes = value(option);
                    match option.code {
                        OptionCode::EndOfOpt => break,
                        OptionCode::Comment if place.comment.is_none() => {
                            place.comment = Some(range_in(window, bytes));
                        }
                        OptionCode(2) if bytes.len() == 4 => {
                            place.direction = Direction::of_flags(u32_at(bytes, 0, big_endian));
                        }
                        OptionCode(4) => place.dropped = u64_of(bytes, big_endian).unwrap_or(0),
                        OptionCode(6) if bytes.len() == 4 => {
                            place.queue = Some(u32_at(bytes, 0, big_endian));
                        }
                        _ => {}
                    }
                }
                Ok(place)
            }
            Block::SimplePacket(spb) => {
                let (number, interface) = self.find(0)?;
                let room = u32::try_from(head.bytes - SIMPLE_HEADER - 4).unwrap_or(0);
                let snaplen = if interface.snaplen == 0 {
                    u32::MAX
                } else {
                    interface.snaplen
                };
                let caplen = spb.origlen.min(snaplen).min(room);
                place(
                    head,
                    interface,
                    number,
                    0,
                    SIMPLE_HEADER,
                    caplen,
                    spb.origlen,
                )
            }
            _ if head.kind == OLD_PACKET && head.bytes >= PACKET_HEADER + 4 => {
                let word = |at| u32_at(block, at, big_endian);
                let (id, drops) = if big_endian {
                    (word(8) >> 16, word(8) & 0xffff)
                } else {
                    (word(8) & 0xffff, word(8) >> 16)
                };
                let (number, interface) = self.find(id)?;
                let units = u64::from(word(12)) << 32 | u64::from(word(16));
                let mut place = place(
                    head,
                    interface,
                    number,
                    units,
                    PACKET_HEADER,
                    word(20),
                    word(24),
                )?;
                // A counter of all ones means that the number is unknown.
                place.dropped = if drops == 0xffff { 0 } else { u64::from(drops) };
                Ok(place)
            }
            _ => Err("a packet block is malformed".into()),
        }
    }
}

fn place(
    head: &Head,
    interface: Interface,
    number: u32,
    units: u64,
    header: usize,
    caplen: u32,
    len: u32,
) -> std::result::Result<Place, String> {
    if caplen > FRAME_BYTES_MAX {
        return Err(format!(
            "a frame claims {caplen} captured bytes, {FRAME_BYTES_MAX} are the most"
        ));
    }
    let data = header..header + caplen as usize;
    if data.end + 4 > head.bytes {
        return Err(format!(
            "a frame claims {caplen} captured bytes in a block of {}",
            head.bytes
        ));
    }
    let (sec, nsec) = if header == SIMPLE_HEADER {
        (0, 0)
    } else {
        interface.clock.time(units)
    };
    let (data, len) = without_fcs(data, len.max(caplen), interface.fcs_bytes);
    Ok(Place {
        sec,
        nsec,
        data,
        len,
        interface: number,
        link_type: interface.link_type,
        bytes: head.bytes,
        ..Place::default()
    })
}
