//! Comparison of the documents with the command lines of the programs.
//!
//! `docs/PROGRAM.md` names every option and every letter of its program, and no other option except
//! on a line that shows another program.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

use clap::{Arg, Command};
use regex::Regex;

/// Programs without a document of their own. Those from the second on are other names of rxtxcpu, and in
/// its document.
const UNDOCUMENTED: [&str; 9] = [
    "hpcap-bench",
    "rxcpu",
    "txcpu",
    "rxtxnuma",
    "rxnuma",
    "txnuma",
    "rxtxqueue",
    "rxqueue",
    "txqueue",
];
/// Every program has these options, and no document repeats them. People write `-o` for `--output`.
const NOT_REPEATED: [&str; 5] = ["--help", "--version", "--output", "-h", "-V"];
/// A line that shows one of these programs may have the options of that program.
const SHOWN: &str = r"\b(hpcapd|hpcapdd|raw2pcap|checkraw|hpcapctl|hpcap-bench|setcap|systemctl|rxtxnuma|rxtxqueue) .*--";

/// A difference between a document and its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The document does not name an option of the program.
    Unnamed {
        /// The document.
        document: String,
        /// The option, with its dashes.
        option: String,
    },
    /// The document names an option that the program does not have.
    Unknown {
        /// The document.
        document: String,
        /// The option, with its dashes.
        option: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed { document, option } => {
                write!(
                    f,
                    "{document} does not name {option}, which its program has"
                )
            }
            Self::Unknown { document, option } => {
                write!(
                    f,
                    "{document} names {option}, which its program does not have"
                )
            }
        }
    }
}

/// Compares the documents in the folder `docs` of the repository `root` with all programs.
///
/// # Errors
/// Returns the error of a document that cannot be read.
pub fn compare_all(root: &Path) -> io::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for program in crate::programs() {
        if UNDOCUMENTED.contains(&program.get_name()) {
            continue;
        }
        let document = format!("docs/{}.md", program.get_name());
        let text = std::fs::read_to_string(root.join(&document))
            .map_err(|e| io::Error::new(e.kind(), format!("cannot read {document}: {e}")))?;
        differences.extend(compare(&program, &document, &text));
    }
    Ok(differences)
}

/// Compares `text`, the content of the document called `document`, with its program.
fn compare(program: &Command, document: &str, text: &str) -> Vec<Difference> {
    let mut options = Options::default();
    options.add(program);
    let named = named_options(text);
    let unnamed = options.public.difference(&named).map(|option| {
        let (document, option) = (document.to_owned(), option.clone());
        Difference::Unnamed { document, option }
    });
    let own_lines: String = (text.lines())
        .filter(|line| !matches(SHOWN).is_match(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let own = named_options(&own_lines);
    let unknown = (own.iter())
        .filter(|option| option.starts_with("--") && !options.all.contains(*option))
        .map(|option| {
            let (document, option) = (document.to_owned(), option.clone());
            Difference::Unknown { document, option }
        });
    unnamed.chain(unknown).collect()
}

/// The options of a program and of its commands, with their dashes.
#[derive(Debug, Default)]
struct Options {
    /// Everything that the program understands.
    all: BTreeSet<String>,
    /// What a user should know.
    public: BTreeSet<String>,
}

impl Options {
    fn add(&mut self, command: &Command) {
        for argument in command.get_arguments() {
            self.add_argument(argument);
        }
        for inner in command.get_subcommands() {
            if inner.get_name() != "help" {
                self.add(inner);
            }
        }
    }

    fn add_argument(&mut self, argument: &Arg) {
        let hidden = argument.get_all_aliases().unwrap_or_default();
        self.all
            .extend(hidden.iter().map(|name| format!("--{name}")));
        let long = argument.get_long_and_visible_aliases().unwrap_or_default();
        let short = argument.get_short_and_visible_aliases().unwrap_or_default();
        let names = (long.iter().map(|name| format!("--{name}")))
            .chain(short.iter().map(|letter| format!("-{letter}")));
        for name in names {
            if !argument.is_hide_set() && !NOT_REPEATED.contains(&name.as_str()) {
                self.public.insert(name.clone());
            }
            self.all.insert(name);
        }
    }
}

/// Returns the options and letters that a text names, with their dashes.
fn named_options(text: &str) -> BTreeSet<String> {
    matches(r"(?:^|[^a-zA-Z0-9-])(--[a-z][a-z0-9]*(?:-[a-z0-9]+)*|-[a-zA-Z]\b)")
        .captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect()
}

fn matches(pattern: &str) -> Regex {
    Regex::new(&format!("(?m){pattern}")).expect("the patterns of this file are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        let size = Arg::new("size")
            .long("size")
            .short('s')
            .visible_alias("length");
        let secret = Arg::new("secret").long("secret").hide(true);
        let quick = Arg::new("quick").long("quick").alias("fast");
        let inner = Command::new("inner").arg(Arg::new("deep").long("dry-run"));
        let mut program = Command::new("tool")
            .args([size, secret, quick])
            .subcommand(inner);
        program.build();
        program
    }

    fn differences(text: &str) -> Vec<String> {
        let found = compare(&program(), "docs/tool.md", text);
        found.iter().map(ToString::to_string).collect()
    }

    const COMPLETE: &str = "| `-s N`, `--size`, `--length` | and `--quick`, `--dry-run` |\n";

    #[test]
    fn complete_document_has_no_differences() {
        assert_eq!(differences(COMPLETE), [""; 0]);
    }

    #[test]
    fn document_must_name_options_of_commands() {
        assert_eq!(
            differences(&COMPLETE.replace("--dry-run", "")),
            ["docs/tool.md does not name --dry-run, which its program has"]
        );
    }

    #[test]
    fn document_must_name_letters() {
        assert_eq!(
            differences(&COMPLETE.replace("-s N", "")),
            ["docs/tool.md does not name -s, which its program has"]
        );
    }

    #[test]
    fn longer_option_does_not_count_as_its_beginning() {
        assert_eq!(
            differences(&COMPLETE.replace("--quick", "--quick-er")),
            [
                "docs/tool.md does not name --quick, which its program has",
                "docs/tool.md names --quick-er, which its program does not have"
            ]
        );
    }

    #[test]
    fn document_may_name_hidden_names() {
        assert_eq!(differences(&format!("{COMPLETE}--secret --fast")), [""; 0]);
    }

    #[test]
    fn document_must_not_name_unknown_options() {
        assert_eq!(
            differences(&format!("{COMPLETE}`--gone` ended\n")),
            ["docs/tool.md names --gone, which its program does not have"]
        );
    }

    #[test]
    fn line_of_another_program_may_have_its_options() {
        assert_eq!(
            differences(&format!("{COMPLETE}    hpcapdd hpcap0 /data --gone\n")),
            [""; 0]
        );
    }

    #[test]
    fn table_rule_is_no_option() {
        assert_eq!(
            differences(&format!("{COMPLETE}|---|---|\na--b\n")),
            [""; 0]
        );
    }
}
