//! The guest's memory, for DMA.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// An address where the guest has no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory {
    /// Guest-physical address of the first byte without memory.
    pub address: u64,
}

/// A part of a file, mapped shared.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<c_void>,
    bytes: NonZeroUsize,
}

// SAFETY: the mapping is plain memory, valid in every thread until it is dropped. All access to it
// goes through raw pointers, so no reference makes assumptions about its contents.
unsafe impl Send for Mapping {}
// SAFETY: see `Send` above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` of a file from `offset`.
    ///
    /// # Errors
    ///
    /// Fails as mmap does, or with `InvalidInput` if `bytes` is 0.
    pub fn new(file: impl AsFd, offset: i64, bytes: u64) -> io::Result<Self> {
        let bytes = usize::try_from(bytes)
            .ok()
            .and_then(NonZeroUsize::new)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no other memory.
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, file, offset)? };
        Ok(Self { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value alone, and nothing borrows from it.
        let _ = unsafe { munmap(self.start, self.bytes.get()) };
    }
}

/// The position of a mapping in the guest's address space.
#[derive(Debug, Clone)]
pub struct Region {
    address: u64,
    mapping: Arc<Mapping>,
}

impl Region {
    /// A mapping at this guest-physical address.
    pub fn new(address: u64, mapping: Arc<Mapping>) -> Self {
        Self { address, mapping }
    }

    /// Returns the number of bytes from `address` to the end of the region, or 0 outside the
    /// region.
    fn left(&self, address: u64) -> u64 {
        match address.checked_sub(self.address) {
            Some(inside) => (self.mapping.bytes.get() as u64).saturating_sub(inside),
            None => 0,
        }
    }

    /// Returns a pointer to the byte at `address`, which must be in the region.
    fn at(&self, address: u64) -> *mut u8 {
        // SAFETY: the caller has checked `address` with left(), so the offset is within the
        // mapping.
        unsafe {
            self.mapping
                .start
                .as_ptr()
                .cast::<u8>()
                .add((address - self.address) as usize)
        }
    }
}

/// All memory of a guest. It never changes: a new memory map of the machine is a new value.
///
/// As in a real machine, guest and device access the memory at the same time. Bytes are copied
/// without any order. Words that need an order (the status of a descriptor) are accessed as single
/// aligned words.
#[derive(Debug, Default)]
pub struct GuestMemory {
    /// Sorted by address.
    regions: Vec<Region>,
}

impl GuestMemory {
    /// Creates memory from these regions.
    pub fn new(mut regions: Vec<Region>) -> Self {
        regions.sort_by_key(|region| region.address);
        Self { regions }
    }

    /// Creates memory from address 0 without a machine, for a driver in a test.
    ///
    /// # Errors
    ///
    /// Fails as memfd_create, ftruncate and mmap do.
    pub fn alone(bytes: u64) -> io::Result<Self> {
        let file: OwnedFd = memfd_create(c"vmlab-memory", MFdFlags::MFD_CLOEXEC)?;
        let size = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        nix::unistd::ftruncate(&file, size)?;
        let mapping = Arc::new(Mapping::new(&file, 0, bytes)?);
        Ok(Self::new(vec![Region::new(0, mapping)]))
    }

