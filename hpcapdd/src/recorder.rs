//! Builds a session from the command line and runs it.

use hpcap::compress::FileFormat;
use hpcap::filter::Filter;
use hpcap::message::Messages;
use hpcap::queue::QueueInfo;
use hpcap::raw::RecordingId;
use hpcap::visible::visible;
use hpcap::{Listener, QueueName, Result, Start};
use hpcap_engine::EngineConfig;
use hpcap_source::spec::SourceSpec;

use crate::cli::Cli;
use crate::form::Form;
use crate::plan::{self, Destination, Origin, Selection};
use crate::report::event::{self, Event};
use crate::report::reporter::{Reporter, Style};
use crate::session::attach::Attaching;
use crate::session::completion::Completion;
use crate::session::input::Input;
use crate::session::rotation::Rotation;
use crate::session::signals::Signals;
use crate::session::{Recorded, Session, Timing};
use crate::sink::Sink;
use crate::sink::block::{BlockLimits, BlockSink};
use crate::sink::null::{NullOutput, NullSink};
use crate::sink::record::capture_format::{CaptureFormat, CaptureOutput};
use crate::sink::record::pipe_output::PipeOutput;
use crate::sink::record::raw_format::{Kept, RawFormat, RawOutput};
use crate::sink::record::{RecordLimits, RecordOutput, RecordSink, Selector};
use crate::sink::several;
use crate::storage::access::Access;
use crate::storage::finish::Finisher;
use crate::storage::finish::on_complete::{CommandLine, Commands};
use crate::storage::folder::OutputFolder;
use crate::storage::pipe::Pipe;
use crate::storage::retention::{Limits, Recording, Retention, RetentionThread};

/// Name of the queue of the first source inside this process.
const OWN_QUEUE: QueueName = QueueName::new(0, 0);

/// Size in bytes of the ring of a source that waits for the recorder. Only a network needs a large
/// ring to bridge a slow disk; a small ring keeps the frames in the CPU's caches until they are
/// written.
const RING_OF_A_SOURCE_THAT_WAITS: u64 = 16 << 20;

/// Runs the recording that `cli` describes until something ends it. With `--wait`, records from one
/// producer after the other.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for options that contradict each other, and every failure to
/// start the recording or to store what was captured.
pub fn record(cli: &Cli, messages: &Messages, signals: Signals) -> Result<()> {
    let (origin, destination) = plan::endpoints(cli)?;
    plan::check_options(cli, &destination)?;
    several::check(cli, &destination)?;
    if let Some(cpu) = cli.recorder_cpu {
        hpcap_engine::engine::pin(cpu)?;
    }
    let stdout_taken = destination == Destination::Stdout;
    let mut reporter = Reporter::new(messages, style_of(cli), stdout_taken);
    let mut attaching = Attaching::new(cli.wait, cli.duration, &signals);
    // The recording of the next producer gets what is left of the limits.
    let mut rest = cli.clone();
    loop {
        let recorded = record_once(
            &rest,
            &origin,
            &destination,
            &mut reporter,
            &signals,
            &mut attaching,
        )?;
        let Some(recorded) = recorded else {
            return Ok(());
        };
        // A destination that is one file takes only one recording.
        let is_one_file = matches!(destination, Destination::File(_));
        if is_one_file || !attaching.goes_on_after(&recorded) {
            return recorded.outcome;
        }
        if let Err(e) = recorded.outcome {
            reporter.tell(&Event::warning(e.to_string()));
        }
        if !attaching.take_from_limits(&mut rest, &recorded.tally) {
            return Ok(());
        }
    }
}

