//! Mappings of the device. Their bytes are accessed through system calls, because the kernel
//! answers EFAULT where a direct access would kill the program, and because the kernel then has to
//! fault the pages in by itself.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use hpcap::abi;
use nix::errno::Errno;

use super::Fuzzer;
use crate::random::Random;

const PAGE: usize = 4096;
/// Largest number of mappings that a thread keeps. With more of them, the test would mostly
/// exercise the kernel's own tables.
const KEPT: usize = 48;
/// Largest size of the queue page in pages. The block index is behind the queue page; the index for
/// a ring of 64 GiB takes one MiB.
const QUEUE_PAGES_MAX: usize = 512;

#[derive(Debug, Clone, Copy)]
struct Mapped {
    address: usize,
    bytes: usize,
}

/// The mappings of one thread, and the sizes that can be mapped.
#[derive(Debug)]
pub(crate) struct Mappings {
    kept: Vec<Mapped>,
    queue_bytes: usize,
    ring_bytes: usize,
}

impl Mappings {
    /// Starts without mappings, and finds out the sizes of the first device's queue page and ring.
    pub(crate) fn new(devices: &[PathBuf]) -> Self {
        let (queue_bytes, ring_bytes) = devices
            .first()
            .and_then(|device| sizes(&File::options().read(true).write(true).open(device).ok()?))
            .unwrap_or((2 * PAGE, 64 << 20));
        Self {
            kept: Vec::new(),
            queue_bytes,
            ring_bytes,
        }
    }

    fn any(&self, random: &mut Random) -> Option<Mapped> {
        (!self.kept.is_empty()).then(|| self.kept[random.index(self.kept.len())])
    }
}

/// Returns the sizes of queue page and ring in bytes. The queue page can only be mapped as a whole,
/// so its size is found by trying; it contains the size of the ring.
fn sizes(device: &File) -> Option<(usize, usize)> {
    (1..QUEUE_PAGES_MAX).find_map(|pages| {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                pages * PAGE,
                libc::PROT_READ,
                libc::MAP_SHARED,
                device.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: at least one page was mapped readable just now, and stays mapped until the copy
        // is made.
        let page = unsafe { std::slice::from_raw_parts(at.cast::<u8>(), PAGE) };
        let number = |offset: usize| {
            let bytes: [u8; 8] = page[offset..offset + 8].try_into().unwrap();
            usize::try_from(u64::from_ne_bytes(bytes)).unwrap()
        };
        let found = (
            number(std::mem::offset_of!(abi::hpcap_queue, queue_bytes)),
            number(std::mem::offset_of!(abi::hpcap_queue, ring_bytes)),
        );
        // SAFETY: this is the mapping made above, which is no longer used.
        unsafe { libc::munmap(at, pages * PAGE) };
        Some(found)
    })
}

impl Fuzzer {
    pub(super) fn map(&mut self) {
        let fd = self.file();
        let random = &mut self.random;
        let (queue, ring) = (self.mappings.queue_bytes, self.mappings.ring_bytes);
        let (mut offset, right) = match random.below(10) {
            0..3 => (abi::HPCAP_MMAP_QUEUE, queue),
            3..7 => (abi::HPCAP_MMAP_SLOT, abi::HPCAP_SLOT_BYTES),
            7..9 => (abi::HPCAP_MMAP_RING, ring),
            _ => (random.next_u64() >> random.below(64) & !0xfff, PAGE),
        };
        let mut hint = 0;
        let mut length = right;
        let mut protection = libc::PROT_READ;
        let mut flags = libc::MAP_SHARED;
        if random.below(2) == 0 {
            // The client library maps the slot writable.
            if offset == abi::HPCAP_MMAP_SLOT {
                protection |= libc::PROT_WRITE;
            }
        } else {
            offset = any_offset(offset, random);
            length = any_length(length, random);
            protection = any_protection(random);
            flags = any_flags(right, random);
            if random.below(8) == 0 {
                hint = self.arena.bad(random) & !0xfff;
            }
        }
        // SAFETY: without MAP_FIXED no memory that is in use is replaced.
        let address = unsafe {
            libc::mmap(
                hint as *mut libc::c_void,
                length,
                protection,
                flags,
                fd,
                offset.cast_signed(),
            )
        };
        if address == libc::MAP_FAILED {
            return self.count("mmap", Err(Errno::last()));
        }
        let new = Mapped {
            address: address as usize,
            bytes: length,
        };
        self.mappings.kept.push(new);
        if self.mappings.kept.len() > KEPT {
            let oldest = self.mappings.kept.remove(0);
            let _ = unmap(oldest.address, oldest.bytes);
        }
        self.count("mmap", Ok(()));
    }

