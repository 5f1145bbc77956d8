//! Writes pcapng, with an interface for each queue, and lost frames noted at the frame after them.

use std::io::{self, Write};

use super::describe::{Interface, Section, Statistics};
use super::direction::Direction;
use super::marks::Marks;
use super::pcapng_block::{
    COMMENT, END_OF_OPTIONS, lost_comment, missing, option, pad, text_option, time_words,
};
use hpcap_base::ledger::Ledger;
use hpcap_base::sink::Sink;
use hpcap_base::time::Timestamp;
use hpcap_raw::tag::Gap;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

const EPB_FLAGS: u16 = 2;
const EPB_DROPCOUNT: u16 = 4;
const EPB_QUEUE: u16 = 6;

/// Number of an interface in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(u32);

#[derive(Debug)]
struct State {
    queue: Option<u32>,
    /// Direction of a frame of which nothing else is said; `None` = unknown.
    usual_direction: Option<Direction>,
    /// Direction of the next frame; `None` = the usual one.
    direction: Option<Direction>,
    /// Losses since the last frame, which the next frame's comment reports.
    lost: Option<Ledger>,
    /// Whether the next frame is a copy of an earlier one.
    duplicate: bool,
    /// A comment for the next frame.
    note: Option<String>,
}

/// Writes pcapng in little endian, with times in nanoseconds.
///
/// After an error no part of the block was accepted, and the call can be repeated (see [`Sink`]).
#[derive(Debug)]
pub struct PcapngWriter<W> {
    sink: Sink<W>,
    interfaces: Vec<State>,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts a file with a section header.
    #[must_use]
    pub fn new(sink: W, section: &Section) -> Self {
        let mut writer = Self {
            sink: Sink::new(sink),
            interfaces: Vec::new(),
        };
        let mut body = Vec::new();
        // Byte-order magic, version 1.0, and an unspecified length of the section.
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&1_u16.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        body.extend_from_slice(&(-1_i64).to_le_bytes());
        text_option(&mut body, COMMENT, &section.comment);
        text_option(&mut body, 2, &section.hardware);
        text_option(&mut body, 3, &section.os);
        text_option(&mut body, 4, &section.application);
        option(&mut body, END_OF_OPTIONS, &[]);
        writer.block(SECTION, &body);
        writer
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = u32::try_from(body.len() + 12)
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        self.sink.append(&kind.to_le_bytes());
        self.sink.append(&length);
        self.sink.append(body);
        self.sink.append(&length);
    }

