//! The way of a batch from its source into the ring: `kmod/core/pipeline.h`.

use std::marker::PhantomData;
use std::ptr;

use hpcap::filter::Instruction;

use super::Dedup;
use super::filter::Program;
use super::window::CDedup;
use crate::ring::{CRing, Producer};
use hpcap_source::Frame;

/// `struct hpcap_pipeline`; `stages.c` asserts the layout.
#[repr(C)]
#[derive(Debug)]
struct CPipeline<'a> {
    program: *const Instruction,
    dedup: *mut CDedup,
    marks: *mut u8,
    frames: *mut Frame<'a>,
    n: u32,
    done: u32,
    marked: u32,
}

unsafe extern "C" {
    fn hpcap_user_pipeline_start(
        p: *mut CPipeline<'_>,
        r: *mut CRing,
        frames: *mut Frame<'_>,
        n: u32,
    );
    fn hpcap_user_pipeline_push(p: *mut CPipeline<'_>, r: *mut CRing) -> u32;
    fn hpcap_user_pipeline_drop(p: *mut CPipeline<'_>, r: *mut CRing);
}

/// A batch whose frames have passed the filters and are on their way into the ring.
#[derive(Debug)]
pub(crate) struct Batch<'a, 'frame> {
    pipeline: CPipeline<'frame>,
    /// The frames and the marks that `pipeline` points to.
    _borrowed: PhantomData<(&'a mut [Frame<'frame>], &'a mut [u8])>,
}

impl<'a, 'frame> Batch<'a, 'frame> {
    /// Runs the filters over `frames`, and accounts in `producer` for the frames that do not
    /// pass. `marks` becomes as long as `frames`; it says which frames are marked as duplicates.
    pub(crate) fn start(
        producer: &mut Producer,
        filter: Option<&Program>,
        dedup: Option<&mut Dedup>,
        frames: &'a mut [Frame<'frame>],
        marks: &'a mut Vec<u8>,
    ) -> Self {
        marks.resize(frames.len(), 0);
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut pipeline = CPipeline {
            program: filter.map_or(ptr::null(), |program| program.instructions().as_ptr()),
            dedup: dedup.map_or(ptr::null_mut(), Dedup::c_dedup),
            marks: marks.as_mut_ptr(),
            frames: ptr::null_mut(),
            n: 0,
            done: 0,
            marked: 0,
        };
        // SAFETY: the program was checked; the window, the ring, and the `n` frames with as many
        // marks are valid, and used by nobody else during the call.
        unsafe {
            hpcap_user_pipeline_start(&raw mut pipeline, producer.c_ring(), frames.as_mut_ptr(), n);
        }
        // The filters have done their part, and may change before the last frame is pushed.
        pipeline.program = ptr::null();
        pipeline.dedup = ptr::null_mut();
        Self {
            pipeline,
            _borrowed: PhantomData,
        }
    }

    /// Pushes as many frames as there is room for, and returns how many are left.
    pub(crate) fn push(&mut self, producer: &mut Producer) -> usize {
        // SAFETY: an initialised ring; the frames and marks are borrowed as long as `self`.
        unsafe { hpcap_user_pipeline_push(&raw mut self.pipeline, producer.c_ring()) as usize }
    }

    /// Gives up the frames that are left, and accounts for them as
    /// [`Reason::RingFull`](hpcap::Reason::RingFull).
    pub(crate) fn drop_left(mut self, producer: &mut Producer) {
        // SAFETY: as in `push`.
        unsafe { hpcap_user_pipeline_drop(&raw mut self.pipeline, producer.c_ring()) }
    }
}
