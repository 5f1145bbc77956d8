//! The protocol between the host and the first program in the guest, over one serial port:
//! commands, their output, and the requests of [`control`](crate::control).
//!
//! A message consists of a letter, a number, a length (both little-endian, 32 bits) and as many
//! bytes as the length says. The number identifies the command or request that the message belongs
//! to.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Name of the serial port.
pub const PORT: &str = "vmlab";

/// Longest message in bytes. Output is split into pieces of at most 64 KiB.
const LONGEST: u32 = 16 << 20;

/// Kind of a message. G: sent by the guest, H: sent by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// G: the machine is up and waits for commands.
    Ready,
    /// G: the machine could not be set up, with the reason.
    Failed,
    /// H: run a command, [`Command`] in JSON.
    Run,
    /// G: bytes that the command wrote to its standard output, or to its terminal.
    Output,
    /// G: bytes that the command wrote to standard error.
    Errors,
    /// H: bytes that were typed on the command's terminal.
    Input,
    /// H: end the command at once.
    Kill,
    /// G: the command ended: its exit code, four bytes; 128 plus the signal number if a signal ended it.
    Ended,
    /// G: a [`Request`](crate::control::Request) in JSON.
    Ask,
    /// H: the answer, a `Result` in JSON.
    Answer,
    /// H: switch the machine off.
    Stop,
}

impl Kind {
    const ALL: [(Self, u8); 11] = [
        (Self::Ready, b'y'),
        (Self::Failed, b'f'),
        (Self::Run, b'r'),
        (Self::Output, b'o'),
        (Self::Errors, b'e'),
        (Self::Input, b'i'),
        (Self::Kill, b'k'),
        (Self::Ended, b'x'),
        (Self::Ask, b'q'),
        (Self::Answer, b'a'),
        (Self::Stop, b's'),
    ];

    fn letter(self) -> u8 {
        let known = Self::ALL.iter().find(|(kind, _)| *kind == self);
        known.map_or(0, |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == letter);
        known.map(|(kind, _)| *kind)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Kind of the message.
    pub kind: Kind,
    /// Number of the command or request that it belongs to.
    pub id: u32,
    /// Content of the message, without the header.
    pub body: Vec<u8>,
}

impl Message {
    /// Writes a message with a single call.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(kind: Kind, id: u32, body: &[u8], to: &mut impl Write) -> io::Result<()> {
        let len = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut bytes = Vec::with_capacity(9 + body.len());
        bytes.push(kind.letter());
        bytes.extend(id.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(body);
        to.write_all(&bytes)?;
        to.flush()
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Those of the stream; [`io::ErrorKind::InvalidData`] for what is no message.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let kind = Kind::of(head[0]).ok_or(io::ErrorKind::InvalidData)?;
        let (id, len) = (number(1), number(5));
        if len > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; len as usize];
        from.read_exact(&mut body)?;
        Ok(Self { kind, id, body })
    }
}

/// A command to run in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The folder that the command runs in; the root if the folder does not exist.
    pub folder: PathBuf,
    /// Environment variables, beside `PATH` and `HOME`.
    pub env: Vec<(String, String)>,
    /// Columns and rows of the command's terminal, if it has one.
    pub terminal: Option<(u16, u16)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_reads_back_as_written() {
        for (kind, _) in Kind::ALL {
            for len in [0, 1, 70_000] {
                let body = vec![7; len];
                let mut bytes = Vec::new();
                Message::write(kind, 0x0102_0304, &body, &mut bytes).unwrap();
                let read = Message::read(&mut bytes.as_slice()).unwrap();
                let id = 0x0102_0304;
                assert_eq!(read, Message { kind, id, body });
            }
        }
    }

    #[test]
    fn reader_refuses_invalid_messages() {
        let kind_of = |bytes: &[u8]| Message::read(&mut &bytes[..]).unwrap_err().kind();
        assert_eq!(kind_of(b"?\0\0\0\0\0\0\0\0"), io::ErrorKind::InvalidData);
        assert_eq!(
            kind_of(b"o\0\0\0\0\xff\xff\xff\xff"),
            io::ErrorKind::InvalidData
        );
        assert_eq!(
            kind_of(b"o\0\0\0\0\x05\0\0\0abc"),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(kind_of(b""), io::ErrorKind::UnexpectedEof);
    }
}
