//! Tests that after damage the reader returns no frame that was not written, and loses only frames
//! around the damage.

use std::ops::Range;

use proptest::prelude::*;

use testkit::raw::{self as made, Frame, file, frames, read};

/// Number of records that damage may cost on each side of it.
const AROUND: usize = 2;

#[derive(Debug, Clone)]
pub(crate) enum Harm {
    Flip { at: usize, mask: u8 },
    Overwrite { at: usize, bytes: Vec<u8> },
    Zero { at: usize, bytes: usize },
    Remove { at: usize, bytes: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Cut { at: usize },
}

pub(crate) fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>();
    let noise = |most: usize| proptest::collection::vec(any::<u8>(), 1..most);
    // `apply` reduces the indices to the size of the file.
    (at, 0..6_u8, any::<u8>(), noise(3000), 1..3000_usize).prop_map(|(at, kind, mask, bytes, n)| {
        let at = at.index(1 << 30);
        match kind {
            0 => Harm::Flip {
                at,
                mask: mask.max(1),
            },
            1 => Harm::Overwrite { at, bytes },
            2 => Harm::Zero { at, bytes: n },
            3 => Harm::Remove { at, bytes: n },
            4 => Harm::Insert { at, bytes },
            _ => Harm::Cut { at },
        }
    })
}

/// The result of `apply`: the damaged bytes, the range of the original that was touched, and the
/// distance by which the bytes after it have moved.
pub(crate) struct Done {
    pub(crate) bytes: Vec<u8>,
    touched: Range<usize>,
    moved: isize,
}

/// Damages the file after its header: no record confirms the length of the header.
pub(crate) fn apply(harm: &Harm, original: &[u8], first: usize) -> Done {
    let mut bytes = original.to_vec();
    let size = bytes.len();
    let place = |at: usize| {
        if at < size {
            at.max(first)
        } else {
            first + at % (size - first)
        }
    };
    let (touched, moved) = match harm {
        Harm::Flip { at, mask } => {
            let at = place(*at);
            bytes[at] ^= mask;
            (at..at + 1, 0)
        }
        Harm::Overwrite { at, bytes: noise } => {
            let at = place(*at);
            let end = (at + noise.len()).min(size);
            bytes[at..end].copy_from_slice(&noise[..end - at]);
            (at..end, 0)
        }
        Harm::Zero { at, bytes: n } => {
            let at = place(*at);
            let end = (at + n).min(size);
            bytes[at..end].fill(0);
            (at..end, 0)
        }
        Harm::Remove { at, bytes: n } => {
            let at = place(*at);
            let end = (at + n).min(size);
            bytes.drain(at..end);
            (at..end, -isize::try_from(end - at).unwrap())
        }
        Harm::Insert { at, bytes: noise } => {
            let at = place(*at);
            bytes.splice(at..at, noise.iter().copied());
            (at..at, isize::try_from(noise.len()).unwrap())
        }
        Harm::Cut { at } => {
            let at = place(*at);
            bytes.truncate(at);
            (at..size, 0)
        }
    };
    Done {
        bytes,
        touched,
        moved,
    }
}

