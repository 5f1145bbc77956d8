//! What README.md says.

/// README.md.
pub(crate) const README: &str = include_str!("../../../../README.md");

/// A command with the output that is shown below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    /// The command.
    pub(crate) command: &'a str,
    /// Lines that it prints; others may be between them.
    pub(crate) lines: Vec<&'a str>,
}

/// Returns the lines of the section "How do I".
fn section(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip_while(|line| *line != "## How do I")
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
}

/// Returns the headings of the jobs in the section "How do I".
pub(crate) fn titles(text: &str) -> Vec<&str> {
    section(text)
        .filter_map(|line| line.strip_prefix("### "))
        .collect()
}

/// Returns the command of a job, which is the first code below its heading.
pub(crate) fn command_of(text: &str, title: &str) -> Option<String> {
    let code: Vec<&str> = section(text)
        .skip_while(|line| line.strip_prefix("### ") != Some(title))
        .skip(1)
        .take_while(|line| !line.starts_with("### "))
        .skip_while(|line| !line.starts_with("    "))
        .map_while(|line| line.strip_prefix("    "))
        .collect();
    (!code.is_empty()).then(|| code.join("\n"))
}

/// Returns each "    $ COMMAND" and the code below it.
pub(crate) fn shown(text: &str) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = Vec::new();
    let mut is_below_command = false;
    for line in text.lines() {
        let Some(code) = line.strip_prefix("    ") else {
            is_below_command = false;
            continue;
        };
        if let Some(command) = code.strip_prefix("$ ") {
            let lines = Vec::new();
            all.push(Shown { command, lines });
            is_below_command = true;
        } else if is_below_command {
            all.last_mut().unwrap().lines.push(code);
        }
    }
    all
}

const SAMPLE: &str = "\
# Title

    $ first --tour
    prints this
      and this
    $ second

text

    no command

## How do I

Text.

### Do this

    this --now

    other code

### Do that

## Last

### No job
";

#[test]
fn titles_belong_to_the_section() {
    assert_eq!(titles(SAMPLE), ["Do this", "Do that"]);
}

#[test]
fn command_is_the_first_code_of_its_job() {
    assert_eq!(command_of(SAMPLE, "Do this").as_deref(), Some("this --now"));
    assert_eq!(command_of(SAMPLE, "Do that"), None);
    assert_eq!(command_of(SAMPLE, "No job"), None);
}

#[test]
fn shown_commands_have_the_lines_below_them() {
    let first = Shown {
        command: "first --tour",
        lines: vec!["prints this", "  and this"],
    };
    let second = Shown {
        command: "second",
        lines: vec![],
    };
    assert_eq!(shown(SAMPLE), [first, second]);
}
