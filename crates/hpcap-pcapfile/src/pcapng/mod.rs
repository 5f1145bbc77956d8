//! Reads pcapng: sections, interfaces and packet blocks.

mod packet;

use std::borrow::Cow;
use std::io::Read;

use pcap_parser::pcapng::{
    BOM_MAGIC, Block, EPB_MAGIC, IDB_MAGIC, OptionCode, PcapNGOption, SHB_MAGIC, SPB_MAGIC,
    parse_block_be, parse_block_le,
};

use super::clock::Clock;
use super::input::{Input, WINDOW_BYTES_MAX, pause};
use super::reader::Place;
use hpcap_base::error::Result;

/// Type of the packet block that preceded the enhanced packet block.
const OLD_PACKET: u32 = 2;
/// Option of an interface: the length of its FCS in bits.
const IF_FCSLEN: OptionCode = OptionCode(13);
/// Limit of the interfaces in a file; more are damage.
const INTERFACES_MAX: usize = 65_536;
/// Length of the smallest block: its type, and its length twice.
const BLOCK_BYTES_MIN: u32 = 12;

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u32,
    snaplen: u32,
    /// Length of the FCS at the end of each frame, in bytes.
    fcs_bytes: u32,
    clock: Clock,
}

/// The current section, and the interfaces of all sections so far.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Whether the section is big endian; `None` before the first section header.
    big_endian: Option<bool>,
    interfaces: Vec<Interface>,
    /// Index in `interfaces` of the section's interface 0.
    first: usize,
    /// The rest of a block to skip in bytes, and the block's type.
    skipping: (u64, u32),
}

pub(super) fn is_pcapng(head: &[u8]) -> bool {
    head.first_chunk() == Some(&SHB_MAGIC.to_le_bytes())
}

fn u32_at(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let bytes = bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .unwrap_or([0; 4]);
    if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

fn u64_of(bytes: &[u8], big_endian: bool) -> Option<u64> {
    let bytes = bytes.try_into().ok()?;
    Some(if big_endian {
        u64::from_be_bytes(bytes)
    } else {
        u64::from_le_bytes(bytes)
    })
}

fn value<'a>(option: &PcapNGOption<'a>) -> &'a [u8] {
    match option.value {
        Cow::Borrowed(value) => value.get(..usize::from(option.len)).unwrap_or_default(),
        Cow::Owned(_) => &[],
    }
}

/// Type and length of a block that is completely in the window.
struct Head {
    kind: u32,
    bytes: usize,
}

impl Section {
    pub(super) fn first_link_type(&self) -> Option<u32> {
        self.interfaces.first().map(|i| i.link_type)
    }

    /// Reads blocks up to the first one with a frame. From a non-blocking stream without further
    /// bytes, reads at least up to the description of an interface.
    pub(super) fn read_head<R: Read>(&mut self, input: &mut Input<R>) -> Result<()> {
        loop {
            match self.seek_packet(input) {
                Err(e) if e.would_block() && self.interfaces.is_empty() => pause(),
                Err(e) if e.would_block() => return Ok(()),
                other => return other.map(drop),
            }
        }
    }

    /// Returns the next frame; `None` at the end of the file.
    pub(super) fn next<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Place>> {
        let Some(head) = self.seek_packet(input)? else {
            return Ok(None);
        };
        match self.packet(input.window(), &head) {
            Ok(place) => Ok(Some(place)),
            Err(why) => Err(input.damaged(why)),
        }
    }

    /// Advances to the next block with a frame; on the way, adds interfaces and skips other blocks.
    fn seek_packet<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Head>> {
        while let Some(head) = self.block(input)? {
            match head.kind {
                EPB_MAGIC | SPB_MAGIC | OLD_PACKET => return Ok(Some(head)),
                SHB_MAGIC => self.first = self.interfaces.len(),
                IDB_MAGIC => self
                    .interface(&input.window()[..head.bytes])
                    .map_err(|why| input.damaged(why))?,
                _ => {}
            }
            input.consume(head.bytes);
        }
        Ok(None)
    }

