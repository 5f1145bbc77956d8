//! Hints for options that users know from another tool, with the option that does the same here.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Options that a tool does not have, and what to use instead.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    /// The options as users type them: `-w`, `--status`.
    pub options: &'static [&'static str],
    /// What to use instead, as one or more lines.
    pub advice: &'static str,
}

/// Parses the command line of this process. Ends the process after `--help`, after `--version`, and
/// when the command line is invalid; then the matching hint of `hints` is shown. From this call on,
/// SIGUSR1 does not end the process ([`survive_sigusr1`](crate::survive_sigusr1)).
#[must_use]
pub fn parse<C: Parser>(hints: &[Hint]) -> C {
    crate::survive_sigusr1();
    C::try_parse().unwrap_or_else(|error| explain(error, hints).exit())
}

/// Adds the hint for the option that `error` rejects.
#[must_use]
pub fn explain(mut error: Error, hints: &[Hint]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let option = option.split('=').next().unwrap_or_default();
    if let Some(hint) = hints.iter().find(|hint| hint.options.contains(&option)) {
        let advice = vec![hint.advice.to_owned().into()];
        // clap's guess from the spelling would contradict the hint.
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(advice));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long)]
        caplen: Option<u32>,
    }

    const HINTS: &[Hint] = &[Hint {
        options: &["-w", "--write"],
        advice: "another tool writes",
    }];

    fn refused(line: &str) -> String {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        explain(error, HINTS).to_string()
    }

    #[test]
    fn hint_follows_an_option_of_another_tool() {
        for line in ["tool -w", "tool --write=x", "tool -w x"] {
            let text = refused(line);
            assert!(text.contains("tip: another tool writes"), "{text}");
            assert!(text.contains("Usage: "), "{text}");
        }
    }

    #[test]
    fn typo_gets_the_nearest_option() {
        let text = refused("tool --calpen 5");
        assert!(text.contains("'--caplen'"), "{text}");
    }
}
