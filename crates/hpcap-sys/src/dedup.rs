//! The duplicate filter (`kmod/core/dedup.h`).
//!
//! ```
//! use hpcap_sys::Frame;
//! use hpcap_sys::dedup::{AUTO, DROP, Settings, Window};
//!
//! let mut window = Window::new(&Settings {
//!     window: 1024,
//!     compare_bytes: AUTO,
//!     age_ns: 10_000_000,
//!     ignore: 0,
//!     action: DROP,
//!     seed: 7,
//!     renew: 0,
//!     link_type: 1,
//! }).unwrap();
//! let bytes = [0xab; 60];
//! // Two copies a microsecond apart, and a third one a second later.
//! let mut frames = [(0, 0), (0, 1000), (1, 0)].map(|(sec, nsec)| Frame::new(&bytes, 60, sec, nsec));
//! let (kept, removed) = window.select(&mut frames, &mut Vec::new());
//! assert_eq!((kept, removed.frames), (2, 1));
//! ```

use std::alloc::{Layout, alloc, dealloc};
use std::fmt;
use std::ptr::NonNull;

use crate::{Count, Frame};

/// Value of [`Settings::compare_bytes`]: compares as many bytes as distinguish a frame from others
/// of its flow.
pub const AUTO: u32 = 0;
/// Value of [`Settings::action`]: removes duplicates.
pub const DROP: u32 = 1;
/// Value of [`Settings::action`]: marks duplicates.
pub const MARK: u32 = 2;

/// Alignment of a window's memory in bytes (`HPCAP_DEDUP_ALIGN`).
const ALIGN: usize = 64;
/// Bytes of a hugepage of x86-64.
const HUGEPAGE: usize = 2 << 20;

/// Settings of the duplicate filter (`struct hpcap_dedup_settings`).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Settings {
    /// Number of frames to remember, rounded up to a power of two.
    pub window: u32,
    /// Number of bytes to compare of each frame, or [`AUTO`].
    pub compare_bytes: u32,
    /// Longest time between a frame and its duplicate, in nanoseconds.
    pub age_ns: u64,
    /// Fields that the comparison ignores: bits of `enum hpcap_dedup_ignore`.
    pub ignore: u32,
    /// [`DROP`] or [`MARK`].
    pub action: u32,
    /// A random number, so that an attacker cannot choose frames that all fall into one set of the
    /// window.
    pub seed: u64,
    /// Whether a duplicate restarts the age; 0 = no.
    pub renew: u32,
    /// LINKTYPE_ value of the frames, for [`AUTO`]; 1 = Ethernet.
    pub link_type: u32,
}

impl Settings {
    /// `(field, offset, size)` of every field, for the comparison with the C header.
    pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
        ("window", std::mem::offset_of!(Self, window), 4),
        (
            "compare_bytes",
            std::mem::offset_of!(Self, compare_bytes),
            4,
        ),
        ("age_ns", std::mem::offset_of!(Self, age_ns), 8),
        ("ignore", std::mem::offset_of!(Self, ignore), 4),
        ("action", std::mem::offset_of!(Self, action), 4),
        ("seed", std::mem::offset_of!(Self, seed), 8),
        ("renew", std::mem::offset_of!(Self, renew), 4),
        ("link_type", std::mem::offset_of!(Self, link_type), 4),
    ];
}

/// `struct hpcap_dedup`. Rust knows only its size.
#[derive(Debug)]
#[repr(C)]
pub struct RawWindow {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn hpcap_sys_dedup_size() -> usize;
    fn hpcap_sys_dedup_memory(s: *const Settings) -> u64;
    fn hpcap_sys_dedup_init(d: *mut RawWindow, s: *const Settings, memory: *mut u8) -> i32;
    fn hpcap_sys_dedup_change(d: *mut RawWindow, age_ns: u64, action: u32, renew: u32);
    fn hpcap_sys_dedup_batch(
        d: *mut RawWindow,
        frames: *mut Frame<'_>,
        n: u32,
        marks: *mut u8,
        duplicates: *mut Count,
    ) -> u32;
}

/// Why a window cannot be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowError {
    /// A setting is out of its range.
    OutOfRange,
    /// There is not enough memory.
    NoMemory,
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "a setting is out of its range",
            Self::NoMemory => "there is not enough memory",
        })
    }
}

