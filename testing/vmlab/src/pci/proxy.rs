//! QEMU's protocol for a device in another process: `-device x-pci-proxy-dev,fd=N`.
//!
//! A message is a header of 16 bytes (command, 4 bytes of padding, payload's size) and its
//! payload; descriptors come with the header. Numbers are little-endian. QEMU's side is
//! described in its manual, "Multi-process QEMU".
//!
//! The machine must run its virtual CPUs in one thread: QEMU gives up its lock while it waits
//! for an answer, and discards accesses that another CPU makes meanwhile.

use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::stat::fstat;

use super::Function;
use super::memory::{GuestMemory, Mapping, Region};
use super::shared::Shared;

const SYNC_SYSMEM: i32 = 0;
const RET: i32 = 1;
const PCI_CFGWRITE: i32 = 2;
const PCI_CFGREAD: i32 = 3;
const BAR_WRITE: i32 = 4;
const BAR_READ: i32 = 5;
const SET_IRQFD: i32 = 6;
const DEVICE_RESET: i32 = 7;

const HEADER: usize = 16;
/// Largest payload in bytes: eight addresses, eight sizes, eight offsets.
const PAYLOAD: usize = 192;
/// Largest number of descriptors in one message.
const DESCRIPTORS: usize = 8;

/// Serves `function` until QEMU closes the connection.
///
/// # Errors
///
/// Fails if the socket fails, or if QEMU sends a message that the protocol does not have.
pub fn serve(function: &Shared<dyn Function>, socket: UnixStream) -> io::Result<()> {
    let mut proxy = Proxy {
        function,
        socket,
        mapped: Vec::new(),
        bars: [0; 6],
    };
    while let Some(message) = proxy.message()? {
        proxy.answer(&message)?;
    }
    Ok(())
}

/// Identifies the content of a mapping: device, inode, offset, size.
type Source = (u64, u64, i64, u64);

struct Message {
    command: i32,
    payload: Vec<u8>,
    files: Vec<OwnedFd>,
}

struct Proxy<'a> {
    function: &'a Shared<dyn Function>,
    socket: UnixStream,
    /// Mappings are kept while they stay in the map, because the map changes about a hundred times
    /// while a machine boots.
    mapped: Vec<(u64, Source, Arc<Mapping>)>,
    bars: [u32; 6],
}

impl Proxy<'_> {
    fn message(&mut self) -> io::Result<Option<Message>> {
        let mut header = [0; HEADER];
        let mut files = Vec::new();
        let mut done = 0;
        while done < HEADER {
            match receive(&self.socket, &mut header[done..], &mut files) {
                Ok(0) if done == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // QEMU ended before it had read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let command = le32(&header, 0).cast_signed();
        let size = usize::try_from(le64(&header, 8)).unwrap_or(usize::MAX);
        if size > PAYLOAD {
            return Err(protocol(format!("command {command} with {size} bytes")));
        }
        let mut payload = vec![0; size];
        self.socket.read_exact(&mut payload)?;
        Ok(Some(Message {
            command,
            payload,
            files,
        }))
    }

    fn answer(&mut self, message: &Message) -> io::Result<()> {
        let Message {
            command,
            payload,
            files,
        } = message;
        let need = |bytes: usize| match payload.len() >= bytes {
            true => Ok(()),
            false => Err(protocol(format!(
                "command {command} with {} bytes",
                payload.len()
            ))),
        };
        let value = match *command {
            SYNC_SYSMEM => {
                need(PAYLOAD)?;
                return self.map(payload, files);
            }
            // These descriptors work only with KVM. Interrupts are sent in another way.
            SET_IRQFD => return Ok(()),
            PCI_CFGREAD => {
                need(12)?;
                let (at, bytes) = (le32(payload, 0), le32(payload, 8) as u8);
                u64::from(self.function.bus().config_read(at, bytes))
            }
            PCI_CFGWRITE => {
                need(12)?;
                let (at, value, bytes) =
                    (le32(payload, 0), le32(payload, 4), le32(payload, 8) as u8);
                let mut function = self.function.bus();
                function.config_write(at, bytes, value);
                if (0x10..0x28).contains(&at) {
                    for (offset, bar) in (0x10..).step_by(4).zip(&mut self.bars) {
                        *bar = function.config_read(offset, 4) & !0xF;
                    }
                }
                0
            }
            BAR_WRITE | BAR_READ => {
                need(20)?;
                let (address, value, bytes) =
                    (le64(payload, 0), le64(payload, 8), le32(payload, 16) as u8);
                let (bar, offset) = self.bar_of(address);
                let mut function = self.function.bus();
                if *command == BAR_READ {
                    function.bar_read(bar, offset, bytes)
                } else {
                    function.bar_write(bar, offset, bytes, value);
                    0
                }
            }
            DEVICE_RESET => {
                self.function.bus().reset();
                self.bars = [0; 6];
                0
            }
            other => return Err(protocol(format!("command {other}"))),
        };
        let mut reply = [0; HEADER + 8];
        reply[..4].copy_from_slice(&RET.to_le_bytes());
        reply[8..16].copy_from_slice(&8_u64.to_le_bytes());
        reply[16..].copy_from_slice(&value.to_le_bytes());
        match self.socket.write_all(&reply) {
            // The next read notices the end of the connection.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Finds the BAR of an absolute address. BARs do not overlap, so it is the nearest one below.
    fn bar_of(&self, address: u64) -> (u8, u64) {
        let mut found = (0, address);
        for (bar, &base) in (0..).zip(&self.bars) {
            if base != 0 && u64::from(base) <= address && address - u64::from(base) <= found.1 {
                found = (bar, address - u64::from(base));
            }
        }
        found
    }

    fn map(&mut self, payload: &[u8], files: &[OwnedFd]) -> io::Result<()> {
        let mut mapped = Vec::with_capacity(files.len());
        for (i, file) in files.iter().enumerate().take(DESCRIPTORS) {
            let address = le64(payload, 8 * i);
            let bytes = le64(payload, 64 + 8 * i);
            let offset = le64(payload, 128 + 8 * i).cast_signed();
            let stat = fstat(file)?;
            let source = (stat.st_dev, stat.st_ino, offset, bytes);
            let known = self.mapped.iter().find(|(_, known, _)| *known == source);
            let mapping = match known {
                Some((_, _, mapping)) => Arc::clone(mapping),
                None => Arc::new(Mapping::new(file, offset, bytes)?),
            };
            mapped.push((address, source, mapping));
        }
        let what = |map: &[(u64, Source, Arc<Mapping>)]| -> Vec<_> {
            map.iter()
                .map(|&(address, source, _)| (address, source))
                .collect()
        };
        if what(&mapped) != what(&self.mapped) {
            let regions = mapped
                .iter()
                .map(|(at, _, of)| Region::new(*at, Arc::clone(of)));
            let memory = Arc::new(GuestMemory::new(regions.collect()));
            self.function.bus().set_memory(memory);
            self.mapped = mapped;
        }
        Ok(())
    }
}

/// Receives a part of a header, and the descriptors that come with it.
fn receive(socket: &UnixStream, to: &mut [u8], files: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut parts = [IoSliceMut::new(to)];
    let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            for file in received {
                // SAFETY: the kernel has just created this descriptor, and no other code knows its
                // number.
                files.push(unsafe { OwnedFd::from_raw_fd(file) });
            }
        }
    }
    Ok(message.bytes)
}

fn protocol(what: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("QEMU's device protocol: {what}"),
    )
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
