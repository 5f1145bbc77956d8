//! Reading the command line, and what is said about a wrong one: in the original's words, so that
//! whoever looks for these words finds them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Request, command};
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::say::{say, say_text};

/// Width of the usage in characters.
const WIDTH: usize = 79;

/// Reads the command line. Prints help, version, or what is wrong; then there is an exit code.
///
/// # Errors
/// The exit code of the program, which has done what it was asked for.
pub fn parse(invocation: &Invocation, words: &[OsString]) -> Result<Request, ExitCode> {
    let error = match Request::of(invocation, words) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    let name = invocation.program;
    let text = match error.kind() {
        ErrorKind::DisplayHelp => error.render().to_string(),
        ErrorKind::DisplayVersion => format!("{name} version {}\n", hpcap_cli::VERSION),
        _ => {
            let failure = Failure::Usage(wrong(&error, words));
            say(format_args!("{name}: {failure}"));
            say_text(&short(invocation));
            return Err(failure.exit_code());
        }
    };
    let printed = std::io::stdout().write_all(text.as_bytes());
    Err(match printed {
        // The reader has read enough, as `head` does.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            say(format_args!("{name}: cannot write to standard output: {e}"));
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    })
}

/// What is wrong with a command line.
fn wrong(error: &clap::Error, words: &[OsString]) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match (error.kind(), context(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(option)) => {
            let option = option.split('=').next().unwrap_or_default();
            format!("Unrecognized option '{option}'.")
        }
        (ErrorKind::InvalidValue, _) if context(ContextKind::InvalidValue) == Some("") => {
            let last = words.last().map(|word| word.to_string_lossy());
            format!(
                "Option '{}' requires an argument.",
                last.unwrap_or_default()
            )
        }
        _ => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let end = text
                .find("\n\nUsage:")
                .or_else(|| text.find("\n\nFor more"));
            text[..end.unwrap_or(text.len())].trim_end().to_owned()
        }
    }
}

/// The original's options, in the order of its usage. Options that exclude each other stand together.
const ORDER: [&[&str]; 8] = [
    &["help"],
    &["count"],
    &["list", "mask"],
    &["direction"],
    &["packet_buffered"],
    &["promiscuous"],
    &["verbose"],
    &["version"],
];

/// The usage that follows a message about a wrong command line.
#[must_use]
pub fn short(invocation: &Invocation) -> String {
    let mut command = command(invocation);
    command.build();
    let option = |id: &str| {
        let arg = command.get_arguments().find(|arg| arg.get_id() == id)?;
        let mut text = format!("--{}", arg.get_long()?);
        if arg.get_action().takes_values() {
            let names = arg.get_value_names().unwrap_or_default();
            let _ = write!(text, "={}", names.first().map_or("", |name| name.as_str()));
        }
        Some(text)
    };
    let known: Vec<&str> = ORDER.concat();
    let ids: Vec<String> = command
        .get_arguments()
        .map(|arg| arg.get_id().to_string())
        .collect();
    let others = ids.iter().filter(|id| !known.contains(&id.as_str()));
    let groups = ORDER
        .iter()
        .map(|group| group.to_vec())
        .chain(others.map(|id| vec![id.as_str()]));
    let mut text = format!("Usage: {}", invocation.program);
    let indent = text.len();
    let mut column = indent;
    let parts = groups.map(|group| {
        let options: Vec<String> = group.iter().filter_map(|id| option(id)).collect();
        options.join("|")
    });
    let parts = parts.filter(|part| !part.is_empty());
    for part in parts.chain(["INTERFACE".to_owned()]) {
        if column + part.len() + 3 > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        }
        column += part.len() + 3;
        let _ = write!(text, " [{part}]");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::NAMES;

    #[test]
    fn usage_has_every_option_within_its_width() {
        for invocation in &NAMES {
            let text = short(invocation);
            let start = format!(
                "Usage: {} [--help] [--count=N] [--{word}-list=",
                invocation.program,
                word = invocation.subject.word()
            );
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(words.join(" ").starts_with(&start), "{text}");
            assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
            for arg in command(invocation).get_arguments() {
                if let Some(long) = arg.get_long() {
                    assert!(text.contains(&format!("--{long}")), "{long}: {text}");
                }
            }
        }
    }

    #[test]
    fn wrong_line_has_the_words_of_the_original() {
        for (line, expected) in [
            ("-z", "Unrecognized option '-z'."),
            ("-zv", "Unrecognized option '-z'."),
            ("--zzz", "Unrecognized option '--zzz'."),
            ("--zzz=5", "Unrecognized option '--zzz'."),
            ("-w", "Option '-w' requires an argument."),
            ("lo --count", "Option '--count' requires an argument."),
        ] {
            let words: Vec<OsString> = ["rxtxcpu"]
                .into_iter()
                .chain(line.split(' '))
                .map(OsString::from)
                .collect();
            let error = Request::of(&NAMES[0], &words).unwrap_err();
            assert_eq!(wrong(&error, &words), expected, "{line}");
        }
    }
}
