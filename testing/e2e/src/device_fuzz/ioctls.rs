//! Commands of the module with wrong arguments, and commands of other drivers.

use hpcap::abi::{self, hpcap_attach, hpcap_set_ring};
use nix::errno::Errno;

use super::Fuzzer;
use crate::random::Random;

fn ioctl(fd: i32, command: u64, argument: usize) -> Result<i32, Errno> {
    // SAFETY: the descriptor belongs to a tested device. The command writes into the arena or into
    // mappings of the device, or it is refused: no other address is ever given.
    Errno::result(unsafe { libc::ioctl(fd, command, argument) })
}

/// Returns one of `valid` most of the time, and otherwise any number.
fn one_of(random: &mut Random, valid: &[u32]) -> u32 {
    match random.below(16) {
        0 => random.next_u64() as u32,
        _ => valid[random.index(valid.len())],
    }
}

fn question(random: &mut Random) -> hpcap_attach {
    let mut name = [0_u8; 32];
    for byte in &mut name {
        let any = random.next_u64() as u8;
        *byte = any;
    }
    hpcap_attach {
        magic: match random.below(16) {
            0 => random.next_u64(),
            _ => abi::HPCAP_ATTACH_MAGIC,
        },
        abi_version: one_of(random, &[abi::HPCAP_ABI_VERSION]),
        op: one_of(
            random,
            &[
                abi::HPCAP_OP_OBSERVE,
                abi::HPCAP_OP_ATTACH,
                abi::HPCAP_OP_ATTACH,
                abi::HPCAP_OP_KILL,
            ],
        ),
        contract: one_of(random, &[abi::HPCAP_LOSSLESS, abi::HPCAP_LOSSY]),
        start: one_of(
            random,
            &[
                abi::HPCAP_START_NEWEST,
                abi::HPCAP_START_OLDEST,
                // Attaching with this start waits for the end of the previous file.
                abi::HPCAP_START_FILE,
            ],
        ),
        max_stall_ns: random.next_u64() >> random.below(64),
        id: match random.below(4) {
            0 => random.next_u64(),
            _ => random.below(1 << 12),
        },
        name,
        ..hpcap_attach::zeroed()
    }
}

impl Fuzzer {
    /// Sends a random request: to observe a queue, to attach to it, or to remove a listener.
    pub(super) fn ask(&mut self) {
        let fd = self.file();
        let question = question(&mut self.random);
        let at = self.argument(question.as_bytes());
        let answer = ioctl(fd, abi::HPCAP_IOC_REQUEST, at);
        self.count("ask", answer.map(drop));
        let said = self.arena.read(at, size_of::<hpcap_attach>());
        if let (Ok(_), Some(said)) = (answer, said.and_then(|b| hpcap_attach::from_bytes(&b))) {
            let call = match said.op {
                abi::HPCAP_OP_OBSERVE => "observe",
                abi::HPCAP_OP_ATTACH => "attach",
                abi::HPCAP_OP_KILL => "kill",
                _ => "other question",
            };
            let answer = match said.error {
                0 => Ok(()),
                errno => Err(Errno::from_raw(errno)),
            };
            self.count(call, answer);
        }
    }

    pub(super) fn wait(&mut self) {
        let fd = self.file();
        let ns = match self.random.below(8) {
            // The wait lasts for ever, or until a signal.
            0 => u64::MAX - self.random.below(2),
            1 => self.random.next_u64(),
            _ => self.random.below(2_000_000),
        };
        let at = self.argument(&ns.to_ne_bytes());
        let answer = ioctl(fd, abi::HPCAP_IOC_WAIT, at);
        self.count("wait", answer.map(drop));
    }

    pub(super) fn ring_fd(&mut self) {
        let fd = self.file();
        let at = self.arena.bad(&mut self.random);
        let answer = ioctl(fd, abi::HPCAP_IOC_RING_FD, at);
        if let Ok(ring) = answer {
            self.files.put(ring, &mut self.random);
        }
        self.count("ring fd", answer.map(drop));
    }

    pub(super) fn set_ring(&mut self) {
        let fd = self.file();
        let random = &mut self.random;
        let ring = hpcap_set_ring {
            ring_bytes: match random.below(4) {
                // The sizes are too large or too small: allocating a valid ring would take long.
                0 if random.below(2) == 0 => random.next_u64() >> random.below(24),
                0 => random.below(1 << 20),
                _ => abi::HPCAP_RING_BYTES_MIN + (random.below(1 << 8) << 12),
            },
            fd: match random.below(4) {
                0 => self.files.any(random),
                1 => -2,
                _ => -1,
            },
            reserved: u32::from(random.below(8) == 0),
        };
        let at = self.argument(ring.as_bytes());
        let answer = ioctl(fd, abi::HPCAP_IOC_SET_RING, at);
        self.count("set ring", answer.map(drop));
    }

    /// Sends a command that does not exist, or one of the module's commands with a wrong size.
    pub(super) fn any_ioctl(&mut self) {
        let fd = self.file();
        let random = &mut self.random;
        let command = match random.below(4) {
            0 => random.next_u64() & 0xffff_ffff,
            1 => abi::HPCAP_IOC_REQUEST ^ (1 << (16 + random.below(16))),
            2 => (u64::from(abi::HPCAP_IOC_MAGIC) << 8) | random.below(256),
            // FIONBIO, FIOASYNC, FIONREAD, FIOCLEX, FIONCLEX, BLKGETSIZE64.
            _ => [0x5421, 0x5452, 0x541b, 0x5451, 0x5450, 0x8008_1272][random.index(6)],
        };
        let bytes = [0xa5_u8; 512];
        let at = self.argument(&bytes);
        let answer = ioctl(fd, command, at);
        self.count("other ioctl", answer.map(drop));
    }

    /// Returns the address of the argument of a command, most of the time in the arena. Sometimes
    /// the address is in the device's own memory, and the kernel has to fault it in while it
    /// handles a command for the same device.
    fn argument(&mut self, bytes: &[u8]) -> usize {
        if self.random.below(12) == 0
            && let Some(at) = self.somewhere(bytes.len())
        {
            return at;
        }
        self.arena.place(bytes, &mut self.random)
    }
}
