//! The description of a queue and of its source, as the queue page has it.

use hpcap::abi::{self, hpcap_queue};
use hpcap::raw::RecordingId;
use hpcap::{Error, Result, Timestamp};
use hpcap_source::Source;

use crate::config::EngineConfig;
use crate::ring::memory::QueueMemory;

/// Name and version of this software, as the queue page and the file headers state them.
pub const SOFTWARE: &str = concat!("hpcap-engine ", env!("CARGO_PKG_VERSION"));

/// Writes into the queue page of `memory` what does not change while the queue runs.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for files that are shorter than a block.
pub(crate) fn describe(
    memory: &mut QueueMemory,
    config: &EngineConfig,
    source: &dyn Source,
) -> Result<()> {
    let description = source.description();
    let recording = RecordingId::random()?;
    let mut ok = true;
    memory.describe(|page: &mut hpcap_queue| {
        let mut flags = 0;
        if config.plain {
            flags |= abi::HPCAP_QUEUE_PLAIN;
        }
        if config.look_back {
            flags |= abi::HPCAP_QUEUE_LOOK_BACK;
        }
        // A plain stream has no tags, so it does not tell sent frames from received ones.
        if description.knows_directions && !config.plain {
            flags |= abi::HPCAP_QUEUE_DIRECTIONS;
        }
        page.flags = flags;
        page.caplen = config.caplen;
        page.adapter = config.name.adapter;
        page.queue = config.name.queue;
        page.producer_pid = std::process::id();
        page.link_type = description.link_type;
        page.start_ns = Timestamp::now().as_ns();
        page.start_off = config.start_off / page.block_bytes * page.block_bytes;
        page.file_bytes_max = config.file_bytes_max.min(abi::HPCAP_FILE_BYTES_MAX)
            / page.block_bytes
            * page.block_bytes;
        ok = page.file_bytes_max > 0;
        page.interface = abi::field(&description.interface);
        page.host = abi::field(&host_name());
        page.clock_source = abi::field(description.clock_source);
        page.software = abi::field(SOFTWARE);
        page.source = abi::field(&config.source.to_string());
        page.filter = abi::marked_field(&config.filter);
        page.recording_id = *recording.as_bytes();
    });
    if ok {
        return Ok(());
    }
    Err(Error::usage(
        format!("file size {}", config.file_bytes_max),
        "expected at least a block: 4 MiB, or a quarter of a smaller ring",
    ))
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
