//! Takes from the command line what to do, and checks it.

use std::path::{Path, PathBuf};

use hpcap::raw::SourceName;
use hpcap::raw::name::split_ending;
use hpcap::units::parse_duration;
use hpcap::{Contract, Error, QueueName, Result, Start};
use hpcap_host::Interface;
use hpcap_source::SourceSpec;

use crate::cli::Cli;
use crate::form;

/// Where the frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A queue of the kernel module or of a daemon.
    Queue(QueueName),
    /// A source that this process captures from.
    Source(String),
}

/// Where the frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Files in half-hour folders below this folder.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// No output: the frames are only counted.
    Null,
    /// A pcapng stream on stdout.
    Stdout,
}

/// The part of the stream that is kept, frame by frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Filter expression in tcpdump's syntax.
    pub filter: Option<String>,
    /// Bytes kept of each frame.
    pub caplen: Option<u32>,
    /// Whether tags are left out.
    pub plain: bool,
}

impl Selection {
    /// Whether the stream is kept as it is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Splits the operands into origin and destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) if the operands have none of the three forms.
pub fn endpoints(cli: &Cli) -> Result<(Origin, Destination)> {
    let words: Vec<&str> = cli.operands.iter().map(String::as_str).collect();
    match (cli.source.first(), words.as_slice()) {
        (Some(source), [dest]) => Ok((Origin::Source(source.clone()), destination(dest)?)),
        (Some(_), _) => Err(Error::usage(
            "operands",
            "with -i or --source only DEST is expected, such as: hpcapdd -i eth0 /data \
             (a filter follows -f, or -w DEST)",
        )),
        (None, [queue, dest]) => Ok((Origin::Queue(queue_name(queue, dest)?), destination(dest)?)),
        (None, [interface, queue, dest]) => {
            let name = original_name(interface, queue)?;
            Ok((Origin::Queue(name), destination(dest)?))
        }
        (None, _) => Err(Error::usage(
            "operands",
            "QUEUE DEST are expected, such as: hpcapdd hpcap0 /data (or -i INTERFACE -w DEST)",
        )),
    }
}

/// Splits `[NAME=]SPEC` into name and specification. A `=` behind the first colon belongs to an
/// option of the specification.
fn split_source(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, spec)) if !name.contains(':') => (Some(name), spec),
        _ => (None, text),
    }
}

/// Parses the specification in `[NAME=]SPEC`.
///
/// # Errors
/// Errors of the specification.
pub fn source_spec(text: &str) -> Result<SourceSpec> {
    split_source(text).1.parse()
}

/// The name of a source in the names of its files: NAME of `[NAME=]SPEC` or, without one, a name
/// after the interface or the file.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for a name that no file can have, and errors of the
/// specification.
pub fn source_name(text: &str) -> Result<SourceName> {
    if let Some(name) = split_source(text).0 {
        return SourceName::new(name).ok_or_else(|| {
            Error::usage(
                format!("--source {text}"),
                format!(
                    "{name:?} cannot be the name of its files: expected letters, digits and . _ + \
                     @ -, at most {} of them, and not the name of a queue",
                    SourceName::BYTES_MAX
                ),
            )
        });
    }
    Ok(match source_spec(text)? {
        SourceSpec::AfPacket(spec) => SourceName::like(&spec.interface),
        SourceSpec::Pcap(spec) => {
            let name = spec.path.file_name().unwrap_or_default().to_string_lossy();
            let stem = split_ending(&name).map_or(&*name, |(stem, _, _)| stem);
            SourceName::like(stem)
        }
        SourceSpec::Generator(_) => SourceName::like("gen"),
    })
}

/// Parses the name of a queue. If `text` is something else that can be captured, the error says how
/// to capture it.
fn queue_name(text: &str, dest: &str) -> Result<QueueName> {
    text.parse().map_err(|error: Error| {
        if text.parse::<SourceSpec>().is_ok() {
            error.advise(format!("it is a source: hpcapdd --source {text} {dest}"))
        } else if matches!(Interface::by_name(text), Ok(Some(_))) {
            error.advise(format!(
                "{text} is a network interface: hpcapdd -i {text} -w {dest}"
            ))
        } else if Path::new(text).is_file() {
            error.advise(format!(
                "{text} is a file: hpcapdd --source pcap:{text} {dest}"
            ))
        } else {
            error
        }
    })
}

