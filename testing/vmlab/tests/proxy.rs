//! QEMU's device protocol, with the test in the role of QEMU.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use vmlab::pci::memory::GuestMemory;
use vmlab::pci::shared::Shared;
use vmlab::pci::{Function, proxy};

/// A function that records accesses. It has BAR 0 of 4 KiB and BAR 4 of 16 KiB.
#[derive(Default)]
struct Fake {
    bars: [u32; 6],
    accesses: Vec<(u8, u64, u8, Option<u64>)>,
    memories: Vec<Arc<GuestMemory>>,
    resets: u32,
}

impl Function for Fake {
    fn config_read(&mut self, offset: u32, bytes: u8) -> u32 {
        match (offset, bytes) {
            (0x10..0x28, 4) => self.bars[(offset as usize - 0x10) / 4],
            _ => 0xABCD_0000 | offset << 8 | u32::from(bytes),
        }
    }
    fn config_write(&mut self, offset: u32, _bytes: u8, value: u32) {
        match offset {
            0x10 => self.bars[0] = value & 0xFFFF_F000,
            0x20 => self.bars[4] = value & 0xFFFF_C000,
            _ => {}
        }
    }
    fn bar_read(&mut self, bar: u8, offset: u64, bytes: u8) -> u64 {
        self.accesses.push((bar, offset, bytes, None));
        0x1122_3344_5566_7788
    }
    fn bar_write(&mut self, bar: u8, offset: u64, bytes: u8, value: u64) {
        self.accesses.push((bar, offset, bytes, Some(value)));
    }
    fn reset(&mut self) {
        self.bars = [0; 6];
        self.resets += 1;
    }
    fn set_memory(&mut self, memory: Arc<GuestMemory>) {
        self.memories.push(memory);
    }
}

struct Qemu {
    socket: UnixStream,
    fake: Arc<Shared<Fake>>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Qemu {
    fn start() -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let fake = Arc::new(Shared::new(Fake::default()));
        let function: Arc<Shared<dyn Function>> = fake.clone();
        let server = thread::spawn(move || proxy::serve(&function, theirs));
        Self {
            socket,
            fake,
            server,
        }
    }

    fn send(&mut self, command: i32, payload: &[u8], files: &[RawFd]) {
        let mut message = command.to_le_bytes().to_vec();
        message.extend([0xEE; 4]);
        message.extend((payload.len() as u64).to_le_bytes());
        message.extend(payload);
        let rights = [ControlMessage::ScmRights(files)];
        let control = if files.is_empty() { &[][..] } else { &rights };
        let parts = [IoSlice::new(&message)];
        let sent = sendmsg::<()>(
            self.socket.as_raw_fd(),
            &parts,
            control,
            MsgFlags::empty(),
            None,
        );
        assert_eq!(sent.unwrap(), message.len());
    }

    fn ask(&mut self, command: i32, payload: &[u8]) -> u64 {
        self.send(command, payload, &[]);
        let mut reply = [0; 24];
        self.socket.read_exact(&mut reply).unwrap();
        assert_eq!(reply[..4], 1_i32.to_le_bytes(), "RET");
        assert_eq!(reply[8..16], 8_u64.to_le_bytes());
        u64::from_le_bytes(reply[16..].try_into().unwrap())
    }

    fn config(&mut self, command: i32, at: u32, value: u32, bytes: i32) -> u64 {
        let payload = [at.to_le_bytes(), value.to_le_bytes(), bytes.to_le_bytes()].concat();
        self.ask(command, &payload)
    }

    fn bar(&mut self, command: i32, address: u64, value: u64, bytes: u32) -> u64 {
        let mut payload = [address.to_le_bytes(), value.to_le_bytes()].concat();
        payload.extend(bytes.to_le_bytes());
        payload.extend([1, 0, 0, 0]);
        self.ask(command, &payload)
    }

    fn map(&mut self, sections: &[(&OwnedFd, u64, u64, u64)]) {
        let mut words = [0_u64; 24];
        for (i, &(_, address, bytes, offset)) in sections.iter().enumerate() {
            (words[i], words[8 + i], words[16 + i]) = (address, bytes, offset);
        }
        let payload: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let files: Vec<RawFd> = sections.iter().map(|(file, ..)| file.as_raw_fd()).collect();
        self.send(0, &payload, &files);
        // The message has no answer. The answer to the next one shows that it was handled.
        self.config(3, 0, 0, 4);
    }

