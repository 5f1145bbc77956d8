//! The times of frames that no clock has stamped (`kmod/core/spread.h`).

use crate::frame::{BATCH, Frame};

unsafe extern "C" {
    fn hpcap_sys_spread(frames: *mut Frame<'_>, n: u32, bytes: u64, span_ns: u64);
}

/// Spreads the times of `frames`, which all have the time of the look that found them, over the last `span_ns`
/// nanoseconds before it, by the bytes that each frame takes on the wire. The last frame keeps its time. A span of more
/// than a second counts as a second.
///
/// ```
/// # use hpcap_sys::{Frame, spread::spread};
/// let mut frames = [Frame::new(&[0; 60], 60, 7, 1000); 4];
/// spread(&mut frames, 400);
/// assert_eq!(frames.map(|frame| frame.nsec), [700, 800, 900, 1000]);
/// ```
///
/// # Panics
/// Panics if there are more frames than a batch has ([`BATCH`]).
pub fn spread(frames: &mut [Frame<'_>], span_ns: u64) {
    assert!(frames.len() <= BATCH, "{} frames", frames.len());
    #[expect(clippy::cast_possible_truncation, reason = "at most a batch")]
    let n = frames.len() as u32;
    let bytes = frames.iter().map(|frame| u64::from(frame.len)).sum();
    // SAFETY: `frames` has `n` frames, and C changes nothing but their times.
    unsafe { hpcap_sys_spread(frames.as_mut_ptr(), n, bytes, span_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Spreads frames of these lengths, found at `now`, and returns their times in ns since 1970.
    fn times(lens: &[u32], now: u64, span_ns: u64) -> Vec<u64> {
        let nsec = u32::try_from(now % SECOND).unwrap();
        let frame = |len: &u32| Frame::new(&[], *len, now / SECOND, nsec);
        let mut frames: Vec<_> = lens.iter().map(frame).collect();
        spread(&mut frames, span_ns);
        let time = |frame: &Frame<'_>| frame.sec * SECOND + u64::from(frame.nsec);
        frames.iter().map(time).collect()
    }

    #[test]
    fn long_frames_take_their_time() {
        // 84 bytes on the wire, 1538, 84.
        let now = 5 * SECOND + 10_000;
        let times = times(&[60, 1514, 60], now, 1706);
        assert_eq!(times, [now - 1622, now - 84, now]);
    }

    #[test]
    fn times_cross_a_second() {
        let now = 5 * SECOND + 100;
        assert_eq!(times(&[60; 2], now, 400), [now - 200, now]);
        assert_eq!(times(&[60; 2], now, 200), [now - 100, now]);
    }

    #[test]
    fn no_time_is_before_1970() {
        assert_eq!(times(&[60; 2], 100, 400), [50, 100]);
        assert_eq!(times(&[60; 2], 0, 400), [0, 0]);
    }

    #[test]
    fn long_pauses_count_as_a_second() {
        let now = 9 * SECOND;
        let most = times(&[60; 2], now, u64::MAX);
        assert_eq!(most, [now - SECOND / 2, now]);
    }

    #[test]
    fn single_frame_keeps_its_time() {
        assert_eq!(times(&[60], SECOND, 400), [SECOND]);
        assert_eq!(times(&[], SECOND, 400), []);
    }

    /// The largest batch, of the longest frames, after the longest pause: no product overflows.
    #[test]
    fn largest_batch_stays_in_order() {
        for len in [0, 60, 15_872, 131_072] {
            let now = 4_000_000_000 * SECOND + 1;
            let times = times(&vec![len; BATCH], now, SECOND);
            assert!(times.is_sorted(), "{len}: {times:?}");
            assert!(times[0] > now - SECOND && times[BATCH - 1] == now, "{len}");
        }
    }
}
