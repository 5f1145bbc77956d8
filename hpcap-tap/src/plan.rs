//! The plan that a command line asks for.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::compress::FileFormat;
use hpcap::{Error, Result, Start};

use crate::cli::Cli;
use crate::pdump::Pdump;
use crate::select::Pattern;
use crate::side::Side;
use crate::window::Window;

/// Where frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file or FIFO.
    Path(PathBuf),
    /// Standard output.
    Stdout,
    /// TCP connections that arrive at an address.
    Listen(SocketAddr),
}

/// An output, and the frames that it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where the frames go.
    pub target: Target,
    /// Format of the output.
    pub format: FileFormat,
    /// The side of the frames.
    pub side: Side,
    /// The queues of the frames.
    pub queues: Vec<Pattern>,
}

/// What is captured, where it goes, and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The outputs; at least one.
    pub outputs: Vec<Output>,
    /// Filter in tcpdump's syntax; empty = all frames.
    pub filter: String,
    /// Bytes kept of each frame; 0 = whole frames.
    pub caplen: u32,
    /// Where a tap begins: [`Start::Newest`] or [`Start::Oldest`].
    pub start: Start,
    /// The time of the frames that are wanted; `None` = all.
    pub window: Option<Window>,
    /// A comment on the outputs, where the format has a place for it.
    pub comment: String,
    /// Number of frames after which the tap ends.
    pub frames: Option<u64>,
    /// Time after which the tap ends.
    pub duration: Option<Duration>,
    /// What the user should know before the capture begins.
    pub remarks: Vec<String>,
}

impl Plan {
    /// Makes the plan of a command line.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](hpcap::Kind::Usage) when queues or outputs are missing, contradict each
    /// other or cannot be understood.
    pub fn new(cli: &Cli) -> Result<Self> {
        let queues = [&cli.queues[..], &cli.more_queues[..]].concat();
        let targets = targets(cli, !queues.is_empty())?;
        if queues.is_empty() && !targets.is_empty() {
            return Err(
                Error::usage("outputs", "no queue is named to write into them")
                    .advise("name queues: hpcap-tap hpcap0 -w FILE; hpcap-tap -D lists them"),
            );
        }
        if queues.is_empty() && cli.pdump.is_empty() {
            return Err(Error::usage("queues", "none is named")
                .advise("name queues: hpcap-tap hpcap0 -w FILE; hpcap-tap -D lists them"));
        }
        let mut outputs: Vec<Output> = targets
            .into_iter()
            .map(|target| Output {
                format: format_of(&target, cli.format),
                target,
                side: Side::Both,
                queues: queues.clone(),
            })
            .collect();
        let mut remarks = Vec::new();
        for pdump in &cli.pdump {
            outputs.extend(outputs_of(pdump, cli.format));
            remarks.extend(pdump.unused.iter().map(|key| {
                format!("{key} has no effect: a tap reads the ring of the queue, and has no memory of its own")
            }));
        }
        refuse_repeated(&outputs)?;
        refuse_other_endings(&outputs)?;
        Ok(Self {
            outputs,
            filter: cli.filter.clone(),
            caplen: cli.caplen,
            start: cli.start,
            window: None,
            comment: String::new(),
            frames: cli.frames,
            duration: cli.duration,
            remarks,
        })
    }
}

/// Returns the targets of the options of `cli`; standard output when there are none and it is needed.
fn targets(cli: &Cli, is_needed: bool) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for path in &cli.write {
        targets.push(match path.to_str() {
            Some("-") => Target::Stdout,
            _ => Target::Path(path.clone()),
        });
    }
    for text in &cli.listen {
        targets.push(Target::Listen(parse_address(text)?));
    }
    if targets.is_empty() && is_needed {
        if std::io::stdout().is_terminal() {
            return Err(Error::usage("outputs", "none is named").advise(
                "name one: -w FILE, -w - for a pipe such as `hpcap-tap hpcap0 -w - | tcpdump -r -`, \
                 or --listen PORT",
            ));
        }
        targets.push(Target::Stdout);
    }
    Ok(targets)
}

/// Returns the outputs of `pdump`.
fn outputs_of(pdump: &Pdump, format: Option<FileFormat>) -> Vec<Output> {
    let output = |path: &Path, side| {
        let target = match path.to_str() {
            Some("-") => Target::Stdout,
            _ => Target::Path(path.to_owned()),
        };
        Output {
            // Without a known ending, a file of dpdk-pdump is pcap.
            format: ending(&target).or(format).unwrap_or(FileFormat::Pcap),
            target,
            side,
            queues: vec![pdump.queues.clone()],
        }
    };
    match (&pdump.received, &pdump.sent) {
        (Some(received), Some(sent)) if received == sent => vec![output(received, Side::Both)],
        (received, sent) => {
            let received = received.iter().map(|path| output(path, Side::Received));
            let sent = sent.iter().map(|path| output(path, Side::Sent));
            received.chain(sent).collect()
        }
    }
}

