//! Man pages.

use std::io::{self, Write};
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Headings in the help of programs, and the section of the page that has the text below them.
const HEADINGS: [(&str, &str); 4] = [
    ("Examples:", "EXAMPLES"),
    ("Sources:", "SOURCES"),
    ("Signals:", "SIGNALS"),
    ("Exit codes:", "EXIT STATUS"),
];

/// Writes a page for each program, and for each of its commands, into `dir`.
///
/// # Errors
/// Returns an error of the file system.
pub fn write_all(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for program in crate::programs() {
        let pages = pages(&program);
        for (name, command) in &pages {
            let others: Vec<&str> = match pages.len() {
                1 => Vec::new(),
                _ => pages.iter().map(|(other, _)| other.as_str()).collect(),
            };
            let mut file = Vec::new();
            write_page(&mut file, name, command, &others)?;
            let page = allow_breaks(&String::from_utf8_lossy(&file));
            std::fs::write(dir.join(format!("{name}.1")), page)?;
        }
    }
    Ok(())
}

/// Returns the names of the pages of a program, the program's own page first, and each command before
/// its own commands.
fn pages(program: &Command) -> Vec<(String, Command)> {
    let mut pages = Vec::new();
    add_pages(program.get_name().to_owned(), program, &mut pages);
    pages
}

fn add_pages(name: String, command: &Command, pages: &mut Vec<(String, Command)>) {
    pages.push((name.clone(), command.clone()));
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" && !inner.is_hide_set() {
            add_pages(format!("{name}-{}", inner.get_name()), inner, pages);
        }
    }
}

/// Writes one page. `others` are pages of the same program.
fn write_page(out: &mut Vec<u8>, name: &str, command: &Command, others: &[&str]) -> io::Result<()> {
    let command = command.clone().disable_help_subcommand(true);
    let command = command.mut_args(append_aliases);
    let man = Man::new(command.clone())
        .title(name)
        .section("1")
        .date("")
        .source(format!("hpcap {}", env!("CARGO_PKG_VERSION")))
        .manual("hpcap");
    man.render_title(out)?;
    // A line with one long list in it cannot be spread to the right margin, and a hyphen inside of
    // a key would seem to belong to it.
    writeln!(out, ".ad l\n.nh")?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    if let Some(text) = command.get_after_long_help().or(command.get_after_help()) {
        write_text(out, &text.to_string())?;
    }
    write_see_also(out, name, others)
}

/// Adds the other names of an option to its help text, because clap_mangen leaves them out.
fn append_aliases(argument: Arg) -> Arg {
    let long = argument.get_visible_aliases().unwrap_or_default();
    let short = argument.get_visible_short_aliases().unwrap_or_default();
    let names: Vec<String> = (short.iter().map(|letter| format!("-{letter}")))
        .chain(long.iter().map(|name| format!("--{name}")))
        .collect();
    if names.is_empty() {
        return argument;
    }
    let note = format!(" [also: {}]", names.join(", "));
    let extend = |text: Option<&StyledStr>| text.map(|text| format!("{text}{note}"));
    let help = extend(argument.get_help()).unwrap_or_else(|| note.clone());
    match extend(argument.get_long_help()) {
        Some(long_help) => argument.help(help).long_help(long_help),
        None => argument.help(help),
    }
}

/// Writes the text that follows the options in the help. Each of its paragraphs becomes the section
/// that its heading names, or a part of the section NOTES. Indented lines stay as they are.
fn write_text(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let mut roff = Roff::new();
    let mut in_notes = false;
    for paragraph in text.split("\n\n") {
        let heading = HEADINGS
            .iter()
            .find(|(word, _)| paragraph.starts_with(word));
        let body = match heading {
            Some((word, section)) => {
                roff.control("SH", [*section]);
                paragraph[word.len()..].trim_start_matches(' ')
            }
            None if in_notes => {
                roff.control("PP", []);
                paragraph
            }
            None => {
                roff.control("SH", ["NOTES"]);
                paragraph
            }
        };
        in_notes = heading.is_none();
        write_lines(&mut roff, body);
    }
    roff.to_writer(out)
}

/// Adds the lines of a paragraph; indented ones are not filled.
fn write_lines(roff: &mut Roff, body: &str) {
    let mut verbatim = false;
    for line in body.lines().filter(|line| !line.is_empty()) {
        let indented = line.starts_with("  ");
        if indented != verbatim {
            roff.control(if indented { "nf" } else { "fi" }, []);
            verbatim = indented;
        }
        roff.text([roman(line.trim_start())]);
    }
    if verbatim {
        roff.control("fi", []);
    }
}

/// Lets a long list such as `window=32768,bytes=auto|70` be broken after each of its members.
/// Without that, a list that is longer than a line makes groff complain.
fn allow_breaks(page: &str) -> String {
    const LONGEST_WORD: usize = 40;
    let mut out = String::with_capacity(page.len());
    for line in page.split_inclusive('\n') {
        if line.starts_with(['.', '\'']) {
            out.push_str(line);
            continue;
        }
        for word in line.split_inclusive(' ') {
            if word.len() > LONGEST_WORD {
                out.push_str(&word.replace(',', ",\\:").replace('|', "|\\:"));
            } else {
                out.push_str(word);
            }
        }
    }
    out
}

/// Writes which other pages there are.
fn write_see_also(out: &mut Vec<u8>, name: &str, others: &[&str]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let programs = crate::programs();
    let names = programs.iter().map(Command::get_name);
    let mut words: Vec<Inline> = Vec::new();
    for other in names.chain(others.iter().copied().skip(1)) {
        if other == name {
            continue;
        }
        if !words.is_empty() {
            words.push(roman(", "));
        }
        words.push(bold(other));
        words.push(roman("(1)"));
    }
    roff.text(words);
    roff.to_writer(out)?;
    out.flush()
}
