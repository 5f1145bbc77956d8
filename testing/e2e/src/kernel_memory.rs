//! A comparison of the kernel's allocations before and after an operation was repeated many times.
//!
//! The counts are never exactly the same again: other parts of the kernel allocate memory, too, and
//! the allocator caches objects. So only memory that is lost in *each* round counts as a leak. A
//! slab cache that has more objects afterwards is only [suspected](Snapshot::suspects); the rounds
//! are repeated, and the cache leaks if it grows every time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Longest time that RCU and workers take to free objects after they were asked to.
const SETTLE: Duration = Duration::from_millis(300);
/// Kernel stacks that may remain. The kernel caches two per CPU for new threads, and RCU may still
/// hold as many.
const STACKS_KEPT: i64 = 16;
/// Growth of the number of vmalloc areas per caller that is accepted. No such area belongs to
/// hpcap; the buffers of tracing and modprobe come and go.
const AREAS_KEPT: i64 = 2;
/// Bytes per round that count as a leak. The smallest ring has 512 KiB, so a leaked ring exceeds
/// this many times.
const BYTES_A_ROUND: i64 = 16 << 10;
/// Growth in bytes that is accepted because of caches in the allocator. Some 100 KiB were observed.
const BYTES_KEPT: i64 = 2 << 20;
/// Lines of /proc/meminfo with memory that is free or that the kernel attributes to a user. Pages
/// that a driver allocated, such as a ring, are in none of these lines. MemFree alone is not
/// enough, because caches grow and shrink by tens of MiB.
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
/// Caches whose objects the kernel keeps for later without marking the cache as reclaimable:
/// objects that live as long as inodes, and address ranges that vfree() returns many at a time (the
/// areas themselves are compared).
const KEPT_FOR_LATER: &[&str] = &["lsm_inode_cache", "vmap_area"];

/// The kernel's memory at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Objects in use, by slab cache. Caches whose objects only cache file contents are left out.
    slabs: BTreeMap<String, i64>,
    /// Number of vmalloc areas, by the function that allocated them.
    areas: BTreeMap<String, i64>,
    /// Memory in the lines [`KNOWN`], in bytes.
    known: i64,
    /// Number of free hugepages.
    hugepages: i64,
    /// Use count of each module.
    modules: BTreeMap<String, i64>,
}

/// A description of growth that cannot be explained otherwise.
pub type Leak = String;

impl Snapshot {
    /// Takes a snapshot after the kernel has freed what it only caches. This needs root.
    ///
    /// # Errors
    /// Fails if a file in /proc cannot be read or written.
    pub fn take() -> std::io::Result<Self> {
        // Free pages in the lists of a CPU do not count as free, and with transparent hugepages
        // these lists take up to 5 % of the memory. This setting makes the lists as short as
        // possible.
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

    /// Returns the slab caches that have at least half an object per round more in `later`. This is
    /// only a suspicion, because all objects of a slab in use by a CPU count as used, and some
    /// slabs come and go: growth by 64 objects of filp and by 119 of kmalloc-96 was observed
    /// without any leak. Such caches do not grow again when the rounds are repeated.
    #[must_use]
    pub fn suspects(&self, later: &Self, rounds: u32) -> BTreeMap<String, i64> {
        let mut grown = growth(&self.slabs, &later.slabs);
        grown.retain(|_, objects| *objects * 2 >= i64::from(rounds));
        grown
    }

    /// Returns all other leaks between this snapshot and `later`, if an operation was done `rounds`
    /// times in between.
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

/// Returns the report of kmemleak on objects without references. The report is empty where the
/// kernel has no kmemleak.
///
/// # Errors
/// Fails if kmemleak exists and cannot be read.
pub fn unreferenced() -> std::io::Result<String> {
    let file = Path::new("/sys/kernel/debug/kmemleak");
    if !file.exists() {
        return Ok(String::new());
    }
    // An object whose pointer moved during a scan is reported by that scan, but not by the next
    // one.
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

/// Returns the free objects that each CPU holds to the allocator, because they count as used.
fn shrink_slabs() {
    let Ok(caches) = std::fs::read_dir("/sys/kernel/slab") else {
        return;
    };
    for cache in caches.flatten() {
        let _ = std::fs::write(cache.path().join("shrink"), "1");
    }
}

/// Parses /proc/slabinfo, whose lines have the name, objects in use, all objects, ...
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

/// Parses /proc/vmallocinfo, whose lines have the addresses, bytes, caller, ...
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

/// Parses a line of /proc/modules, which has the name, bytes, use count, ...
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
