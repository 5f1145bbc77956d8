//! Chooses the sink of a recording: whole blocks, frame by frame, or nothing; of one source or of
//! several.

use hpcap::compress::FileFormat;
use hpcap::filter::Filter;
use hpcap::queue::QueueInfo;
use hpcap::raw::{Origin, RecordingId};
use hpcap::{Listener, QueueName, Result};

use crate::cli::Cli;
use crate::form::Form;
use crate::outlet::{FileOutlet, Outlet};
use crate::plan::{Selection, Source};
use crate::session::input::Input;
use crate::sink::Sink;
use crate::sink::block::{BlockLimits, BlockSink};
use crate::sink::null::{NullOutput, NullSink};
use crate::sink::record::capture_format::{CaptureFormat, CaptureOutput};
use crate::sink::record::merge::MergeSink;
use crate::sink::record::pipe_output::PipeOutput;
use crate::sink::record::raw_format::{Kept, RawFormat, RawOutput};
use crate::sink::record::{RecordLimits, RecordOutput, RecordSink, Selector};
use crate::sink::side_by_side::SideBySide;
use crate::storage::folder::OutputFolder;
use crate::storage::retention::StreamIdentity;

/// How the frames are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In whole blocks.
    Blocks,
    /// Frame by frame.
    Records,
    /// Frames are not stored.
    Null,
}

impl Mode {
    /// The mode as reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Records => "records",
            Self::Null => "null",
        }
    }
}

/// A sink and its mode.
pub(crate) struct Chosen {
    /// The sink.
    pub(crate) sink: Box<dyn Sink>,
    /// How it stores frames.
    pub(crate) mode: Mode,
}

impl Chosen {
    fn records(sink: impl Sink + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            mode: Mode::Records,
        }
    }
}

/// Facts of the recording that a sink needs.
pub(crate) struct Wanted<'a> {
    /// The command line.
    pub(crate) cli: &'a Cli,
    /// The queue, or the sources.
    pub(crate) input: &'a Input,
    /// The part of the stream that the recorder itself selects.
    pub(crate) selection: &'a Selection,
    /// Ids of the streams that the recorder makes of the frames, because it stores them frame by
    /// frame. Empty if it stores whole blocks.
    pub(crate) own_streams: &'a [RecordingId],
}

/// Identifies the streams of frames that go into files of their own. If `own`, the recorder makes new
/// streams of the frames, otherwise it copies the streams of the queues.
///
/// # Errors
/// An error if the system gives no random numbers.
pub(crate) fn streams(input: &Input, form: Form, own: bool) -> Result<Vec<StreamIdentity>> {
    let stream = |origin: Origin, info: &QueueInfo| {
        let id = match own {
            true => Some(RecordingId::random()?),
            false => info.recording,
        };
        Ok(StreamIdentity { origin, id })
    };
    let first = input.listener.info();
    let further = input.further_queues();
    if form.format == FileFormat::Raw {
        let all = std::iter::once(first).chain(further.iter().map(|queue| queue.info()));
        return all.map(|info| stream(info.origin(), info)).collect();
    }
    // One file names the interfaces of all sources.
    let mut origin = first.origin();
    for queue in &further {
        origin.interface = format!("{}+{}", origin.interface, queue.info().interface);
        origin.queue = None;
    }
    Ok(vec![stream(origin, first)?])
}

