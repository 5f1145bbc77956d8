//! The values of a configuration: what each type accepts from a TOML document, and how it is written.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use hpcap::units::{parse_duration, parse_size};
use hpcap::visible::visible;
use toml::de::DeValue;

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The value is none of those that the key allows.
    NotAllowed,
    /// The value is refused for this reason.
    Because(String),
}

/// Stores `value` in `place`, or refuses a value that was not understood.
pub(crate) fn put<T>(place: &mut T, value: Option<T>) -> Result<(), Refusal> {
    *place = value.ok_or(Refusal::NotAllowed)?;
    Ok(())
}

/// Like [`put`], for a setting that can be absent.
pub(crate) fn put_some<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), Refusal> {
    *place = Some(value.ok_or(Refusal::NotAllowed)?);
    Ok(())
}

/// A value in a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a>(pub(crate) &'a DeValue<'a>);

impl<'a> Value<'a> {
    /// The text of a string.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.0.as_str()
    }

    /// The value that a string stands for.
    pub(crate) fn parsed<T: std::str::FromStr>(self) -> Option<T> {
        self.text()?.parse().ok()
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self) -> Option<bool> {
        self.0.as_bool()
    }

    /// A whole number, of any size.
    fn number(self) -> Option<i128> {
        let number = self.0.as_integer()?;
        i128::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// A whole number in `range`.
    pub(crate) fn integer<T>(self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd,
    {
        let number = T::try_from(self.number()?).ok()?;
        range.contains(&number).then_some(number)
    }

    /// A size in bytes in `range`: a number, or text such as `"64M"`.
    pub(crate) fn size(self, range: RangeInclusive<u64>) -> Option<u64> {
        let bytes = match self.text() {
            Some(text) => parse_size(text).ok()?,
            None => self.integer(0..=u64::MAX)?,
        };
        range.contains(&bytes).then_some(bytes)
    }

    /// A time in `range`: text such as `"10s"`, or a number of seconds.
    pub(crate) fn time(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let time = match self.text() {
            Some(text) => parse_duration(text).ok()?,
            None => Duration::from_secs(self.integer(0..=u64::MAX / 1_000_000_000)?),
        };
        range.contains(&time).then_some(time)
    }

    /// One of the words in `words`.
    pub(crate) fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value)
    }

    /// A list of different numbers, each in `range`.
    pub(crate) fn numbers(self, range: &RangeInclusive<u32>) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        for item in self.0.as_array()?.iter() {
            let number = Value(item.get_ref()).integer(range.clone())?;
            if numbers.contains(&number) {
                return None;
            }
            numbers.push(number);
        }
        Some(numbers)
    }
}

/// Writes a text as a TOML string of one line. Characters that a terminal would interpret are
/// escaped, so a printed configuration is safe to display.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let mut buffer = [0; 4];
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if visible(c.encode_utf8(&mut buffer)) == c.to_string() => out.push(c),
            c if u32::from(c) <= 0xffff => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Returns `number` in the largest of `units` that it is a multiple of.
fn in_units(number: u128, units: &[(u128, &str)]) -> String {
    let exact = units.iter().find(|(size, _)| number.is_multiple_of(*size));
    let (size, unit) = exact.filter(|_| number != 0).unwrap_or(&(1, ""));
    format!("{}{unit}", number / size)
}

/// Writes a size in bytes: `"64M"`, or a plain number when it is a multiple of no unit.
pub(crate) fn size_literal(bytes: u64) -> String {
    let units = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    // TOML's numbers have 63 bits.
    match in_units(bytes.into(), &units) {
        text if text.bytes().all(|b| b.is_ascii_digit()) && bytes <= i64::MAX as u64 => text,
        text => quote(&text),
    }
}

/// Writes a time exactly: `10s`, `1500us`.
pub(crate) fn time_text(time: Duration) -> String {
    let units = [
        (604_800_000_000_000, "w"),
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    match time.is_zero() {
        true => "0s".into(),
        false => in_units(time.as_nanos(), &units),
    }
}

/// Writes the word that stands for `value`.
pub(crate) fn word_literal<T: PartialEq>(words: &[(&str, T)], value: &T) -> Option<String> {
    let found = words.iter().find(|(_, known)| known == value);
    found.map(|(word, _)| quote(word))
}
