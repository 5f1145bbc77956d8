//! Addresses in a run of digits and separators.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Thing;

/// Octets of an Ethernet address.
const OCTETS: usize = 6;

/// Longest text of an IPv6 address.
const LONGEST: usize = 45;

/// The characters around a run: an IPv6 address such as `d::f` inside the word `std::fmt` is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    /// Whether a letter or a digit stands before it.
    pub(super) word_before: bool,
    /// Whether a letter stands behind it.
    pub(super) word_after: bool,
}

/// Replaces the addresses in `run`, which consists of hexadecimal digits, dots, colons and dashes. `name` returns
/// the replacement of an address.
pub(super) fn replace(
    run: &str,
    around: Around,
    out: &mut Vec<u8>,
    name: &mut dyn FnMut(Thing, &str) -> String,
) {
    if let Some(key) = mac(run) {
        let kept = key.bytes().all(|b| b == b'0') || key.bytes().all(|b| b == b'f');
        return match kept {
            true => out.extend_from_slice(run.as_bytes()),
            false => out.extend_from_slice(name(Thing::Mac, &key).as_bytes()),
        };
    }
    if !run.contains(':') {
        return replace_ipv4(run, out, name);
    }
    // A dash is never inside an IPv6 address, and can be between two of them.
    let last = run.matches('-').count();
    for (number, part) in run.split('-').enumerate() {
        if number > 0 {
            out.push(b'-');
        }
        let around = Around {
            word_before: around.word_before && number == 0,
            word_after: around.word_after && number == last,
        };
        replace_in_part(part, around, out, name);
    }
}

/// Replaces the addresses in `part`, which has no dashes.
fn replace_in_part(
    part: &str,
    around: Around,
    out: &mut Vec<u8>,
    name: &mut dyn FnMut(Thing, &str) -> String,
) {
    if mac(part).is_some() {
        return replace(part, around, out, name);
    }
    // Where the text that is not yet written begins.
    let mut written = 0;
    let mut start = 0;
    while start < part.len() {
        let is_start = match start {
            0 => !around.word_before,
            _ => start == written || b".:".contains(&part.as_bytes()[start - 1]),
        };
        match is_start
            .then(|| ipv6_at(&part[start..], around.word_after))
            .flatten()
        {
            Some((length, address)) => {
                replace_ipv4(&part[written..start], out, name);
                match address.to_ipv4_mapped() {
                    Some(v4) if !is_kept(v4) => {
                        out.extend_from_slice(b"::ffff:");
                        out.extend_from_slice(name(Thing::Ipv4, &v4.to_string()).as_bytes());
                    }
                    None if !address.is_loopback() && !address.is_unspecified() => {
                        let replaced = name(Thing::Ipv6, &address.to_string());
                        out.extend_from_slice(replaced.as_bytes());
                    }
                    _ => out.extend_from_slice(&part.as_bytes()[start..start + length]),
                }
                start += length;
                written = start;
            }
            None => start += 1,
        }
    }
    replace_ipv4(&part[written..], out, name);
}

/// The longest IPv6 address at the start of `text`, and its length.
fn ipv6_at(text: &str, word_after: bool) -> Option<(usize, Ipv6Addr)> {
    let is_end = |end: usize| match text.as_bytes().get(end) {
        Some(next) => b".:".contains(next),
        None => !word_after,
    };
    (2..=text.len().min(LONGEST))
        .rev()
        .filter(|end| is_end(*end))
        .find_map(|end| Some((end, text[..end].parse().ok()?)))
}

/// The key of a hardware address, whose octets are separated by colons, dashes or (four digits each) dots.
fn mac(run: &str) -> Option<String> {
    let run = run.trim_end_matches(':');
    for separator in [':', '-'] {
        let octets: Vec<&str> = run.split(separator).collect();
        if octets.len() >= OCTETS && octets.iter().all(|o| o.len() == 2) {
            return Some(mac_key(&octets.concat()));
        }
    }
    let words: Vec<&str> = run.split('.').collect();
    (words.len() == 3 && words.iter().all(|w| w.len() == 4)).then(|| mac_key(&words.concat()))
}

/// The key of a hardware address without separators.
pub(super) fn mac_key(digits: &str) -> String {
    digits.to_lowercase()
}

/// Addresses that are the same everywhere.
fn is_kept(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.octets()[0] == 0 || address.octets()[0] == 255
}

/// Replaces each four numbers with dots between them that are an IPv4 address.
fn replace_ipv4(run: &str, out: &mut Vec<u8>, name: &mut dyn FnMut(Thing, &str) -> String) {
    let mut at = 0;
    while at < run.len() {
        let rest = &run[at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            out.push(rest.as_bytes()[0]);
            at += 1;
            continue;
        }
        match ipv4_length(rest) {
            Some(length) => {
                let address: Option<Ipv4Addr> = canonical(&rest[..length]);
                match address {
                    Some(address) if !is_kept(address) => {
                        let replaced = name(Thing::Ipv4, &address.to_string());
                        out.extend_from_slice(replaced.as_bytes());
                    }
                    _ => out.extend_from_slice(&rest.as_bytes()[..length]),
                }
                at += length;
            }
            None => {
                out.extend_from_slice(&rest.as_bytes()[..digits]);
                at += digits;
            }
        }
    }
}

/// The length of the address at the start of `text`. Dashes stand for dots in names of hosts: `ip-192-0-2-7`.
fn ipv4_length(text: &str) -> Option<usize> {
    let mut length = 0;
    let mut separator = None;
    for part in 0..4 {
        if part > 0 {
            let found = *text.as_bytes().get(length)?;
            if found != b'.' && found != b'-' || separator.is_some_and(|before| before != found) {
                return None;
            }
            separator = Some(found);
            length += 1;
        }
        let digits = text[length..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let value: u16 = text.get(length..length + digits)?.parse().ok()?;
        if digits > 3 || value > 255 {
            return None;
        }
        length += digits;
    }
    Some(length)
}

/// Parses an address whose numbers may have leading zeros.
fn canonical(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    for (octet, part) in octets.iter_mut().zip(text.split(['.', '-'])) {
        *octet = part.parse().ok()?;
    }
    Some(Ipv4Addr::from(octets))
}
