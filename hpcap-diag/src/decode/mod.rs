//! Turns the places in an oops or a warning of hpcap's modules into files, lines and functions.
//!
//! | module | content |
//! |---|---|
//! | [`places`](mod@places) | finding places such as `hpcap_poll_run+0x41/0x120 [hpcap]` in a log |
//! | [`search`] | finding the files of modules |
//! | [`symbols`] | the symbols and lines of a module |
//!
//! A place is decoded only with the build of the module that the kernel ran: its build id or the size of the
//! function must be those of the log. Another build would give lines that look right and are wrong.

pub mod places;
pub mod search;
pub mod symbols;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hpcap::compress::Decompressor;
use hpcap::error::Context;
use hpcap::{Error, Kind, Result, visible};

use crate::bundle::Bundle;
use crate::cli::Decode;
use crate::report::print;
use places::{Place, is_ours, kernel_release, places};
use symbols::{Module, SourceLine};

/// Largest number of bytes of a log that are read.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Files of a collection that can have an oops.
const LOGS: [&str; 2] = ["kernel-log", "journal"];
/// Folder of a collection with the texts of crashes.
const CRASHES: &str = "crash/";
/// Module of which the file is asked for, and for which it may be missing.
type Modules = BTreeMap<String, std::result::Result<Module, String>>;

/// Decodes the log that `options` name, and prints it.
///
/// # Errors
/// Returns [`Kind::NotFound`] if the log has no place in hpcap's modules, and if no place could be decoded;
/// errors of reading and printing.
pub fn run(options: &Decode) -> Result<()> {
    let log = read(options.log.as_deref())?;
    let decoded = decode(&log, &options.symbols);
    if decoded.found == 0 {
        let why = "it names no place in hpcap's modules, such as hpcap_poll_run+0x41/0x120 [hpcap]";
        return Err(Error::new(Kind::NotFound, "decode the log", why));
    }
    print(&decoded.text)?;
    if decoded.decoded == 0 {
        let why = "no file of a module fits, as is said above";
        return Err(Error::new(
            Kind::NotFound,
            "decode any place of the log",
            why,
        ));
    }
    Ok(())
}

/// Reads the text of a log, of a collection's logs, or of standard input.
fn read(path: Option<&Path>) -> Result<String> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return text_of(io::stdin().lock(), "standard input");
    };
    let name = path.display().to_string();
    let file = File::open(path).context(|| format!("open {name}"))?;
    let text = text_of(
        Decompressor::new(file).context(|| format!("read {name}"))?,
        &name,
    )?;
    // A tarball begins with the name of a file, and has zero bytes after it.
    if !text.bytes().take(512).any(|byte| byte == 0) {
        return Ok(text);
    }
    let bundle = Bundle::open(path)?;
    let crashes = bundle.paths().filter(|path| path.starts_with(CRASHES));
    let logs = LOGS.into_iter().chain(crashes);
    Ok(logs
        .map(|log| bundle.text(log))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn text_of(source: impl Read, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = source.take(LOG_BYTES_MAX).read_to_end(&mut bytes);
    read.context(|| format!("read {name}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A decoded log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The lines of the log that matter, with what they mean.
    pub text: String,
    /// Places in hpcap's modules.
    pub found: usize,
    /// Places of them that were decoded.
    pub decoded: usize,
}

/// Decodes `log` with the modules in `folders`, and those of the kernel that wrote the log.
#[must_use]
pub fn decode(log: &str, folders: &[PathBuf]) -> Decoded {
    let release = kernel_release(log);
    let mut modules = Modules::new();
    let mut decoded = Decoded {
        text: String::new(),
        found: 0,
        decoded: 0,
    };
    let build_ids = build_ids(log);
    for line in log.lines() {
        let mut found = places(line);
        for place in &mut found {
            let known = || build_ids.get(&place.module).cloned();
            place.build_id = place.build_id.take().or_else(known);
        }
        if found.is_empty() && !places::is_headline(line) {
            continue;
        }
        decoded
            .text
            .push_str(&format!("{}\n", visible(line.trim_end())));
        for place in found.iter().filter(|place| is_ours(&place.module)) {
            decoded.found += 1;
            let module = modules
                .entry(place.module.clone())
                .or_insert_with(|| search::module(place, folders, release.as_deref()));
            match lines_of(module, place) {
                Ok(lines) => {
                    decoded.decoded += 1;
                    lines
                        .iter()
                        .for_each(|line| decoded.text.push_str(&text(line)));
                }
                Err(why) => decoded
                    .text
                    .push_str(&format!("        not decoded: {why}\n")),
            }
        }
    }
    decoded
}

/// Returns the build id of each module that some line of `log` has. The kernel prints it in call traces only.
fn build_ids(log: &str) -> BTreeMap<String, String> {
    let places = log.lines().flat_map(places);
    let ids = places.filter_map(|place| Some((place.module, place.build_id?)));
    // The first report of a log matters most: the others often follow from it.
    let mut first = BTreeMap::new();
    for (module, id) in ids {
        first.entry(module).or_insert(id);
    }
    first
}

fn lines_of(
    module: &std::result::Result<Module, String>,
    place: &Place,
) -> std::result::Result<Vec<SourceLine>, String> {
    module.as_ref().map_err(Clone::clone)?.lines(place)
}

fn text(line: &SourceLine) -> String {
    let how = if line.is_inlined {
        ", inlined into"
    } else {
        ""
    };
    format!(
        "        {}:{} in {}{how}\n",
        visible(&line.file),
        line.line,
        visible(&line.function)
    )
}
