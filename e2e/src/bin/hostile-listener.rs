//! Attaches to a queue of the kernel module and writes random bytes into its own slot, again and
//! again, for some time: offsets that are nowhere, requests for a new file with every breath, a
//! destroyed header. Whoever else is attached must not notice more than files that end early.

#![allow(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use clap::Parser;
use hpcap::abi::{self, hpcap_attach, hpcap_slot};
use hpcap_e2e::random::Random;
use nix::errno::Errno;
use serde_json::json;

#[derive(Debug, Parser)]
struct Cli {
    /// A device node: /dev/hpcap_0_0
    device: PathBuf,
    /// lossless or lossy
    #[arg(long, default_value = "lossless")]
    contract: String,
    /// For so many milliseconds
    #[arg(long, default_value_t = 1000)]
    ms: u64,
    /// What the bytes follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A slot, mapped until the process ends.
struct Slot(NonNull<u8>);

impl Slot {
    fn of(device: &File) -> Self {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                abi::HPCAP_SLOT_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                device.as_raw_fd(),
                abi::HPCAP_MMAP_SLOT.cast_signed(),
            )
        };
        assert!(at != libc::MAP_FAILED, "mmap: {}", Errno::last());
        Self(NonNull::new(at.cast()).unwrap())
    }

    fn write(&self, offset: usize, number: u64) {
        assert!(offset + 8 <= abi::HPCAP_SLOT_BYTES);
        // SAFETY: inside the slot, which is mapped writable until the process ends; the kernel reads
        // it at any time, and any bytes are what this is about.
        unsafe {
            self.0
                .as_ptr()
                .add(offset)
                .cast::<u64>()
                .write_unaligned(number);
        }
    }
}

fn attach(device: &File, contract: &str) -> u64 {
    let mut question = hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op: abi::HPCAP_OP_ATTACH,
        contract: match contract {
            "lossy" => abi::HPCAP_LOSSY,
            _ => abi::HPCAP_LOSSLESS,
        },
        start: abi::HPCAP_START_NEWEST,
        name: abi::field("hostile"),
        ..hpcap_attach::zeroed()
    };
    // SAFETY: the command reads and writes one `hpcap_attach`.
    let asked = unsafe { libc::ioctl(device.as_raw_fd(), abi::HPCAP_IOC_ASK, &raw mut question) };
    assert_eq!(Errno::result(asked), Ok(0));
    assert_eq!(question.error, 0, "{}", abi::text(&question.message));
    question.id
}

fn main() {
    let cli = Cli::parse();
    let device = File::options().read(true).write(true).open(&cli.device);
    let device = device.unwrap();
    let id = attach(&device, &cli.contract);
    let slot = Slot::of(&device);
    println!("{}", json!({"event": "attached", "id": id}));
    let mut random = Random::new(cli.seed);
    let start = Instant::now();
    let mut writes = 0_u64;
    // Where something means something; and anywhere.
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
            // Numbers of every magnitude, some of them plausible offsets.
            let number = random.next_u64() >> random.below(64);
            slot.write(offset, number);
            writes += 1;
        }
        // The producer runs on the same processor, perhaps the only one.
        std::thread::yield_now();
    }
    println!("{}", json!({"event": "end", "writes": writes}));
}
