//! Numbers, addresses and times as text. A million lines a second leave no time for `write!`.

use std::io::Write;
use std::net::IpAddr;

use hpcap::Timestamp;

use hpcap_packet::Mac;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `n` in decimal digits.
#[inline]
pub(super) fn decimal(out: &mut Vec<u8>, n: impl Into<u64>) {
    let mut n = n.into();
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the lowest `digits` hexadecimal digits of `n`.
#[inline]
pub(super) fn hex(out: &mut Vec<u8>, n: impl Into<u64>, digits: u32) {
    let n = n.into();
    for digit in (0..digits).rev() {
        out.push(HEX[(n >> (4 * digit)) as usize & 0xf]);
    }
}

/// Appends a MAC address, such as `00:11:09:61:eb:0e`.
#[inline]
pub(super) fn mac(out: &mut Vec<u8>, address: Mac) {
    let mut text = [b':'; 17];
    for (pair, byte) in text.chunks_mut(3).zip(address.0) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 0xf)];
    }
    out.extend_from_slice(&text);
}

/// Appends an address of IP.
#[inline]
pub(super) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            for (byte, after) in [(a, Some(b'.')), (b, Some(b'.')), (c, Some(b'.')), (d, None)] {
                decimal(out, byte);
                out.extend(after);
            }
        }
        IpAddr::V6(address) => {
            // Writing into memory does not fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// The zone in which times are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// For programs.
    Utc,
    /// For people.
    Local,
}

/// Prints times. The text of a second is made once, and only the nanoseconds after it change.
#[derive(Debug)]
pub(super) struct Clock {
    zone: Zone,
    second: Option<u64>,
    before: String,
    after: String,
}

impl Clock {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone,
            second: None,
            before: String::new(),
            after: String::new(),
        }
    }

    /// Appends `time` as RFC 3339 with nanoseconds.
    #[inline]
    pub(super) fn append(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        if self.second != Some(time.sec()) {
            self.start_second(time);
        }
        out.extend_from_slice(self.before.as_bytes());
        out.push(b'.');
        let mut digits = [b'0'; 9];
        let mut rest = time.nsec();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
        out.extend_from_slice(self.after.as_bytes());
    }

    #[cold]
    fn start_second(&mut self, time: Timestamp) {
        let text = match self.zone {
            Zone::Utc => time.to_string(),
            Zone::Local => time.local().to_string(),
        };
        let (before, after) = text.split_once('.').unwrap_or((&text, ""));
        self.before = before.to_owned();
        self.after = after
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .to_owned();
        self.second = Some(time.sec());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_print_as_the_library_does(n: u64) {
            prop_assert_eq!(text(|out| decimal(out, n)), n.to_string());
            prop_assert_eq!(text(|out| hex(out, n, 16)), format!("{n:016x}"));
        }

        #[test]
        fn addresses_print_as_the_library_does(v4: u32, v6: u128, bytes: [u8; 6]) {
            let v4 = IpAddr::V4(Ipv4Addr::from(v4));
            prop_assert_eq!(text(|out| ip(out, v4)), v4.to_string());
            let v6 = IpAddr::V6(Ipv6Addr::from(v6));
            prop_assert_eq!(text(|out| ip(out, v6)), v6.to_string());
            let expected = bytes.map(|b| format!("{b:02x}")).join(":");
            prop_assert_eq!(text(|out| mac(out, Mac(bytes))), expected);
        }

        #[test]
        fn times_print_as_the_library_does(start in 0..u64::from(u32::MAX), steps: [u16; 8]) {
            let mut utc = Clock::new(Zone::Utc);
            let mut local = Clock::new(Zone::Local);
            let mut ns = start * 1_000_000_000;
            for step in steps {
                ns += u64::from(step) * 40_009;
                let time = Timestamp::from_ns(ns);
                prop_assert_eq!(text(|out| utc.append(out, time)), time.to_string());
                prop_assert_eq!(text(|out| local.append(out, time)), time.local().to_string());
            }
        }
    }
}
