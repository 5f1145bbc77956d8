//! Parser of `NAME,key=value,...`, which is a source's specification without its kind.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::units::{self, Rate};
use hpcap::{Error, Result};

/// The options of one source. A parser takes the options that it knows; any that are left are
/// errors.
#[derive(Debug)]
pub(crate) struct Options<'t> {
    /// The form of the specification, `pcap:FILE`, for error messages.
    form: &'static str,
    left: Vec<(&'t str, &'t str)>,
}

/// Returns whether `piece` starts like an option: with lower-case letters and an equals sign.
fn is_option(piece: &str) -> bool {
    piece.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    })
}

/// Splits `text` at commas that follow no backslash. The pieces keep their backslashes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut cut, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                cut.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    cut.push(&text[start..]);
    cut
}

/// Replaces `\,` by `,` and `\\` by `\`; any other backslash stays.
fn unescaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ (',' | '\\'))) => {
                chars.next();
                name.push(next);
            }
            _ => name.push(c),
        }
    }
    name
}

/// Escapes a name for a specification, so that [`Options::split`] returns the same name.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('\\', r"\\").replace(',', r"\,")
}

/// Writes the path of a file for a specification, so that [`Options::split_path`] returns the same
/// path. A byte that is not UTF-8 becomes `\xff`.
pub(crate) fn escaped_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&escaped(chunk.valid()));
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

/// Returns a specification that came from a command line as text. A byte that is not UTF-8 becomes
/// `\xff`, which [`Options::split_path`] reads back.
pub(crate) fn specification_text(text: &OsStr) -> Cow<'_, str> {
    if let Some(text) = text.to_str() {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for chunk in text.as_bytes().utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            // A single backslash would escape the one that is added.
            let backslashes = out.bytes().rev().take_while(|b| *b == b'\\').count();
            if backslashes % 2 == 1 {
                out.push('\\');
            }
            push_bytes(&mut out, chunk.invalid());
        }
    }
    Cow::Owned(out)
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, r"\x{byte:02x}");
    }
}

/// Replaces `\,` by `,`, `\\` by `\`, and `\xff` by the byte, from `\x80` on; any other backslash
/// stays.
fn unescaped_path(text: &str) -> PathBuf {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [next @ (b',' | b'\\'), after @ ..]) => {
                path.push(*next);
                rest = after;
            }
            (b'\\', [b'x', digits @ ..]) if byte_of(digits).is_some() => {
                path.extend(byte_of(digits));
                rest = &digits[2..];
            }
            _ => path.push(*first),
        }
    }
    OsString::from_vec(path).into()
}

/// Parses two hexadecimal digits at the start of `text`. ASCII characters are written as they are.
fn byte_of(text: &[u8]) -> Option<u8> {
    let digits = text
        .get(..2)
        .filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
    let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (byte >= 0x80).then_some(byte)
}

impl<'t> Options<'t> {
    /// Splits `text` into the name at its start and the options after it. The name ends before the
    /// first comma that `key=` follows, so a comma in a name needs a backslash (`\,`) only if the
    /// text after it looks like an option.
    pub(crate) fn split(form: &'static str, text: &'t str) -> Result<(String, Self)> {
        let (name, options) = Self::split_escaped(form, text)?;
        Ok((unescaped(&name), options))
    }

    /// Splits as [`Options::split`] does; the name is the path of a file, which need not be UTF-8.
    pub(crate) fn split_path(form: &'static str, text: &'t str) -> Result<(PathBuf, Self)> {
        let (name, options) = Self::split_escaped(form, text)?;
        Ok((unescaped_path(&name), options))
    }

    fn split_escaped(form: &'static str, text: &'t str) -> Result<(String, Self)> {
        let all = pieces(text);
        let first = (1..all.len())
            .find(|i| is_option(all[*i]))
            .unwrap_or(all.len());
        let options = Self::read(form, &all[first..])?;
        Ok((all[..first].join(","), options))
    }

    /// Parses `text`, which consists of options without a name and may be empty.
    pub(crate) fn without_name(form: &'static str, text: &'t str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self {
                form,
                left: Vec::new(),
            });
        }
        Self::read(form, &pieces(text))
    }

    /// Fails if `interface`, the name at the start, is empty.
    pub(crate) fn require_interface(&self, interface: &str) -> Result<()> {
        if !interface.is_empty() {
            return Ok(());
        }
        let kind = self.form.split(':').next().unwrap_or_default();
        Err(Error::usage(
            format!("source {}", self.form),
            format!("the name of the interface is missing, as in {kind}:eth0"),
        ))
    }

    fn read(form: &'static str, all: &[&'t str]) -> Result<Self> {
        let mut left: Vec<(&str, &str)> = Vec::new();
        for piece in all {
            let Some((key, value)) = piece.split_once('=') else {
                return Err(Error::usage(
                    format!("source {form}: {piece:?}"),
                    "options are written key=value, with commas between them",
                ));
            };
            if left.iter().any(|(k, _)| *k == key) {
                return Err(Error::usage(format!("source {form}: {key}"), "given twice"));
            }
            left.push((key, value));
        }
        Ok(Self { form, left })
    }

    /// Takes the value of `key` and parses it with `read`, which returns `None` for a value that is
    /// not `allowed`.
    pub(crate) fn take<T>(
        &mut self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(at) = self.left.iter().position(|(k, _)| *k == key) else {
            return Ok(None);
        };
        let (_, value) = self.left.remove(at);
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.bad(key, value, allowed)),
        }
    }

    /// Takes the value of `key`, which is `on` or `off`.
    pub(crate) fn take_switch(&mut self, key: &str) -> Result<Option<bool>> {
        self.take(key, "on or off", |value| match value {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    /// Builds the error for `key=value`.
    pub(crate) fn bad(&self, key: &str, value: &str, allowed: &str) -> Error {
        Error::usage(
            format!("source {}: {key}={value}", self.form),
            format!("expected {allowed}"),
        )
    }

    /// Fails if an option is left; `known` has the keys to list in the error.
    pub(crate) fn finish(self, known: &[&str]) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((key, _)) => Err(Error::usage(
                format!("source {}: {key}", self.form),
                format!("no such option; there are {}", known.join(", ")),
            )),
        }
    }
}

