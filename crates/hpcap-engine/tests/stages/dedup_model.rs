//! Tests of the window against a model that is too simple to be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::dedup::{Action, DedupSettings, Ignore};
use hpcap_engine::stages::Dedup;
use hpcap_source::Frame;
use proptest::prelude::*;

/// The compared parts of a frame: its length, and its bytes except the ignored ones.
type Key = (u32, Vec<u8>);

/// Remembers all frames for ever, with their latest time and the order of their latest sightings.
#[derive(Default)]
struct Model {
    seen: BTreeMap<Key, (u64, u64)>,
    sightings: u64,
}

impl Model {
    /// Returns whether `key` is a duplicate now, and how many other keys were seen since its last
    /// sighting.
    fn see(&mut self, key: Key, ns: u64, age_ns: u64, renew: bool) -> (bool, usize) {
        self.sightings += 1;
        let before = self.seen.get(&key).copied();
        let counts = match before {
            Some((then, _)) if !renew && ns.abs_diff(then) <= age_ns => then,
            _ => ns,
        };
        self.seen.insert(key, (counts, self.sightings));
        let Some((then, order)) = before else {
            return (false, 0);
        };
        let since = self.seen.values().filter(|(_, o)| *o > order).count() - 1;
        (ns.abs_diff(then) <= age_ns, since)
    }
}

/// Computes the key as the documentation describes it, from the frame's bytes.
pub(crate) fn key(frame: &[u8], bytes: u32, ignore: Ignore) -> Key {
    let mut key: Vec<Option<u8>> = frame.iter().copied().map(Some).collect();
    let word = |at: usize| {
        frame
            .get(at..at + 2)
            .map(|w| u16::from_be_bytes([w[0], w[1]]))
    };
    let mut at = 12;
    while matches!(word(at), Some(0x8100 | 0x88a8 | 0x9100)) && at + 6 <= frame.len() {
        at += 4;
    }
    let blind = |key: &mut Vec<Option<u8>>, from: usize, n: usize| {
        for byte in key.iter_mut().skip(from).take(n) {
            *byte = None;
        }
    };
    if ignore.mac {
        blind(&mut key, 0, 12);
    }
    match word(at) {
        Some(0x0800) => {
            blind(&mut key, at + 2 + 8, usize::from(ignore.ttl));
            blind(&mut key, at + 2 + 10, 2 * usize::from(ignore.ip_sum));
        }
        Some(0x86dd) => blind(&mut key, at + 2 + 7, usize::from(ignore.ttl)),
        _ => {}
    }
    if ignore.vlan {
        key.drain(12.min(key.len())..at.min(key.len()));
    }
    let len = key.len() as u32;
    key.truncate(bytes as usize);
    (len, key.iter().map(|byte| byte.unwrap_or(0)).collect())
}

/// One of a few frames, which vary in fields that can be ignored and in fields that cannot.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec![0x81, 0, 0, 5]),
        1 => Just(vec![0x88, 0xa8, 0, 7, 0x81, 0, 0, 5]),
    ];
    (0..3_u8, tags, 0..4_u8, 0..2_u8, 0..2_u8, 0..3_usize).prop_map(
        |(mac, tags, kind, ttl, content, cut)| {
            let mut frame = vec![mac; 12];
            frame.extend(tags);
            let ip = match kind {
                0 => [8, 0],
                1 => [0x86, 0xdd],
                2 => [0x88, 0xb5],
                _ => return frame[..[0, 7, 13][cut].min(frame.len())].to_vec(),
            };
            frame.extend(ip);
            let mut body = [content; 30];
            body[7] = ttl;
            body[8] = ttl;
            body[11] = ttl ^ content;
            body[29] = 9;
            frame.extend(&body[..[30, 29, 12][cut]]);
            frame
        },
    )
}

