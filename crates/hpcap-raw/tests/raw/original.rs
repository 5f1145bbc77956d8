//! Makes files with the layout of the original's newest version, in which each frame reserves its
//! space with one atomic addition and finds out only afterwards whether a file ends there.

use hpcap_raw::DamageKind;
use hpcap_raw::padding::padding_header;
use proptest::prelude::*;

use testkit::raw::{self as made, Frame, read};

/// Size of a file in bytes. The original's files have 2 GiB, but the same layout rules.
pub(crate) const FILE: usize = 16 << 10;

/// Returns a stream of the original as files, with the frames of each file.
pub(crate) fn files(sizes: &[usize], max: usize) -> Vec<(Vec<u8>, Vec<Frame>)> {
    let mut files: Vec<(Vec<u8>, Vec<Frame>)> = Vec::new();
    // The former content of the ring: whole records that are a little older.
    let stale = |at: usize| {
        let mut file = Vec::new();
        let mut i = at as u64;
        while file.len() < FILE {
            i += 1;
            let sec = u32::try_from(made::EPOCH_NS / 1_000_000_000 - 3).unwrap();
            file.extend_from_slice(&sec.to_le_bytes());
            file.extend_from_slice(&77_u32.to_le_bytes());
            file.extend_from_slice(&[60, 0, 60, 0]);
            file.extend(made::contents(60, i, false));
        }
        file.truncate(FILE);
        (file, Vec::new())
    };
    let put = |files: &mut Vec<(Vec<u8>, Vec<Frame>)>, file: usize, at: usize, bytes: &[u8]| {
        while files.len() <= file {
            files.push(stale(files.len()));
        }
        files[file].0[at..at + bytes.len()].copy_from_slice(bytes);
    };
    let padding = |body: usize| {
        padding_header(u16::try_from(body).unwrap())
            .as_bytes()
            .to_vec()
    };
    let (mut offset, mut ns) = (0, made::EPOCH_NS);
    let mut sizes = sizes.iter();
    let mut next = sizes.next();
    while let Some(size) = next {
        if files.len() > max {
            break;
        }
        let bytes = size + 12;
        let (file, at) = (offset / FILE, offset % FILE);
        offset += bytes;
        if (1..12).contains(&at) {
            // The original counts the bytes before the padding twice.
            let true_body = at + bytes - 12;
            put(&mut files, file, 0, &padding(true_body + at));
        } else if at + bytes + 12 <= FILE {
            ns += 1000;
            let frame = Frame::new(
                ns,
                u16::try_from(*size).unwrap(),
                made::contents(*size, ns, false),
            );
            let mut record = Vec::new();
            record.extend_from_slice(&u32::try_from(frame.time.sec()).unwrap().to_le_bytes());
            record.extend_from_slice(&frame.time.nsec().to_le_bytes());
            record.extend_from_slice(&frame.len.to_le_bytes());
            record.extend_from_slice(&frame.len.to_le_bytes());
            record.extend_from_slice(&frame.data);
            put(&mut files, file, at, &record);
            files[file].1.push(frame);
            next = sizes.next();
        } else {
            if FILE - at >= 12 {
                put(&mut files, file, at, &padding(FILE - at - 12));
            }
            if let Some(spill) = (at + bytes).checked_sub(FILE).filter(|spill| *spill >= 12) {
                put(&mut files, file + 1, 0, &padding(spill - 12));
            }
        }
    }
    // The last file is unfinished.
    files.pop();
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn files_of_the_original_give_every_frame(sizes in proptest::collection::vec(60..1514_usize, 200..600)) {
        for (bytes, frames) in files(&sizes, 64) {
            let seen = read(&bytes);
            prop_assert_eq!(seen.frames_only(), frames);
            for damage in seen.damage {
                let is_too_long = matches!(damage.kind, DamageKind::PaddingTooLong { by: 1..=11 });
                prop_assert!(is_too_long && damage.bytes == 0, "{:?}", damage);
            }
        }
    }
}
