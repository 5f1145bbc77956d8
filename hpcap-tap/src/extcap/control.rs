//! Speaks to Wireshark's toolbar and status bar about frames that are missing.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::prompt_writer::PromptWriter;
use nix::fcntl::OFlag;

use super::answer::LOSSES_FIELD;

/// Sets the value of a field of the toolbar.
const SET: u8 = 1;
/// Shows a text in the status bar.
const STATUS_BAR: u8 = 6;

/// The FIFOs of the toolbar.
#[derive(Debug)]
pub struct Control {
    incoming: File,
    path: PathBuf,
    outgoing: Option<PromptWriter>,
    told: String,
}

impl Control {
    /// Opens the FIFOs. `outgoing` is opened when Wireshark reads it.
    ///
    /// # Errors
    /// Returns the error of the file system for `incoming`.
    pub fn open(incoming: &Path, outgoing: PathBuf) -> Result<Self> {
        // Wireshark waits until somebody has opened the FIFO that it writes into.
        let incoming = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(incoming)
            .context(|| format!("read {}", incoming.display()))?;
        Ok(Self {
            incoming,
            path: outgoing,
            outgoing: None,
            told: String::new(),
        })
    }

    /// Shows how many frames are missing, if that has changed. What Wireshark does not read is not
    /// shown.
    pub fn show(&mut self, text: &str) {
        // The toolbar has no field that a user changes, so nothing that it says matters.
        let mut unread = [0; 256];
        while matches!((&self.incoming).read(&mut unread), Ok(1..)) {}
        if self.outgoing.is_none() {
            self.outgoing = PromptWriter::open_fifo(&self.path).ok().flatten();
        }
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        if self.told == text {
            return;
        }
        let both = [
            packet(LOSSES_FIELD, SET, text),
            packet(LOSSES_FIELD, STATUS_BAR, text),
        ];
        // A write of so few bytes is whole or does not happen.
        match outgoing.write(&both.concat()) {
            Ok(_) => text.clone_into(&mut self.told),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.outgoing = None,
        }
    }
}

/// Encodes a message: `T`, the length of what follows in three bytes, the number of the field, the
/// command and the text.
fn packet(field: u8, command: u8, text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(1024)];
    let length = u32::try_from(text.len() + 2).unwrap_or(0).to_be_bytes();
    let mut bytes = vec![b'T', length[1], length[2], length[3], field, command];
    bytes.extend_from_slice(text);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn message_has_the_form_of_extcap() {
        assert_eq!(packet(0, SET, "ab"), b"T\0\0\x04\0\x01ab");
    }

    #[test]
    fn toolbar_hears_of_changes_only() {
        let dir = tempfile::tempdir().unwrap();
        let (incoming, outgoing) = (dir.path().join("in"), dir.path().join("out"));
        for fifo in [&incoming, &outgoing] {
            mkfifo(fifo, Mode::S_IRWXU).unwrap();
        }
        let mut control = Control::open(&incoming, outgoing.clone()).unwrap();
        // Wireshark does not listen yet, so the same text is sent again later.
        control.show("1");
        let mut toolbar = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&outgoing)
            .unwrap();
        control.show("1");
        control.show("1");
        let mut heard = [0; 64];
        let length = toolbar.read(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"T\0\0\x03\0\x011T\0\0\x03\0\x061");
    }
}