fn settings() -> impl Strategy<Value = DedupSettings> {
    let ignore = any::<[bool; 4]>().prop_map(|[ttl, ip_sum, vlan, mac]| Ignore {
        ttl,
        ip_sum,
        vlan,
        mac,
    });
    (
        prop_oneof![Just(1_u32), Just(16), Just(17), Just(1024), Just(65_536)],
        prop_oneof![Just(1_u32), Just(14), Just(40), Just(70), Just(2048)],
        prop_oneof![Just(0_u64), Just(20), Just(1000)],
        ignore,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(window, bytes, age, ignore, mark, renew)| DedupSettings {
            window,
            bytes: Some(bytes),
            age: Duration::from_nanos(age),
            renew,
            ignore,
            action: if mark { Action::Mark } else { Action::Drop },
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every frame that is called a duplicate is one. A duplicate is found if fewer than 16 others
    /// were seen since, whichever set they fell into, and always if the window is large.
    #[test]
    fn window_agrees_with_the_model(
        settings in settings(),
        frames in prop::collection::vec((frame(), 0..60_u64, any::<bool>()), 1..400),
        batch in 1..100_usize,
    ) {
        let age_ns = settings.age.as_nanos() as u64;
        let mut dedup = Dedup::new(settings, 1).unwrap();
        let mut model = Model::default();
        let mut ns = 5_000_000_000_u64;
        let stamped: Vec<_> = frames.iter().map(|(data, step, back)| {
            // The clock goes back now and then.
            ns = if *back && *step < 3 { ns - 500 } else { ns + step };
            (data, ns)
        }).collect();
        let mut marks = Vec::new();
        for chunk in stamped.chunks(batch) {
            let mut lent: Vec<Frame<'_>> = chunk.iter().map(|(data, ns)| {
                let (sec, nsec) = (ns / 1_000_000_000, (ns % 1_000_000_000) as u32);
                Frame::new(data, data.len() as u32, sec, nsec)
            }).collect();
            let given: Vec<_> = lent.iter().map(|f| (f.data().as_ptr(), f.len, f.sec, f.nsec)).collect();
            let (kept, duplicates) = dedup.apply(&mut lent, &mut marks);
            let left: Vec<_> = lent[..kept].iter().map(|f| (f.data().as_ptr(), f.len, f.sec, f.nsec)).collect();
            let mut at = 0;
            let (mut found, mut bytes) = (0, 0);
            for (i, (data, ns)) in chunk.iter().enumerate() {
                let known = key(data, settings.bytes.unwrap(), settings.ignore);
                let (expected, since) = model.see(known.clone(), *ns, age_ns, settings.renew);
                let here = if settings.action == Action::Mark {
                    prop_assert_eq!(left[i], given[i]);
                    marks[i] != 0
                } else {
                    let stayed = left.get(at) == Some(&given[i]);
                    at += usize::from(stayed);
                    prop_assert!(marks[i] == 0);
                    !stayed
                };
                prop_assert!(!here || expected, "frame {} of the batch is no duplicate", i);
                if !here && expected {
                    // The window had forgotten this frame, and remembers it anew.
                    model.seen.get_mut(&known).unwrap().0 = *ns;
                }
                prop_assert!(here || !expected || (since >= 16 && settings.window < 65_536),
                    "frame {} of the batch is a duplicate, {} others since", i, since);
                found += u64::from(here);
                bytes += if here { data.len() as u64 } else { 0 };
            }
            prop_assert_eq!((duplicates.frames, duplicates.bytes), (found, bytes));
            if settings.action == Action::Mark {
                prop_assert_eq!(kept, chunk.len());
            } else {
                prop_assert_eq!(at, kept);
            }
        }
    }

    /// A window of one set forgets a frame exactly after 16 others were seen.
    #[test]
    fn window_forgets_the_oldest_sighting(numbers in prop::collection::vec(0..40_u8, 1..600)) {
        let settings = DedupSettings { window: 16, ..DedupSettings::default() };
        let mut dedup = Dedup::new(settings, 1).unwrap();
        let mut recent: Vec<u8> = Vec::new();
        let mut marks = Vec::new();
        for number in numbers {
            let data = [number; 60];
            let (kept, _) = dedup.apply(&mut [Frame::new(&data, 60, 1, 0)], &mut marks);
            let known = recent.iter().position(|n| *n == number);
            prop_assert_eq!(kept == 0, known.is_some());
            if let Some(at) = known {
                recent.remove(at);
            }
            recent.push(number);
            if recent.len() > 16 {
                recent.remove(0);
            }
        }
    }
}
