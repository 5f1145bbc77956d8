//! `hpcap-diag collect`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hpcap::error::Context;
use hpcap::message::{Level, Messages, Stream};
use hpcap::units::Bytes;
use hpcap::{Result, Timestamp};
use hpcap_host::Tree;

use super::{Archive, Options, collect, to_the_second};
use crate::cli::Collect;
use crate::manifest::Missing;

/// Largest number of reasons that are printed; the manifest has all.
const REASONS_SHOWN: usize = 5;

/// Collects into a tarball, and says what is in it.
///
/// # Errors
/// Errors of writing the tarball, or that a signal ended the collection.
pub fn run(options: &Collect, messages: &Messages) -> Result<()> {
    let stop = stop_flag()?;
    let folder = default_name();
    let path = match &options.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{folder}.tar.gz")),
    };
    let mut archive = Archive::create(&path, &folder)?;
    let mut tell = |what: &str| {
        if !options.quiet {
            messages.tell(
                Level::Progress,
                Stream::Errors,
                format!("collecting {what}"),
            );
        }
    };
    let began = Instant::now();
    let manifest = collect(
        &Options {
            tree: Tree::machine(),
            interval: options.interval,
            time_limit: options.time_limit,
            redact: options.redact,
            config: options.config.clone(),
            captures: options.captures.clone(),
            thorough: true,
            stop,
        },
        &mut archive,
        &mut tell,
    )?;
    let bytes = archive.finish()?;
    if options.quiet {
        return Ok(());
    }
    let mut text = format!(
        "{}: {} files, {}, {:.1} s\n",
        path.display(),
        manifest.files.len(),
        Bytes(bytes),
        began.elapsed().as_secs_f64()
    );
    if options.redact {
        let kinds: Vec<String> = manifest
            .replaced
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        text += &match kinds.is_empty() {
            true => "  nothing had to be replaced\n".to_owned(),
            false => format!("  replaced: {}\n", kinds.join(", ")),
        };
    } else {
        text += "  addresses, names and secrets were NOT replaced\n";
    }
    // A file that this kind of machine does not have is no problem.
    let unread: Vec<&Missing> = manifest
        .missing
        .iter()
        .filter(|missing| !missing.why.contains("No such file"))
        .collect();
    if !unread.is_empty() {
        text += &format!(
            "  could not be read: {} sources, all in manifest.json\n",
            unread.len()
        );
        for missing in unread.iter().take(REASONS_SHOWN) {
            text += &format!("    {}: {}\n", missing.path, missing.why);
        }
    }
    if !manifest.about.root {
        text += "  root can read more: sudo hpcap-diag collect\n";
    }
    text += &format!(
        "look at it yourself before you send it: tar -tzf {}",
        path.display()
    );
    messages.tell(
        Level::Info,
        Stream::Output,
        hpcap::visible::visible_lines(&text).into_owned(),
    );
    Ok(())
}

/// A flag that a request to stop sets.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    hpcap_service::stop_flag().context(|| "prepare for signals")
}

/// The name of a tarball of now, without its ending. It does not say which machine it is of.
fn default_name() -> String {
    let time = to_the_second(&Timestamp::now().to_string());
    let time = time.trim_end_matches('Z').replace([':', 'T'], "-");
    format!("hpcap-diag-{time}")
}
