//! Attaches to a queue of the kernel module or of hpcapd and writes random bytes into its own slot
//! for some time: invalid offsets, continuous requests for a new file, a destroyed header. Other
//! listeners must notice at most that their files end early.
//!
//! With `--threads`, it lets many threads wait for many listeners instead, again and again, so that
//! somebody must wake all of them.
//!
//! With hpcapd, the program also tries to write to memory that it may only read, to shorten it and
//! to punch holes into it. The program fails if one of these is possible.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use hpcap::abi::{self, hpcap_attach, hpcap_slot};
use hpcap_e2e::random::Random;
use hpcap_ipc::socket::Socket;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use serde_json::json;

#[derive(Debug, Parser)]
struct Cli {
    /// A device node, /dev/hpcap_0_0, or a socket, hpcap0.sock
    producer: PathBuf,
    /// lossless or lossy
    #[arg(long, default_value = "lossless")]
    contract: String,
    /// Duration in milliseconds
    #[arg(long, default_value_t = 1000)]
    ms: u64,
    /// Seed of the random bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of listeners that attach to the device with --threads
    #[arg(long, default_value_t = 31)]
    listeners: u32,
    /// Number of threads that wait for each listener
    #[arg(long)]
    threads: Option<u32>,
}

/// The memory of a slot, mapped until the process ends.
struct Slot(NonNull<u8>);

impl Slot {
    fn of(file: &impl AsRawFd, offset: u64) -> Self {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                abi::HPCAP_SLOT_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset.cast_signed(),
            )
        };
        assert!(at != libc::MAP_FAILED, "mmap: {}", Errno::last());
        Self(NonNull::new(at.cast()).unwrap())
    }

    fn waiting(&self) -> &AtomicU32 {
        let offset = std::mem::offset_of!(hpcap_slot, waiting);
        // SAFETY: the word is inside the slot and aligned, and the slot is mapped until the process ends.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().add(offset).cast()) }
    }

    fn write(&self, offset: usize, number: u64) {
        assert!(offset + 8 <= abi::HPCAP_SLOT_BYTES);
        // SAFETY: the address is inside the slot, which is mapped writable until the process ends.
        // The kernel reads the slot at any time and must accept any bytes there: this program tests
        // that.
        unsafe {
            self.0
                .as_ptr()
                .add(offset)
                .cast::<u64>()
                .write_unaligned(number);
        }
    }
}

fn question(contract: &str) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op: abi::HPCAP_OP_ATTACH,
        contract: match contract {
            "lossless" => abi::HPCAP_LOSSLESS,
            "lossy" => abi::HPCAP_LOSSY,
            other => panic!("{other:?} is no contract"),
        },
        start: abi::HPCAP_START_NEWEST,
        name: abi::field("hostile"),
        ..hpcap_attach::zeroed()
    }
}

/// Attaches to the module's queue. The caller keeps the returned file open as long as it uses the
/// slot.
fn attach_to_device(cli: &Cli) -> (File, Slot, u64) {
    let device = File::options().read(true).write(true).open(&cli.producer);
    let device = device.unwrap();
    let mut question = question(&cli.contract);
    // SAFETY: the command reads and writes one `hpcap_attach`.
    let asked = unsafe {
        libc::ioctl(
            device.as_raw_fd(),
            abi::HPCAP_IOC_REQUEST,
            &raw mut question,
        )
    };
    assert_eq!(Errno::result(asked), Ok(0));
    assert_eq!(question.error, 0, "{}", abi::text(&question.message));
    let slot = Slot::of(&device, abi::HPCAP_MMAP_SLOT);
    (device, slot, question.id)
}

/// Attaches to a queue of hpcapd, and tries everything that a listener must not be able to do.
fn attach_to_daemon(cli: &Cli) -> (File, Slot, u64) {
    let kind = SockType::SeqPacket;
    let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let address = UnixAddr::new(&cli.producer).unwrap();
    connect(socket.as_raw_fd(), &address).unwrap();
    let socket = Socket::from(socket);
    socket.send(&question(&cli.contract), &[]).unwrap();
    let (answer, files) = socket.receive().unwrap().unwrap();
    assert_eq!(answer.error, 0, "{}", abi::text(&answer.message));
    let [ring, queue, slot]: [OwnedFd; 3] = files.try_into().unwrap();
    for (file, may_write) in [(&ring, false), (&queue, false), (&slot, true)] {
        attack(file, may_write);
    }
    let kept = File::from(socket.as_fd().try_clone_to_owned().unwrap());
    (kept, Slot::of(&slot, 0), answer.id)
}

