//! The open destination of a recording: its folder with the properties of new files, and their limits.

use std::io::IsTerminal;

use hpcap::compress::FileFormat;
use hpcap::pipe::Pipe;
use hpcap::raw::SourceName;
use hpcap::units::Bytes;
use hpcap::{Error, QueueName, Result};

use crate::cli::Cli;
use crate::form::Form;
use crate::plan::{Destination, Origin, Source};
use crate::session::completion::Completion;
use crate::storage::access::Access;
use crate::storage::finish::Finisher;
use crate::storage::finish::on_complete::{CommandLine, Commands};
use crate::storage::folder::OutputFolder;
use crate::storage::retention::{
    Limits, Recording, Retention, RetentionThread, StreamIdentity, disk_bytes,
};

/// Name of the queue of the first source inside this process.
pub(crate) const OWN_QUEUE: QueueName = QueueName::new(0, 0);

/// An open destination.
pub(crate) enum Outlet {
    /// Files, in half-hour folders or one at a time.
    Files(Box<FileOutlet>),
    /// Nothing is stored.
    Null,
    /// A pcapng stream.
    Pipe(Pipe),
}

/// A destination of files.
pub(crate) struct FileOutlet {
    /// Where files are created.
    pub(crate) folder: OutputFolder,
    /// Length in bytes at which the next file begins.
    pub(crate) rotate_bytes: Option<u64>,
    limits: Limits,
    /// Length of a file in bytes that the user asked for.
    asked_bytes: Option<u64>,
    /// The sources that the names of the files have; `None` in the names of files of a queue.
    names: Vec<Option<SourceName>>,
}

impl Outlet {
    /// Opens `destination` for files of `form`. A destination that cannot be written to is reported
    /// here, before anything is captured.
    ///
    /// # Errors
    /// A destination that cannot be written to, and limits that do not fit it.
    pub(crate) fn open(
        cli: &Cli,
        origin: &Origin,
        destination: &Destination,
        form: Form,
    ) -> Result<Self> {
        let name = match origin {
            Origin::Queue(name) => *name,
            Origin::Sources(_) => OWN_QUEUE,
        };
        let folder = match destination {
            Destination::Folder(base) => OutputFolder::open(base, name, !cli.buffered)?,
            Destination::File(path) => OutputFolder::open_file(path, name, !cli.buffered)?,
            Destination::Null => return Ok(Self::Null),
            Destination::Stdout => return open_stdout().map(Self::Pipe),
        };
        FileOutlet::new(cli, origin, folder, form).map(|files| Self::Files(Box::new(files)))
    }
}

/// Opens stdout for frames, which are no text for a terminal.
fn open_stdout() -> Result<Pipe> {
    if std::io::stdout().is_terminal() {
        return Err(Error::usage(
            "destination -",
            "stdout is a terminal; pipe it into tcpdump -r - or wireshark -k -i -",
        ));
    }
    Pipe::stdout()
}

impl FileOutlet {
    fn new(cli: &Cli, origin: &Origin, folder: OutputFolder, form: Form) -> Result<Self> {
        let free = match cli.keep_free {
            Some(wanted) => Some(wanted.bytes_of(disk_bytes(folder.base())?)),
            None => None,
        };
        let limits = Limits {
            age: cli.keep_age,
            size: cli.keep_size,
            free,
            files: cli.keep_files,
        };
        let access = Access {
            mode: cli.file_mode,
            group: cli.file_group,
        };
        let (source, open_files) = match origin {
            Origin::Queue(_) => (None, 1),
            Origin::Sources(sources) => (Some(file_name(sources, form)), sources.len()),
        };
        let names = match origin {
            Origin::Sources(all) if form.format == FileFormat::Raw => {
                all.iter().map(|source| Some(source.name)).collect()
            }
            Origin::Queue(_) | Origin::Sources(_) => vec![source],
        };
        // pcapng has the frames of all sources in one file.
        let open_files = match form.format {
            FileFormat::Raw => open_files as u64,
            FileFormat::Pcapng | FileFormat::Pcap => 1,
        };
        let room = limits.room(folder.base());
        let folder = folder
            .named(source)
            .accessible(access)
            .writing(form.format, form.compression)
            .leaving(free.unwrap_or(0))
            .within(room);
        limits.check(folder.base(), cli.rotate_size)?;
        let rotate_bytes = cli
            .rotate_size
            .or_else(|| limits.file_bytes(folder.base(), open_files));
        Ok(Self {
            folder,
            names,
            asked_bytes: cli.rotate_size,
            rotate_bytes,
            limits,
        })
    }

    /// Refuses limits that leave no room for the files of `sources` sources in whole blocks.
    ///
    /// # Errors
    /// The errors of [`Limits::check_blocks`].
    pub(crate) fn check_blocks(&self, block_bytes: u64, sources: u64) -> Result<()> {
        let base = self.folder.base();
        self.limits.check_blocks(base, block_bytes, sources)
    }

    /// The warning that RAW files in whole blocks of `block_bytes` bytes get longer than the user
    /// asked for.
    pub(crate) fn longer_than_asked(&self, block_bytes: u64) -> Option<String> {
        // The producer begins a new file at the start of a block, after the limit is in sight.
        let least = 2 * block_bytes;
        let asked = self.asked_bytes.filter(|asked| *asked < least)?;
        Some(format!(
            "files get longer than --rotate-size {}: at least {}, because RAW files are whole blocks of the \
             ring, here of {}\n  a smaller ring has smaller blocks (--ring 512K: of 128 KiB); \
             --format pcapng keeps any limit",
            Bytes(asked),
            Bytes(least),
            Bytes(block_bytes)
        ))
    }

    /// Starts what finishes and deletes the files of the recording of `streams`. `on_complete` runs
    /// for each finished file.
    ///
    /// # Errors
    /// An error if a thread cannot start.
    pub(crate) fn completion(
        &self,
        streams: Vec<StreamIdentity>,
        on_complete: Option<CommandLine>,
    ) -> Result<Completion> {
        let recording = Recording {
            streams,
            names: self.names.clone(),
            files: self.folder.own_files(),
        };
        let retention = match self.limits.is_set() {
            true => {
                let base = self.folder.base().to_owned();
                let room = self.folder.room().clone();
                let retention = Retention::new(self.limits, base, recording, room);
                Some(RetentionThread::start(retention)?)
            }
            false => None,
        };
        let commands = on_complete.map(Commands::start).transpose()?;
        Ok(Completion::new(Finisher::start()?, retention, commands))
    }
}

/// The name of `sources` in the names of the files. A file that holds several sources is named after
/// all of them.
fn file_name(sources: &[Source], form: Form) -> SourceName {
    match sources {
        [first, ..] if form.format == FileFormat::Raw => first.name,
        [one] => one.name,
        all => {
            let all: Vec<String> = all.iter().map(|source| source.name.to_string()).collect();
            SourceName::like(&all.join("+"))
        }
    }
}