    /// Copies bytes from the guest's memory.
    ///
    /// # Errors
    ///
    /// Fails if a part of the range has no memory. The bytes before it have been read then.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<(), NoMemory> {
        let mut done = 0;
        while done < to.len() {
            let (from, bytes) = self.piece(address, done, to.len())?;
            // SAFETY: piece() gives `bytes` bytes of a live mapping, and `to` has that many left.
            // They cannot overlap: nothing outside this module points into a mapping.
            unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr().add(done), bytes) };
            done += bytes;
        }
        Ok(())
    }

    /// Copies bytes into the guest's memory.
    ///
    /// # Errors
    ///
    /// Fails if a part of the range has no memory. The bytes before it have been written then.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), NoMemory> {
        let mut done = 0;
        while done < from.len() {
            let (to, bytes) = self.piece(address, done, from.len())?;
            // SAFETY: see read() above.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr().add(done), to, bytes) };
            done += bytes;
        }
        Ok(())
    }

    /// Returns the little-endian word at `address`, a multiple of 8. Reads after this one see
    /// everything that the guest wrote before it wrote the word.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory, or if the address is not a multiple of 8.
    pub fn load(&self, address: u64) -> Result<u64, NoMemory> {
        Ok(u64::from_le(self.word(address)?.load(Ordering::Acquire)))
    }

    /// Stores a little-endian word at `address`, a multiple of 8. A guest that sees the word also
    /// sees everything that was written before it.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory, or if the address is not a multiple of 8.
    pub fn store(&self, address: u64, value: u64) -> Result<(), NoMemory> {
        self.word(address)?.store(value.to_le(), Ordering::Release);
        Ok(())
    }

    fn word(&self, address: u64) -> Result<&AtomicU64, NoMemory> {
        let refused = Err(NoMemory { address });
        match self.region(address) {
            Some(region) if region.left(address) >= 8 => {
                let word = region.at(address).cast::<u64>();
                if !word.is_aligned() {
                    return refused;
                }
                // SAFETY: these are 8 aligned bytes of a live mapping, which lives as long as self,
                // whose lifetime the reference has. All other accesses to these bytes are like
                // those of a device: by the guest, or by a copy of bytes above.
                Ok(unsafe { AtomicU64::from_ptr(word) })
            }
            _ => refused,
        }
    }

    /// Returns a pointer to byte `done` of a range, and the number of bytes of the range that
    /// follow it in the same region.
    fn piece(&self, address: u64, done: usize, len: usize) -> Result<(*mut u8, usize), NoMemory> {
        let at = address
            .checked_add(done as u64)
            .ok_or(NoMemory { address })?;
        let region = self.region(at).ok_or(NoMemory { address: at })?;
        let bytes = region.left(at).min((len - done) as u64) as usize;
        Ok((region.at(at), bytes))
    }

    fn region(&self, address: u64) -> Option<&Region> {
        self.regions.iter().find(|region| region.left(address) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_crosses_regions_but_not_holes() {
        let part = |bytes| {
            let mut memory = GuestMemory::alone(bytes).unwrap();
            memory.regions.remove(0).mapping
        };
        let memory = GuestMemory::new(vec![
            Region::new(0x3000, part(0x1000)),
            Region::new(0x1000, part(0x1000)),
            Region::new(0x2000, part(0x1000)),
        ]);
        let bytes: Vec<u8> = (0..=255).cycle().take(0x2000).collect();
        memory.write(0x1800, &bytes).unwrap();
        let mut back = vec![0; 0x2000];
        memory.read(0x1800, &mut back).unwrap();
        assert_eq!(back, bytes);
        assert_eq!(
            memory.write(0x3FFF, &[1, 2]),
            Err(NoMemory { address: 0x4000 })
        );
        assert_eq!(memory.read(0, &mut [0]), Err(NoMemory { address: 0 }));
        assert_eq!(
            memory.read(u64::MAX, &mut [0, 0]),
            Err(NoMemory { address: u64::MAX })
        );
    }

    #[test]
    fn word_access_requires_alignment() {
        let memory = GuestMemory::alone(4096).unwrap();
        memory.store(4088, 0x0102_0304_0506_0708).unwrap();
        let mut byte = [0];
        memory.read(4088, &mut byte).unwrap();
        assert_eq!(byte, [8]);
        assert_eq!(memory.load(4088), Ok(0x0102_0304_0506_0708));
        assert_eq!(memory.load(4084), Err(NoMemory { address: 4084 }));
        assert_eq!(memory.store(4096, 1), Err(NoMemory { address: 4096 }));
    }
}