/// Records from one producer until something ends the recording. Returns `None` if a signal came,
/// or `--duration` was over, before the recording could begin.
fn record_once(
    cli: &Cli,
    origin: &Origin,
    destination: &Destination,
    reporter: &mut Reporter,
    signals: &Signals,
    attaching: &mut Attaching,
) -> Result<Option<Recorded>> {
    let contract = plan::contract(cli.contract.as_deref(), origin, destination)?;
    let start = plan::start(cli.start.as_deref(), destination)?;
    let form = Form::of(cli, destination)?;
    let rotate_bytes = form.rotate_size(cli.rotate_size)?;
    let on_complete = cli
        .on_complete
        .as_deref()
        .map(CommandLine::parse)
        .transpose()?;
    let name = match origin {
        Origin::Queue(name) => *name,
        Origin::Source(_) => OWN_QUEUE,
    };
    // The output is opened before capturing starts, so that a destination that cannot be written to
    // is reported at once.
    let source = match origin {
        Origin::Queue(_) => None,
        Origin::Source(_) => Some(several::file_name(cli, form)?),
    };
    let access = Access {
        mode: cli.file_mode,
        group: cli.file_group,
    };
    let limits = Limits {
        age: cli.keep_age,
        size: cli.keep_size,
        free: cli.keep_free,
        files: cli.keep_files,
    };
    let made = |folder: OutputFolder| {
        let folder = folder.named(source).accessible(access);
        let folder = folder.writing(form.format, form.compression);
        let room = limits.room(folder.base());
        Box::new(folder.leaving(cli.keep_free.unwrap_or(0)).within(room))
    };
    let outlet = Outlet::open(destination, name, !cli.buffered, made)?;
    let mut rotate_bytes = rotate_bytes;
    if let Outlet::Folder(folder) = &outlet {
        limits.check(folder.base(), rotate_bytes)?;
        let files = match form.format {
            FileFormat::Raw => cli.source.len() as u64,
            FileFormat::Pcapng | FileFormat::Pcap => 1,
        };
        rotate_bytes = rotate_bytes.or_else(|| limits.file_bytes(folder.base(), files));
    }
    // A source inside this process applies the filter and the capture length itself.
    let (input, selection) = match origin {
        Origin::Queue(name) => {
            let name = *name;
            let open = move || Input::queue(name, contract, start);
            (attaching.open(reporter, open)?, selection_of(cli))
        }
        Origin::Source(spec) => {
            let config = engine_config(cli, plan::source_spec(spec)?)?;
            let open = move || Input::source(&config, contract, start);
            (attaching.open(reporter, open)?, Selection::default())
        }
    };
    let Some(mut input) = input else {
        return Ok(None);
    };
    let mut further = Vec::new();
    for (number, spec) in (1..).zip(cli.source.iter().skip(1)) {
        let mut config = engine_config(cli, plan::source_spec(spec)?)?;
        config.name = QueueName::new(0, number);
        further.push(input.add(&config, contract, start)?);
    }
    let by_records = form.format != FileFormat::Raw
        || !selection.is_everything()
        || cli.frames.is_some()
        || start != Start::File
        || (cli.bytes.is_some() && *destination == Destination::Null);
    // A frame-by-frame recording is a stream of its own, so it gets an id of its own.
    let streams = several::streams(&input, form, by_records)?;
    let own_streams: Vec<RecordingId> = match by_records {
        true => streams.iter().filter_map(|stream| stream.id).collect(),
        false => Vec::new(),
    };
    let completion = match &outlet {
        Outlet::Folder(folder) => {
            let recording = Recording {
                streams,
                files: folder.own_files(),
            };
            let base = folder.base().to_owned();
            let room = folder.room().clone();
            let retention = match limits.is_set() {
                true => Some(RetentionThread::start(Retention::new(
                    limits, base, recording, room,
                ))?),
                false => None,
            };
            let commands = on_complete.map(Commands::start).transpose()?;
            Some(Completion::new(Finisher::start()?, retention, commands))
        }
        Outlet::Null | Outlet::Pipe(_) => None,
    };
    let (sink, mode) = match further.is_empty() {
        true => {
            let own = own_streams.first().copied();
            make_sink(cli, outlet, &input, &selection, rotate_bytes, own)?
        }
        false => several::make_sink(cli, outlet, &input, further, rotate_bytes, &own_streams)?,
    };
    let start = start_event(origin, destination, &input, mode);
    let what = start.queue.as_ref().unwrap_or(&start.source);
    let status = format!("recording {what} to {}", start.destination);
    reporter.tell(&Event::Start(start));
    reporter.service().set_ready(&visible(&status));
    let timing = Timing {
        duration: cli.duration,
        rotate: cli.rotate_time.map(|every| Rotation {
            every,
            aligned: cli.aligned,
        }),
    };
    let session = Session::new(input, sink, completion, reporter, signals.clone(), timing);
    Ok(Some(session.run()))
}

/// An open destination.
pub(crate) enum Outlet {
    Folder(Box<OutputFolder>),
    Null,
    Pipe(Pipe),
}

impl Outlet {
    fn open(
        destination: &Destination,
        name: QueueName,
        direct: bool,
        made: impl Fn(OutputFolder) -> Box<OutputFolder>,
    ) -> Result<Self> {
        Ok(match destination {
            Destination::Folder(base) => {
                Self::Folder(made(OutputFolder::open(base, name, direct)?))
            }
            Destination::File(path) => {
                Self::Folder(made(OutputFolder::open_file(path, name, direct)?))
            }
            Destination::Null => Self::Null,
            Destination::Stdout => Self::Pipe(Pipe::stdout()?),
        })
    }
}

