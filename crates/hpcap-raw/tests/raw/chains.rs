//! Tests that chains of whole records are read whatever the times and lengths of their frames are.

use hpcap_raw::{Placed, Writer};
use proptest::prelude::*;

use testkit::raw::{self as made, Frame, contents, header, read};

/// Frames as a capture file can have them: with any time and any length, including zero.
fn any_frames() -> impl Strategy<Value = Vec<Frame>> {
    let time = prop_oneof![
        4 => (0..5_u64).prop_map(|sec| made::EPOCH_NS / 1_000_000_000 + sec),
        1 => prop_oneof![Just(0_u64), Just(1), Just(1 << 31), Just(u32::MAX.into())],
        1 => 0..u64::from(u32::MAX),
    ];
    let nsec = prop_oneof![Just(1_u64), Just(999_999_999), 1..1_000_000_000_u64];
    let kept = prop_oneof![Just(0_usize), 0..16_usize, Just(60), 0..1600_usize];
    let more = prop_oneof![Just(0_u16), Just(1), 0..9000_u16];
    let one = (time, nsec, kept, more, any::<u64>(), any::<bool>()).prop_map(
        |(sec, nsec, kept, more, seed, zeros)| {
            let len = u16::try_from(kept).unwrap() + more;
            Frame::new(sec * 1_000_000_000 + nsec, len, contents(kept, seed, zeros))
        },
    );
    proptest::collection::vec(one, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chain_with_odd_times_is_read_whole(frames in any_frames(), unit in 0..2_u64) {
        let mut writer = Writer::new(Vec::new());
        let mut header = header();
        header.clock_source = "file".into();
        let _ = writer.header(&header).unwrap();
        for f in &frames {
            let placed = writer.frame(f.time.sec(), f.time.nsec(), f.len.into(), &f.data);
            prop_assert_eq!(placed.unwrap(), Placed::Stored);
        }
        let (bytes, _) = writer.close(unit << 12).unwrap();
        let seen = read(&bytes);
        prop_assert!(seen.damage.is_empty(), "{:?}", seen.damage);
        prop_assert_eq!(seen.frames_only(), frames);
    }
}

/// The file is many times longer than the reader's buffer.
#[test]
fn long_chain_is_read_whole() {
    let mut writer = Writer::new(Vec::new());
    let mut header = header();
    header.clock_source = "file".into();
    let _ = writer.header(&header).unwrap();
    let mut count = 0_u64;
    for i in 0..100_000_u64 {
        let sec = i * 7_919_000 % u64::from(u32::MAX);
        let kept = usize::try_from(i % 3 * 50).unwrap();
        let _ = writer.frame(sec, 1, 100, &contents(kept, i, true)).unwrap();
        count += 1;
    }
    let (bytes, _) = writer.close(4096).unwrap();
    let seen = read(&bytes);
    assert!(seen.damage.is_empty(), "{:?}", seen.damage);
    assert_eq!(seen.frames.len() as u64, count);
}

/// A damaged capture file can have such frames.
#[test]
fn empty_frames_are_read() {
    let mut writer = Writer::new(Vec::new());
    let mut header = header();
    header.clock_source = "file".into();
    let _ = writer.header(&header).unwrap();
    for i in 0..100_000 {
        let _ = writer.frame(i * 40_000, 1, 0, &[]).unwrap();
    }
    let seen = read(&writer.close(4096).unwrap().0);
    assert!(seen.damage.is_empty(), "{:?}", seen.damage);
    assert_eq!(seen.frames.len(), 100_000);
}