/// Parses `<if> <queue>`, the form of the original hpcapdd: numbers, or `hpcapN` for the first.
fn original_name(interface: &str, queue: &str) -> Result<QueueName> {
    let number = interface.strip_prefix("hpcap").unwrap_or(interface);
    format!("hpcap{number}:{queue}").parse().map_err(|_| {
        Error::usage(
            format!("queue \"{interface} {queue}\""),
            "expected the numbers of adapter and queue, such as: hpcapdd 0 1 /data",
        )
    })
}

fn destination(text: &str) -> Result<Destination> {
    match text {
        "" => Err(Error::usage(
            "destination \"\"",
            "expected a folder, a file, null or -",
        )),
        "null" => Ok(Destination::Null),
        "-" => Ok(Destination::Stdout),
        path => form::place(path),
    }
}

/// The contract with the queue: that of `--contract`, or the default. A live view of a queue is
/// lossy by default, because others share the queue and the reader of the pipe may pause at any
/// time.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for anything but `lossless`, `lossless:TIME` and `lossy`.
pub fn contract(
    text: Option<&str>,
    origin: &Origin,
    destination: &Destination,
) -> Result<Contract> {
    match (text, origin, destination) {
        (Some(text), _, _) => parse_contract(text),
        (None, Origin::Queue(_), Destination::Stdout) => Ok(Contract::Lossy),
        (None, _, _) => Ok(Contract::Lossless),
    }
}

fn parse_contract(text: &str) -> Result<Contract> {
    match text.split_once(':') {
        None if text == "lossless" => Ok(Contract::Lossless),
        None if text == "lossy" => Ok(Contract::Lossy),
        Some(("lossless", time)) => match parse_duration(time)? {
            time if time.is_zero() => Err(Error::usage(
                format!("contract {text:?}"),
                "the time must be more than zero; a listener that the ring never waits for is lossy",
            )),
            time => Ok(Contract::LosslessFor(time)),
        },
        _ => Err(Error::usage(
            format!("contract {text:?}"),
            "expected lossless, lossless:TIME (such as lossless:5s) or lossy",
        )),
    }
}

/// Parses the value of `--start`. The default depends on the destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for anything but `file`, `newest` and `oldest`.
pub fn start(text: Option<&str>, destination: &Destination) -> Result<Start> {
    match text {
        None if *destination == Destination::Stdout => Ok(Start::Newest),
        None | Some("file") => Ok(Start::File),
        Some("newest") => Ok(Start::Newest),
        Some("oldest") => Ok(Start::Oldest),
        Some(other) => Err(Error::usage(
            format!("start {other:?}"),
            "expected file, newest or oldest",
        )),
    }
}

