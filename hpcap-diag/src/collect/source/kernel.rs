//! Files of the kernel: `/proc` and `/sys`.

use std::collections::BTreeMap;

use hpcap::Result;

use super::super::open::kernel_file;
use super::glob::expand;
use super::{Collection, FILE_TIME};
use crate::record::LINKS;
use crate::redact::Style;

/// Largest number of bytes of a file of the kernel.
const FILE_BYTES: usize = 1 << 20;

/// Files that change while frames come.
const CHANGING: &[&str] = &[
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/net/dev",
    "/proc/net/netstat",
    "/proc/net/packet",
    "/proc/net/snmp",
    "/proc/net/snmp6",
    "/proc/net/sockstat",
    "/proc/net/sockstat6",
    "/proc/net/softnet_stat",
    "/proc/softirqs",
    "/proc/stat",
    "/proc/vmstat",
    "/sys/bus/pci/devices/*/aer_dev_*",
    "/sys/devices/system/cpu/cpu*/cpuidle/state*/time",
    "/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count",
];

/// Files with numbers and words of the kernel.
const FIXED: &[&str] = &[
    "/proc/buddyinfo",
    "/proc/cpuinfo",
    "/proc/irq/*/affinity_hint",
    "/proc/irq/*/effective_affinity_list",
    "/proc/irq/*/node",
    "/proc/irq/*/smp_affinity_list",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/net/protocols",
    "/proc/net/ptype",
    "/proc/partitions",
    "/proc/pressure/*",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/sched_rt_runtime_us",
    "/proc/sys/kernel/tainted",
    "/proc/sys/net/core/*",
    "/proc/sys/net/ipv4/ipfrag*",
    "/proc/sys/net/ipv4/tcp_rmem",
    "/proc/sys/net/ipv4/udp*",
    "/proc/sys/net/ipv6/ip6frag*",
    "/proc/sys/vm/dirty*",
    "/proc/sys/vm/nr_hugepages",
    "/proc/sys/vm/swappiness",
    "/proc/uptime",
    "/sys/bus/pci/devices/*/class",
    "/sys/bus/pci/devices/*/current_link_speed",
    "/sys/bus/pci/devices/*/current_link_width",
    "/sys/bus/pci/devices/*/device",
    "/sys/bus/pci/devices/*/local_cpulist",
    "/sys/bus/pci/devices/*/max_link_speed",
    "/sys/bus/pci/devices/*/max_link_width",
    "/sys/bus/pci/devices/*/msi_irqs/*",
    "/sys/bus/pci/devices/*/net/*/ifindex",
    "/sys/bus/pci/devices/*/numa_node",
    "/sys/bus/pci/devices/*/revision",
    "/sys/bus/pci/devices/*/subsystem_device",
    "/sys/bus/pci/devices/*/subsystem_vendor",
    "/sys/bus/pci/devices/*/vendor",
    "/sys/bus/pci/devices/*/virtio*/net/*/ifindex",
    "/sys/class/dmi/id/bios_date",
    "/sys/class/dmi/id/bios_version",
    "/sys/class/dmi/id/board_name",
    "/sys/class/dmi/id/product_name",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/net/*/address",
    "/sys/class/net/*/carrier_changes",
    "/sys/class/net/*/gro_flush_timeout",
    "/sys/class/net/*/mtu",
    "/sys/class/net/*/napi_defer_hard_irqs",
    "/sys/class/net/*/operstate",
    "/sys/class/net/*/queues/*/rps_cpus",
    "/sys/class/net/*/queues/*/xps_cpus",
    "/sys/class/net/*/threaded",
    "/sys/class/net/*/type",
    "/sys/class/ptp/*/clock_name",
    "/sys/block/*/device/model",
    "/sys/block/*/queue/nr_requests",
    "/sys/block/*/queue/rotational",
    "/sys/block/*/queue/scheduler",
    "/sys/block/*/size",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_driver",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_min_freq",
    "/sys/devices/system/cpu/cpu*/cpuidle/state*/disable",
    "/sys/devices/system/cpu/cpu*/cpuidle/state*/latency",
    "/sys/devices/system/cpu/cpu*/cpuidle/state*/name",
    "/sys/devices/system/cpu/cpu*/topology/core_cpus_list",
    "/sys/devices/system/cpu/cpu*/topology/physical_package_id",
    "/sys/devices/system/cpu/cpuidle/current_driver",
    "/sys/devices/system/cpu/cpuidle/current_governor",
    "/sys/devices/system/cpu/isolated",
    "/sys/devices/system/cpu/nohz_full",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/node/node*/cpulist",
    "/sys/devices/system/node/node*/distance",
    "/sys/devices/system/node/node*/hugepages/*/*hugepages",
    "/sys/devices/system/node/node*/meminfo",
    "/sys/devices/system/node/node*/numastat",
    "/sys/devices/system/node/online",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "/sys/kernel/iommu_groups/*/type",
    "/sys/kernel/mm/hugepages/*/*hugepages",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/module/hpcap*/initstate",
    "/sys/module/hpcap*/parameters/*",
    "/sys/module/hpcap*/refcnt",
    "/sys/module/hpcap*/taint",
];

