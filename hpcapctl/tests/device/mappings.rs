//! Tests of the device's mappings: which are allowed, and what a process can do with them.

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use hpcap::abi;
use hpcap::{Contract, Start};
use hpcap_host::pages::Pages;
use hpcap_ipc::memory::{Access, Mapping, Place};
use hpcapctl::cli::Ring;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::module::{Module, lossless, read_frames, request};

const RING: usize = 8 << 20;

/// Maps a part of the device and unmaps it again. Returns the error of mmap(2), if any.
fn try_map(
    module: &Module,
    offset: u64,
    bytes: usize,
    protection: ProtFlags,
    flags: MapFlags,
) -> nix::Result<()> {
    let device = module.device();
    let bytes = bytes.try_into().unwrap();
    // SAFETY: a new mapping at an address that the kernel chooses, which nothing else uses.
    unsafe {
        let at = mmap(
            None,
            bytes,
            protection,
            flags,
            &device,
            i64::try_from(offset).unwrap(),
        )?;
        munmap(at, bytes.get())
    }
}

#[test]
fn mappings_are_bounded_and_read_only() {
    let Some(module) = Module::take() else { return };
    let (queue, ring) = (abi::HPCAP_MMAP_QUEUE, abi::HPCAP_MMAP_RING);
    let (read, write) = (
        ProtFlags::PROT_READ,
        ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
    );
    let (shared, private) = (MapFlags::MAP_SHARED, MapFlags::MAP_PRIVATE);
    for (offset, bytes, protection, flags, expected) in [
        (queue, 4096, read, shared, Ok(())),
        (ring, RING, read, shared, Ok(())),
        (queue, 1 << 20, read, shared, Err(Errno::EINVAL)),
        (ring, RING - 4096, read, shared, Err(Errno::EINVAL)),
        (ring, RING + 4096, read, shared, Err(Errno::EINVAL)),
        (ring + 4096, RING - 4096, read, shared, Err(Errno::EINVAL)),
        (4096, 4096, read, shared, Err(Errno::EINVAL)),
        (queue, 4096, write, shared, Err(Errno::EACCES)),
        (ring, RING, write, shared, Err(Errno::EACCES)),
        (queue, 4096, read, private, Err(Errno::EINVAL)),
        (ring, RING, write, private, Err(Errno::EINVAL)),
        // No listener is attached, so there is no slot to map.
        (
            abi::HPCAP_MMAP_SLOT,
            4096,
            write,
            shared,
            Err(Errno::ENOTCONN),
        ),
    ] {
        let done = try_map(&module, offset, bytes, protection, flags);
        assert_eq!(
            done, expected,
            "{bytes} bytes at {offset:#x}, {protection:?}, {flags:?}"
        );
    }
}

#[test]
fn ring_mapping_stays_read_only() {
    let Some(module) = Module::take() else { return };
    let device = module.device();
    let place = Place::new(device.as_fd(), abi::HPCAP_MMAP_RING);
    let ring = Mapping::of(place, RING, Access::Read, "the ring").unwrap();
    let at = ring.as_ptr().cast::<libc::c_void>();
    // SAFETY: this test owns the whole mapping; both calls must fail, and then change nothing.
    unsafe {
        assert_eq!(
            libc::mprotect(at, RING, libc::PROT_READ | libc::PROT_WRITE),
            -1
        );
        assert_eq!(Errno::last(), Errno::EACCES);
        let grown = libc::mremap(at, RING, 2 * RING, libc::MREMAP_MAYMOVE);
        assert_eq!(grown, libc::MAP_FAILED);
        assert_eq!(Errno::last(), Errno::EFAULT);
    }
}

#[test]
fn released_pages_are_mapped_again() {
    let Some(module) = Module::take() else { return };
    module.up(true);
    read_frames(&mut lossless(&module.queue()), 1000);
    module.up(false);
    let device = module.device();
    for (offset, bytes) in [(abi::HPCAP_MMAP_QUEUE, 4096), (abi::HPCAP_MMAP_RING, RING)] {
        let place = Place::new(device.as_fd(), offset);
        let map = Mapping::of(place, bytes, Access::Read, "it").unwrap();
        // SAFETY: the mapping has at least 1 KiB; nothing is published any more, and the fields
        // that the poll thread still writes are not in the first KiB.
        let look = || unsafe { std::slice::from_raw_parts(map.as_ptr(), 1024) }.to_vec();
        let before = look();
        // SAFETY: MADV_DONTNEED on a shared mapping drops no data; the next access maps the pages
        // again.
        let done = unsafe { libc::madvise(map.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
        assert_eq!(done, 0);
        assert_eq!(look(), before);
        assert!(before.iter().any(|byte| *byte != 0));
    }
}

#[test]
fn child_inherits_the_listener() {
    let Some(module) = Module::take() else { return };
    let queue = module.queue();
    let mut listener = lossless(&queue);
    module.up(true);
    read_frames(&mut listener, 100);
    let (ready, release) = nix::unistd::pipe().unwrap();
    // SAFETY: the child only calls read(2) and _exit(2), and reads mapped memory.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let published = listener.published();
            let mut byte = [0];
            let _ = nix::unistd::read(&ready, &mut byte);
            // SAFETY: _exit(2) ends the child without running destructors.
            unsafe { libc::_exit(i32::from(published == 0)) }
        }
        ForkResult::Parent { child } => {
            drop(listener);
            assert_eq!(queue.listeners().len(), 1, "the child has it still");
            drop(ready);
            nix::unistd::write(&release, b"!").unwrap();
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            assert!(queue.listeners().is_empty());
        }
    }
}

/// Returns a folder on a disk whose file system supports direct I/O: `$HPCAP_TEST_DISK`, or
/// `/data`, where `vmlab` mounts one.
fn disk() -> Option<PathBuf> {
    let path = std::env::var_os("HPCAP_TEST_DISK").map_or_else(|| "/data".into(), PathBuf::from);
    if !path.is_dir() {
        println!("skipped: direct writes: no disk at {}", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn ring_is_written_directly_to_a_disk() {
    let Some(module) = Module::take() else { return };
    let Some(disk) = disk() else { return };
    for pages in [Pages::Ordinary, Pages::Huge2M] {
        let queue = "hpcap0".parse().unwrap();
        let size = RING as u64;
        hpcapctl::ring::set(&Ring { queue, size, pages }).unwrap();
        let queue = module.queue();
        let mut listener = queue
            .attach(&request(Contract::Lossless, Start::File))
            .unwrap();
        module.up(true);
        let half = size / 2;
        while listener.available() < half {
            listener
                .wait(half, std::time::Duration::from_secs(30))
                .unwrap();
        }
        let path = disk.join("direct");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_DIRECT)
            .open(&path)
            .unwrap();
        let block = listener.block().unwrap();
        let whole = block.bytes.len() / 4096 * 4096;
        let written = file.write_at(&block.bytes[..whole], 0).unwrap();
        assert_eq!(written, whole, "{pages:?}");
        // This read goes through the page cache, which the direct write bypassed.
        assert_eq!(
            std::fs::read(&path).unwrap(),
            &block.bytes[..whole],
            "{pages:?}"
        );
        std::fs::remove_file(&path).unwrap();
        listener.advance(half);
        listener.ack().unwrap();
        module.up(false);
    }
}
