//! The demonstration of `make run`: frames go from a network interface through the ring into RAW files and out
//! again as a pcap. At the end, the ledger is compared with the frames that were sent.
//!
//! With an interface, the demonstration captures this interface. Otherwise it makes the traffic itself: as root
//! over a virtual cable in a network namespace of its own, without root inside hpcapd.

mod comparison;
mod counts;
mod folder;
mod pcap;
mod program;
mod show;
mod steps;

use std::fmt;
use std::path::PathBuf;

use hpcap_bench::capture::namespace::within;
use hpcap_bench::process::catch_interrupts;

use folder::Recording;
use steps::Demonstration;

/// Ends of the virtual cable. Frames are sent on the first one and captured on the second one.
const CABLE: [&str; 2] = ["wire0", "wire1"];
/// Programs that the demonstration runs.
const TOOLS: [&str; 6] = [
    "hpcapd",
    "hpcapdd",
    "hpcapctl",
    "hpcap-bench",
    "checkraw",
    "raw2pcap",
];
/// Frames that hpcapd generates in a second: about as many as the 500 Mb/s of the generator on the cable.
const GENERATED_PER_SECOND: u64 = 160_000;

/// What the demonstration does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder with hpcap's programs.
    pub tools: PathBuf,
    /// The interface to capture; `None` for traffic of the demonstration's own.
    pub interface: Option<String>,
    /// How long to capture, in seconds.
    pub seconds: u32,
    /// The folder for the files; `None` for one below the build folder that every demonstration makes anew.
    pub dir: Option<PathBuf>,
}

/// Whether the numbers of the demonstration agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All numbers agree that could be compared.
    Agrees,
    /// Some numbers do not agree.
    Differs,
}

/// Why the demonstration ended early.
#[derive(Debug)]
pub enum Error {
    /// The settings cannot be carried out.
    Usage(String),
    /// A program or an operation failed.
    Failed(String),
    /// SIGINT or SIGTERM arrived.
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) | Self::Failed(what) => f.write_str(what),
            Self::Interrupted => f.write_str("interrupted; everything is cleaned up"),
        }
    }
}

type Result<T> = std::result::Result<T, Error>;

/// Makes the error of an operation that failed.
fn failed(what: impl Into<String>) -> Error {
    Error::Failed(what.into())
}

/// Runs the demonstration and prints it. A demonstration that is cut short removes its files.
///
/// # Errors
/// When a program is missing or fails, when the folder cannot be made, or after SIGINT or SIGTERM.
pub fn run(settings: &Settings) -> Result<Verdict> {
    catch_interrupts();
    for tool in TOOLS {
        let path = settings.tools.join(tool);
        if !path.is_file() {
            return Err(failed(format!("{} is missing: make build", path.display())));
        }
    }
    if let Some(interface) = &settings.interface
        && !PathBuf::from("/sys/class/net").join(interface).exists()
    {
        return Err(Error::Usage(format!(
            "there is no interface {interface} (hpcapdd -D lists them)"
        )));
    }
    let recording = Recording::prepare(settings)?;
    let scratch = tempfile::Builder::new().prefix("hpcap-demo.").tempdir();
    let scratch = scratch.map_err(|e| failed(format!("cannot make a temporary folder: {e}")))?;
    let demonstration = || Demonstration::new(settings, &recording, scratch.path());
    let verdict = if let Some(interface) = &settings.interface {
        demonstration().of_interface(interface)?
    } else if nix::unistd::geteuid().is_root()
        && let Ok(verdict) = within(scratch.path(), CABLE, || Ok(demonstration().of_cable()))
    {
        verdict?
    } else {
        demonstration().of_generator()?
    };
    recording.offer_removal();
    Ok(verdict)
}
