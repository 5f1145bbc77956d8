//! The MSI-X table, and the delivery of messages to the guest.
//!
//! PCI Local Bus Specification 3.0, section 6.8.2.

use std::fmt::{Debug, Write as _};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Delivers interrupt messages to the guest.
pub trait Messages: Send + Debug {
    /// Writes `data` to `address` in the guest, as an MSI-X message does.
    fn send(&mut self, address: u64, data: u32);
}

/// QEMU's qtest socket, shared by all NICs of a machine. It is the only way to send interrupts
/// under TCG, because the interrupt descriptors of the proxy protocol work only with KVM.
#[derive(Debug, Clone)]
pub struct Qtest {
    stream: Arc<Mutex<UnixStream>>,
}

impl Qtest {
    /// Sends messages over this socket (`-chardev socket,fd=N -object qtest,chardev=...`).
    ///
    /// # Errors
    ///
    /// Fails if the socket cannot be set to non-blocking mode.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: Arc::new(Mutex::new(stream)),
        })
    }
}

impl Messages for Qtest {
    fn send(&mut self, address: u64, data: u32) {
        let mut line = String::with_capacity(40);
        let _ = writeln!(line, "writel {address:#x} {data:#x}");
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // A machine that has ended needs no interrupts. Other threads notice its end.
        let _ = send_line(&mut stream, line.as_bytes());
    }
}