    /// Adds an interface, to which frames can then belong.
    ///
    /// # Errors
    /// Returns the error of the inner writer, and `InvalidInput` for a link type that pcapng does
    /// not have.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<InterfaceId> {
        self.sink.ready()?;
        let mut body = Vec::new();
        let link_type = u16::try_from(interface.link_type).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("pcapng has no link type {}", interface.link_type),
            )
        })?;
        body.extend_from_slice(&link_type.to_le_bytes());
        body.extend_from_slice(&[0; 2]);
        body.extend_from_slice(&interface.snaplen.to_le_bytes());
        text_option(&mut body, 2, &interface.name);
        text_option(&mut body, 3, &interface.description);
        option(&mut body, 9, &[9]); // 10⁻⁹ s
        if !interface.filter.is_empty() {
            // A byte 0 says that the text of a libpcap filter follows.
            let filter: String = std::iter::once('\0')
                .chain(interface.filter.chars())
                .collect();
            text_option(&mut body, 11, &filter);
        }
        option(&mut body, END_OF_OPTIONS, &[]);
        self.block(INTERFACE, &body);
        let id = u32::try_from(self.interfaces.len()).map_err(io::Error::other)?;
        self.interfaces.push(State {
            queue: interface.queue,
            usual_direction: interface.knows_directions.then_some(Direction::Inbound),
            direction: None,
            lost: None,
            duplicate: false,
            note: None,
        });
        Ok(InterfaceId(id))
    }

    fn state(&mut self, id: InterfaceId) -> io::Result<&mut State> {
        self.interfaces.get_mut(id.0 as usize).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "an interface of another file")
        })
    }

    /// Notes that frames of an interface are missing here; the interface's next frame reports it.
    ///
    /// # Errors
    /// Returns `InvalidInput` when the interface belongs to another file.
    pub fn gap(&mut self, id: InterfaceId, gap: &Gap) -> io::Result<()> {
        let state = self.state(id)?;
        *state.lost.get_or_insert_default() += &gap.lost;
        Ok(())
    }

    /// Marks the next frame of an interface as a copy of an earlier one, with the comment
    /// "duplicate".
    ///
    /// # Errors
    /// Returns `InvalidInput` when the interface belongs to another file.
    #[inline]
    pub fn duplicate(&mut self, id: InterfaceId) -> io::Result<()> {
        self.state(id)?.duplicate = true;
        Ok(())
    }

    /// Says which way the next frame of an interface passed.
    ///
    /// # Errors
    /// Returns `InvalidInput` when the interface belongs to another file.
    #[inline]
    pub fn direction(&mut self, id: InterfaceId, direction: Direction) -> io::Result<()> {
        self.state(id)?.direction = Some(direction);
        Ok(())
    }

    /// Sets the marks of the next frame of an interface, which has `len` bytes on the wire and of which
    /// `kept` were captured.
    ///
    /// # Errors
    /// Returns `InvalidInput` when the interface belongs to another file.
    #[inline]
    pub fn mark(
        &mut self,
        id: InterfaceId,
        marks: &Marks,
        len: u32,
        kept: usize,
    ) -> io::Result<()> {
        let state = self.state(id)?;
        state.duplicate = marks.duplicate;
        if marks.sent {
            state.direction = Some(Direction::Outbound);
        }
        state.note = marks.comment(len, kept);
        Ok(())
    }

    /// Writes a frame of `len` bytes on the wire, of which `data` was captured.
    ///
    /// # Errors
    /// Returns the error of the inner writer, and `InvalidInput` when the interface belongs to
    /// another file.
    #[inline]
    pub fn frame(
        &mut self,
        id: InterfaceId,
        time: Timestamp,
        len: u32,
        data: &[u8],
    ) -> io::Result<()> {
        self.sink.ready()?;
        let state = self.state(id)?;
        let queue = state.queue;
        let direction = state.direction.take().or(state.usual_direction);
        let lost = state.lost.take();
        let duplicate = std::mem::take(&mut state.duplicate);
        let note = state.note.take();
        if lost.is_some() || duplicate || note.is_some() {
            let mut options = Vec::new();
            if let Some(lost) = lost {
                text_option(&mut options, COMMENT, &lost_comment(&lost));
                option(&mut options, EPB_DROPCOUNT, &missing(&lost).to_le_bytes());
            }
            if duplicate {
                text_option(&mut options, COMMENT, "duplicate");
            }
            if let Some(note) = note {
                text_option(&mut options, COMMENT, &note);
            }
            if let Some(direction) = direction {
                option(&mut options, EPB_FLAGS, &direction.flags().to_le_bytes());
            }
            if let Some(queue) = queue {
                option(&mut options, EPB_QUEUE, &queue.to_le_bytes());
            }
            option(&mut options, END_OF_OPTIONS, &[]);
            self.packet(id, time, len, data, &options);
        } else {
            // Nearly all frames have no more than these two options, which fit an array on the stack.
            let mut options = [0; 20];
            let mut end = 0;
            let numbers = [
                (EPB_FLAGS, direction.map(Direction::flags)),
                (EPB_QUEUE, queue),
            ];
            for (code, number) in numbers {
                if let Some(number) = number {
                    options[end..end + 2].copy_from_slice(&code.to_le_bytes());
                    options[end + 2] = 4;
                    options[end + 4..end + 8].copy_from_slice(&number.to_le_bytes());
                    end += 8;
                }
            }
            if end != 0 {
                end += 4;
            }
            self.packet(id, time, len, data, &options[..end]);
        }
        Ok(())
    }

    #[inline]
    fn packet(&mut self, id: InterfaceId, time: Timestamp, len: u32, data: &[u8], options: &[u8]) {
        let padding = pad(data.len());
        let length = u32::try_from(32 + data.len() + padding + options.len()).unwrap_or(u32::MAX);
        let caplen = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let mut header = [0; 28];
        header[..4].copy_from_slice(&PACKET.to_le_bytes());
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8..12].copy_from_slice(&id.0.to_le_bytes());
        header[12..20].copy_from_slice(&time_words(time));
        header[20..24].copy_from_slice(&caplen.to_le_bytes());
        header[24..].copy_from_slice(&len.to_le_bytes());
        self.sink.append(&header);
        self.sink.append(data);
        self.sink.append(&[0; 3][..padding]);
        self.sink.append(options);
        self.sink.append(&length.to_le_bytes());
    }

    /// Writes the statistics of an interface: at the end, and in a live capture also in between.
    ///
    /// # Errors
    /// Returns the error of the inner writer, and `InvalidInput` when the interface belongs to
    /// another file.
    pub fn statistics(&mut self, id: InterfaceId, statistics: &Statistics) -> io::Result<()> {
        self.sink.ready()?;
        self.state(id)?;
        let mut body = Vec::new();
        body.extend_from_slice(&id.0.to_le_bytes());
        body.extend_from_slice(&time_words(statistics.time));
        for (code, time) in [(2, statistics.start), (3, statistics.end)] {
            if let Some(time) = time {
                option(&mut body, code, &time_words(time));
            }
        }
        let numbers = [
            (4, statistics.received),
            (5, statistics.dropped),
            (6, statistics.accepted),
            (7, statistics.os_dropped),
            (8, statistics.delivered),
        ];
        for (code, number) in numbers {
            if let Some(number) = number {
                option(&mut body, code, &number.to_le_bytes());
            }
        }
        option(&mut body, END_OF_OPTIONS, &[]);
        self.block(STATISTICS, &body);
        Ok(())
    }

    /// Bytes of the file so far, whether written or still buffered.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sink.accepted()
    }

    /// Writes all buffered bytes.
    ///
    /// # Errors
    /// Returns the error of the inner writer; the call can be repeated.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Writes all buffered bytes and returns the inner writer.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn into_inner(self) -> io::Result<W> {
        self.sink.into_inner()
    }
}
