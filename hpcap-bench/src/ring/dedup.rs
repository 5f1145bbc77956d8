//! The cost of the duplicate filter: the poll loop without the filter, with the filter and no duplicates, and with the
//! filter where every other frame is a duplicate.
//!
//! All frames have the same bytes except for a number, which the loop writes into each frame in the
//! NIC's place. The buffers come round again and again, and without new numbers every frame would
//! be a copy.

use hpcap::{Error, Kind, Result};
use hpcap_sys::dedup::{DROP, Settings as DedupSettings, Window, WindowError};

use super::loops::{InC, Stopwatch, full};
use super::nic::{Buffers, DESCRIPTORS, Nic};
use super::{Settings, clock_scale, ffi, frames};
use crate::process::check_interrupted;
use crate::report::{Pairs, Report, Row, Target, Unit};

/// Length of the frames in bytes.
pub(super) const LEN: u16 = 60;
/// The settings of the filter, which are the defaults of the modules and of the engine.
pub(super) const WINDOW: DedupSettings = DedupSettings {
    window: 32_768,
    compare_bytes: 70,
    age_ns: 2_000_000_000,
    ignore: 0,
    action: DROP,
    seed: 1,
    renew: 1,
    link_type: 1,
};
/// Largest cost per frame of the loop with the filter, which is twice that of the loop without it.
const TOTAL_NS: f64 = 33.6;
const MORE_NS: f64 = 16.8;
/// A loop in which half of the frames are removed should not be slower, but measurements vary.
const NOISE_NS: f64 = 1.0;

/// The loop with a filter, or without one.
pub(super) struct FilterLoop {
    window: Option<Window>,
    traffic: ffi::Traffic,
    is_copy: Vec<u8>,
}

impl FilterLoop {
    /// Creates a loop. With `half`, a random half of its frames are duplicates.
    pub(super) fn new(settings: Option<DedupSettings>, half: bool) -> Result<Self> {
        Ok(Self {
            window: settings
                .as_ref()
                .map(Window::new)
                .transpose()
                .map_err(no_window)?,
            traffic: ffi::Traffic {
                next: 0,
                first: 0,
                random: 0x9e37_79b9_7f4a_7c15,
                copies: 0,
                half: half.into(),
                reserved: 0,
                is_copy: std::ptr::null_mut(),
            },
            is_copy: vec![0; DESCRIPTORS],
        })
    }

    /// Runs the loop. Returns nanoseconds per frame, removed frames included.
    pub(super) fn run(
        &mut self,
        ring: &mut InC,
        nic: &mut Nic<'_>,
        frames: u64,
        batch: u32,
    ) -> Result<f64> {
        self.traffic.is_copy = self.is_copy.as_mut_ptr();
        let (ring, traffic) = (ring.as_ptr(), &raw mut self.traffic);
        let window = self.window.as_mut();
        let window = window.map_or(std::ptr::null_mut(), Window::as_mut_ptr);
        let copies = self.traffic.copies;
        let mut removed = 0;
        let watch = Stopwatch::start();
        // SAFETY: the ring is initialised, and `self` owns the memory of the window and of the
        // traffic; the buffers of `nic` are writable, and nothing else uses them during the call.
        let taken = nic.with(|nic, clock| unsafe {
            ffi::hpcap_bench_dedup(
                ring,
                window,
                nic,
                clock,
                traffic,
                frames,
                batch,
                &raw mut removed,
            )
        });
        let ns = watch.ns_per_frame(frames);
        full(taken, frames)?;
        let copies = self.traffic.copies - copies;
        if self.window.is_some() && removed != copies {
            let why = format!("{removed} frames removed, {copies} were copies");
            return Err(Error::new(Kind::Format, "remove duplicates", why));
        }
        Ok(ns)
    }
}

fn no_window(error: WindowError) -> Error {
    Error::new(Kind::Full, "remember frames", error.to_string())
}

/// Measures the cost of the filter for frames of 60 bytes.
///
/// # Errors
/// When there is not enough memory, or the filter removed the wrong frames.
pub fn dedup_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut buffers = Buffers::alike();
    let mut nic = Nic::writable(&mut buffers, LEN, clock_scale(settings));
    let mut ring = InC::new(settings.ring_bytes, 1, 0)?;
    let blind = DedupSettings {
        ignore: 0xf,
        ..WINDOW
    };
    let mut off = FilterLoop::new(None, false)?;
    let mut on = FilterLoop::new(Some(WINDOW), false)?;
    let mut half = FilterLoop::new(Some(WINDOW), true)?;
    let mut ignoring = FilterLoop::new(Some(blind), false)?;
    let mut pairs = [(); 3].map(|()| Pairs::new(Unit::NsPerFrame));
    let (frames, batch) = (frames(settings, LEN), settings.batch);
    for round in 0..=settings.runs {
        check_interrupted()?;
        let without = off.run(&mut ring, &mut nic, frames, batch)?;
        let with = on.run(&mut ring, &mut nic, frames, batch)?;
        let copies = half.run(&mut ring, &mut nic, frames, batch)?;
        let blindly = ignoring.run(&mut ring, &mut nic, frames, batch)?;
        if round > 0 {
            pairs[0].add(with, without);
            pairs[1].add(copies, with);
            pairs[2].add(blindly, with);
        }
    }
    let [with, copies, blindly] = pairs;
    report.add(Row::new("60 bytes, duplicates not looked for", with.peer()));
    report.add(
        with.row("60 bytes, no duplicates among them", "not looked for")
            .target(Target::AtMost(TOTAL_NS))
            .note("window 32768, 70 bytes, 2 s"),
    );
    report.add(
        Row::new(
            "looking for duplicates",
            with.each(|with, without| with - without),
        )
        .target(Target::AtMost(MORE_NS)),
    );
    report.add(
        copies
            .row("60 bytes, half of them duplicates", "no duplicates")
            .target(Target::AtMost(with.ours().median + NOISE_NS))
            .note("copies of one of the last 64, at random"),
    );
    report.add(
        blindly
            .row("60 bytes, TTL, sum, VLAN, MAC ignored", "nothing ignored")
            .note("a copy of each frame's start is made, without them"),
    );
    Ok(())
}