    fn end(self) -> std::io::Result<()> {
        drop(self.socket);
        self.server.join().unwrap()
    }
}

#[test]
fn proxy_serves_configuration_and_bars() {
    let mut qemu = Qemu::start();
    assert_eq!(qemu.config(3, 0x2C, 0, 2), 0xABCD_2C02);
    qemu.config(2, 0x10, 0xFEB0_0000, 4);
    qemu.config(2, 0x20, 0xFEB8_0000, 4);
    assert_eq!(qemu.bar(5, 0xFEB0_0010, 0, 4), 0x1122_3344_5566_7788);
    qemu.bar(4, 0xFEB8_2008, 77, 8);
    qemu.config(2, 0x10, 0xC000_0000, 4);
    qemu.bar(4, 0xC000_0004, 5, 1);
    assert_eq!(
        qemu.fake.bus().accesses,
        [
            (0, 0x10, 4, None),
            (4, 0x2008, 8, Some(77)),
            (0, 4, 1, Some(5))
        ]
    );
    qemu.ask(7, &[]);
    assert_eq!(qemu.fake.bus().resets, 1);
    qemu.end().unwrap();
}

fn file(bytes: i64) -> OwnedFd {
    let file = memfd_create(c"guest", MFdFlags::MFD_CLOEXEC).unwrap();
    nix::unistd::ftruncate(&file, bytes).unwrap();
    file
}

#[test]
fn new_memory_map_replaces_the_old() {
    let mut qemu = Qemu::start();
    let ram = file(0x8000);
    qemu.map(&[(&ram, 0, 0x4000, 0), (&ram, 0x1_0000_0000, 0x4000, 0x4000)]);
    let memory = Arc::clone(&qemu.fake.bus().memories[0]);
    memory.write(0x1_0000_0010, b"high").unwrap();
    let mut found = [0; 4];
    nix::sys::uio::pread(ram.as_fd(), &mut found, 0x4010).unwrap();
    assert_eq!(&found, b"high");
    assert!(memory.write(0x4000, b"x").is_err());
    qemu.map(&[(&ram, 0, 0x4000, 0), (&ram, 0x1_0000_0000, 0x4000, 0x4000)]);
    assert_eq!(qemu.fake.bus().memories.len(), 1, "the same map");
    qemu.map(&[]);
    let none = Arc::clone(&qemu.fake.bus().memories[1]);
    assert!(none.write(0, b"x").is_err());
    assert!(
        memory.write(0, b"x").is_ok(),
        "who still has the old map may use it"
    );
    // Another descriptor of the same file identifies the same mapping.
    let again = ram.try_clone().unwrap();
    qemu.map(&[(&again, 0x10_0000, 0x4000, 0x4000)]);
    let moved = Arc::clone(&qemu.fake.bus().memories[2]);
    let mut word = [0; 4];
    moved.read(0x10_0010, &mut word).unwrap();
    assert_eq!(&word, b"high");
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for i in 0..50 {
        qemu.map(&[(&ram, 0x1000 * (1 + i % 2), 0x1000, 0)]);
    }
    let after = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(
        after < descriptors + 25,
        "received descriptors are closed: {descriptors}, {after}"
    );
    qemu.end().unwrap();
}

#[test]
fn interrupt_descriptors_get_no_answer() {
    let mut qemu = Qemu::start();
    let (a, b) = (file(1), file(1));
    qemu.send(6, &[], &[a.as_raw_fd(), b.as_raw_fd()]);
    assert_eq!(
        qemu.config(3, 4, 0, 1),
        0xABCD_0401,
        "the first answer is to this"
    );
    qemu.end().unwrap();
}

#[test]
fn unknown_proxy_message_is_an_error() {
    for (command, payload) in [(8, 0), (-1, 0), (3, 4), (0, 8), (5, 12), (4, 100_000)] {
        let mut qemu = Qemu::start();
        let mut message = i32::to_le_bytes(command).to_vec();
        message.extend([0; 4]);
        message.extend((payload as u64).to_le_bytes());
        message.extend(vec![0; payload.min(200)]);
        qemu.socket.write_all(&message).unwrap();
        let error = qemu.server.join().unwrap().unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidData,
            "{command}: {error}"
        );
        assert!(
            error.to_string().contains(&format!("command {command}")),
            "{error}"
        );
    }
    let mut qemu = Qemu::start();
    qemu.socket.write_all(&[3, 0, 0]).unwrap();
    assert_eq!(
        qemu.end().unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}