fn check(frames: &[Frame], harm: &Harm) -> Result<(), TestCaseError> {
    // Closing padding is long here, because a record that lost bytes near the end of the file looks
    // like one that the end cuts.
    let unit = if matches!(harm, Harm::Remove { .. }) {
        128 << 10
    } else {
        0
    };
    let (original, offsets) = file(frames, unit);
    let done = apply(harm, &original, usize::try_from(offsets[0]).unwrap());
    let seen = read(&done.bytes);
    let end_of = |i: usize| usize::try_from(offsets[i]).unwrap() + 12 + frames[i].data.len();
    // For each written frame, whether the reader returned it unchanged.
    let mut found = vec![false; frames.len()];
    for (offset, frame) in &seen.frames {
        let offset = isize::try_from(*offset).unwrap();
        let before = offsets
            .iter()
            .position(|o| isize::try_from(*o).unwrap() == offset);
        let after = offsets
            .iter()
            .position(|o| isize::try_from(*o).unwrap() + done.moved == offset);
        let whole = |i: usize| {
            let start = usize::try_from(offsets[i]).unwrap();
            end_of(i) <= done.touched.start || start >= done.touched.end
        };
        if let Some(i) = [before, after]
            .into_iter()
            .flatten()
            .find(|i| frames[*i] == *frame)
        {
            found[i] = true;
            continue;
        }
        // A frame that differs from what was written must be a touched one of the same length.
        let touched = [before, after]
            .into_iter()
            .flatten()
            .any(|i| !whole(i) && frames[i].data.len() == frame.data.len());
        prop_assert!(touched, "{:?} at {} was never written", frame, offset);
    }
    let first = (0..frames.len())
        .find(|i| end_of(*i) > done.touched.start)
        .unwrap_or(frames.len());
    let last = (0..frames.len())
        .rfind(|i| usize::try_from(offsets[*i]).unwrap() < done.touched.end)
        .map_or(0, |i| i + 1);
    let around = first.saturating_sub(AROUND)..(last + AROUND).max(first + AROUND);
    for (i, found) in found.iter().enumerate() {
        prop_assert!(
            *found || around.contains(&i),
            "frame {} of {} at {} is lost, {:?} was touched ({} frames seen, damage {:?})",
            i,
            frames.len(),
            offsets[i],
            done.touched,
            seen.frames.len(),
            seen.damage
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn damage_costs_only_the_records_around_it(frames in frames(8..120), harm in harm()) {
        check(&frames, &harm)?;
    }

    #[test]
    fn random_bytes_are_no_frames(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        prop_assert!(read(&bytes).frames.len() <= 1);
    }
}

/// Flips each bit of each byte of a small file.
#[test]
fn single_flipped_bits_cost_few_frames() {
    let frames: Vec<Frame> = (0..12_u64)
        .map(|i| {
            let bytes = [60, 0, 1, 300, 12, 64][usize::try_from(i % 6).unwrap()];
            Frame::new(
                made::EPOCH_NS + i * 1_000_003,
                bytes,
                made::contents(bytes.into(), i, i % 2 == 0),
            )
        })
        .collect();
    let (original, offsets) = file(&frames, 0);
    let first = usize::try_from(offsets[0]).unwrap();
    for at in first..original.len() {
        for bit in 0..8 {
            check(&frames, &Harm::Flip { at, mask: 1 << bit }).unwrap();
        }
    }
}

/// Zeros can overwrite the start of any record. What comes behind them is not a record because its
/// lengths lead on to one: here the bytes behind the zeros look like a header whose length leads to the
/// next frame.
#[test]
fn lengths_behind_zeros_prove_no_frame() {
    let frames = made::equal_frames(20, 200);
    let (mut bytes, offsets) = file(&frames, 0);
    let at = |i: usize| usize::try_from(offsets[i]).unwrap();
    for zeros in [24, 36, 60, 120] {
        let behind = at(3) + zeros;
        bytes[at(3)..behind].fill(0);
        let caplen = u16::try_from(at(4) - behind - 12).unwrap();
        // A time that is far from those of the frames.
        bytes[behind..behind + 4].copy_from_slice(&2_314_018_522_u32.to_le_bytes());
        bytes[behind + 4..behind + 8].copy_from_slice(&500_u32.to_le_bytes());
        bytes[behind + 8..behind + 10].copy_from_slice(&caplen.to_le_bytes());
        bytes[behind + 10..behind + 12].copy_from_slice(&14_840_u16.to_le_bytes());
        let found = read(&bytes).frames_only();
        let unwritten = found.iter().find(|frame| !frames.contains(frame));
        assert_eq!(unwritten, None, "{zeros} bytes of zeros");
        // Nothing confirms the length of the frame before the zeros, so that it may be lost, too.
        assert!(found.len() >= frames.len() - 2, "{zeros} bytes of zeros");
    }
}

/// The reader finds the frames after damage that is longer than its buffer.
#[test]
fn frames_are_found_after_long_damage() {
    let frames = made::equal_frames(20, 60);
    let (head, _) = file(&frames[..10], 0);
    let mut writer = hpcap_raw::Writer::new(Vec::new());
    for f in &frames[10..] {
        let _ = writer
            .frame(f.time.sec(), f.time.nsec(), f.len.into(), &f.data)
            .unwrap();
    }
    let (tail, _) = writer.close(0).unwrap();
    for (junk, kind) in [
        (
            made::contents(5 << 20, 3, false),
            hpcap_raw::DamageKind::Unreadable,
        ),
        (vec![0; (5 << 20) + 7], hpcap_raw::DamageKind::Unwritten),
    ] {
        // The closing padding of the first part is left out.
        let mut bytes = head[..head.len() - 12].to_vec();
        bytes.extend_from_slice(&junk);
        bytes.extend_from_slice(&tail);
        let seen = read(&bytes);
        // No record after the frame before the junk confirms that frame's length.
        let mut expected = frames.clone();
        if kind == hpcap_raw::DamageKind::Unreadable {
            expected.remove(9);
        }
        assert!(seen.frames_only() == expected);
        assert_eq!(seen.damage.len(), 1, "{:?}", seen.damage);
        assert_eq!(seen.damage[0].kind, kind);
        assert!(
            seen.damage[0].bytes.abs_diff(junk.len() as u64) <= 100,
            "{:?}",
            seen.damage
        );
    }
}
