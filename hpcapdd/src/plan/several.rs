//! What a recording of several sources does not support.

use hpcap::compress::FileFormat;
use hpcap::{Error, Result};

use super::{Destination, Source};
use crate::cli::Cli;
use crate::form::Form;

/// Refuses options that several sources do not support.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage), naming the option and what to do.
pub fn check_several(cli: &Cli, sources: &[Source], destination: &Destination) -> Result<()> {
    if sources.len() < 2 {
        return Ok(());
    }
    let refuse =
        |what: &str, why: &str| Err(Error::usage(format!("{what} with several sources"), why));
    let waiting = sources.iter().filter(|source| source.spec.waits()).count();
    if waiting != 0 && waiting != sources.len() {
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
