//! Collecting: every source is read within its limits and added to a [`Sink`], and what cannot be read is noted.

mod archive;
pub mod command;
pub mod open;
mod program;
pub mod reader;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result, Timestamp};
use hpcap_host::{Interface, Tree};

use crate::manifest::{ABOUT, About, Entry, FORMAT, MANIFEST, Manifest, Missing, sha256};
use crate::redact::{Names, Redactor, Style};
use open::Content;
use reader::{Reader, Unreadable};

pub use archive::Archive;

/// The usual limit of time. The limits of single sources are written for it; with another limit, they are longer or
/// shorter in proportion.
const USUAL_TIME: Duration = Duration::from_secs(20);
/// Largest number of files in a collection.
const MOST_FILES: usize = 50_000;
/// Largest number of bytes of all files together.
const MOST_BYTES: usize = 256 << 20;

/// Where the files of a collection go.
pub trait Sink {
    /// Adds a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; the collection then ends.
    fn add(&mut self, path: &str, content: &[u8]) -> Result<()>;
}

/// How a collection is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The files of the machine.
    pub tree: Tree,
    /// Time between the two readings.
    pub interval: Duration,
    /// Longest time that all sources may take together, without the interval.
    pub time_limit: Duration,
    /// Whether addresses, names and secrets are replaced.
    pub redact: bool,
    /// The configuration of hpcap.
    pub config: PathBuf,
    /// Folders of capture files, beside those of the configuration.
    pub captures: Vec<PathBuf>,
    /// Whether logs, capture files and programs are examined, too, which takes longer.
    pub thorough: bool,
    /// Becomes true when the collection is to end.
    pub stop: Arc<AtomicBool>,
}

/// A collection under way.
pub struct Collection<'a> {
    options: &'a Options,
    sink: &'a mut dyn Sink,
    tell: &'a mut dyn FnMut(&str),
    reader: Reader,
    redactor: Option<Redactor>,
    started: Instant,
    /// When what changes was read first.
    counted: Instant,
    bytes: usize,
    files: Vec<Entry>,
    missing: Vec<Missing>,
}

impl std::fmt::Debug for Collection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection").finish_non_exhaustive()
    }
}

/// Collects into `sink`, and returns the manifest. `tell` is called with what is being collected.
///
/// # Errors
/// An error of the sink, or that the collection was stopped. A source that cannot be read is no error.
pub fn collect(
    options: &Options,
    sink: &mut dyn Sink,
    tell: &mut dyn FnMut(&str),
) -> Result<Manifest> {
    let started = Instant::now();
    let about = About {
        format: FORMAT,
        program: format!("hpcap-diag {}", hpcap_cli::VERSION),
        started: to_the_second(&Timestamp::now().to_string()),
        interval_seconds: options.interval.as_secs_f64(),
        redacted: options.redact,
        root: nix::unistd::Uid::effective().is_root(),
    };
    let redactor = match options.redact {
        true => Some(new_redactor(&options.tree)?),
        false => None,
    };
    let mut collection = Collection {
        options,
        sink,
        tell,
        reader: Reader::new(
            started + options.time_limit + options.interval,
            options.time_limit.as_secs_f64() / USUAL_TIME.as_secs_f64(),
        ),
        redactor,
        started,
        counted: started,
        bytes: 0,
        files: Vec::new(),
        missing: Vec::new(),
    };
    collection.add_json(ABOUT, &about)?;
    source::first(&mut collection)?;
    source::second(&mut collection)?;
    collection.finish(about)
}

/// Cuts the fraction of a second from a time.
pub(crate) fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => time.to_owned(),
    }
}

/// Creates a redactor that knows the names of the machine, and the hardware addresses of its interfaces.
fn new_redactor(tree: &Tree) -> Result<Redactor> {
    let mut names = Names::of_machine(tree);
    for name in tree.names("/sys/class/net") {
        let address = tree.text(format!("/sys/class/net/{name}/address"));
        names.add_mac(&address.unwrap_or_default());
    }
    if tree.is_machine() {
        for neighbour in hpcap_host::interface::Neighbour::all().unwrap_or_default() {
            names.add_mac(&neighbour.hardware.unwrap_or_default());
        }
        for interface in Interface::all().unwrap_or_default() {
            names.add_mac(interface.name.strip_prefix("enx").unwrap_or_default());
        }
    }
    Redactor::new(names).map_err(|why| {
        Error::new(Kind::Full, "replace names", why)
            .advise("--redact off collects them as they are")
    })
}

impl Collection<'_> {
    /// Says what is being collected.
    fn tell(&mut self, what: &str) {
        (self.tell)(what);
    }

    /// Fails when the collection is to end.
    fn go_on(&self) -> Result<()> {
        match self.options.stop.load(Ordering::Relaxed) {
            true => Err(Error::new(
                Kind::Killed,
                "go on collecting",
                "a signal ended the collection",
            )),
            false => Ok(()),
        }
    }

    /// Adds the file `path` of the collection, or notes why it could not be read.
    fn add(
        &mut self,
        path: &str,
        content: std::result::Result<Content, Unreadable>,
        style: Style,
    ) -> Result<()> {
        self.go_on()?;
        let path = match &mut self.redactor {
            // Names of interfaces can contain hardware addresses.
            Some(redactor) => redactor.redact_text(path, Style::Kernel),
            None => path.to_owned(),
        };
        let content = match content {
            Ok(content) => content,
            Err(why) => return self.skip(&path, why),
        };
        let bytes = match &mut self.redactor {
            Some(redactor) => redactor.redact(&content.bytes, style),
            None => content.bytes,
        };
        if self.bytes + bytes.len() > MOST_BYTES || self.files.len() >= MOST_FILES {
            return self.skip(
                &path,
                "the collection was large enough without it".to_owned(),
            );
        }
        self.sink.add(&path, &bytes)?;
        self.bytes += bytes.len();
        self.files.push(Entry {
            path,
            seconds: self.started.elapsed().as_secs_f64(),
            bytes: bytes.len(),
            sha256: sha256(&bytes),
            cut: content.cut,
        });
        Ok(())
    }

    /// Adds `value` as a file of JSON.
    fn add_json(&mut self, path: &str, value: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_vec_pretty(value)
            .map(Content::whole)
            .map_err(|e| e.to_string());
        self.add(path, text, Style::Json)
    }

    /// Notes that `path` could not be read.
    fn note(&mut self, path: &str, why: String) {
        let why = match &mut self.redactor {
            Some(redactor) => redactor.redact_text(&why, Style::Text),
            None => why,
        };
        if self.missing.len() < MOST_FILES {
            let path = path.to_owned();
            self.missing.push(Missing { path, why });
        }
    }

    /// Notes that `path` could not be read, and goes on.
    fn skip(&mut self, path: &str, why: String) -> Result<()> {
        self.note(path, why);
        self.go_on()
    }

    fn finish(self, about: About) -> Result<Manifest> {
        let manifest = Manifest {
            about,
            seconds: self.started.elapsed().as_secs_f64(),
            files: self.files,
            missing: self.missing,
            replaced: self
                .redactor
                .map_or_else(BTreeMap::new, |redactor| redactor.counts()),
        };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| Error::io("write the manifest", e.into()))?;
        self.sink.add(MANIFEST, &text)?;
        Ok(manifest)
    }
}