fn format_of(target: &Target, format: Option<FileFormat>) -> FileFormat {
    ending(target).or(format).unwrap_or(FileFormat::Pcapng)
}

/// Returns the format that the name of a file asks for.
fn ending(target: &Target) -> Option<FileFormat> {
    let Target::Path(path) = target else {
        return None;
    };
    match path.extension()?.to_str()? {
        "pcap" | "cap" => Some(FileFormat::Pcap),
        "pcapng" => Some(FileFormat::Pcapng),
        _ => None,
    }
}

/// Parses `[HOST:]PORT`. Without a host, the address is that of the loopback interface.
fn parse_address(text: &str) -> Result<SocketAddr> {
    let refused = |why: String| {
        Error::usage(format!("address {text:?}"), why)
            .advise("for example: 19000, 0.0.0.0:19000, [::1]:19000")
    };
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let found = text
        .to_socket_addrs()
        .map_err(|e| refused(e.to_string()))?
        .next();
    found.ok_or_else(|| refused("the host has no address".into()))
}

/// Refuses files whose name says that they are something else: nothing here is compressed, and only a recorder writes
/// RAW.
fn refuse_other_endings(outputs: &[Output]) -> Result<()> {
    const OTHER: [&str; 7] = ["gz", "zst", "xz", "bz2", "lz4", "raw", "part"];
    for output in outputs {
        let Target::Path(path) = &output.target else {
            continue;
        };
        let ending = path.extension().and_then(|ending| ending.to_str());
        if let Some(ending) = ending.filter(|ending| OTHER.contains(ending)) {
            return Err(Error::usage(
                format!("output {}", path.display()),
                format!("a tap writes no files that end in .{ending}"),
            )
            .advise(
                "end it in .pcapng or .pcap; hpcapdd QUEUE FILE.pcapng.zst records a compressed file",
            ));
        }
    }
    Ok(())
}

/// Refuses two outputs into one file: each would overwrite the other.
fn refuse_repeated(outputs: &[Output]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        if outputs[..i]
            .iter()
            .any(|other| other.target == output.target)
        {
            let name = match &output.target {
                Target::Path(path) => path.display().to_string(),
                Target::Stdout => "standard output".into(),
                Target::Listen(address) => address.to_string(),
            };
            return Err(Error::usage(
                format!("output {name}"),
                "it is named twice, and each output would overwrite the other",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        Plan::new(&Cli::parse_from(
            std::iter::once("hpcap-tap").chain(line.split_whitespace()),
        ))
    }

    #[test]
    fn ending_decides_the_format() {
        let plan = plan("hpcap0 -w a.pcap -w b.pcapng -w c -w d.cap").unwrap();
        let formats: Vec<FileFormat> = plan.outputs.iter().map(|o| o.format).collect();
        let (pcap, pcapng) = (FileFormat::Pcap, FileFormat::Pcapng);
        assert_eq!(formats, [pcap, pcapng, pcapng, pcap]);
    }

    #[test]
    fn port_alone_is_of_this_machine() {
        let plan = plan("hpcap0 --listen 19000 --listen [::]:1").unwrap();
        let address = |text: &str| Target::Listen(text.parse().unwrap());
        let targets: Vec<_> = plan.outputs.into_iter().map(|o| o.target).collect();
        assert_eq!(targets, [address("127.0.0.1:19000"), address("[::]:1")]);
    }

    #[test]
    fn pdump_has_an_output_for_each_side() {
        let plan = plan("--pdump port=0,queue=*,rx-dev=r.pcap,tx-dev=t.pcapng").unwrap();
        let sides: Vec<_> = plan.outputs.iter().map(|o| (o.side, o.format)).collect();
        assert_eq!(
            sides,
            [
                (Side::Received, FileFormat::Pcap),
                (Side::Sent, FileFormat::Pcapng)
            ]
        );
    }

    #[test]
    fn pdump_with_one_file_has_both_sides() {
        let plan = plan("--pdump port=0,queue=0,rx-dev=x,tx-dev=x").unwrap();
        assert_eq!(plan.outputs.len(), 1);
        assert_eq!(plan.outputs[0].side, Side::Both);
        assert_eq!(plan.outputs[0].format, FileFormat::Pcap);
    }

    #[test]
    fn contradiction_is_a_usage_error() {
        for (line, word) in [
            ("-w x", "no queue"),
            ("-q", "none is named"),
            ("hpcap0 -w x -w x", "named twice"),
            ("hpcap0 -w x.pcap.gz", "end in .gz"),
            ("hpcap0 --listen here", "address \"here\""),
            ("hpcap0 --listen 70000", "address \"70000\""),
        ] {
            let error = plan(line).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