    /// Unmaps a mapping or a part of it. The rest stays mapped and in use.
    pub(super) fn unmap(&mut self) {
        if self.mappings.kept.is_empty() {
            return self.map();
        }
        let index = self.random.index(self.mappings.kept.len());
        let Mapped { address, bytes } = self.mappings.kept[index];
        if bytes > 2 * PAGE && self.random.below(3) == 0 {
            let from = self.random.index(bytes / PAGE) * PAGE;
            let part = PAGE * (1 + self.random.index(4));
            let answer = unmap(address + from, part.min(bytes - from));
            return self.count("munmap a part", answer);
        }
        self.mappings.kept.swap_remove(index);
        let answer = unmap(address, bytes);
        self.count("munmap", answer);
    }

    /// Moves a mapping, changes its protection, or gives the kernel advice on it.
    pub(super) fn change_mapping(&mut self) {
        let Some(Mapped { address, bytes }) = self.mappings.any(&mut self.random) else {
            return self.map();
        };
        let random = &mut self.random;
        let at = address as *mut libc::c_void;
        let protection = [
            libc::PROT_NONE,
            libc::PROT_READ,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::PROT_READ | libc::PROT_EXEC,
        ][random.index(4)];
        let advice = [
            libc::MADV_DONTNEED,
            libc::MADV_REMOVE,
            libc::MADV_DONTFORK,
            libc::MADV_DOFORK,
            libc::MADV_HUGEPAGE,
            libc::MADV_MERGEABLE,
            libc::MADV_DODUMP,
            libc::MADV_COLD,
            libc::MADV_PAGEOUT,
            libc::MADV_FREE,
        ][random.index(10)];
        let part = PAGE * (1 + random.index(16));
        match random.below(8) {
            0..3 => {
                // SAFETY: the range is a mapping of the device made by this thread, and no Rust
                // code accesses it as memory.
                let answer = Errno::result(unsafe { libc::mprotect(at, bytes, protection) });
                self.count("mprotect", answer.map(drop));
            }
            3..5 => {
                // SAFETY: see `mprotect` above.
                let answer = unsafe { libc::madvise(at, part.min(bytes), advice) };
                self.count("madvise", Errno::result(answer).map(drop));
            }
            5 => {
                // SAFETY: see `mprotect` above.
                let answer = unsafe { libc::msync(at, part.min(bytes), libc::MS_SYNC) };
                self.count("msync", Errno::result(answer).map(drop));
            }
            6 => {
                // SAFETY: see `mprotect` above; only whole pages of the mapping are locked.
                let answer = unsafe { libc::mlock(at, part.min(bytes)) };
                self.count("mlock", Errno::result(answer).map(drop));
            }
            _ => self.move_mapping(address, bytes),
        }
    }

    fn move_mapping(&mut self, address: usize, bytes: usize) {
        let length = match self.random.below(3) {
            0 => bytes + PAGE,
            1 => (bytes / 2).max(PAGE),
            _ => bytes,
        };
        // SAFETY: the mapping belongs to this thread, which keeps nothing but its address.
        let moved = unsafe {
            libc::mremap(
                address as *mut libc::c_void,
                bytes,
                length,
                libc::MREMAP_MAYMOVE,
            )
        };
        if moved == libc::MAP_FAILED {
            return self.count("mremap", Err(Errno::last()));
        }
        for mapped in &mut self.mappings.kept {
            if mapped.address == address {
                *mapped = Mapped {
                    address: moved as usize,
                    bytes: length,
                };
            }
        }
        self.count("mremap", Ok(()));
    }