/// Tries to change the size of shared memory, and its contents where `may_write` is not set.
fn attack(file: &OwnedFd, may_write: bool) {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let again = File::options().read(true).write(true).open(path);
    let files = [Some(File::from(file.try_clone().unwrap())), again.ok()];
    for file in files.into_iter().flatten() {
        let bytes = file.metadata().unwrap().len();
        for length in [0, bytes / 2, bytes * 2] {
            assert!(file.set_len(length).is_err(), "the size was changed");
        }
        if may_write {
            continue;
        }
        assert!(file.write_at(b"x", 0).is_err(), "it was written");
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        assert!(
            fallocate(&file, punch, 0, 4096).is_err(),
            "a hole was punched into the memory"
        );
        // SAFETY: a new mapping at an address of the kernel's choice; it is not used.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert!(
            mapped == libc::MAP_FAILED,
            "the memory was mapped for writing"
        );
    }
}

/// Attaches many listeners, each of which many threads wait for. A wait ends at once, because the listeners wait for what is
/// published already, and so the next one begins.
fn wait_in_crowds(cli: &Cli, threads: u32) {
    let listeners: Vec<_> = (0..cli.listeners).map(|_| attach_to_device(cli)).collect();
    println!(
        "{}",
        json!({"event": "attached", "listeners": listeners.len()})
    );
    let end = Instant::now() + Duration::from_millis(cli.ms);
    std::thread::scope(|scope| {
        for (device, slot, _) in &listeners {
            let word = slot.waiting();
            for _ in 0..threads {
                let thread = std::thread::Builder::new().stack_size(64 << 10);
                let wait = move || {
                    while Instant::now() < end {
                        let timeout_ns = 1_000_000_000_u64;
                        word.store(1, Ordering::SeqCst);
                        // SAFETY: the command reads one u64.
                        let waited = unsafe {
                            libc::ioctl(
                                device.as_raw_fd(),
                                abi::HPCAP_IOC_WAIT,
                                &raw const timeout_ns,
                            )
                        };
                        assert_eq!(Errno::result(waited), Ok(0));
                    }
                };
                thread.spawn_scoped(scope, wait).unwrap();
            }
        }
    });
}

fn main() {
    let cli = Cli::parse();
    if let Some(threads) = cli.threads {
        return wait_in_crowds(&cli, threads);
    }
    let is_socket = std::fs::metadata(&cli.producer)
        .unwrap()
        .file_type()
        .is_socket();
    let (_kept, slot, id) = if is_socket {
        attach_to_daemon(&cli)
    } else {
        attach_to_device(&cli)
    };
    println!("{}", json!({"event": "attached", "id": id}));
    let mut random = Random::new(cli.seed);
    let start = Instant::now();
    let mut writes = 0_u64;
    // Most writes go to one of these fields, which the producer reads. The others go to any offset.
    let fields = [
        std::mem::offset_of!(hpcap_slot, magic),
        std::mem::offset_of!(hpcap_slot, read_off),
        std::mem::offset_of!(hpcap_slot, wait_off),
        std::mem::offset_of!(hpcap_slot, waiting),
    ];
    while start.elapsed() < Duration::from_millis(cli.ms) {
        for _ in 0..64 {
            let offset = match random.below(8) {
                0 => random.index(abi::HPCAP_SLOT_BYTES - 8),
                _ => fields[random.index(fields.len())],
            };
            // The numbers have every magnitude, so that some are plausible offsets.
            let number = random.next_u64() >> random.below(64);
            slot.write(offset, number);
            writes += 1;
        }
        // The producer may run on the same processor, perhaps the only one.
        std::thread::yield_now();
    }
    println!("{}", json!({"event": "end", "writes": writes}));
}
