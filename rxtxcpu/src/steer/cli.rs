//! The command line of `steer`, and the flow that it names.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use hpcap::units::parse_duration;
use hpcap_host::interface::FlowKind;

use crate::failure::Failure;

/// Predict which queue and CPU the frames of a flow reach, from the NIC's hash key and indirection
/// table.
#[derive(Debug, Clone, Parser)]
#[command(name = "steer")]
pub struct Steer {
    /// The interface that receives the flow.
    #[arg(value_name = "INTERFACE")]
    pub interface: String,

    /// Protocol of the flow.
    #[arg(value_name = "PROTOCOL")]
    pub protocol: Protocol,

    /// Address and port that the flow comes from, such as `10.0.0.1:1234` or `[2001:db8::1]:1234`.
    #[arg(value_name = "SOURCE")]
    pub source: SocketAddr,

    /// Address and port that the flow goes to.
    #[arg(value_name = "DESTINATION")]
    pub destination: SocketAddr,

    /// Use this key in hexadecimal digits rather than that of the NIC.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,

    /// Assume a NIC that spreads flows evenly over N queues, rather than its indirection table.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub queues: Option<u32>,

    /// Watch the interface for this time, say where the flow arrives, and why not where it was predicted.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub observe: Option<Duration>,

    /// Print the commands that send the flow to this queue, and undo that.
    #[arg(long, value_name = "QUEUE")]
    pub to_queue: Option<u32>,
}

/// Protocol of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

impl Steer {
    /// The flow.
    ///
    /// # Errors
    /// An address of IPv4 and one of IPv6.
    pub(super) fn flow(&self) -> Result<Flow, Failure> {
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            let text = "SOURCE and DESTINATION are of different versions of IP.";
            return Err(Failure::Usage(text.to_owned()));
        }
        Ok(Flow {
            protocol: self.protocol,
            source: self.source,
            destination: self.destination,
        })
    }
}

impl Steer {
    /// The options that replace what the NIC says, as the command line has them.
    pub(super) fn assumed(&self) -> String {
        let key = self.key.iter().map(|key| format!(" --key {key}"));
        let queues = self
            .queues
            .iter()
            .map(|queues| format!(" --queues {queues}"));
        key.chain(queues).collect()
    }
}

impl Flow {
    pub(super) fn kind(&self) -> FlowKind {
        match (self.protocol, self.source.is_ipv4()) {
            (Protocol::Tcp, true) => FlowKind::Tcp4,
            (Protocol::Udp, true) => FlowKind::Udp4,
            (Protocol::Tcp, false) => FlowKind::Tcp6,
            (Protocol::Udp, false) => FlowKind::Udp6,
        }
    }

    fn word(&self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// The flow as a filter in tcpdump's syntax.
    pub(super) fn filter(&self) -> String {
        format!(
            "{} and src host {} and src port {} and dst host {} and dst port {}",
            self.word(),
            self.source.ip(),
            self.source.port(),
            self.destination.ip(),
            self.destination.port()
        )
    }

    /// The flow as the command line names it.
    pub(super) fn words(&self) -> String {
        format!("{} {} {}", self.word(), self.source, self.destination)
    }

    /// The flow as ethtool writes it in a rule.
    pub(super) fn rule(&self) -> String {
        let version = if self.source.is_ipv4() { 4 } else { 6 };
        format!(
            "flow-type {}{version} src-ip {} dst-ip {} src-port {} dst-port {}",
            self.word(),
            self.source.ip(),
            self.destination.ip(),
            self.source.port(),
            self.destination.port()
        )
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        write!(f, "{word} {} > {}", self.source, self.destination)
    }
}
