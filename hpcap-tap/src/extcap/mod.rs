//! The extcap interface of Wireshark: queues are in its list of interfaces.
//!
//! Wireshark starts every program of its extcap folder with options that begin with `--extcap-`, and
//! reads lines of the form `word {key=value}...` from standard output. To capture, it starts the program
//! again with `--capture` and the path of a FIFO (extcap(4)).

mod answer;
mod control;
pub mod install;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use hpcap::compress::FileFormat;
use hpcap::filter::Filter;
use hpcap::message::{Level, Messages};
use hpcap::units::parse_caplen;
use hpcap::{Error, Queue, Result, Start};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::plan::{Output, Plan, Target};
use crate::report::Reporter;
use crate::select::Pattern;
use crate::session::{Session, install_signals};
use crate::side::Side;

pub use control::Control;

/// Name under which all queues together are in the list of interfaces.
const ALL_QUEUES: &str = "hpcap-all";

/// What Wireshark asks for.
#[derive(Debug, Clone, Parser)]
#[command(name = "hpcap-tap")]
pub struct ExtcapCli {
    /// List the interfaces.
    #[arg(long)]
    extcap_interfaces: bool,

    /// Version of Wireshark.
    #[arg(long)]
    extcap_version: Option<String>,

    /// List the link types of an interface.
    #[arg(long)]
    extcap_dlts: bool,

    /// List the options of an interface.
    #[arg(long)]
    extcap_config: bool,

    /// The option whose values are to be listed anew. No option of this program has such values.
    #[arg(long)]
    extcap_reload_option: Option<String>,

    /// The interface.
    #[arg(long)]
    extcap_interface: Option<String>,

    /// The filter, in tcpdump's syntax. Without `--capture`, only its validity is asked for.
    #[arg(long)]
    extcap_capture_filter: Option<String>,

    /// FIFO through which Wireshark's toolbar speaks.
    #[arg(long)]
    extcap_control_in: Option<PathBuf>,

    /// FIFO that Wireshark's toolbar listens to.
    #[arg(long)]
    extcap_control_out: Option<PathBuf>,

    /// Capture.
    #[arg(long)]
    capture: bool,

    /// FIFO for the frames.
    #[arg(long)]
    fifo: Option<PathBuf>,

    /// Bytes kept of each frame.
    #[arg(long, value_parser = parse_caplen, default_value = "0")]
    snaplen: u32,

    /// Where the capture begins: `newest` or `oldest`.
    #[arg(long, default_value = "newest")]
    start: Start,
}

/// Whether the command line `arguments` is one of Wireshark's.
#[must_use]
pub fn is_called_by_wireshark(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).any(|argument| {
        let argument = argument.to_string_lossy();
        argument.starts_with("--extcap-") || argument == "--capture"
    })
}

/// Answers Wireshark, or captures for it.
///
/// # Errors
/// Returns a usage error for a question that lacks a part, and the errors of a capture.
pub fn run(cli: &ExtcapCli, messages: &Messages) -> Result<()> {
    if cli.extcap_interfaces {
        return crate::print(&answer::interfaces());
    }
    let Some(interface) = &cli.extcap_interface else {
        return Err(Error::usage("extcap", "--extcap-interface is missing"));
    };
    if cli.extcap_dlts {
        return crate::print(&answer::link_type(link_type(interface)));
    }
    if cli.extcap_config {
        return crate::print(answer::CONFIGURATION);
    }
    let filter = cli.extcap_capture_filter.clone().unwrap_or_default();
    if !cli.capture {
        // Wireshark shows what is printed as the fault of the filter.
        return match Filter::new(&filter, link_type(interface)) {
            Ok(_) => Ok(()),
            Err(e) => crate::print(&format!("{}\n", e.why_and_advice())),
        };
    }
    let Some(fifo) = &cli.fifo else {
        return Err(Error::usage("extcap", "--fifo is missing"));
    };
    // If Wireshark died before it opened the FIFO, nothing would end the capture.
    let _ = set_pdeathsig(Signal::SIGTERM);
    let plan = Plan {
        outputs: vec![Output {
            target: Target::Path(fifo.clone()),
            format: FileFormat::Pcapng,
            side: Side::Both,
            queues: vec![pattern(interface)?],
        }],
        filter,
        caplen: cli.snaplen,
        start: cli.start,
        window: None,
        comment: String::new(),
        frames: None,
        duration: None,
        remarks: Vec::new(),
    };
    // Wireshark takes every line on standard error for a failure; its toolbar hears of losses.
    let reporter = Reporter::new(messages, Level::Error);
    let mut session = Session::open(plan, reporter, Arc::new(install_signals()?))?;
    if let (Some(incoming), Some(outgoing)) = (&cli.extcap_control_in, &cli.extcap_control_out) {
        session.report_to(Control::open(incoming, outgoing.clone())?);
    }
    session.run()
}

/// Returns the queues that an interface of Wireshark's list means.
fn pattern(interface: &str) -> Result<Pattern> {
    match interface {
        ALL_QUEUES => Ok(Pattern::All),
        name => name.parse(),
    }
}

/// Returns the link type of the frames of `interface`; Ethernet if the queue cannot be asked.
fn link_type(interface: &str) -> u32 {
    let queue = Queue::open(interface);
    queue.map_or(hpcap::pcapfile::LINK_TYPE_ETHERNET, |queue| {
        queue.info().link_type
    })
}
