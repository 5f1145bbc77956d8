//! The questions of `hpcapctl config new`, in the order of the original's.

use std::io::{BufRead, Write};

use hpcap::error::Context;
use hpcap::units::{parse_caplen, parse_size};
use hpcap::visible::visible;
use hpcap::{Error, Kind, Result};
use hpcap_config::Machine;
use hpcap_config::propose::{Wishes, candidates};
use hpcap_host::pages::Pages;

/// A conversation over a terminal.
struct Talk<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    /// Asks until `parse` accepts the answer; an empty answer is `default`.
    fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        loop {
            write!(self.output, "{question} [{default}] ")
                .and_then(|()| self.output.flush())
                .context(|| "ask on the terminal")?;
            let mut line = String::new();
            let read = self.input.read_line(&mut line);
            if read.context(|| "read the answer")? == 0 {
                let why = "the input ended before all questions were answered";
                return Err(Error::new(Kind::Usage, "config new", why)
                    .advise("--yes takes the defaults, and each question has an option"));
            }
            let answer = match line.trim() {
                "" => default,
                answer => answer,
            };
            match parse(answer) {
                Ok(value) => return Ok(value),
                Err(e) => {
                    writeln!(self.output, "  {e}").context(|| "ask on the terminal")?;
                }
            }
        }
    }

    fn yes_or_no(&mut self, question: &str, default: bool) -> Result<bool> {
        let default = if default { "y" } else { "n" };
        self.ask(question, default, |answer| {
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                other => Err(Error::usage(format!("answer {other:?}"), "expected y or n")),
            }
        })
    }
}

/// Asks for the wishes that no option has given. `defaults` are the answers to empty lines.
///
/// # Errors
/// Returns an error when the input ends.
pub fn ask(
    machine: &Machine,
    defaults: &Wishes,
    input: impl BufRead,
    output: impl Write,
) -> Result<Wishes> {
    let mut talk = Talk { input, output };
    let mut wishes = defaults.clone();
    if wishes.interfaces.is_empty() {
        let ports: Vec<String> = candidates(machine)
            .map(|port| {
                let pci = port.pci.map(|pci| pci.to_string()).unwrap_or_default();
                port.name.clone().unwrap_or(pci)
            })
            .collect();
        let shown = match ports.is_empty() {
            true => "none".to_owned(),
            false => ports.join(" "),
        };
        let question = "Interfaces that hpcap captures (names, PCI or MAC addresses)";
        wishes.interfaces = talk.ask(question, &visible(&shown), |answer| match answer {
            "none" => Err(Error::usage("interfaces", "name at least one")),
            names => Ok(names.split_whitespace().map(str::to_owned).collect()),
        })?;
    }
    let queues = wishes.queues.to_string();
    wishes.queues = talk.ask("Queues of each interface", &queues, |answer| {
        let queues = answer.parse().ok().filter(|n| (1..=16).contains(n));
        queues.ok_or_else(|| Error::usage(format!("queues {answer:?}"), "expected 1 to 16"))
    })?;
    wishes.dedup = talk.yes_or_no("Remove duplicates", wishes.dedup)?;
    let caplen = wishes.caplen.to_string();
    wishes.caplen = talk.ask("Bytes kept of each frame, 0 for all", &caplen, parse_caplen)?;
    let reserved = machine
        .nodes
        .values()
        .flat_map(|node| node.huge_pages.values())
        .any(|pages| pages.all > 0);
    let question = match reserved {
        true => "Rings in hugepages",
        false => "Rings in hugepages (none are reserved now)",
    };
    if !talk.yes_or_no(question, reserved)? {
        wishes.pages = Pages::Ordinary;
    }
    let ring = "by the memory";
    wishes.ring_bytes = talk.ask("Size of each ring", ring, |answer| match answer {
        answer if answer == ring => Ok(wishes.ring_bytes),
        size => parse_size(size).map(Some),
    })?;
    let record = "no";
    wishes.record = talk.ask("Folder to record to", record, |answer| match answer {
        "no" => Ok(wishes.record.clone()),
        path if path.starts_with('/') => Ok(Some(path.into())),
        path => Err(Error::usage(
            format!("folder {path:?}"),
            "expected a path from the root",
        )),
    })?;
    wishes.monitor = talk.yes_or_no("Log the counters", wishes.monitor)?;
    Ok(wishes)
}
