//! The stages through which a batch goes from its source into the ring (`kmod/core/pipeline.h`).
//!
//! A [`Batch`] needs a [`Ring`] in mapped memory; `hpcap_engine::ring::Producer` has both, and the example.

use std::marker::PhantomData;
use std::ptr;

use crate::Frame;
use crate::dedup::{RawWindow, Window};
use crate::filter::{Instruction, Program};
use crate::ring::{RawRing, Ring};

/// `struct hpcap_pipeline`.
#[derive(Debug)]
#[repr(C)]
struct Pipeline {
    program: *const Instruction,
    dedup: *mut RawWindow,
    marks: *mut u8,
    frames: *mut Frame<'static>,
    n: u32,
    done: u32,
    marked: u32,
}

unsafe extern "C" {
    fn hpcap_sys_pipeline_start(p: *mut Pipeline, r: *mut RawRing, frames: *mut Frame<'_>, n: u32);
    fn hpcap_sys_pipeline_push(p: *mut Pipeline, r: *mut RawRing) -> u32;
    fn hpcap_sys_pipeline_drop(p: *mut Pipeline, r: *mut RawRing);
}

/// A batch whose frames have passed the filters and are on their way into the ring.
#[derive(Debug)]
pub struct Batch<'a, 'frame> {
    pipeline: Pipeline,
    /// The frames and the marks that `pipeline` points to.
    _borrowed: PhantomData<(&'a mut [Frame<'frame>], &'a mut [u8])>,
}

impl<'a, 'frame> Batch<'a, 'frame> {
    /// `(field, offset, size)` of every field of `struct hpcap_pipeline`, for the comparison with
    /// the C header.
    pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
        ("program", std::mem::offset_of!(Pipeline, program), 8),
        ("dedup", std::mem::offset_of!(Pipeline, dedup), 8),
        ("marks", std::mem::offset_of!(Pipeline, marks), 8),
        ("frames", std::mem::offset_of!(Pipeline, frames), 8),
        ("n", std::mem::offset_of!(Pipeline, n), 4),
        ("done", std::mem::offset_of!(Pipeline, done), 4),
        ("marked", std::mem::offset_of!(Pipeline, marked), 4),
    ];
    /// Size of `struct hpcap_pipeline`, which ends in four bytes of padding.
    pub const BYTES: usize = size_of::<Pipeline>();

    /// Runs the filters over `frames`, and counts the frames that do not pass in the ledger of
    /// `ring`. `marks` becomes as long as `frames` and tells which frames are marked as duplicates.
    pub fn start(
        ring: &mut Ring,
        program: Option<&Program>,
        window: Option<&mut Window>,
        frames: &'a mut [Frame<'frame>],
        marks: &'a mut Vec<u8>,
    ) -> Self {
        marks.resize(frames.len(), 0);
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut pipeline = Pipeline {
            program: program.map_or(ptr::null(), |program| program.instructions().as_ptr()),
            dedup: window.map_or(ptr::null_mut(), Window::as_mut_ptr),
            marks: marks.as_mut_ptr(),
            frames: ptr::null_mut(),
            n: 0,
            done: 0,
            marked: 0,
        };
        // SAFETY: the program was checked. The window, the ring, and the `n` frames with as many
        // marks are valid, and no other code uses them during the call.
        unsafe {
            hpcap_sys_pipeline_start(&raw mut pipeline, ring.as_mut_ptr(), frames.as_mut_ptr(), n);
        }
        // The filters are not used again: the caller may change them before the last frame is
        // pushed.
        pipeline.program = ptr::null();
        pipeline.dedup = ptr::null_mut();
        Self {
            pipeline,
            _borrowed: PhantomData,
        }
    }

    /// Pushes frames until the ring is full, and returns how many frames are left.
    pub fn push(&mut self, ring: &mut Ring) -> usize {
        // SAFETY: the ring is initialised, and the frames and marks are borrowed as long as `self`.
        unsafe { hpcap_sys_pipeline_push(&raw mut self.pipeline, ring.as_mut_ptr()) as usize }
    }

    /// Discards the frames that are left, and counts them under `HPCAP_RING_FULL`.
    pub fn drop_left(mut self, ring: &mut Ring) {
        // SAFETY: as in `push`.
        unsafe { hpcap_sys_pipeline_drop(&raw mut self.pipeline, ring.as_mut_ptr()) }
    }
}