    /// Returns the next block of a known type, once it is completely in the window; skips the
    /// others.
    fn block<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Head>> {
        loop {
            let (bytes, kind) = &mut self.skipping;
            if !input.skip(bytes)? {
                return Err(
                    input.damaged(format!("the file ends within a block of type {kind:#x}"))
                );
            }
            if !input.want(12)? {
                let left = input.window().len();
                return match left {
                    0 => Ok(None),
                    _ => Err(input.damaged(format!(
                        "the file ends within the header of a block ({left} of 12 bytes)"
                    ))),
                };
            }
            let window = input.window();
            if is_pcapng(window) {
                self.big_endian = match u32_at(window, 8, false) {
                    BOM_MAGIC => Some(false),
                    magic if magic.swap_bytes() == BOM_MAGIC => Some(true),
                    magic => {
                        return Err(input
                            .damaged(format!("a section has the byte-order magic {magic:#010x}")));
                    }
                };
            }
            // The byte order is known: a pcapng file begins with a section header.
            let big_endian = self.big_endian.unwrap_or(false);
            let kind = u32_at(window, 0, big_endian);
            let length = u32_at(window, 4, big_endian);
            if length < BLOCK_BYTES_MIN || !length.is_multiple_of(4) {
                return Err(
                    input.damaged(format!("a block of type {kind:#x} claims {length} bytes"))
                );
            }
            if !matches!(
                kind,
                SHB_MAGIC | IDB_MAGIC | EPB_MAGIC | SPB_MAGIC | OLD_PACKET
            ) {
                self.skipping = (u64::from(length), kind);
                continue;
            }
            let bytes = length as usize;
            if bytes > WINDOW_BYTES_MAX {
                return Err(input.damaged(format!(
                    "a block of type {kind:#x} claims {length} bytes, {WINDOW_BYTES_MAX} are the most"
                )));
            }
            if !input.want(bytes)? {
                return Err(input.damaged(format!(
                    "the file ends within a block of type {kind:#x} ({} of {length} bytes)",
                    input.window().len()
                )));
            }
            let again = u32_at(input.window(), bytes - 4, big_endian);
            if again != length {
                return Err(input.damaged(format!(
                    "a block of type {kind:#x} says {length} bytes at its start and {again} at its end"
                )));
            }
            return Ok(Some(Head { kind, bytes }));
        }
    }

    fn parse<'a>(&self, block: &'a [u8]) -> std::result::Result<Block<'a>, String> {
        let parsed = if self.big_endian == Some(true) {
            parse_block_be(block)
        } else {
            parse_block_le(block)
        };
        match parsed {
            Ok((_, block)) => Ok(block),
            Err(pcap_parser::nom::Err::Incomplete(_)) => {
                Err("a block is too short for what it says it has".into())
            }
            Err(_) => Err("a block is malformed".into()),
        }
    }

    fn interface(&mut self, block: &[u8]) -> std::result::Result<(), String> {
        let Block::InterfaceDescription(idb) = self.parse(block)? else {
            return Err("an interface description is malformed".into());
        };
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(format!("there are more than {INTERFACES_MAX} interfaces"));
        }
        let big_endian = self.big_endian == Some(true);
        let mut clock = Clock {
            resolution: 6,
            offset: 0,
        };
        let mut fcs_bytes = 0;
        for option in &idb.options {
            match (option.code, value(option)) {
                (OptionCode::EndOfOpt, _) => break,
                (IF_FCSLEN, [bits]) => fcs_bytes = u32::from(*bits) / 8,
                (OptionCode::IfTsresol, [resolution]) => clock.resolution = *resolution,
                (OptionCode::IfTsoffset, bytes) => {
                    clock.offset = u64_of(bytes, big_endian).unwrap_or(0).cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(Interface {
            link_type: idb.linktype.0.cast_unsigned() & 0xffff,
            snaplen: idb.snaplen,
            fcs_bytes,
            clock,
        });
        Ok(())
    }
}
