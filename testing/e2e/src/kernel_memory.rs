//! What the kernel has allocated, before and after something was done many times.
//!
//! The counts are never quite the same again: other parts of the kernel allocate, too, and the
//! allocator keeps some objects for later. What is looked for is memory that goes *each* time. So
//! a slab cache that has more objects afterwards is [suspected](Snapshot::suspects) only: all is
//! done again, and a leak is what grows again, and again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// After freeing was asked for, RCU and workers take this long at most to do it.
const SETTLE: Duration = Duration::from_millis(300);
/// Kernel stacks are kept for the next thread: two a CPU, and as many on their way by RCU.
const STACKS_KEPT: i64 = 16;
/// Areas of vmalloc that a caller may have more afterwards: none is ours; tracing and
/// modprobe's own buffers come and go.
const AREAS_KEPT: i64 = 2;
/// The smallest ring has 512 KiB. Leaking one each time takes many times this.
const BYTES_A_ROUND: i64 = 16 << 10;
/// What is on its way in the allocator; some 100 KiB were seen.
const BYTES_KEPT: i64 = 2 << 20;
/// Memory that is free, or whose users the kernel knows. Rings are what it does not: pages that
/// a driver took. (What is free alone says nothing: caches take and give tens of MiB.)
const KNOWN: [&str; 10] = [
    "MemFree:",
    "Buffers:",
    "Cached:",
    "SwapCached:",
    "AnonPages:",
    "Slab:",
    "KernelStack:",
    "PageTables:",
    "VmallocUsed:",
    "Percpu:",
];
/// Caches whose objects are kept for later, and not marked so: those that live and die with
/// inodes; addresses that vfree() gives back many at a time (the areas themselves are compared).
const KEPT_FOR_LATER: &[&str] = &["lsm_inode_cache", "vmap_area"];

/// The kernel's memory at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Objects in use, by slab cache. Those that only cache what files hold are left out.
    slabs: BTreeMap<String, i64>,
    /// Areas, by who asked vmalloc for them.
    areas: BTreeMap<String, i64>,
    /// Memory whose users are known, in bytes.
    known: i64,
    /// Free hugepages.
    hugepages: i64,
    /// Who uses which module how often.
    modules: BTreeMap<String, i64>,
}

/// Something that grew by more than can be explained.
pub type Leak = String;

impl Snapshot {
    /// Takes one; needs root. Gives back first what is only kept for later.
    ///
    /// # Errors
    /// When a file of /proc cannot be read.
    pub fn take() -> std::io::Result<Self> {
        // Free pages that a CPU keeps for itself are not counted as free, and where there are
        // transparent hugepages it keeps up to 5 % of the memory: as few as possible.
        std::fs::write("/proc/sys/vm/percpu_pagelist_high_fraction", "1000000")?;
        for _ in 0..2 {
            std::thread::sleep(SETTLE);
            std::fs::write("/proc/sys/vm/drop_caches", "3")?;
            shrink_slabs();
        }
        let meminfo = std::fs::read_to_string("/proc/meminfo")?;
        let modules = std::fs::read_to_string("/proc/modules")?;
        Ok(Self {
            slabs: slabs(&std::fs::read_to_string("/proc/slabinfo")?),
            areas: areas(&std::fs::read_to_string("/proc/vmallocinfo")?),
            known: KNOWN.iter().map(|key| number_of(&meminfo, key) << 10).sum(),
            hugepages: number_of(&meminfo, "HugePages_Free:"),
            modules: modules.lines().filter_map(uses).collect(),
        })
    }

    /// Slab caches that have more objects in `later`, by half an object a round at least. A slab
    /// that a CPU holds counts as used as a whole, and some slabs come and go: 64 objects of filp
    /// and 119 of kmalloc-96 were seen that nobody had leaked. They do not grow again.
    #[must_use]
    pub fn suspects(&self, later: &Self, rounds: u32) -> BTreeMap<String, i64> {
        let mut grown = growth(&self.slabs, &later.slabs);
        grown.retain(|_, objects| *objects * 2 >= i64::from(rounds));
        grown
    }

    /// What else has leaked between this and `later`, if something was done `rounds` times
    /// meanwhile.
    #[must_use]
    pub fn leaks(&self, later: &Self, rounds: u32) -> Vec<Leak> {
        let rounds = i64::from(rounds);
        let mut leaks = Vec::new();
        for (caller, grown) in growth(&self.areas, &later.areas) {
            let kept = match caller.as_str() {
                c if c.starts_with("dup_task_struct") || c.contains("thread_stack") => STACKS_KEPT,
                c if c.contains("[hpcap") => 0,
                _ => AREAS_KEPT,
            };
            if grown > kept {
                leaks.push(format!("{grown} areas of vmalloc by {caller}"));
            }
        }
        let gone = self.known - later.known;
        if gone > rounds * BYTES_A_ROUND + BYTES_KEPT {
            leaks.push(format!("{} KiB that nobody knows of", gone >> 10));
        }
        if self.hugepages != later.hugepages {
            let (before, after) = (self.hugepages, later.hugepages);
            leaks.push(format!("hugepages: {before} free before, {after} after"));
        }
        if self.modules != later.modules {
            let (before, after) = (&self.modules, &later.modules);
            leaks.push(format!(
                "modules in use: {before:?} before, {after:?} after"
            ));
        }
        leaks
    }
}

