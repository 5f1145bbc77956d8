//! Opening the file of a stream.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hpcap::output_file::{FRAMES_MODE, create_or_replace};
use hpcap::pcapfile::{Interface, InterfaceId, PcapWriter, PcapngWriter, Precision, Section};
use hpcap::pipe::Pipe;

use super::{Output, Patient, Waiting};
use crate::cli::Format;
use crate::failure::{Failure, plain};

/// Captured length that the header of a pcap file with whole frames announces, as libpcap does.
const WHOLE_FRAMES: u32 = 262_144;

/// Description of the stream, for the header of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Number of the stream.
    pub number: u32,
    /// The stream in words, such as `cpu 3`.
    pub label: String,
    /// Whether the number is that of a queue.
    pub is_queue: bool,
    /// Name of the interface.
    pub interface: String,
    /// LINKTYPE_ value of the frames.
    pub link_type: u32,
    /// Captured length; 0 = whole frames.
    pub caplen: u32,
    /// The filter.
    pub filter: String,
    /// Name and version of this program.
    pub application: String,
}

/// A writer of one of the formats.
#[derive(Debug)]
pub(super) enum Writer {
    Pcap(PcapWriter<Patient>),
    Pcapng(PcapngWriter<Patient>, InterfaceId),
}

/// Creates or replaces the file `path`.
fn create(path: &Path) -> io::Result<Pipe> {
    let file = create_or_replace(path, FRAMES_MODE).map_err(|e| match e.raw_os_error() {
        Some(libc::ENXIO) => io::Error::other("nobody reads this FIFO"),
        _ => e,
    })?;
    Pipe::of(file).map_err(io::Error::other)
}

/// A file that was opened.
pub(super) struct Opened {
    pub(super) writer: Writer,
    /// Its name, for messages.
    pub(super) name: String,
    /// The file on a disk.
    pub(super) disk: Option<Arc<File>>,
}

/// Opens file number `file` of a stream.
pub(super) fn open(
    output: &Output,
    facts: &StreamFacts,
    file: u32,
    waiting: &Arc<dyn Waiting>,
) -> Result<Opened, Failure> {
    let (opened, format, name) = match output {
        Output::Stdout(format) => {
            let stdout = Pipe::stdout().map_err(io::Error::other);
            (stdout, *format, "-".to_owned())
        }
        Output::Files {
            template,
            format,
            rotation,
        } => {
            let path = template.name(facts.number, rotation.happens().then_some(file));
            (create(&path), *format, path.display().to_string())
        }
    };
    let failed = |e: io::Error| {
        let why = plain(&e);
        Failure::known(format!("error opening savefile '{name}': {why}"))
    };
    let opened = opened.map_err(failed)?;
    let disk = match output {
        // Standard output may be a file that never had a name.
        Output::Stdout(_) => None,
        Output::Files { .. } => opened.file(),
    };
    let opened = Patient::new(opened, Arc::clone(waiting));
    let writer = match format {
        Format::Pcap => {
            let snaplen = match facts.caplen {
                0 => WHOLE_FRAMES,
                caplen => caplen,
            };
            let precision = Precision::Nanoseconds;
            Writer::Pcap(PcapWriter::new(opened, facts.link_type, snaplen, precision))
        }
        Format::Pcapng => {
            let mut writer = PcapngWriter::new(opened, &Section::here(facts.application.clone()));
            let interface = Interface {
                link_type: facts.link_type,
                snaplen: facts.caplen,
                name: facts.interface.clone(),
                description: facts.label.clone(),
                filter: facts.filter.clone(),
                // Each frame has its direction.
                knows_directions: false,
                queue: facts.is_queue.then_some(facts.number),
            };
            let id = writer.interface(&interface).map_err(failed)?;
            Writer::Pcapng(writer, id)
        }
    };
    Ok(Opened { writer, name, disk })
}