impl std::error::Error for WindowError {}

/// Memory that is aligned for a window, in hugepages when the kernel provides them.
#[derive(Debug)]
struct WindowMemory {
    address: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the value owns its memory, and nothing else has a pointer to it.
unsafe impl Send for WindowMemory {}

impl WindowMemory {
    /// Allocates `bytes` bytes, uninitialised.
    fn new(bytes: u64) -> Result<Self, WindowError> {
        let layout = usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes > 0)
            .and_then(|bytes| {
                let align = if bytes < HUGEPAGE { ALIGN } else { HUGEPAGE };
                Layout::from_size_align(bytes, align).ok()
            })
            .ok_or(WindowError::OutOfRange)?;
        // SAFETY: the layout is not empty.
        let address = NonNull::new(unsafe { alloc(layout) }).ok_or(WindowError::NoMemory)?;
        if layout.align() == HUGEPAGE {
            // Lookups are random: with small pages, a frame costs 1.4 ns more, out of 34. The
            // window works with either, so the result of the advice does not matter.
            // SAFETY: the memory belongs to this function and holds nothing yet.
            let _ = unsafe {
                libc::madvise(address.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE)
            };
        }
        Ok(Self { address, layout })
    }
}

impl Drop for WindowMemory {
    fn drop(&mut self) {
        // SAFETY: `new` allocated the memory with this layout.
        unsafe { dealloc(self.address.as_ptr(), self.layout) }
    }
}

/// The window of frames in which duplicates are found.
#[derive(Debug)]
pub struct Window {
    /// `struct hpcap_dedup`, in memory aligned to 8 bytes.
    words: Box<[u64]>,
    /// The memory that `words` points to.
    _memory: WindowMemory,
}

impl Window {
    /// Creates an empty window.
    ///
    /// # Errors
    /// Fails when a setting is out of its range, or there is not enough memory.
    pub fn new(settings: &Settings) -> Result<Self, WindowError> {
        // SAFETY: C only reads the settings.
        let memory = WindowMemory::new(unsafe { hpcap_sys_dedup_memory(settings) })?;
        // SAFETY: the function only returns a constant.
        let words = unsafe { hpcap_sys_dedup_size() }.div_ceil(8);
        let mut words = vec![0_u64; words].into_boxed_slice();
        let window = words.as_mut_ptr().cast();
        // SAFETY: `window` has the size that C asked for and is aligned to 8 bytes. `memory` has
        // the size and the alignment that C asked for. Both live equally long.
        match unsafe { hpcap_sys_dedup_init(window, settings, memory.address.as_ptr()) } {
            0 => Ok(Self {
                words,
                _memory: memory,
            }),
            _ => Err(WindowError::OutOfRange),
        }
    }

    /// The C structure, for a loop in C that uses `dedup.h` directly.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut RawWindow {
        self.words.as_mut_ptr().cast()
    }

    /// Changes the settings that need no new window: age, action and renewal.
    pub fn change(&mut self, settings: &Settings) {
        let (window, s) = (self.as_mut_ptr(), settings);
        // SAFETY: `new` initialised the window.
        unsafe { hpcap_sys_dedup_change(window, s.age_ns, s.action, s.renew) }
    }

    /// Finds duplicates and removes from `frames` those to be dropped. Returns the number of frames
    /// that remain, at the front of `frames`, and the count of all duplicates. `marks` becomes as
    /// long as `frames`; the mark of each duplicate that remains is not 0.
    pub fn select(&mut self, frames: &mut [Frame<'_>], marks: &mut Vec<u8>) -> (usize, Count) {
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut duplicates = Count::default();
        marks.resize(frames.len(), 0);
        // SAFETY: `new` initialised the window; there are `n` frames (`struct hpcap_frame`) and
        // as many marks; a `Count` is a `struct hpcap_count`.
        let kept = unsafe {
            hpcap_sys_dedup_batch(
                self.as_mut_ptr(),
                frames.as_mut_ptr(),
                n,
                marks.as_mut_ptr(),
                &raw mut duplicates,
            )
        };
        (kept as usize, duplicates)
    }
}
