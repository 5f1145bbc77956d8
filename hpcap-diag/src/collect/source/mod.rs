//! The sources, in the order in which they are read: what changes quickly is read first and again at the end.

mod captures;
mod glob;
mod kernel;
mod live;
mod logs;
mod processes;
mod settings;
mod versions;

use std::time::{Duration, Instant};

use hpcap::Result;

use super::Collection;

/// Longest time for one file of the kernel.
const FILE_TIME: Duration = Duration::from_secs(2);

/// Reads everything once.
pub(super) fn first(collection: &mut Collection<'_>) -> Result<()> {
    collection.tell("counters");
    kernel::read_changing(collection, "")?;
    live::read_changing(collection, "")?;
    collection.counted = Instant::now();
    collection.tell("facts of the machine");
    kernel::read_fixed(collection)?;
    live::read_fixed(collection)?;
    collection.tell("processes");
    processes::read(collection)?;
    if collection.options.thorough {
        collection.tell("settings and versions");
        settings::read(collection)?;
        versions::read(collection)?;
        collection.tell("logs");
        logs::read(collection)?;
        collection.tell("capture files");
        captures::read(collection)?;
    }
    Ok(())
}

/// Waits until the interval is over, and reads again what changes.
pub(super) fn second(collection: &mut Collection<'_>) -> Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    let end = collection.counted + collection.options.interval;
    let mut told = Duration::MAX;
    while let left = end.saturating_duration_since(Instant::now())
        && !left.is_zero()
    {
        collection.go_on()?;
        if told.as_secs() != left.as_secs() {
            collection.tell(&format!("counters again in {} s", left.as_secs() + 1));
            told = left;
        }
        std::thread::sleep(left.min(STEP));
    }
    let later = format!("{}/", crate::manifest::LATER);
    kernel::read_changing(collection, &later)?;
    live::read_changing(collection, &later)?;
    processes::read_load(collection, &later)
}
