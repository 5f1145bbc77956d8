//! Builds a session from the command line and runs it.

use hpcap::compress::FileFormat;
use hpcap::message::Messages;
use hpcap::queue::QueueInfo;
use hpcap::raw::RecordingId;
use hpcap::visible::visible;
use hpcap::{Contract, Error, Result, Start};

use crate::cli::Cli;
use crate::form::Form;
use crate::inputs::Inputs;
use crate::outlet::Outlet;
use crate::plan::{self, Destination, Origin, QueueSet};
use crate::queue_set;
use crate::report::event::{self, Event};
use crate::report::reporter::{Reporter, Style};
use crate::session::attach::Attaching;
use crate::session::input::Input;
use crate::session::rotation::Rotation;
use crate::session::signals::Signals;
use crate::session::{Recorded, Session, Timing};
use crate::sink::choose::{Chosen, Mode, Wanted, streams};
use crate::storage::finish::on_complete::CommandLine;

/// Runs the recording that `cli` describes until something ends it. With `--wait`, records from one
/// producer after the other.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for options that contradict each other, and every failure to
/// start the recording or to store what was captured.
pub fn record(cli: &Cli, messages: &Messages, signals: &Signals) -> Result<()> {
    if let Some(plan) = QueueSet::of(cli)? {
        return queue_set::record(cli, plan, messages, signals);
    }
    let (origin, destination) = plan::endpoints(cli)?;
    plan::check_options(cli, &destination)?;
    if let Origin::Sources(sources) = &origin {
        plan::check_several(cli, sources, &destination)?;
    }
    let stdout_taken = destination == Destination::Stdout;
    let mut reporter = Reporter::new(messages, style_of(cli), stdout_taken);
    record_one(cli, &origin, &destination, &mut reporter, signals)
}

/// Does the same as [`record`], for the queue or the sources of `origin`, in this thread.
///
/// # Errors
/// The errors of [`record`].
pub(crate) fn record_one(
    cli: &Cli,
    origin: &Origin,
    destination: &Destination,
    reporter: &mut Reporter,
    signals: &Signals,
) -> Result<()> {
    match cli.recorder_cpu.as_slice() {
        [] => {}
        [cpu] => hpcap_host::process::run_on_cpu(*cpu)?,
        _ => {
            return Err(Error::usage(
                "--recorder-cpu",
                "one thread stores the frames, so one CPU is expected; only hpcapN:* has several threads",
            ));
        }
    }
    let mut attaching = Attaching::new(cli.wait, cli.duration, signals);
    // The recording of the next producer gets what is left of the limits.
    let mut rest = cli.clone();
    loop {
        let recorded = record_once(
            &rest,
            origin,
            destination,
            reporter,
            signals,
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

/// What the options say of a recording, as far as it is known before the queue or the source is open.
pub(crate) struct Terms {
    contract: Contract,
    start: Start,
    form: Form,
    on_complete: Option<CommandLine>,
}

impl Terms {
    /// Takes the terms from the options.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) for options that are wrong, or do not fit `origin` and `destination`.
    pub(crate) fn of(cli: &Cli, origin: &Origin, destination: &Destination) -> Result<Self> {
        let contract = plan::contract(cli.contract.as_deref(), origin, destination)?;
        let start = plan::start(cli.start.as_deref(), destination)?;
        let form = Form::of(cli, destination)?;
        form.check_rotate_size(cli.rotate_size)?;
        let on_complete = cli.on_complete.as_deref().map(CommandLine::parse);
        Ok(Self {
            contract,
            start,
            form,
            on_complete: on_complete.transpose()?,
        })
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
    let Terms {
        contract,
        start,
        form,
        on_complete,
    } = Terms::of(cli, origin, destination)?;
    let outlet = Outlet::open(cli, origin, destination, form)?;
    let inputs = Inputs::open(
        cli,
        origin,
        destination,
        contract,
        start,
        reporter,
        attaching,
    )?;
    let Some(inputs) = inputs else {
        return Ok(None);
    };
    let Inputs {
        input,
        further,
        selection,
    } = inputs;
    let by_records = form.format != FileFormat::Raw
        || !selection.is_everything()
        || cli.frames.is_some()
        || start != Start::File
        || (cli.bytes.is_some() && *destination == Destination::Null);
    // A frame-by-frame recording is a stream of its own, so it gets an id of its own.
    let streams = streams(&input, form, by_records)?;
    if let (Outlet::Files(files), false) = (&outlet, by_records) {
        let block_bytes = input.listener.info().block_bytes;
        files.check_blocks(block_bytes, streams.len() as u64)?;
        if let Some(warning) = files.longer_than_asked(block_bytes) {
            reporter.tell(&Event::warning(warning));
        }
    }
    let own_streams: Vec<RecordingId> = match by_records {
        true => streams.iter().filter_map(|stream| stream.id).collect(),
        false => Vec::new(),
    };
    let completion = match &outlet {
        Outlet::Files(files) => Some(files.completion(streams, on_complete)?),
        Outlet::Null | Outlet::Pipe(_) => None,
    };
    let wanted = Wanted {
        cli,
        input: &input,
        selection: &selection,
        own_streams: &own_streams,
    };
    let Chosen { sink, mode } = match (origin, outlet) {
        (Origin::Sources(sources), Outlet::Files(files)) if sources.len() > 1 => {
            wanted.sink_of_several(*files, sources, further)?
        }
        // Several sources have no other destination.
        (_, outlet) => wanted.sink_of_one(outlet)?,
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
    mode: Mode,
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
        mode: mode.name(),
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
