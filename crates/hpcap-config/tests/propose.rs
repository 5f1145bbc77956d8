//! Proposals for machines of several forms.

use std::collections::BTreeSet;

use hpcap::Kind;
use hpcap_config::check::check;
use hpcap_config::machine::{Cpu, HugePages, Machine, Node, Port};
use hpcap_config::propose::{Wishes, propose};
use hpcap_config::{Document, Level};
use hpcap_host::pages::Pages;
use proptest::prelude::*;

/// A machine with `nodes` nodes of `cores` cores with two CPUs each, and `ports` ports on each node.
fn machine(nodes: u32, cores: u32, ports: u8, memory_bytes: u64, huge: HugePages) -> Machine {
    let mut machine = Machine::default();
    for node in 0..nodes {
        let all = nodes * cores;
        for core in node * cores..(node + 1) * cores {
            // The second CPU of a core has a number behind those of all first ones, as on Intel.
            for cpu in [core, core + all] {
                let core = BTreeSet::from([core, core + all]);
                let isolated = cpu % 3 == 0;
                machine.cpus.insert(
                    cpu,
                    Cpu {
                        node,
                        core,
                        isolated,
                    },
                );
            }
        }
        machine.nodes.insert(
            node,
            Node {
                memory_bytes,
                huge_pages: [(2 << 20, huge), (1 << 30, HugePages::default())].into(),
            },
        );
        for port in 0..ports {
            machine.ports.push(Port {
                name: Some(format!("eth{}", machine.ports.len())),
                pci: format!("0000:{:02x}:00.{port}", 3 + node).parse().ok(),
                mac: None,
                node: Some(node),
                driver: Some(if port % 2 == 0 { "ixgbe" } else { "igb" }.into()),
            });
        }
    }
    machine
}

proptest! {
    /// A proposal has no error on its machine: cores never overlap, and rings fit the memory.
    #[test]
    fn proposal_fits_its_machine(
        nodes in 1_u32..4,
        cores in 1_u32..9,
        ports in 1_u8..4,
        gigabytes in 2_u64..256,
        all in 0_u64..4096,
        queues in 1_u16..=4,
    ) {
        let all = all.min(gigabytes << 8);
        let machine = machine(nodes, cores, ports, gigabytes << 30, HugePages { all, free: all });
        let wishes = Wishes { queues, record: Some("/data".into()), ..Wishes::default() };
        let proposal = propose(&machine, &wishes).unwrap();
        let text = proposal.config.to_string();
        let document = Document::parse("x", &text);
        prop_assert!(document.is_ok(), "{}\n{:?}", text, document);
        let problems = check(&document.unwrap(), Some(&machine));
        let errors: Vec<_> = problems.iter().filter(|p| p.level == Level::Error).collect();
        prop_assert!(errors.is_empty(), "{text}\n{errors:?}");
        let cpus: Vec<u32> = proposal.config.interfaces.iter().flat_map(|i| i.cpus.clone()).collect();
        let cores: BTreeSet<_> = cpus.iter().map(|cpu| machine.cpus[cpu].core.clone()).collect();
        prop_assert_eq!(cores.len(), cpus.len(), "two poll threads share a core");
        prop_assert!(!cpus.contains(&0));
    }
}

#[test]
fn proposal_takes_hugepages_on_the_node() {
    let machine = machine(
        2,
        4,
        2,
        64 << 30,
        HugePages {
            all: 4096,
            free: 2048,
        },
    );
    let proposal = propose(&machine, &Wishes::default()).unwrap();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        proposal.config,
        proposal.notes.join("\n")
    ));
    assert!(
        proposal
            .config
            .interfaces
            .iter()
            .all(|i| i.pages == Pages::Huge2M)
    );
}

#[test]
fn interface_that_is_missing_is_named() {
    let machine = machine(1, 4, 1, 8 << 30, HugePages::default());
    let wishes = Wishes {
        interfaces: vec!["eth7".into()],
        ..Wishes::default()
    };
    let error = propose(&machine, &wishes).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("there are eth0"), "{error}");
    let nothing = propose(&Machine::default(), &Wishes::default()).unwrap_err();
    assert!(nothing.to_string().contains("--interface"), "{nothing}");
}
