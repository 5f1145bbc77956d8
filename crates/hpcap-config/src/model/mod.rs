//! The content of a configuration, as typed values.
//!
//! Sizes are bytes, times are [`Duration`](std::time::Duration)s. Every field has the default that docs/configuration.md
//! gives for its key.
//!
//! ```
//! use hpcap_config::model::{Config, Interface};
//!
//! let config = Config {
//!     interfaces: vec![Interface { queues: 2, ..Interface::default() }],
//!     ..Config::default()
//! };
//! let names: Vec<_> = config.queues_of(0).iter().map(ToString::to_string).collect();
//! assert_eq!(names, ["hpcap0", "hpcap0:1"]);
//! ```

mod interface;
mod monitor;
mod recorder;

use hpcap::QueueName;

pub use hpcap::address::{Address, MacAddress, NotAnAddress, PciAddress};
pub use interface::{Dedup, Engine, Interface, Mode, Poll, Priority, WhenFull};
pub use monitor::{Listen, Monitor};
pub use recorder::{Contract, Recorder};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The network interfaces, in the order of the file.
    pub interfaces: Vec<Interface>,
    /// The recorders, in the order of the file.
    pub recorders: Vec<Recorder>,
    /// The logger of counters.
    pub monitor: Monitor,
}

impl Config {
    /// The number N of the queues `hpcapN` of the interface at `position` in the file: the one that
    /// is given, or that is in its name, or else the position.
    #[must_use]
    pub fn number_of(&self, position: usize) -> u16 {
        let interface = self.interfaces.get(position);
        interface
            .and_then(|i| i.number.or_else(|| i.number_in_name()))
            .unwrap_or(u16::try_from(position).unwrap_or(u16::MAX))
    }

    /// The names of the queues of the interface at `position`; none for a standard interface.
    #[must_use]
    pub fn queues_of(&self, position: usize) -> Vec<QueueName> {
        let number = u32::from(self.number_of(position));
        match self.interfaces.get(position) {
            Some(i) if i.mode == Mode::Capture => (0..u32::from(i.queues))
                .map(|queue| QueueName::new(number, queue))
                .collect(),
            _ => Vec::new(),
        }
    }
}