/// What kmemleak finds that nothing points to any more; empty where the kernel has no kmemleak.
///
/// # Errors
/// When it is there and cannot be asked.
pub fn unreferenced() -> std::io::Result<String> {
    let file = Path::new("/sys/kernel/debug/kmemleak");
    if !file.exists() {
        return Ok(String::new());
    }
    // A pointer that was moved while it looked shows in the first scan only.
    for _ in 0..2 {
        std::fs::write(file, "scan")?;
        std::thread::sleep(SETTLE);
    }
    std::fs::read_to_string(file)
}

fn growth(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let grown = after.iter().map(|(key, now)| {
        let then = before.get(key).copied().unwrap_or(0);
        (key.clone(), now - then)
    });
    grown.filter(|(_, n)| *n > 0).collect()
}

/// Free objects that a CPU keeps for itself count as used: they are given back.
fn shrink_slabs() {
    let Ok(caches) = std::fs::read_dir("/sys/kernel/slab") else {
        return;
    };
    for cache in caches.flatten() {
        let _ = std::fs::write(cache.path().join("shrink"), "1");
    }
}

/// Lines of /proc/slabinfo: name, objects in use, all objects, ...
fn slabs(text: &str) -> BTreeMap<String, i64> {
    let caches = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, used) = (words.next()?, words.next()?);
        let reclaimable = Path::new("/sys/kernel/slab")
            .join(name)
            .join("reclaim_account");
        let reclaimable = std::fs::read_to_string(reclaimable).is_ok_and(|s| s.trim() == "1");
        (!reclaimable && !KEPT_FOR_LATER.contains(&name))
            .then_some((name.to_owned(), used.parse().ok()?))
    });
    caches.collect()
}

/// Lines of /proc/vmallocinfo: addresses, bytes, who asked, ...
fn areas(text: &str) -> BTreeMap<String, i64> {
    let mut areas = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(2);
        let Some(caller) = words.next().filter(|c| c.contains('+')) else {
            continue;
        };
        let module = words.next().filter(|w| w.starts_with('['));
        let function = caller.split('+').next().unwrap_or(caller);
        let caller = format!("{function} {}", module.unwrap_or_default());
        *areas.entry(caller).or_default() += 1;
    }
    areas
}

/// A line of /proc/modules: name, bytes, uses, ...
fn uses(line: &str) -> Option<(String, i64)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    Some((name, words.nth(1)?.parse().ok()?))
}

fn number_of(meminfo: &str, key: &str) -> i64 {
    let line = meminfo.lines().find(|line| line.starts_with(key));
    let number = line.and_then(|l| l.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_cache_growth_is_suspected() {
        let slabs = |n: i64| Snapshot {
            slabs: BTreeMap::from([("kmalloc-64".to_owned(), n)]),
            ..Snapshot::default()
        };
        let before = slabs(1000);
        assert!(before.suspects(&slabs(1024), 50).is_empty());
        assert!(before.suspects(&slabs(500), 50).is_empty());
        let suspects = before.suspects(&slabs(1025), 50);
        assert_eq!(suspects, BTreeMap::from([("kmalloc-64".to_owned(), 25)]));
    }

    #[test]
    fn reports_only_growth_repeated_every_round() {
        let known = |bytes: i64| Snapshot {
            known: bytes,
            ..Snapshot::default()
        };
        let before = known(100 << 20);
        assert_eq!(before.leaks(&known(99 << 20), 50), Vec::<Leak>::new());
        let rings = known((100 << 20) - 50 * (512 << 10));
        assert_eq!(before.leaks(&rings, 50).len(), 1);
    }

    #[test]
    fn reports_every_area_of_our_modules() {
        let text = "\
0xffffc90000000000-0xffffc90000002000    8192 bpf_prog_alloc_no_stats+0x2c/0xf0 pages=1 vmalloc
0xffffc90000105000-0xffffc90000107000    8192 hpcap_memory_alloc+0x70/0x3f0 [hpcap] pages=1 vmalloc
0xffffc90000107000-0xffffc90000109000    8192 unpurged vm_area";
        let later = Snapshot {
            areas: areas(text),
            ..Snapshot::default()
        };
        let leaks = Snapshot::default().leaks(&later, 50);
        assert_eq!(leaks, ["1 areas of vmalloc by hpcap_memory_alloc [hpcap]"]);
        assert_eq!(later.areas.len(), 2);
    }
}