/// Versions, some of which look like addresses.
const PLAIN: &[&str] = &["/sys/module/*/version", "/sys/module/hpcap*/srcversion"];

/// Files in which names of machines and people can stand.
const TEXTS: &[&str] = &[
    "/proc/cmdline",
    "/proc/mounts",
    "/proc/version",
    "/sys/class/hpcap/*/*",
    "/sys/class/hpcap/*/*/*",
];

/// Links by which devices name their drivers, and interfaces their devices.
const LINKED: &[&str] = &[
    "/sys/bus/pci/devices/*/driver",
    "/sys/class/net/*/device",
    "/sys/class/net/*/master",
];

/// Reads the files whose content changes while the machine runs, into the folder `folder` of the collection.
pub(super) fn read_changing(collection: &mut Collection<'_>, folder: &str) -> Result<()> {
    read(collection, CHANGING, folder, Style::Kernel)
}

/// Reads the other files, once.
pub(super) fn read_fixed(collection: &mut Collection<'_>) -> Result<()> {
    read(collection, FIXED, "", Style::Kernel)?;
    read(collection, PLAIN, "", Style::Plain)?;
    read(collection, TEXTS, "", Style::Text)?;
    let tree = &collection.options.tree;
    let links: BTreeMap<String, String> = LINKED
        .iter()
        .flat_map(|pattern| expand(tree, pattern))
        .filter_map(|path| {
            let target = tree.real_path(&path)?;
            Some((path, target.to_string_lossy().into_owned()))
        })
        .collect();
    // As text, because names of interfaces stand in the keys.
    let mut text = String::new();
    for (path, target) in links {
        text += &format!("{path} -> {target}\n");
    }
    let content = Ok(super::super::open::Content::whole(text.into_bytes()));
    collection.add(LINKS, content, Style::Kernel)
}

/// Reads the files that `patterns` stand for.
pub(super) fn read(
    collection: &mut Collection<'_>,
    patterns: &[&str],
    folder: &str,
    style: Style,
) -> Result<()> {
    for pattern in patterns {
        let tree = collection.options.tree.clone();
        let asked = (*pattern).to_owned();
        let paths = collection
            .reader
            .ask(FILE_TIME, move || expand(&tree, &asked));
        let paths = match paths {
            Ok(paths) => paths,
            Err(why) => {
                collection.note(pattern, why);
                continue;
            }
        };
        for path in paths {
            let place = collection.options.tree.path(&path);
            let content = collection
                .reader
                .read(FILE_TIME, move || kernel_file(&place, FILE_BYTES));
            collection.add(&format!("{folder}{}", &path[1..]), content, style)?;
        }
    }
    Ok(())
}