    /// Reads some bytes of a mapping.
    pub(super) fn look(&mut self) {
        let mut bytes = [0_u8; 256];
        let Some(at) = self.somewhere(bytes.len()) else {
            return self.map();
        };
        let answer = copy(libc::process_vm_readv, at, &mut bytes);
        self.count("read a mapping", answer);
    }

    /// Writes random bytes into a mapping, which succeeds for a slot.
    pub(super) fn scribble(&mut self) {
        let mut bytes = [0_u8; 64];
        for chunk in bytes.chunks_mut(8) {
            // The numbers have every magnitude, because the module compares offsets with each
            // other.
            let number = self.random.next_u64() >> self.random.below(64);
            chunk.copy_from_slice(&number.to_ne_bytes()[..chunk.len()]);
        }
        let Some(at) = self.somewhere(bytes.len()) else {
            return self.map();
        };
        let answer = copy(libc::process_vm_writev, at, &mut bytes);
        self.count("write a mapping", answer);
    }

    /// Returns an address in a mapping with room for `bytes`. Most of the time it is near the start
    /// of the mapping, where a slot has its fields.
    pub(super) fn somewhere(&mut self, bytes: usize) -> Option<usize> {
        let mapped = self.mappings.any(&mut self.random)?;
        let room = mapped.bytes.saturating_sub(bytes);
        let offset = match self.random.below(3) {
            0 if room > 0 => self.random.index(room),
            _ => room.min(64),
        };
        Some(mapped.address + offset)
    }
}

fn any_offset(right: u64, random: &mut Random) -> u64 {
    match random.below(6) {
        0 => right + (random.below(1 << 20) << 12),
        1 => right | 1,
        _ => right,
    }
}

fn any_length(right: usize, random: &mut Random) -> usize {
    match random.below(16) {
        0..2 => right + PAGE,
        2..4 => right.saturating_sub(PAGE),
        4..6 => random.index(1 << 34),
        6..8 => 2 * right,
        8 => usize::MAX - random.index(1 << 20),
        _ => right,
    }
}

fn any_protection(random: &mut Random) -> i32 {
    match random.below(6) {
        0 => libc::PROT_NONE,
        1 => libc::PROT_READ | libc::PROT_EXEC,
        2 | 3 => libc::PROT_READ | libc::PROT_WRITE,
        _ => libc::PROT_READ,
    }
}

fn any_flags(bytes: usize, random: &mut Random) -> i32 {
    match random.below(8) {
        0 => libc::MAP_PRIVATE,
        1 => libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC,
        2 => libc::MAP_SHARED | libc::MAP_HUGETLB,
        // The kernel maps every page before the call returns. Large mappings are left out, because
        // they take long.
        3 if bytes <= 1 << 20 => libc::MAP_SHARED | libc::MAP_POPULATE,
        4 if bytes <= 1 << 20 => libc::MAP_SHARED | libc::MAP_LOCKED,
        _ => libc::MAP_SHARED,
    }
}

fn unmap(address: usize, bytes: usize) -> Result<(), Errno> {
    // SAFETY: the range is a mapping of the device or a part of one, of which its thread keeps
    // nothing but the address.
    Errno::result(unsafe { libc::munmap(address as *mut libc::c_void, bytes) }).map(drop)
}

/// The type of `process_vm_readv` and `process_vm_writev`.
type CopyCall = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    libc::c_ulong,
    *const libc::iovec,
    libc::c_ulong,
    libc::c_ulong,
) -> libc::ssize_t;

/// Copies between `bytes` and the memory of this process at `at`, with process_vm_readv(2) or
/// process_vm_writev(2).
fn copy(call: CopyCall, at: usize, bytes: &mut [u8]) -> Result<(), Errno> {
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: `local` covers exactly `bytes`. The kernel checks `remote`, which is always an
    // address in a mapping of the device, so the call changes no memory that Rust knows of.
    let done = unsafe { call(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    Errno::result(done).map(drop)
}
