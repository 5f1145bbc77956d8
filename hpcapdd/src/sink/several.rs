//! Recording of several sources: what is allowed, file names, and the sink.

use hpcap::compress::FileFormat;
use hpcap::queue::QueueInfo;
use hpcap::raw::{Origin, RecordingId, SourceName};
use hpcap::{Error, Listener, QueueName, Result};
use hpcap_source::spec::SourceSpec;

use crate::cli::Cli;
use crate::form::Form;
use crate::plan::{self, Destination};
use crate::recorder::Outlet;
use crate::session::input::Input;
use crate::sink::Sink;
use crate::sink::block::{BlockLimits, BlockSink};
use crate::sink::record::capture_format::{CaptureFormat, CaptureOutput};
use crate::sink::record::merge::MergeSink;
use crate::sink::record::raw_format::{Kept, RawFormat, RawOutput};
use crate::sink::record::{RecordLimits, RecordSink, Selector};
use crate::sink::side_by_side::SideBySide;
use crate::storage::folder::OutputFolder;
use crate::storage::retention::StreamIdentity;

/// Refuses options that several sources do not support.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage), naming the option and what to do.
pub fn check(cli: &Cli, destination: &Destination) -> Result<()> {
    if cli.source.len() < 2 {
        return Ok(());
    }
    let refuse =
        |what: &str, why: &str| Err(Error::usage(format!("{what} with several sources"), why));
    let specs = cli
        .source
        .iter()
        .map(|spec| plan::source_spec(spec))
        .collect::<Result<Vec<SourceSpec>>>()?;
    let waiting = specs.iter().filter(|spec| spec.waits()).count();
    if waiting != 0 && waiting != specs.len() {
        return refuse(
            "a file or generator that waits",
            "the others do not wait: give it speed=real or a rate",
        );
    }
    match Form::of(cli, destination)?.format {
        _ if matches!(destination, Destination::Null | Destination::Stdout) => refuse(
            "DEST null or -",
            "name a folder, or a file that ends in .pcapng",
        ),
        FileFormat::Pcapng => Ok(()),
        FileFormat::Pcap => refuse(
            "pcap",
            "it cannot say which interface a frame came from: use --format pcapng",
        ),
        FileFormat::Raw => {
            if cli.start.is_some() {
                return refuse("--start", "each source begins with the recording");
            }
            match destination {
                Destination::Folder(_) => Ok(()),
                _ => refuse(
                    "one RAW file",
                    "name a folder, or a file that ends in .pcapng",
                ),
            }
        }
    }
}

/// The source's name in the names of the files. A file that holds several sources is named after
/// all of them.
///
/// # Errors
/// The errors of [`plan::source_name`].
pub(crate) fn file_name(cli: &Cli, form: Form) -> Result<SourceName> {
    let names = cli
        .source
        .iter()
        .map(|spec| plan::source_name(spec))
        .collect::<Result<Vec<_>>>()?;
    match names.as_slice() {
        [first, _, ..] if form.format == FileFormat::Raw => Ok(*first),
        [one] => Ok(*one),
        all => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            Ok(SourceName::like(&all.join("+")))
        }
    }
}

/// The streams of frames that go into files of their own. If `own`, the recorder makes a new stream
/// of the frames, otherwise it copies the stream of the queue.
///
/// # Errors
/// An error if the system gives no random numbers.
pub(crate) fn streams(input: &Input, form: Form, own: bool) -> Result<Vec<StreamIdentity>> {
    let id = |info: &QueueInfo| match own {
        true => RecordingId::random().map(Some),
        false => Ok(info.recording),
    };
    let first = input.listener.info();
    if form.format != FileFormat::Raw {
        let origin = origin(input);
        return Ok(vec![StreamIdentity {
            origin,
            id: id(first)?,
        }]);
    }
    let further = input.further_queues();
    std::iter::once(first)
        .chain(further.iter().map(|queue| queue.info()))
        .map(|info| {
            Ok(StreamIdentity {
                origin: info.origin(),
                id: id(info)?,
            })
        })
        .collect()
}

/// The origin of the frames. With several sources, it names the interfaces of all of them.
fn origin(input: &Input) -> Origin {
    let further = input.further_queues();
    let mut origin = input.listener.info().origin();
    for queue in &further {
        origin.interface = format!("{}+{}", origin.interface, queue.info().interface);
        origin.queue = None;
    }
    origin
}

/// Makes the sink for `input` and for the listeners of `further` sources. Returns it with its mode,
/// `records` or `blocks`.
pub(crate) fn make_sink(
    cli: &Cli,
    outlet: Outlet,
    input: &Input,
    further: Vec<Listener>,
    rotate_bytes: Option<u64>,
    own_streams: &[RecordingId],
) -> Result<(Box<dyn Sink>, &'static str)> {
    let Outlet::Folder(folder) = outlet else {
        // `check` has refused every other destination.
        return Err(Error::usage(
            "DEST with several sources",
            "expected a folder or a file",
        ));
    };
    let info = input.listener.info();
    let limits = RecordLimits {
        frames: cli.frames,
        bytes: cli.bytes,
        files: cli.files,
    };
    if let [recording] = own_streams {
        let before = input.listener.start().ledger;
        let caplen = input.listener.page().caplen();
        let form = folder.format();
        let format = CaptureFormat::new(form, info.clone(), before, "", caplen, rotate_bytes)
            .with_further(input.further_queues());
        let output = CaptureOutput::new(*folder, format, *recording);
        let sources_wait = cli
            .source
            .iter()
            .all(|spec| plan::source_spec(spec).is_ok_and(|spec| spec.waits()));
        let sink = MergeSink::new(output, &input.listener, further, limits, sources_wait);
        return Ok((Box::new(sink), "records"));
    }
    let sink = |listener: &Listener, folder: OutputFolder, own: Option<&RecordingId>| {
        let Some(recording) = own else {
            let limits = BlockLimits {
                files: cli.files,
                bytes: cli.bytes,
                rotate_bytes,
            };
            let sink: Box<dyn Sink> = Box::new(BlockSink::new(listener, folder, limits));
            return sink;
        };
        let info = listener.info();
        let kept = Kept {
            filter: String::new(),
            caplen: listener.page().caplen(),
            plain: info.plain,
        };
        let format = RawFormat::new(info.clone(), kept, rotate_bytes);
        let output = RawOutput::new(folder, format, *recording);
        Box::new(RecordSink::new(
            listener,
            output,
            Selector::default(),
            limits,
        ))
    };
    let mut others: Vec<(Box<dyn Sink>, Listener)> = Vec::new();
    let mut own = own_streams.iter();
    let first = sink(&input.listener, (*folder).clone(), own.next());
    for (number, (listener, spec)) in (1..).zip(further.into_iter().zip(cli.source.iter().skip(1)))
    {
        let folder = folder
            .clone()
            .of(QueueName::new(0, number))
            .named(Some(plan::source_name(spec)?));
        others.push((sink(&listener, folder, own.next()), listener));
    }
    Ok((Box::new(SideBySide::new(first, others)), "blocks"))
}