/// Parses a plain decimal number, without a sign.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Returns `value` in the largest unit that divides it, with the unit's letter.
fn exact(value: u64, units: &[(u64, &'static str)]) -> (u64, &'static str) {
    units
        .iter()
        .find(|(unit, _)| value >= *unit && value.is_multiple_of(*unit))
        .map_or((value, ""), |(unit, letter)| (value / unit, letter))
}

/// Formats a size so that it parses as the same number: `64M`, `1000`.
pub(crate) fn exact_size(bytes: u64) -> String {
    let (n, unit) = exact(bytes, &[(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")]);
    format!("{n}{unit}")
}

/// Formats a duration so that it parses as the same duration: `10s`, `1500ms`.
pub(crate) fn exact_duration(duration: Duration) -> String {
    let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    match exact(
        ns,
        &[(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")],
    ) {
        (n, "") => format!("{n}ns"),
        (n, unit) => format!("{n}{unit}"),
    }
}

/// Formats a rate so that it parses as the same rate: `10G`, `14880kpps`.
pub(crate) fn exact_rate(rate: Rate) -> String {
    let (n, suffix) = match rate {
        Rate::BitsPerSecond(n) => (n, ""),
        Rate::FramesPerSecond(n) => (n, "pps"),
    };
    let (n, prefix) = exact(n, &[(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")]);
    format!("{n}{prefix}{suffix}")
}

/// Parses a size of memory that fits `u32`.
pub(crate) fn memory(text: &str) -> Option<u32> {
    units::parse_size(text)
        .ok()
        .and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_backslashes_read_back() {
        for name in [
            "a.pcap",
            "a,b.pcap",
            r"a\b",
            r"a\,b",
            "x,speed=max",
            "",
            "ä,ö",
            r"\\",
        ] {
            let text = escaped(name);
            let (back, options) = Options::split("pcap:FILE", &text).unwrap();
            assert_eq!(back, name);
            assert!(options.left.is_empty());
        }
    }

    #[test]
    fn path_that_is_not_utf_8_reads_back() {
        for name in [
            &b"a\xffb.pcap"[..],
            b"\xff\xfe,speed=max",
            b"\\\xff\\\\\xff",
            b"\\xff",
            b"a,b\xe4",
            "\u{e4}".as_bytes(),
        ] {
            let path = Path::new(OsStr::from_bytes(name));
            let (back, _) = Options::split_path("pcap:FILE", &escaped_path(path)).unwrap();
            assert_eq!(back, path);
        }
        for name in [&b"a\xffb.pcap"[..], b"\\\xff", b"\xff\\", b"\xff\xfe"] {
            let path = OsStr::from_bytes(name);
            let text = specification_text(path);
            let (back, options) = Options::split_path("pcap:FILE", &text).unwrap();
            assert_eq!(back, Path::new(path), "{text}");
            assert!(options.left.is_empty());
        }
        // Only bytes that ASCII does not have are written in this way.
        let (path, _) = Options::split_path("pcap:FILE", r"a\x41\xf").unwrap();
        assert_eq!(path, Path::new(r"a\x41\xf"));
    }

    #[test]
    fn name_ends_at_the_first_option() {
        let (name, options) = Options::split("pcap:FILE", "a,b.pcap,speed=max,loop=2").unwrap();
        assert_eq!(name, "a,b.pcap");
        assert_eq!(options.left, [("speed", "max"), ("loop", "2")]);
    }

    #[test]
    fn printed_numbers_read_back() {
        for n in [
            1,
            999,
            1000,
            1024,
            1 << 20,
            3 << 29,
            10_000_000_000,
            u64::MAX,
        ] {
            assert_eq!(units::parse_size(&exact_size(n)).unwrap(), n);
            let d = Duration::from_nanos(n);
            assert_eq!(units::parse_duration(&exact_duration(d)).unwrap(), d);
            for rate in [Rate::BitsPerSecond(n), Rate::FramesPerSecond(n)] {
                assert_eq!(units::parse_rate(&exact_rate(rate)).unwrap(), rate);
            }
        }
    }
}
