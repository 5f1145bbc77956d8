//! What captures are compared with: the limit of a link, and the figures that the original's authors published.

/// A size in bytes without FCS, and the bits a second of captured frames in units of 1e9.
pub(super) type Point = (f64, f64);

/// The rate of the link of the published figures, and of the limit that is drawn beside them.
const LINK_GBPS: f64 = 10.0;
/// Bytes that a frame takes on the wire beyond its own: preamble, FCS and gap.
const WIRE_BYTES: f64 = 24.0;

/// Size, sent Mb/s, received frames, and sent frames where some were lost: hpcap40g,
/// doc/datasets/benchmark-20170210_1459-hpcapdd-nostore.dat. A Xeon E5-2650 v2 captured 10 GbE with `hpcapdd null`.
const ORIGINAL_2017: [(f64, f64, f64); 10] = [
    (64.0, 7243.328, 278_739_742.0 / 283_363_794.0),
    (80.0, 7652.930, 1.0),
    (96.0, 7967.478, 1.0),
    (100.0, 8031.323, 1.0),
    (120.0, 8298.435, 1.0),
    (200.0, 8892.033, 1.0),
    (300.0, 9221.222, 1.0),
    (500.0, 9503.642, 1.0),
    (1000.0, 9716.987, 1.0),
    (1500.0, 9799.706, 1.0),
];

/// What the original captured in 2017, by the length of frames.
pub(super) fn original() -> Vec<Point> {
    let point = |(size, sent_mbps, part): (f64, f64, f64)| (size, sent_mbps * part / 1000.0);
    ORIGINAL_2017.map(point).into()
}

/// What a link of 10 Gb/s carries in frames of these `sizes`.
pub(super) fn limit(sizes: &[f64]) -> Vec<Point> {
    let at = |size: &f64| (*size, LINK_GBPS * size / (size + WIRE_BYTES));
    sizes.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_stays_below_the_limit() {
        let original = original();
        let sizes: Vec<f64> = original.iter().map(|point| point.0).collect();
        for (captured, limit) in original.iter().zip(limit(&sizes)) {
            assert!(captured.1 <= limit.1 * 1.001, "{captured:?} {limit:?}");
            assert!(captured.1 > limit.1 * 0.95, "{captured:?} {limit:?}");
        }
    }
}