/// Refuses options that do not fit the destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage), naming the option.
pub fn check_options(cli: &Cli, destination: &Destination) -> Result<()> {
    let many = [
        ("--files", cli.files.is_some()),
        ("--rotate-size", cli.rotate_size.is_some()),
        ("--rotate-time", cli.rotate_time.is_some()),
        ("--keep-age", cli.keep_age.is_some()),
        ("--keep-size", cli.keep_size.is_some()),
        ("--keep-free", cli.keep_free.is_some()),
        ("--keep-files", cli.keep_files.is_some()),
    ];
    let some = [
        ("--buffered", cli.buffered),
        ("--file-mode", cli.file_mode.is_some()),
        ("--file-group", cli.file_group.is_some()),
        ("--plain", cli.plain && cli.source.is_empty()),
        ("--compress", cli.compress.is_some()),
        ("--on-complete", cli.on_complete.is_some()),
    ];
    let refused: Vec<_> = match destination {
        Destination::Folder(_) => Vec::new(),
        Destination::File(_) => many.to_vec(),
        Destination::Null | Destination::Stdout => many.into_iter().chain(some).collect(),
    };
    match refused.into_iter().find(|(_, given)| *given) {
        Some((option, _)) if matches!(destination, Destination::File(_)) => Err(Error::usage(
            option,
            "is about many files; it needs a folder as DEST (and --format pcapng for pcapng)",
        )),
        Some((option, _)) => Err(Error::usage(
            option,
            "is about files; it needs a folder as DEST",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};

    use super::*;

    fn parsed(line: &str) -> Result<(Origin, Destination)> {
        endpoints(&Cli::try_parse_from(line.split(' ')).unwrap())
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn operands_have_three_forms() {
        let folder = || Destination::Folder("/data".into());
        for (line, origin, dest) in [
            (
                "hpcapdd hpcap0 /data",
                Origin::Queue(QueueName::new(0, 0)),
                folder(),
            ),
            (
                "hpcapdd hpcap3:2 null",
                Origin::Queue(QueueName::new(3, 2)),
                Destination::Null,
            ),
            (
                "hpcapdd hpcap0 -",
                Origin::Queue(QueueName::new(0, 0)),
                Destination::Stdout,
            ),
            (
                "hpcapdd 0 1 /data",
                Origin::Queue(QueueName::new(0, 1)),
                folder(),
            ),
            (
                "hpcapdd hpcap2 1 null",
                Origin::Queue(QueueName::new(2, 1)),
                Destination::Null,
            ),
            (
                "hpcapdd --source gen: /data",
                Origin::Source("gen:".into()),
                folder(),
            ),
            (
                "hpcapdd --source gen: -",
                Origin::Source("gen:".into()),
                Destination::Stdout,
            ),
        ] {
            assert_eq!(parsed(line).unwrap(), (origin, dest), "{line}");
        }
    }

    #[test]
    fn anything_else_is_a_usage_error() {
        for line in [
            "hpcapdd /data",
            "hpcapdd eth0 /data",
            "hpcapdd x 1 /data",
            "hpcapdd 0 x /data",
            "hpcapdd hpcap0:1 1 /data",
            "hpcapdd --source gen: hpcap0 /data",
            "hpcapdd a b c d",
        ] {
            assert_eq!(
                parsed(line).unwrap_err().kind(),
                hpcap::Kind::Usage,
                "{line}"
            );
        }
        for line in [
            "hpcapdd",
            "hpcapdd hpcap0 /d --bytes x",
            "hpcapdd hpcap0 /d --frames 0",
            "hpcapdd hpcap0 /d --ring 1G",
            "hpcapdd hpcap0 /d --quiet --json",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn contract_is_read_as_written() {
        for (text, contract) in [
            ("lossless", Contract::Lossless),
            ("lossy", Contract::Lossy),
            ("lossless:5s", Contract::LosslessFor(Duration::from_secs(5))),
        ] {
            assert_eq!(parse_contract(text).unwrap(), contract);
        }
        for text in ["", "lossless:", "lossless:0", "lossy:5s", "best"] {
            assert!(parse_contract(text).is_err(), "{text}");
        }
    }

    #[test]
    fn live_view_is_lossy_unless_asked() {
        let queue = Origin::Queue(QueueName::new(0, 0));
        let own = Origin::Source("gen:".into());
        let folder = Destination::Folder("/data".into());
        for (text, origin, destination, expected) in [
            (None, &queue, &Destination::Stdout, Contract::Lossy),
            (
                Some("lossless"),
                &queue,
                &Destination::Stdout,
                Contract::Lossless,
            ),
            (None, &own, &Destination::Stdout, Contract::Lossless),
            (None, &queue, &folder, Contract::Lossless),
            (None, &queue, &Destination::Null, Contract::Lossless),
        ] {
            let chosen = contract(text, origin, destination).unwrap();
            assert_eq!(chosen, expected, "{text:?} {origin:?} {destination:?}");
        }
    }

    #[test]
    fn options_about_files_need_a_folder() {
        for option in [
            "--files 1",
            "--rotate-time 1s",
            "--keep-free 1G",
            "--plain",
            "--buffered",
        ] {
            let line = format!("hpcapdd hpcap0 null {option}");
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(check_options(&cli, &Destination::Null).is_err(), "{option}");
            assert!(check_options(&cli, &Destination::Folder("/d".into())).is_ok());
        }
    }
}