fn make_sink(
    cli: &Cli,
    outlet: Outlet,
    input: &Input,
    selection: &Selection,
    rotate_bytes: Option<u64>,
    recording: Option<RecordingId>,
) -> Result<(Box<dyn Sink>, &'static str)> {
    let listener = &input.listener;
    let info = listener.info();
    let filter = selection.filter.as_deref().unwrap_or_default();
    let caplen = selection.caplen.unwrap_or(listener.page().caplen());
    let limits = RecordLimits {
        frames: cli.frames,
        bytes: cli.bytes,
        files: cli.files,
    };
    let folder = match outlet {
        Outlet::Null if recording.is_some() => {
            let sink = by_record(listener, NullOutput::default(), selection, limits)?;
            return Ok((sink, "records"));
        }
        Outlet::Null => return Ok((Box::new(NullSink::default()), "null")),
        Outlet::Pipe(pipe) => {
            let output = PipeOutput::new(pipe, info, listener.start().ledger, filter, caplen)?;
            return Ok((by_record(listener, output, selection, limits)?, "records"));
        }
        Outlet::Folder(folder) => *folder,
    };
    if let Some(recording) = recording
        && folder.format() != FileFormat::Raw
    {
        let before = listener.start().ledger;
        let form = folder.format();
        let format = CaptureFormat::new(form, info.clone(), before, filter, caplen, rotate_bytes);
        let output = CaptureOutput::new(folder, format, recording);
        return Ok((by_record(listener, output, selection, limits)?, "records"));
    }
    if let Some(recording) = recording {
        let kept = Kept {
            filter: filter.to_owned(),
            caplen,
            plain: selection.plain || info.plain,
        };
        let format = RawFormat::new(info.clone(), kept, rotate_bytes);
        let output = RawOutput::new(folder, format, recording);
        return Ok((by_record(listener, output, selection, limits)?, "records"));
    }
    let limits = BlockLimits {
        files: cli.files,
        bytes: cli.bytes,
        rotate_bytes,
    };
    Ok((Box::new(BlockSink::new(listener, folder, limits)), "blocks"))
}

fn by_record<O: RecordOutput + 'static>(
    listener: &Listener,
    output: O,
    selection: &Selection,
    limits: RecordLimits,
) -> Result<Box<dyn Sink>> {
    let link_type = listener.info().link_type;
    let filter = selection.filter.as_deref();
    let selector = Selector {
        filter: filter
            .map(|text| Filter::new(text, link_type))
            .transpose()?,
        caplen: selection.caplen.and_then(|n| usize::try_from(n).ok()),
    };
    Ok(Box::new(RecordSink::new(
        listener, output, selector, limits,
    )))
}

fn selection_of(cli: &Cli) -> Selection {
    Selection {
        filter: cli.filter.clone(),
        caplen: cli.caplen.filter(|n| *n > 0),
        plain: cli.plain,
    }
}

fn engine_config(cli: &Cli, source: SourceSpec) -> Result<EngineConfig> {
    let waits = source.waits();
    let mut config = EngineConfig::new(OWN_QUEUE, source);
    config.start_on_attach = true;
    if waits {
        config.ring_bytes = RING_OF_A_SOURCE_THAT_WAITS;
    }
    if let Some(bytes) = cli.ring {
        config.ring_bytes = bytes;
    }
    if let Some(pages) = cli.pages {
        config.pages = pages;
    }
    config.caplen = cli.caplen.unwrap_or(0);
    config.filter = cli.filter.clone().unwrap_or_default();
    config.plain = cli.plain;
    config.cpu = cli.cpu;
    Ok(config)
}

/// The style in which `cli` asks for events.
#[must_use]
pub fn style_of(cli: &Cli) -> Style {
    if cli.json {
        Style::Json
    } else if cli.quiet {
        Style::Quiet
    } else {
        Style::Text {
            progress: cli.progress,
        }
    }
}

fn start_event(
    origin: &Origin,
    destination: &Destination,
    input: &Input,
    mode: &'static str,
) -> event::Start {
    let info = input.listener.info();
    event::Start {
        queue: matches!(origin, Origin::Queue(_)).then(|| info.name.to_string()),
        source: joined(input, |info| info.source.clone()),
        interface: joined(input, |info| info.interface.clone()),
        destination: match destination {
            Destination::Folder(path) | Destination::File(path) => path.display().to_string(),
            Destination::Null => "null".to_owned(),
            Destination::Stdout => "-".to_owned(),
        },
        mode,
        ring_bytes: info.ring_bytes,
        page_bytes: info.page_bytes,
    }
}

/// Applies `of` to the description of each source and joins the results with commas.
fn joined(input: &Input, of: impl Fn(&QueueInfo) -> String) -> String {
    let further = input.further_queues();
    let infos = std::iter::once(input.listener.info()).chain(further.iter().map(|q| q.info()));
    infos.map(of).collect::<Vec<_>>().join(", ")
}