impl Wanted<'_> {
    /// Makes the sink of a queue, or of one source.
    ///
    /// # Errors
    /// A filter that cannot be compiled, and a link type that pcapng does not have.
    pub(crate) fn sink_of_one(&self, outlet: Outlet) -> Result<Chosen> {
        let listener = &self.input.listener;
        Ok(match outlet {
            Outlet::Null if self.own_streams.is_empty() => Chosen {
                sink: Box::new(NullSink::default()),
                mode: Mode::Null,
            },
            Outlet::Null => Chosen::records(self.record_sink(listener, NullOutput::default())?),
            Outlet::Pipe(pipe) => {
                let output = PipeOutput::new(
                    pipe,
                    listener.info(),
                    listener.start().ledger,
                    self.filter(),
                    self.caplen(listener),
                )?;
                Chosen::records(self.record_sink(listener, output)?)
            }
            Outlet::Files(files) => match self.own_streams.first() {
                Some(id) if files.folder.format() != FileFormat::Raw => {
                    let output = self.capture_output(*files, *id);
                    Chosen::records(self.record_sink(listener, output)?)
                }
                own => {
                    let FileOutlet {
                        folder,
                        rotate_bytes,
                        ..
                    } = *files;
                    Chosen {
                        sink: self.raw_sink(listener, folder, rotate_bytes, own)?,
                        mode: match own {
                            Some(_) => Mode::Records,
                            None => Mode::Blocks,
                        },
                    }
                }
            },
        })
    }

    /// Makes the sink of `sources`; `further` are the listeners of all but the first.
    ///
    /// # Errors
    /// A filter that cannot be compiled.
    pub(crate) fn sink_of_several(
        &self,
        files: FileOutlet,
        sources: &[Source],
        further: Vec<Listener>,
    ) -> Result<Chosen> {
        let first = &self.input.listener;
        if files.folder.format() != FileFormat::Raw
            && let Some(id) = self.own_streams.first()
        {
            let sources_wait = sources.iter().all(|source| source.spec.waits());
            let output = self.capture_output(files, *id);
            let limits = self.record_limits();
            return Ok(Chosen::records(MergeSink::new(
                output,
                first,
                further,
                limits,
                sources_wait,
            )));
        }
        let (folder, rotate_bytes) = (&files.folder, files.rotate_bytes);
        let mut own = self.own_streams.iter();
        let first = self.raw_sink(first, folder.clone(), rotate_bytes, own.next())?;
        let mut others: Vec<(Box<dyn Sink>, Listener)> = Vec::new();
        for (number, (listener, source)) in (1..).zip(further.into_iter().zip(&sources[1..])) {
            let folder = folder
                .clone()
                .of(QueueName::new(0, number))
                .named(Some(source.name));
            let sink = self.raw_sink(&listener, folder, rotate_bytes, own.next())?;
            others.push((sink, listener));
        }
        Ok(Chosen {
            sink: Box::new(SideBySide::new(first, others)),
            mode: Mode::Blocks,
        })
    }

    fn filter(&self) -> &str {
        self.selection.filter.as_deref().unwrap_or_default()
    }

    fn caplen(&self, listener: &Listener) -> u32 {
        self.selection.caplen.unwrap_or(listener.page().caplen())
    }

    fn record_limits(&self) -> RecordLimits {
        RecordLimits {
            frames: self.cli.frames,
            bytes: self.cli.bytes,
            files: self.cli.files,
        }
    }

    fn record_sink<O: RecordOutput>(
        &self,
        listener: &Listener,
        output: O,
    ) -> Result<RecordSink<O>> {
        let link_type = listener.info().link_type;
        let filter = self.selection.filter.as_deref();
        let selector = Selector {
            filter: filter
                .map(|text| Filter::new(text, link_type))
                .transpose()?,
            caplen: self.selection.caplen.and_then(|n| usize::try_from(n).ok()),
        };
        let limits = self.record_limits();
        Ok(RecordSink::new(listener, output, selector, limits))
    }

    /// pcapng or pcap files with the frames of all sources.
    fn capture_output(&self, files: FileOutlet, id: RecordingId) -> CaptureOutput {
        let listener = &self.input.listener;
        let format = CaptureFormat::new(
            files.folder.format(),
            listener.info().clone(),
            listener.start().ledger,
            self.filter(),
            self.caplen(listener),
            files.rotate_bytes,
        );
        let format = format.with_further(self.input.further_queues());
        CaptureOutput::new(files.folder, format, id)
    }

    /// RAW files of one listener: whole blocks, or frame by frame as the stream `own`.
    fn raw_sink(
        &self,
        listener: &Listener,
        folder: OutputFolder,
        rotate_bytes: Option<u64>,
        own: Option<&RecordingId>,
    ) -> Result<Box<dyn Sink>> {
        let Some(id) = own else {
            let limits = BlockLimits {
                files: self.cli.files,
                bytes: self.cli.bytes,
                rotate_bytes,
            };
            return Ok(Box::new(BlockSink::new(listener, folder, limits)));
        };
        let info = listener.info();
        let kept = Kept {
            filter: self.filter().to_owned(),
            caplen: self.caplen(listener),
            plain: self.selection.plain || info.plain,
        };
        let format = RawFormat::new(info.clone(), kept, rotate_bytes);
        let output = RawOutput::new(folder, format, *id);
        Ok(Box::new(self.record_sink(listener, output)?))
    }
}
