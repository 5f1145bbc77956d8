//! docs/configuration.md: the text between the tables stands here, the tables come from the keys.

use std::fmt::Write;

use super::{INTERFACE, Key, MONITOR, RECORDER};

const START: &str = "\
# The configuration: /etc/hpcap/hpcap.toml

One file says which interfaces of a machine capture, what records their queues, and what is logged. It is in
[TOML](https://toml.io). A machine with one 82599 that records around the clock needs this:

    [[interface]]
    pci = \"0000:03:00.0\"
    engine = \"ixgbe\"
    number = 0
    ring = \"1G\"
    cpus = [2]

    [[recorder]]
    queue = \"hpcap0\"
    destination = \"/data/hpcap0\"
    rotate_time = \"1h\"
    keep_free = \"5%\"

`hpcapctl config new` writes such a file for this machine, `hpcapctl config import params.cfg` makes one of the original's
configuration, `hpcapctl config check` finds what is wrong in a file, and `hpcapctl config show` prints it without comments
and defaults. [hpcapctl.md](hpcapctl.md#the-configuration) describes these commands. `hpcapctl up` applies the file: it sets the interfaces,
loads the modules, and starts the services ([hpcapctl.md](hpcapctl.md#bringing-interfaces-up)). The programs themselves take their
options from the command line.

All errors of a file are reported at once. Each says where it is, what was found and what is allowed:

    /etc/hpcap/hpcap.toml:6:10: interface 0000:03:00.0, caplen: found 70000: this value is not allowed
      allowed: 0 to 65535 bytes

A file has at most 1 MiB. Sizes are text such as `\"64M\"` or `\"1.5G\"` (multiples of 1024; `\"2GB\"` is 2·10⁹), or a number
of bytes. Times are text such as `\"10s\"`, `\"500ms\"` or `\"1h30m\"`, or a number of seconds. A key with a dot, such as
`dedup.enabled`, may also stand without its first part below `[interface.dedup]`.
";

const INTERFACES: &str = "
## `[[interface]]`: a network interface

Each interface is named by one of `name`, `pci` and `mac`. Interfaces that no section names are left alone.
`hpcapctl set` changes the settings of a running queue of the kernel module under the same names.

";

const RECORDERS: &str = "
## `[[recorder]]`: a recorder of a queue

The keys have the names of the options of [hpcapdd](hpcapdd.md). A queue may have several recorders.

";

const MONITORS: &str = "
## `[monitor]`: the log of counters

";

const END: &str = "
## What is applied

`hpcapctl up` applies every key of `[[interface]]` and `[[recorder]]`, except for these, which it names:

| key | where it has no effect |
|---|---|
| `pause = true`, `promiscuous = false` | with the engines `ixgbe`, `ixgbevf` and `igb`: a port that captures sends no pause frames and receives every frame |
| `node` | with the kernel engines: the module takes memory of the node of the NIC |
| `plain`, `look_back` | with the kernel engines, until the queue gets another ring |

`[monitor]` is applied by `hpcapctl up` without names of interfaces: `hpcap-monitor` runs with these settings, or not at all.

## What is checked

Beyond single values, a file is wrong when

- an interface has no name or two, or two sections name the same interface or make queues of the same name,
- two threads are to run on the same CPU, or an interface has other than one CPU for each queue,
- a ring is no multiple of its pages,
- a standard interface has settings of captures, a capturing one has an address, or an engine lacks a setting,
- a recorder names a queue that no interface of the file has, or settings that contradict each other.

`hpcapctl config check` also compares the file with the machine: whether the interfaces, CPUs and NUMA nodes exist, whether
the rings fit the memory and the hugepages of their node, and, as warnings, whether poll threads run on the node of their
NIC and have a core of their own.
";

/// Returns the text of docs/configuration.md.
#[must_use]
pub fn page() -> String {
    let mut page = START.to_owned();
    page += INTERFACES;
    table(&mut page, INTERFACE);
    page += RECORDERS;
    table(&mut page, RECORDER);
    page += MONITORS;
    table(&mut page, MONITOR);
    page += END;
    page
}

fn table<T: Default>(page: &mut String, keys: &[Key<T>]) {
    page.push_str("| key | default | allowed | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let default = match key.default() {
            Some(literal) => format!("`{literal}`"),
            None => key.unset.to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {default} | {} | {} |",
            key.name, key.allowed, key.meaning
        );
    }
}
