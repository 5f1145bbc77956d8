//! All that `hpcapctl status` shows of a queue and of the kernel modules, as data; text and JSON render it.

use std::fmt::{self, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpcap::report::{QueueReport, Rates};
use hpcap::units::{Rate, Si};
use hpcap::{Ledger, Queue, visible};
use hpcap_host::kernel::Module;
use hpcap_host::process::Thread;
use hpcap_host::{Interface, Tree};
use hpcap_ipc::device::device_path;
use serde::Serialize;

/// Time between the two readings from which rates are computed.
const BETWEEN_READINGS: Duration = Duration::from_millis(250);

/// A queue, and what surrounds it.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The queue itself.
    #[serde(flatten)]
    pub report: QueueReport,
    /// What serves the queue: `module` or `hpcapd`.
    pub producer: &'static str,
    /// The CPUs on which the poll thread may run, such as `2` or `0-7`; `None` if they are unknown.
    pub poll_cpus: Option<String>,
    /// The interface; `None` for other sources.
    pub link: Option<LinkState>,
    /// The rates of the last moment; `None` if the queue has ended.
    pub rates: Option<Rates>,
}

/// The state of the interface of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkState {
    /// `up`, `no_link` or `down`.
    pub state: &'static str,
    /// The driver.
    pub driver: Option<String>,
    /// The speed of the link.
    pub bits_per_second: Option<u64>,
}

impl LinkState {
    fn of(interface: &Interface) -> Self {
        Self {
            state: match (interface.is_up(), interface.is_running()) {
                (false, _) => "down",
                (true, false) => "no_link",
                (true, true) => "up",
            },
            driver: interface.driver().map(|driver| driver.name),
            bits_per_second: interface.link_speed().and_then(|rate| match rate {
                Rate::BitsPerSecond(bits) => Some(bits),
                _ => None,
            }),
        }
    }
}

impl Overview {
    /// Looks at all `queues`, twice, for their rates.
    #[must_use]
    pub fn of_all(tree: &Tree, queues: &[Queue]) -> Vec<Self> {
        let start = Instant::now();
        let before: Vec<Ledger> = queues.iter().map(|queue| queue.ledger().ledger).collect();
        if queues.iter().any(Queue::is_running) {
            sleep(BETWEEN_READINGS);
        }
        let pairs = queues.iter().zip(&before);
        pairs
            .map(|(queue, before)| Self::of(tree, queue, before, start))
            .collect()
    }

    fn of(tree: &Tree, queue: &Queue, before: &Ledger, start: Instant) -> Self {
        let report = QueueReport::of(queue);
        let status = &report.status;
        let folder = device_path("/sys/class/hpcap".as_ref(), queue.info().name);
        let of_module = tree.has(folder);
        let interface = Interface::by_name(&status.interface).ok().flatten();
        Self {
            producer: if of_module { "module" } else { "hpcapd" },
            poll_cpus: Thread::polling(tree, status.pid, &status.queue)
                .map(|thread| thread.allowed.to_string()),
            link: interface.as_ref().map(LinkState::of),
            rates: status
                .running
                .then(|| Rates::between(before, &status.ledger, start.elapsed())),
            report,
        }
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.report.to_string();
        let (headline, rest) = text.split_once('\n').unwrap_or((&text, ""));
        writeln!(f, "{headline}")?;
        let mut place = match &self.poll_cpus {
            Some(cpus) => format!("{}, poll thread on CPU {cpus}", self.producer),
            None => self.producer.to_owned(),
        };
        if let Some(link) = &self.link {
            let state = link.state.replace('_', " ");
            let _ = write!(
                place,
                "; {} {state}",
                visible(&self.report.status.interface)
            );
            if let Some(bits) = link.bits_per_second {
                let _ = write!(place, " {}", Rate::BitsPerSecond(bits));
            }
            if let Some(driver) = &link.driver {
                let _ = write!(place, ", driver {}", visible(driver));
            }
        }
        writeln!(f, "  {:<12} {place}", "served by")?;
        if let Some(rates) = &self.rates {
            writeln!(
                f,
                "  {:<12} wire {}pps {}b/s, captured {}pps, lost {}pps",
                "now",
                Si(rates.on_the_wire.frames_per_second),
                Si(rates.on_the_wire.bits_per_second),
                Si(rates.captured.frames_per_second),
                Si(rates.lost.frames_per_second),
            )?;
        }
        f.write_str(rest)
    }
}

/// The kernel modules of hpcap that are loaded, with their versions, for people; empty if there are none.
#[must_use]
pub fn describe_modules(tree: &Tree) -> String {
    let loaded: Vec<String> = Module::of_hpcap(tree)
        .iter()
        .map(|module| {
            let version = module.version.as_deref().unwrap_or("without a version");
            format!("{} {}", module.name, visible(version))
        })
        .collect();
    match loaded.is_empty() {
        true => String::new(),
        false => format!("modules: {}\n", loaded.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::machine::{TWO_NODES, unpack};

    #[test]
    fn modules_are_named_with_their_versions() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(describe_modules(&Tree::at(dir.path())), "");
        unpack(TWO_NODES, dir.path());
        let text = describe_modules(&Tree::at(dir.path()));
        assert_eq!(text, "modules: hpcap 0.1.0, hpcap_ixgbe 0.1.0\n");
    }

    #[test]
    fn poll_thread_of_the_module_is_found() {
        let dir = tempfile::tempdir().unwrap();
        unpack(TWO_NODES, dir.path());
        let tree = Tree::at(dir.path());
        let cpus = |pid| Some(Thread::polling(&tree, pid, "hpcap0")?.allowed.to_string());
        assert_eq!(cpus(900).as_deref(), Some("2"));
        assert_eq!(cpus(901), None);
    }
}
