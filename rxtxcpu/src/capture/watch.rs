//! Watching what a capture depends on: its interface and the CPUs of the machine.

use std::collections::BTreeSet;

use hpcap_host::{CpuSet, Interface, NumaNode, Tree};
use hpcap_source::af_packet::streams::{Group, Rule};

use crate::failure::Failure;
use crate::plan::Plan;
use crate::say::say;
use crate::subject::{Subject, nodes_of_cpus, online_cpus};

/// The interface of the capture.
pub(super) struct InterfaceWatch<'a> {
    interface: &'a Interface,
    is_up: bool,
}

impl<'a> InterfaceWatch<'a> {
    pub(super) fn new(interface: &'a Interface) -> Self {
        Self {
            interface,
            is_up: true,
        }
    }

    /// Looks at the interface. One that is down is waited for, because the kernel goes on with the
    /// streams as they were when it is up again.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        if self.interface.is_any() {
            return Ok(());
        }
        let name = &self.interface.name;
        let Some(found) = Interface::by_index(self.interface.index)? else {
            return Err(Failure::known(format!("interface '{name}' is gone")));
        };
        if found.is_up() != self.is_up {
            self.is_up = found.is_up();
            match self.is_up {
                true => say(format_args!("{name} is up again")),
                false => say(format_args!("{name} is down: waiting for it")),
            }
        }
        Ok(())
    }
}

/// The CPUs of the machine.
pub(super) struct CpuWatch<'a> {
    plan: &'a Plan,
    /// What spreads the frames over the streams, if packet sockets take them.
    group: Option<&'a Group>,
    online: CpuSet,
    /// CPUs that were reported as not captured.
    reported: BTreeSet<u32>,
}

impl<'a> CpuWatch<'a> {
    pub(super) fn new(plan: &'a Plan, group: Option<&'a Group>) -> Self {
        Self {
            plan,
            group,
            online: online_cpus(&Tree::machine()).unwrap_or_default(),
            reported: BTreeSet::new(),
        }
    }

    /// Looks at the CPUs. Returns whether other CPUs than before are online.
    pub(super) fn look(&mut self) -> Result<bool, Failure> {
        let tree = Tree::machine();
        let Some(online) = online_cpus(&tree) else {
            return Ok(false);
        };
        if online == self.online {
            return Ok(false);
        }
        match self.plan.subject {
            Subject::Cpu => self.report(&online),
            Subject::Node => {
                let nodes = nodes_of_cpus(&NumaNode::all(&tree));
                if let Some(group) = self.group {
                    group.spread_by(&Rule::Node { nodes })?;
                }
            }
            Subject::Queue => {}
        }
        self.online = online;
        Ok(true)
    }

    fn report(&mut self, online: &CpuSet) {
        let plan = self.plan;
        for cpu in self.online.difference(online).iter() {
            if plan.wanted.contains(&cpu) {
                say(format_args!(
                    "cpu{cpu} went offline: other CPUs handle its packets"
                ));
            }
        }
        for cpu in online.difference(&self.online).iter() {
            if plan.wanted.contains(&cpu) {
                say(format_args!("cpu{cpu} is online again"));
            } else if !plan.roster.online.contains(&cpu) && self.reported.insert(cpu) {
                say(format_args!(
                    "cpu{cpu} came online: its packets are not captured, because it was offline at \
                     the start"
                ));
            }
        }
    }
}
