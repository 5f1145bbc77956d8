//! Valid, invalid and partly valid addresses.

use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::random::Random;

const PAGE: usize = 4096;
/// Sizes in bytes of the writable, read-only and inaccessible parts of an arena.
const WRITABLE: usize = 4 * PAGE;
const READ_ONLY: usize = 2 * PAGE;
const NOTHING: usize = 2 * PAGE;

/// Memory of one thread, which itself only accesses the writable part.
#[derive(Debug)]
pub(crate) struct Arena {
    start: NonNull<u8>,
}

// SAFETY: the memory belongs to the owner of the arena, and no thread keeps a pointer into it.
unsafe impl Send for Arena {}

impl Arena {
    pub(crate) fn new() -> Self {
        let bytes = WRITABLE + READ_ONLY + NOTHING;
        let length = std::num::NonZeroUsize::new(bytes).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the mapping is new, at an address of the kernel's choice, and is kept until the
        // process ends.
        let start = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) };
        let start = start.unwrap().cast::<u8>();
        for (from, length, protection) in [
            (WRITABLE, READ_ONLY, ProtFlags::PROT_READ),
            (WRITABLE + READ_ONLY, NOTHING, ProtFlags::PROT_NONE),
        ] {
            // SAFETY: these pages are inside the mapping made above, and no other code uses them.
            unsafe { mprotect(start.add(from).cast(), length, protection) }.unwrap();
        }
        Self { start }
    }

    fn at(&self, offset: usize) -> usize {
        self.start.as_ptr() as usize + offset
    }

    /// Returns an address for `bytes`. Most of the time the bytes are stored there; otherwise the
    /// address is partly or wholly invalid.
    pub(crate) fn place(&mut self, bytes: &[u8], random: &mut Random) -> usize {
        match random.below(16) {
            0..11 => self.put(random.index(2) * 256, bytes),
            11 => self.put(random.index(PAGE), bytes),
            // Some of the bytes are at the end of the writable part, and the others are behind it.
            12 => {
                let inside = random.index(bytes.len() + 1);
                self.put(WRITABLE - inside, &bytes[..inside]);
                self.at(WRITABLE - inside)
            }
            13 => self.at(WRITABLE + random.index(READ_ONLY)),
            _ => self.bad(random),
        }
    }

    /// Returns an address with room for `bytes`, but for one page at most. Most of the time the
    /// room is in the writable part.
    pub(crate) fn room(&mut self, bytes: usize, random: &mut Random) -> usize {
        let zeros = vec![0; bytes.min(PAGE)];
        self.place(&zeros, random)
    }

    /// Returns the bytes that [`Arena::place`] stored at `address`, or `None` outside the writable
    /// part.
    pub(crate) fn read(&self, address: usize, bytes: usize) -> Option<Vec<u8>> {
        let offset = address.checked_sub(self.at(0))?;
        if offset.checked_add(bytes)? > WRITABLE {
            return None;
        }
        // SAFETY: the range is inside the writable part, which only this thread and its system
        // calls write to. The bytes are copied before the next call.
        Some(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset), bytes) }.to_vec())
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(WRITABLE - offset)];
        // SAFETY: the range is inside the writable part, which belongs to this thread.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.start.as_ptr().add(offset),
                bytes.len(),
            );
        }
        self.at(offset)
    }

    /// Returns an address that a program may not access.
    pub(crate) fn bad(&self, random: &mut Random) -> usize {
        match random.below(8) {
            0 => 0,
            1 => 1 + random.index(PAGE),
            2 => self.at(WRITABLE + READ_ONLY + random.index(NOTHING)),
            // These are the kernel's direct mapping, its code, and a non-canonical address.
            3 => 0xffff_8880_0000_0000 + random.index(1 << 30),
            4 => 0xffff_ffff_8100_0000 + random.index(1 << 24),
            5 => 0x8000_0000_0000_0000 | random.index(1 << 30),
            6 => usize::MAX - random.index(PAGE),
            // The last page of user space, and the addresses behind it.
            _ => 0x7fff_ffff_e000 + random.index(4 * PAGE),
        }
    }
}
