//! Settings of the queues that the kernel module captures.

use hpcap::{Error, Kind, QueueName, Result};
use hpcap_config::hot::HOT;
use hpcap_config::model::{Engine, Interface};
use hpcap_host::Tree;
use hpcap_host::pages::{HUGE_1G, HUGE_2M, ORDINARY, Pages};
use hpcap_ipc::device::device_path;

use super::Plan;
use crate::change::setting::Setting;

impl Plan {
    /// Settings of the queues of the kernel module.
    pub(super) fn capture_in_kernel(
        &mut self,
        interface: &Interface,
        number: u16,
        queues: &[QueueName],
        tree: &Tree,
    ) -> Result<()> {
        if interface.engine == Engine::Netdev {
            if interface.queues > 1 {
                return Err(Error::new(
                    Kind::Usage,
                    format!("bring up interface {}", self.label),
                    "the engine netdev has one queue for an interface",
                )
                .advise("set queues = 1, or engine = \"userspace\""));
            }
            self.push(Setting::Tap {
                interface: self.name.clone(),
                number: number.into(),
                attached: true,
            });
        }
        if interface.node.is_some() {
            self.notes.push(
                "node is not applied: the module takes memory of the node of the NIC, and of the node of \
                 the hugepages"
                    .to_owned(),
            );
        }
        for (place, queue) in queues.iter().enumerate() {
            self.set_queue(interface, place, *queue, tree)?;
        }
        Ok(())
    }

    fn set_queue(
        &mut self,
        interface: &Interface,
        place: usize,
        queue: QueueName,
        tree: &Tree,
    ) -> Result<()> {
        let folder = device_path("/sys/class/hpcap".as_ref(), queue);
        let mut own = interface.clone();
        own.cpus = interface.cpus.get(place).copied().into_iter().collect();
        let mut missing = Vec::new();
        // Without a list of CPUs, the thread stays where the module has put it; -1 would let it run anywhere.
        let left = |key: &str| key == "ring" || (key == "cpu" && own.cpus.is_empty());
        for hot in HOT.iter().filter(|hot| !left(hot.key)) {
            let path = folder.join(hot.file);
            // A module that is older has fewer files.
            if tree.has(&folder) && !tree.has(&path) {
                missing.push(hot.key);
                continue;
            }
            let text = hot.text(&own)?.trim().to_owned();
            if !hot.note.is_empty() && tree.text(&path).is_some_and(|found| found != text) {
                self.notes.push(format!(
                    "{} of {queue} {}: hpcapctl ring {queue} --size {}",
                    hot.key, hot.note, interface.ring_bytes
                ));
            }
            self.push(Setting::File {
                path: path.display().to_string(),
                text,
            });
        }
        if !missing.is_empty() {
            self.notes.push(format!(
                "this version of the module does not have {}, which are not applied",
                missing.join(", ")
            ));
        }
        self.push(Setting::Ring {
            queue: queue.to_string(),
            bytes: interface.ring_bytes,
            page_bytes: match interface.pages {
                Pages::Auto => None,
                Pages::Ordinary => Some(ORDINARY),
                Pages::Huge2M => Some(HUGE_2M),
                Pages::Huge1G => Some(HUGE_1G),
            },
        });
        Ok(())
    }
}
