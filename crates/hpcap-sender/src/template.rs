//! The command of a sender, with places for the numbers of a load.

use std::str::FromStr;

use hpcap_base::{Error, Result};

use crate::Load;

/// The number of a load that stands in a place.
type Number = fn(&Load) -> u64;

/// The names of the places, and what stands there.
const PLACES: [(&str, Number); 6] = [
    ("size", |load| u64::from(load.size)),
    ("size_with_fcs", |load| u64::from(load.size) + 4),
    ("frames", |load| load.frames),
    ("pps", |load| load.pps),
    ("mbits", |load| load.bits_per_second().div_ceil(1_000_000)),
    ("seconds", |load| load.frames.div_ceil(load.pps.max(1))),
];

/// A command of the shell. `{size}` stands for the bytes of a frame without its check sequence, `{size_with_fcs}` for those
/// with it, `{frames}` for the number of frames, `{pps}` for frames a second, `{mbits}` for megabits a second on the
/// wire, and `{seconds}` for the time that this takes; the last two are rounded up.
///
/// Only numbers are put in these places, so that they cannot change what the shell does.
///
/// ```
/// use hpcap_sender::{Load, Template};
///
/// let template: Template = "ssh tx send --bytes {size_with_fcs} --rate {mbits}".parse()?;
/// let load = Load { size: 60, frames: 10_000_000, pps: 1_000_000 };
/// assert_eq!(template.command(&load), "ssh tx send --bytes 64 --rate 672");
/// # Ok::<(), hpcap_base::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// The command for a load.
    #[must_use]
    pub fn command(&self, load: &Load) -> String {
        let mut command = self.0.clone();
        for (name, number) in PLACES {
            command = command.replace(&format!("{{{name}}}"), &number(load).to_string());
        }
        command
    }
}

impl FromStr for Template {
    type Err = Error;

    /// Takes any command that is not empty. `{word}` with another word than those above is refused, because it is more
    /// likely a slip than a word for the shell; `${word}` and `{ print $1 }` stay as they are.
    fn from_str(command: &str) -> Result<Self> {
        let wrong = |why: String| Err(Error::usage(format!("sender's command {command:?}"), why));
        if command.trim().is_empty() {
            return wrong("it is empty".to_owned());
        }
        let mut rest = command;
        while let Some(start) = rest.find('{') {
            let shell = rest[..start].ends_with('$');
            rest = &rest[start + 1..];
            let Some(word) = rest
                .split('}')
                .next()
                .filter(|word| word.len() < rest.len())
            else {
                break;
            };
            let is_word = !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_word && !shell && PLACES.iter().all(|(name, _)| *name != word) {
                let known: Vec<String> = PLACES.map(|(name, _)| format!("{{{name}}}")).into();
                return wrong(format!("{{{word}}} is not one of {}", known.join(", ")));
            }
        }
        Ok(Self(command.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOAD: Load = Load {
        size: 1514,
        frames: 1001,
        pps: 1000,
    };

    #[test]
    fn every_place_has_its_number() {
        let all = "{size} {size_with_fcs} {frames} {pps} {mbits} {seconds} {size}";
        let template: Template = all.parse().unwrap();
        assert_eq!(template.command(&LOAD), "1514 1518 1001 1000 13 2 1514");
    }

    #[test]
    fn braces_of_the_shell_stay() {
        let text = "${HOME}/send | awk '{ print $1 }' | awk '{print $1}'; {}";
        let template: Template = text.parse().unwrap();
        assert_eq!(template.command(&LOAD), text);
    }

    #[test]
    fn unknown_place_is_refused_with_the_known_ones() {
        let error = "send {rate}".parse::<Template>().unwrap_err();
        assert!(error.to_string().contains("{rate} is not one of {size}"));
        assert_eq!(error.exit_code(), 2);
        assert!(" ".parse::<Template>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            if let Ok(template) = text.parse::<Template>() {
                let _ = template.command(&LOAD);
            }
        }
    }
}
