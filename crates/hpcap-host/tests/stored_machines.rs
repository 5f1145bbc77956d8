//! Facts of machines whose files are stored, whole or damaged.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use hpcap_host::kernel::{self, CommandLine, Iommu, Module};
use hpcap_host::process::{self, Thread};
use hpcap_host::{
    Clock, Cpus, HugeMount, HugePool, Interrupt, MemoryFacts, NumaNode, PciDevice, PcieLink, Tree,
};
use testkit::machine::two_nodes;

#[test]
fn cpus_have_their_nodes_and_cores() {
    let (_dir, tree) = two_nodes();
    let cpus = Cpus::read(&tree);
    assert_eq!(cpus.all.len(), 8);
    assert_eq!(cpus.of_node(1).to_string(), "2-3,6-7");
    assert_eq!(cpus.get(6).unwrap().core.to_string(), "2,6");
    assert_eq!(cpus.isolated.to_string(), "2-3");
    assert_eq!(cpus.get(0).unwrap().governor.as_deref(), Some("powersave"));
    let states: Vec<_> = cpus
        .idle_states
        .iter()
        .map(|state| (state.name.as_str(), state.exit_latency_us))
        .collect();
    assert_eq!(states, [("POLL", 0), ("C1", 2), ("C6", 133)]);
}

#[test]
fn nic_is_found_by_its_interface() {
    let (_dir, tree) = two_nodes();
    let nic = PciDevice::of_interface(&tree, "hpcap0").unwrap();
    assert_eq!(nic.address.to_string(), "0000:81:00.0");
    assert!(nic.is_supported() && nic.is_ethernet && !nic.is_virtual_function());
    assert_eq!(nic.driver.as_deref(), Some("hpcap_ixgbe"));
    assert_eq!(nic.node, Some(1));
    let lanes = |lanes| {
        Some(PcieLink {
            megatransfers: 5000,
            lanes,
        })
    };
    assert_eq!((nic.link, nic.best_link), (lanes(4), lanes(8)));
    assert_eq!(nic.interfaces, ["hpcap0"]);
    assert_eq!(PciDevice::all(&tree), [nic]);
}

#[test]
fn interrupts_of_an_interface_are_found() {
    let (_dir, tree) = two_nodes();
    let nic = PciDevice::of_interface(&tree, "hpcap0");
    let all = Interrupt::all(&tree);
    assert_eq!(all.len(), 3);
    let of_nic = Interrupt::of_interface(&all, nic.as_ref(), "hpcap0");
    let found: Vec<_> = of_nic
        .iter()
        .map(|i| (i.number, i.cpus.to_string(), i.total()))
        .collect();
    assert_eq!(found, [(60, "2".into(), 900), (61, "0".into(), 3)]);
}

#[test]
fn memory_is_known_for_each_node() {
    let (_dir, tree) = two_nodes();
    let nodes = NumaNode::all(&tree);
    assert_eq!(nodes.len(), 2);
    assert_eq!(MemoryFacts::of_node(&tree, 1).unwrap().free_bytes, 32 << 30);
    let free: Vec<_> = HugePool::of_node(&tree, 0)
        .iter()
        .map(|pool| (pool.page_bytes, pool.available()))
        .collect();
    assert_eq!(free, [(2 << 20, 512), (1 << 30, 0)]);
    assert_eq!(HugePool::of_machine(&tree).len(), 2);
    assert_eq!(HugeMount::all(&tree)[0].page_bytes, Some(2 << 20));
}

#[test]
fn mitigations_are_read_from_the_kernel() {
    let (_dir, tree) = two_nodes();
    let release = kernel::release(&tree).unwrap();
    assert_eq!(kernel::series(&release), Some("6.1"));
    assert!(!kernel::has_headers(&tree, &release));
    assert_eq!(kernel::secure_boot(&tree), Some(true));
    assert_eq!(Iommu::read(&tree), Iommu::Translates);
    assert_eq!(CommandLine::read(&tree).value("isolcpus"), Some("2-3"));
    let version = Module::loaded(&tree, "hpcap").unwrap().version;
    assert_eq!(version.as_deref(), Some("0.1.0"));
    assert_eq!(Module::loaded(&tree, "kernel"), None, "it is no module");
}

#[test]
fn clock_and_processes_are_read_from_files() {
    let (_dir, tree) = two_nodes();
    let clock = Clock::read(&tree);
    assert_eq!(clock.source.as_deref(), Some("hpet"));
    assert_eq!(clock.synchronised, None, "the files do not say");
    assert!(process::running(&tree).contains(&"irqbalance".to_owned()));
    let poll = Thread::of_process(&tree, 900);
    assert_eq!(poll[0].allowed.to_string(), "2");
    assert_eq!(poll[0].last_cpu, Some(2));
}

/// Reads every fact. A fact may be unknown, but reading it must end without a panic.
fn read_everything(tree: &Tree) {
    let cpus = Cpus::read(tree);
    for node in NumaNode::all(tree) {
        let _ = HugePool::of_node(tree, node.number);
        let _ = MemoryFacts::of_node(tree, node.number);
        let _ = cpus.of_node(node.number);
    }
    let _ = HugePool::of_machine(tree);
    let _ = HugeMount::all(tree);
    let _ = Interrupt::all(tree);
    let _ = PciDevice::all(tree);
    let _ = PciDevice::of_interface(tree, "hpcap0");
    let _ = Iommu::read(tree);
    let _ = kernel::secure_boot(tree);
    let _ = kernel::release(tree);
    let _ = Clock::read(tree);
    let _ = Thread::of_process(tree, 900);
}

/// Calls `change` with every file below `folder`.
fn change_files(folder: &Path, change: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            change_files(&entry.path(), change);
        } else if kind.is_file() {
            change(&entry.path());
        }
    }
}

#[test]
fn damaged_files_are_unknown_facts() {
    let long = "9".repeat(70_000);
    let list = "0-4294967295,".repeat(1000);
    for garbage in ["", "-1", "\u{fffd}", "0x", " : = ,-", &long, &list] {
        let (dir, tree) = two_nodes();
        change_files(dir.path(), &mut |file| fs::write(file, garbage).unwrap());
        read_everything(&tree);
        assert_eq!(kernel::secure_boot(&tree), None, "{garbage:.20}");
    }
}

#[test]
fn each_file_may_be_missing() {
    let (dir, _) = two_nodes();
    let mut files = Vec::new();
    change_files(dir.path(), &mut |file| files.push(file.to_owned()));
    let tree = Tree::at(dir.path());
    for file in files {
        let content = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        read_everything(&tree);
        fs::write(&file, content).unwrap();
    }
    read_everything(&Tree::at(dir.path().join("missing")));
}

#[test]
fn this_machine_can_be_read() {
    read_everything(&Tree::machine());
}
