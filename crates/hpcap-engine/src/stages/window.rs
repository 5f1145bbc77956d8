//! The window of frames in which duplicates are found: `kmod/core/dedup.h`.

use std::alloc::{Layout, alloc, dealloc};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ptr::NonNull;

use hpcap::{Count, Error, Kind, Result};

use hpcap::dedup::{Action, DedupSettings};
use hpcap_source::Frame;

/// `HPCAP_DEDUP_ALIGN`.
const ALIGN: usize = 64;
/// A huge page of x86-64.
const HUGE: usize = 2 << 20;

/// `struct hpcap_dedup`, of which Rust knows only the size.
#[repr(C)]
pub(super) struct CDedup {
    _opaque: [u8; 0],
}

/// `struct hpcap_dedup_settings`.
#[repr(C)]
struct CSettings {
    window: u32,
    compare_bytes: u32,
    age_ns: u64,
    ignore: u32,
    action: u32,
    seed: u64,
    renew: u32,
    link_type: u32,
}

unsafe extern "C" {
    fn hpcap_user_dedup_size() -> usize;
    fn hpcap_user_dedup_memory(s: *const CSettings) -> u64;
    fn hpcap_user_dedup_init(d: *mut CDedup, s: *const CSettings, memory: *mut u8) -> i32;
    fn hpcap_user_dedup_change(d: *mut CDedup, age_ns: u64, action: u32, renew: u32, enabled: u32);
    fn hpcap_user_dedup_batch(
        d: *mut CDedup,
        frames: *mut Frame<'_>,
        n: u32,
        marks: *mut u8,
        duplicates: *mut Count,
    ) -> u32;
}

/// Memory aligned for a window; in huge pages, where the kernel gives any.
#[derive(Debug)]
pub struct WindowMemory {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is the only one to know of its memory.
unsafe impl Send for WindowMemory {}

impl WindowMemory {
    /// So many bytes; what is in them is not said.
    ///
    /// # Errors
    /// [`Kind::Usage`] without a byte, [`Kind::Full`] without memory.
    pub fn new(bytes: u64) -> Result<Self> {
        let tried = "remember frames";
        let layout = usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes > 0)
            .and_then(|bytes| {
                let align = if bytes < HUGE { ALIGN } else { HUGE };
                Layout::from_size_align(bytes, align).ok()
            })
            .ok_or_else(|| Error::new(Kind::Usage, tried, "a setting is out of its range"))?;
        // SAFETY: the layout is not empty.
        let at = NonNull::new(unsafe { alloc(layout) });
        let at = at.ok_or_else(|| Error::new(Kind::Full, tried, "there is not enough memory"))?;
        if layout.align() == HUGE {
            // It is looked up at random: with small pages, a frame costs 1.4 ns of 34 more. Whether
            // there are huge ones or not, it works.
            // SAFETY: advice on memory that is ours and not used yet.
            let _ =
                unsafe { libc::madvise(at.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        Ok(Self { at, layout })
    }

    /// Where it is.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

impl Drop for WindowMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and not given back before.
        unsafe { dealloc(self.at.as_ptr(), self.layout) }
    }
}

/// Remembers frames, and finds those that come again.
#[derive(Debug)]
pub struct Dedup {
    /// `struct hpcap_dedup`, in memory aligned to 8 bytes.
    dedup: Box<[u64]>,
    /// What it points to.
    _memory: WindowMemory,
    settings: DedupSettings,
}

fn c_settings(settings: &DedupSettings, link_type: u32, seed: u64) -> CSettings {
    CSettings {
        window: settings.window,
        // 0: HPCAP_DEDUP_AUTO.
        compare_bytes: settings.bytes.unwrap_or(0),
        age_ns: u64::try_from(settings.age.as_nanos()).unwrap_or(u64::MAX),
        ignore: settings.ignore.bits(),
        action: match settings.action {
            Action::Drop => 1,
            Action::Mark => 2,
        },
        seed,
        renew: u32::from(settings.renew),
        link_type,
    }
}

impl Dedup {
    /// An empty window for frames of a link type (`LINKTYPE_` value, 1 is Ethernet).
    ///
    /// # Errors
    /// When a setting is out of its range, or there is not enough memory.
    pub fn new(settings: DedupSettings, link_type: u32) -> Result<Self> {
        // Of the system's randomness: nobody outside can aim at a set.
        let seed = RandomState::new().build_hasher().finish();
        let c = c_settings(&settings, link_type, seed);
        // SAFETY: only reads `c`.
        let memory = WindowMemory::new(unsafe { hpcap_user_dedup_memory(&raw const c) })?;
        // SAFETY: returns a constant.
        let words = unsafe { hpcap_user_dedup_size() }.div_ceil(8);
        let mut dedup = vec![0_u64; words].into_boxed_slice();
        let at = dedup.as_mut_ptr().cast();
        // SAFETY: `at` points to memory of the size that C asked for, aligned to 8 bytes, and
        // `memory` has the size and alignment that C asked for; both live as long as each other.
        let result = unsafe { hpcap_user_dedup_init(at, &raw const c, memory.at.as_ptr()) };
        assert_eq!(result, 0, "{settings:?} had a size");
        Ok(Self {
            dedup,
            _memory: memory,
            settings,
        })
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &DedupSettings {
        &self.settings
    }

    /// Follows other settings. `false` where they need another window, and nothing changed.
    pub fn change(&mut self, settings: &DedupSettings) -> bool {
        let now = self.settings;
        if (settings.window, settings.bytes, settings.ignore) != (now.window, now.bytes, now.ignore)
        {
            return false;
        }
        // The link type is the window's own.
        let c = c_settings(settings, 0, 0);
        let window = self.dedup.as_mut_ptr().cast();
        // SAFETY: an initialised window, used by nobody else meanwhile.
        unsafe { hpcap_user_dedup_change(window, c.age_ns, c.action, c.renew, 1) }
        self.settings = *settings;
        true
    }

    /// The window as the pipeline takes it.
    pub(super) fn c_dedup(&mut self) -> *mut CDedup {
        self.dedup.as_mut_ptr().cast()
    }

    /// Looks for duplicates. Those to be dropped leave `frames`: returns how many others stand
    /// at the front, and how many duplicates there were. `marks` becomes as long as `frames`,
    /// and is not 0 for each duplicate that stayed.
    pub fn apply(&mut self, frames: &mut [Frame<'_>], marks: &mut Vec<u8>) -> (usize, Count) {
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut duplicates = Count::default();
        marks.resize(frames.len(), 0);
        // SAFETY: an initialised window, used by nobody else meanwhile; `n` frames
        // (`struct hpcap_frame`) with as many marks; a `Count` is a `struct hpcap_count`.
        let kept = unsafe {
            hpcap_user_dedup_batch(
                self.dedup.as_mut_ptr().cast(),
                frames.as_mut_ptr(),
                n,
                marks.as_mut_ptr(),
                &raw mut duplicates,
            )
        };
        (kept as usize, duplicates)
    }
}
