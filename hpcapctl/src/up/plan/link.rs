//! Settings of the link, and of the CPUs that serve its interrupts.

use hpcap::{Error, Result};
use hpcap_config::model::{Engine, Interface, Mode};
use hpcap_host::{CpuSet, Cpus, Interrupt, PciDevice};

use super::{Facts, Plan};
use crate::change::setting::Setting;
use crate::change::step::Step;

impl Plan {
    /// Settings of the link that all modes and engines have.
    pub(super) fn set_link(&mut self, interface: &Interface) {
        let name = self.name.clone();
        let captures = interface.mode == Mode::Capture;
        if let Some(mtu) = interface.mtu {
            self.push(Setting::Mtu {
                interface: name.clone(),
                mtu,
            });
        }
        // The kernel modules switch offloads off themselves.
        if captures && !interface.engine.is_kernel() {
            for feature in ["gro", "lro"] {
                self.push(Setting::Feature {
                    interface: name.clone(),
                    feature: feature.to_owned(),
                    on: false,
                });
            }
        }
        if self.takes_away {
            if interface.pause {
                self.notes.push(
                    "pause is not applied: a port that captures through the module sends no pause frames"
                        .to_owned(),
                );
            }
        } else {
            self.push(Setting::Pause {
                interface: name.clone(),
                negotiates: interface.pause,
                obeys: interface.pause,
                sends: interface.pause,
            });
        }
        self.push(Setting::Speed {
            interface: name.clone(),
            megabits: interface.speed,
        });
        if captures && interface.engine.is_kernel() {
            if self.takes_away && !interface.promiscuous {
                self.notes.push(
                    "promiscuous = false is not applied: a port that captures through the module receives \
                     every frame"
                        .to_owned(),
                );
            } else {
                self.push(Setting::Promiscuous {
                    interface: name.clone(),
                    on: interface.promiscuous,
                });
            }
        }
        if let Some(address) = interface.address {
            self.push(Setting::Address {
                interface: name.clone(),
                address: address.to_string(),
                present: true,
            });
        }
        self.push(Setting::Up {
            interface: name,
            up: true,
        });
    }

    /// Has the NIC spread the flows over at least as many receive queues as there are poll threads.
    /// Returns the number of receive queues that the NIC uses then.
    ///
    /// # Errors
    /// [`hpcap::Kind::Usage`] if AF_XDP, where each poll thread takes receive queues of its own, is to have
    /// more poll threads than the NIC has receive queues.
    pub(super) fn spread(&mut self, interface: &Interface) -> Result<u32> {
        let count = u32::from(interface.queues);
        let nic = hpcap_host::Interface::by_name(&self.name).ok().flatten();
        let Some(channels) = nic.and_then(|nic| nic.channels()) else {
            return Ok(count);
        };
        if count > 1 && channels.receive_limit >= count {
            let up = self.steps.pop();
            self.push(Setting::ReceiveQueues {
                interface: self.name.clone(),
                count,
            });
            self.steps.extend(up);
        } else if interface.engine == Engine::AfXdp && channels.receive_limit < count {
            let most = channels.receive_limit.max(1);
            return Err(Error::usage(
                format!("queues = {count} of {}", self.name),
                format!("its NIC has at most {most} receive queues, and AF_XDP takes one for each"),
            )
            .advise(format!("set queues = {most}, or engine = \"userspace\"")));
        }
        Ok(channels.receive.max(count))
    }

    /// Moves the interrupts of the interface to CPUs of its node on which no poll thread runs.
    pub(super) fn keep_interrupts_away(&mut self, facts: &Facts<'_>) {
        let polls: CpuSet = facts
            .config
            .interfaces
            .iter()
            .flat_map(|i| i.cpus.iter().copied())
            .collect();
        if polls.is_empty() {
            return;
        }
        let Some(found) = self.found.clone() else {
            return;
        };
        let device = PciDevice::of_interface(facts.tree, &found);
        let online: CpuSet = Cpus::read(facts.tree)
            .all
            .iter()
            .map(|cpu| cpu.number)
            .collect();
        let node = device.as_ref().and_then(|d| d.node);
        let near: Option<CpuSet> = node.and_then(|n| {
            facts
                .tree
                .value(format!("/sys/devices/system/node/node{n}/cpulist"))
        });
        let near = near.map(|near| near.intersection(&online).difference(&polls));
        let free = near
            .filter(|cpus| !cpus.is_empty())
            .unwrap_or_else(|| online.difference(&polls));
        if free.is_empty() {
            return;
        }
        let all = Interrupt::all(facts.tree);
        for interrupt in Interrupt::of_interface(&all, device.as_ref(), &found) {
            let path = format!("/proc/irq/{}/smp_affinity_list", interrupt.number);
            let current: Option<CpuSet> = facts.tree.value(&path);
            if current.is_some_and(|cpus| !cpus.intersection(&polls).is_empty()) {
                self.attempts.push(Step::Setting(Setting::File {
                    path,
                    text: free.to_string(),
                }));
            }
        }
    }
}