/// Writes all of `line`, and discards the answers ("OK") that have arrived: QEMU stops reading when
/// its answers are not read.
fn send_line(stream: &mut UnixStream, mut line: &[u8]) -> io::Result<()> {
    let mut answers = [0; 512];
    loop {
        match stream.read(&mut answers) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match stream.write(line) {
            Ok(written) if written == line.len() => return Ok(()),
            Ok(written) => line = &line[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let events = PollFlags::POLLIN | PollFlags::POLLOUT;
                poll(
                    &mut [PollFd::new(stream.as_fd(), events)],
                    PollTimeout::NONE,
                )?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Vector {
    address: u64,
    data: u32,
    control: u32,
    pending: bool,
}

const CONTROL_MASKED: u32 = 1;
const FRESH: Vector = Vector {
    address: 0,
    data: 0,
    control: CONTROL_MASKED,
    pending: false,
};

/// The MSI-X table of a function.
#[derive(Debug)]
pub struct Msix {
    vectors: Vec<Vector>,
    enabled: bool,
    masked: bool,
    messages: Box<dyn Messages>,
}

/// Bytes of one entry of the table.
const ENTRY: u64 = 16;

impl Msix {
    /// Creates a table with this many vectors, all masked.
    pub fn new(vectors: u16, messages: Box<dyn Messages>) -> Self {
        Self {
            vectors: vec![FRESH; usize::from(vectors)],
            enabled: false,
            masked: false,
            messages,
        }
    }

    /// Resets the table, as a reset of the bus does.
    pub fn reset(&mut self) {
        self.vectors.fill(FRESH);
        self.enabled = false;
        self.masked = false;
    }

    /// Applies the control word of the capability, which `ConfigSpace::msix_control` returns.
    pub fn set_control(&mut self, (enabled, masked): (bool, bool)) {
        self.enabled = enabled;
        self.masked = masked;
        self.send_pending();
    }

    /// Returns whether the guest has enabled MSI-X.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Raises a vector. A masked vector stays pending, and its message is sent when it is unmasked.
    pub fn fire(&mut self, vector: usize) {
        let Some(entry) = self.vectors.get_mut(vector).filter(|_| self.enabled) else {
            return;
        };
        if self.masked || entry.control & CONTROL_MASKED != 0 {
            entry.pending = true;
        } else {
            self.messages.send(entry.address, entry.data);
        }
    }

    /// Reads the table, at an offset from its start.
    pub fn table_read(&self, offset: u64, bytes: u8) -> u64 {
        let word = |offset: u64| {
            self.vectors
                .get((offset / ENTRY) as usize)
                .map_or(0, |entry| match offset % ENTRY {
                    0 => entry.address as u32,
                    4 => (entry.address >> 32) as u32,
                    8 => entry.data,
                    _ => entry.control,
                })
        };
        match bytes {
            8 => u64::from(word(offset)) | u64::from(word(offset + 4)) << 32,
            _ => u64::from(word(offset & !3)),
        }
    }

    /// Writes the table at an offset from its start. Only accesses of 4 and 8 bytes are defined.
    pub fn table_write(&mut self, offset: u64, bytes: u8, value: u64) {
        if bytes == 8 {
            self.table_write(offset, 4, value & 0xFFFF_FFFF);
            self.table_write(offset + 4, 4, value >> 32);
            return;
        }
        let Some(entry) = self.vectors.get_mut((offset / ENTRY) as usize) else {
            return;
        };
        match offset % ENTRY {
            0 => entry.address = entry.address & !0xFFFF_FFFF | value & 0xFFFF_FFFF,
            4 => entry.address = entry.address & 0xFFFF_FFFF | value << 32,
            8 => entry.data = value as u32,
            12 => entry.control = value as u32,
            _ => {}
        }
        self.send_pending();
    }

    /// Reads the pending bits, at an offset from their start.
    pub fn pending_read(&self, offset: u64, bytes: u8) -> u64 {
        let bits = u64::from(bytes) * 8;
        let first = offset * 8;
        (0..bits)
            .filter(|bit| {
                self.vectors
                    .get((first + bit) as usize)
                    .is_some_and(|e| e.pending)
            })
            .fold(0, |word, bit| word | 1 << bit)
    }

    fn send_pending(&mut self) {
        if !self.enabled || self.masked {
            return;
        }
        for entry in &mut self.vectors {
            if entry.pending && entry.control & CONTROL_MASKED == 0 {
                entry.pending = false;
                self.messages.send(entry.address, entry.data);
            }
        }
    }
}

/// Messages for tests of code that raises interrupts.
#[cfg(test)]
pub(crate) mod sent {
    use std::sync::mpsc::{Sender, channel};

    use super::{Messages, Msix};

    #[derive(Debug)]
    pub(crate) struct Sent(pub(crate) Sender<(u64, u32)>);

    impl Messages for Sent {
        fn send(&mut self, address: u64, data: u32) {
            self.0.send((address, data)).unwrap();
        }
    }

    /// Returns a table with all vectors enabled, and a function that returns the vectors sent since
    /// its last call.
    pub(crate) fn enabled(vectors: u16) -> (Msix, impl Fn() -> Vec<u32>) {
        let (sender, sent) = channel();
        let mut msix = Msix::new(vectors, Box::new(Sent(sender)));
        msix.set_control((true, false));
        for vector in 0..u64::from(vectors) {
            msix.table_write(16 * vector + 8, 4, vector);
            msix.table_write(16 * vector + 12, 4, 0);
        }
        (msix, move || {
            sent.try_iter().map(|(_, data)| data).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::sent::Sent;
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc;

    #[test]
    fn masked_vector_stays_pending() {
        let (sender, sent) = mpsc::channel();
        let mut msix = Msix::new(4, Box::new(Sent(sender)));
        msix.table_write(16, 8, 0x1_FEE0_1000);
        msix.table_write(24, 4, 0x4041);
        msix.fire(1);
        assert_eq!(msix.pending_read(0, 8), 0, "not enabled: nothing");
        msix.set_control((true, false));
        msix.fire(1);
        assert_eq!(msix.pending_read(0, 8), 0b10);
        assert!(sent.try_recv().is_err());
        msix.table_write(28, 4, 0);
        assert_eq!(sent.try_recv(), Ok((0x1_FEE0_1000, 0x4041)));
        assert_eq!(msix.pending_read(0, 8), 0);
        msix.set_control((true, true));
        msix.fire(1);
        assert!(sent.try_recv().is_err());
        msix.set_control((true, false));
        assert_eq!(sent.try_recv(), Ok((0x1_FEE0_1000, 0x4041)));
        assert!(sent.try_recv().is_err(), "once");
        assert_eq!(msix.table_read(16, 8), 0x1_FEE0_1000);
        msix.fire(99);
    }

    #[test]
    fn unread_answers_do_not_block_messages() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answers = std::thread::spawn(move || {
            let mut lines = BufReader::new(theirs.try_clone().unwrap());
            let mut theirs = theirs;
            let mut seen = 0;
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap() > 0 {
                assert_eq!(line, "writel 0xfee00000 0x21\n");
                theirs.write_all(b"OK\n").unwrap();
                seen += 1;
                line.clear();
            }
            seen
        });
        let mut qtest = Qtest::new(ours).unwrap();
        for _ in 0..50_000 {
            qtest.send(0xFEE0_0000, 0x21);
        }
        // Unread answers to the last messages would block the other side if they did not fit into
        // the socket.
        let mut stream = qtest.stream.lock().unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_nonblocking(false).unwrap();
        io::copy(&mut *stream, &mut io::sink()).unwrap();
        assert_eq!(answers.join().unwrap(), 50_000);
    }
}
