//! Opens the queue or the sources of a recording.

use std::time::Duration;

use hpcap::{Contract, Listener, QueueName, Result, Start};
use hpcap_engine::EngineConfig;
use hpcap_source::SourceSpec;

use crate::cli::Cli;
use crate::outlet::OWN_QUEUE;
use crate::plan::{Destination, Origin, Selection};
use crate::report::reporter::Reporter;
use crate::session::attach::Attaching;
use crate::session::input::Input;

/// Size in bytes of the ring of a source that waits for the recorder. Only a network needs a large
/// ring to bridge a slow disk; a small ring keeps the frames in the CPU's caches until they are
/// written.
const RING_OF_A_SOURCE_THAT_WAITS: u64 = 16 << 20;

/// How long frames may wait in the kernel for a recorder of files. Together with the time until the recorder writes them
/// ([`FLUSH_AFTER`](crate::sink::FLUSH_AFTER)), this is less than the second within which captured frames are on disk.
const DELAY_OF_FILES: Duration = Duration::from_millis(400);

/// The open queue or sources of a recording.
pub(crate) struct Inputs {
    /// The queue, or all sources.
    pub(crate) input: Input,
    /// The listeners of the sources behind the first.
    pub(crate) further: Vec<Listener>,
    /// The part of the stream that the recorder itself selects.
    pub(crate) selection: Selection,
}

impl Inputs {
    /// Opens `origin`. Returns `None` if a signal came, or `--duration` was over, before.
    ///
    /// # Errors
    /// Errors of the queue or of a source.
    pub(crate) fn open(
        cli: &Cli,
        origin: &Origin,
        destination: &Destination,
        contract: Contract,
        start: Start,
        reporter: &mut Reporter,
        attaching: &mut Attaching,
    ) -> Result<Option<Self>> {
        let (input, selection, further) = match origin {
            Origin::Queue(name) => {
                let name = *name;
                let open = move || Input::queue(name, contract, start);
                let event = format!("the producer of {name} to answer");
                let input = attaching.open(reporter, &event, open)?;
                (input, selection_of(cli), &[][..])
            }
            Origin::Sources(sources) => {
                let Some((first, further)) = sources.split_first() else {
                    return Ok(None);
                };
                let config = engine_config(cli, destination, OWN_QUEUE, first.spec.clone());
                let open = move || Input::source(&config, contract, start);
                // The sources apply the filter and the capture length themselves.
                let input = attaching.open(reporter, "the source to begin", open)?;
                (input, Selection::default(), further)
            }
        };
        let Some(mut input) = input else {
            return Ok(None);
        };
        let further = (1..)
            .zip(further)
            .map(|(number, source)| {
                let name = QueueName::new(0, number);
                let config = engine_config(cli, destination, name, source.spec.clone());
                input.add(&config, contract, start)
            })
            .collect::<Result<_>>()?;
        Ok(Some(Self {
            input,
            further,
            selection,
        }))
    }
}

fn selection_of(cli: &Cli) -> Selection {
    Selection {
        filter: cli.filter.clone(),
        caplen: cli.caplen.filter(|n| *n > 0),
        plain: cli.plain,
    }
}

fn engine_config(
    cli: &Cli,
    destination: &Destination,
    name: QueueName,
    source: SourceSpec,
) -> EngineConfig {
    let waits = source.waits();
    let mut config = EngineConfig::new(name, source);
    config.start_on_attach = true;
    // Somebody may look at what stdout gets.
    if *destination != Destination::Stdout {
        config.delay = DELAY_OF_FILES;
    }
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
    config
}
