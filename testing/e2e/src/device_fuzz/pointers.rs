//! Addresses that are good, bad, or good as far as they go.

use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::random::Random;

const PAGE: usize = 4096;
/// Writable pages, read-only ones, and ones that nobody may touch.
const WRITABLE: usize = 4 * PAGE;
const READ_ONLY: usize = 2 * PAGE;
const NOTHING: usize = 2 * PAGE;

/// Memory of one thread, of which only the writable part is ever touched by it.
#[derive(Debug)]
pub(crate) struct Arena {
    start: NonNull<u8>,
}

// SAFETY: the memory belongs to whoever has the arena, and no thread keeps a pointer into it.
unsafe impl Send for Arena {}

impl Arena {
    pub(crate) fn new() -> Self {
        let bytes = WRITABLE + READ_ONLY + NOTHING;
        let length = std::num::NonZeroUsize::new(bytes).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory at an address of the kernel's choice, kept until the process ends.
        let start = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) };
        let start = start.unwrap().cast::<u8>();
        for (from, length, protection) in [
            (WRITABLE, READ_ONLY, ProtFlags::PROT_READ),
            (WRITABLE + READ_ONLY, NOTHING, ProtFlags::PROT_NONE),
        ] {
            // SAFETY: these pages are inside the mapping made above, and nobody uses them.
            unsafe { mprotect(start.add(from).cast(), length, protection) }.unwrap();
        }
        Self { start }
    }

    fn at(&self, offset: usize) -> usize {
        self.start.as_ptr() as usize + offset
    }

    /// An address at which `bytes` can be found, most of the time: they are put there.
    pub(crate) fn place(&mut self, bytes: &[u8], random: &mut Random) -> usize {
        match random.below(16) {
            0..11 => self.put(random.index(2) * 256, bytes),
            11 => self.put(random.index(PAGE), bytes),
            // The last byte is just inside, or some are outside.
            12 => {
                let inside = random.index(bytes.len() + 1);
                self.put(WRITABLE - inside, &bytes[..inside]);
                self.at(WRITABLE - inside)
            }
            13 => self.at(WRITABLE + random.index(READ_ONLY)),
            _ => self.bad(random),
        }
    }

    /// The first of `bytes` writable bytes.
    pub(crate) fn room(&mut self, bytes: usize, random: &mut Random) -> usize {
        let zeros = vec![0; bytes.min(PAGE)];
        self.place(&zeros, random)
    }

    /// The bytes that [`Arena::place`] put at `address`, if they are in the writable part.
    pub(crate) fn read(&self, address: usize, bytes: usize) -> Option<Vec<u8>> {
        let offset = address.checked_sub(self.at(0))?;
        if offset.checked_add(bytes)? > WRITABLE {
            return None;
        }
        // SAFETY: inside the writable part, which only this thread and the calls that it makes
        // write to; the bytes are copied.
        Some(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset), bytes) }.to_vec())
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(WRITABLE - offset)];
        // SAFETY: inside the writable part, which is this thread's.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.start.as_ptr().add(offset),
                bytes.len(),
            );
        }
        self.at(offset)
    }

    /// An address at which a program has nothing to look for.
    pub(crate) fn bad(&self, random: &mut Random) -> usize {
        match random.below(8) {
            0 => 0,
            1 => 1 + random.index(PAGE),
            2 => self.at(WRITABLE + READ_ONLY + random.index(NOTHING)),
            // The kernel's direct mapping, its code, and what is no address at all.
            3 => 0xffff_8880_0000_0000 + random.index(1 << 30),
            4 => 0xffff_ffff_8100_0000 + random.index(1 << 24),
            5 => 0x8000_0000_0000_0000 | random.index(1 << 30),
            6 => usize::MAX - random.index(PAGE),
            // The last page that a program can have, and beyond.
            _ => 0x7fff_ffff_e000 + random.index(4 * PAGE),
        }
    }
}
