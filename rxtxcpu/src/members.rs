//! Lists and masks of CPUs, nodes and queues: `0,2-4,6` and `5d`.

use std::collections::BTreeSet;

use hpcap_host::CpuSet;

/// Limit of the digits of a mask: one digit for each four of 65,536 CPUs.
const DIGITS_MAX: usize = 16_384;

/// Parses a list of numbers and ranges. An empty list has no members.
#[must_use]
pub fn parse_list(text: &str) -> Option<BTreeSet<u32>> {
    let set: CpuSet = text.parse().ok()?;
    // CpuSet reads what the kernel writes for a list that it does not have.
    (!text.contains('(')).then(|| set.iter().collect())
}

/// Parses a hexadecimal mask. Commas may stand anywhere, as the kernel writes one after eight digits.
#[must_use]
pub fn parse_mask(text: &str) -> Option<BTreeSet<u32>> {
    if text.len() > DIGITS_MAX * 2 {
        return None;
    }
    let mut members = BTreeSet::new();
    let digits = text.chars().rev().filter(|c| *c != ',');
    for (first, digit) in (0..).step_by(4).zip(digits) {
        let bits = digit.to_digit(16)?;
        members.extend(
            (0..4)
                .filter(|bit| bits & 1 << bit != 0)
                .map(|bit| first + bit),
        );
    }
    Some(members)
}

/// Writes members as a list.
#[must_use]
pub fn to_list(members: &BTreeSet<u32>) -> String {
    members.iter().copied().collect::<CpuSet>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mask_and_list_of_the_manual_agree() {
        let expected = Some(BTreeSet::from([0, 2, 3, 4, 6]));
        assert_eq!(parse_list("0,2-4,6"), expected);
        for mask in ["5d", "5D", "0,0000005d", "5,d"] {
            assert_eq!(parse_mask(mask), expected, "{mask}");
        }
    }

    #[test]
    fn invalid_list_or_mask_is_refused() {
        for text in ["10j", "2-1", "-1", "1-", "1,,2", "(null)", "4294967296"] {
            assert_eq!(parse_list(text), None, "{text}");
        }
        for text in ["10j", "0x5", "-1", " 1"] {
            assert_eq!(parse_mask(text), None, "{text}");
        }
        assert_eq!(parse_mask(&"f".repeat(100_000)), None);
        assert_eq!(parse_list(""), Some(BTreeSet::new()));
    }

    proptest! {
        #[test]
        fn mask_has_the_bits_of_its_members(members in proptest::collection::btree_set(0..120_u32, 0..20)) {
            let mask = members.iter().fold(0_u128, |mask, member| mask | 1 << member);
            prop_assert_eq!(parse_mask(&format!("{mask:x}")), Some(members));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (parse_list(&text), parse_mask(&text));
        }
    }
}
