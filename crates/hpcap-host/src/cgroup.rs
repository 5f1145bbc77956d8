//! The memory limits of this process's control groups. The kernel kills a process that exceeds such
//! a limit, so a program checks the size of a ring against it first.
//!
//! ```
//! use hpcap_host::cgroup;
//!
//! match cgroup::room() {
//!     Some(bytes) => println!("{bytes} bytes are left below the limit"),
//!     None => println!("no control group limits the memory of this process"),
//! }
//! ```

use std::fs;
use std::path::{Path, PathBuf};

/// Returns how many bytes this process can still allocate before it reaches a limit of a control
/// group; `None` when there is no limit. Memory that only caches files counts as free.
#[must_use]
pub fn room() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    folders(&groups, &mounts)
        .iter()
        .filter_map(|group| room_in(group))
        .min()
}

/// Returns the folders of the memory control groups of the process, from its own group up to the
/// root. They are those of version 1 if that controls memory, and otherwise those of version 2.
fn folders(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let is_v2 = controllers.is_empty();
        if !is_v2 && !controllers.split(',').any(|c| c == "memory") {
            continue;
        }
        let Some((root, mount)) = mounts.lines().find_map(|line| mounted(line, is_v2)) else {
            continue;
        };
        // In a container, the mount shows only the part of the tree below `root`.
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let group = Path::new(mount).join(below.strip_prefix("/").unwrap_or(below));
        found.extend(
            group
                .ancestors()
                .take_while(|dir| dir.starts_with(mount))
                .map(Path::to_owned),
        );
    }
    found
}

/// Returns root and mount point from a line of mountinfo; `None` when the line is not a mount of
/// memory control groups.
fn mounted(line: &str, is_v2: bool) -> Option<(&str, &str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, place) = (fields.next()?, fields.next()?);
    let mut kind = kind.split(' ');
    let fits = match (kind.next()?, is_v2) {
        ("cgroup2", true) => true,
        ("cgroup", false) => kind.nth(1)?.split(',').any(|option| option == "memory"),
        _ => false,
    };
    fits.then_some((root, place))
}

/// Returns how many bytes the limit of one group leaves; `None` when the group has no limit.
fn room_in(group: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, used, caches) = match number("memory.max") {
        // Without a limit, the file holds "max", which does not parse as a number.
        Some(limit) => (
            limit,
            number("memory.current")?,
            ["active_file", "inactive_file"],
        ),
        None => (
            number("memory.limit_in_bytes")?,
            number("memory.usage_in_bytes")?,
            ["total_active_file", "total_inactive_file"],
        ),
    };
    let statistics = read("memory.stat").unwrap_or_default();
    let cached: u64 = statistics
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| caches.contains(name))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum();
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_found_below_its_mount() {
        let v2 = "25 30 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let found = folders("0::/system.slice/hpcapd.service\n", v2);
        let expected = [
            "/sys/fs/cgroup/system.slice/hpcapd.service",
            "/sys/fs/cgroup/system.slice",
            "/sys/fs/cgroup",
        ];
        assert_eq!(found, expected.map(PathBuf::from));

        let v1 = "33 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                  34 30 0:28 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let found = folders("3:memory:/docker/abc/inner\n2:cpu:/\n", v1);
        let expected = ["/sys/fs/cgroup/memory/inner", "/sys/fs/cgroup/memory"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn room_is_the_limit_minus_the_use() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        assert_eq!(room_in(dir.path()), None);
        write("memory.limit_in_bytes", "1000\n");
        write("memory.usage_in_bytes", "700\n");
        write(
            "memory.stat",
            "cache 9\ntotal_active_file 100\ntotal_inactive_file 50\n",
        );
        assert_eq!(room_in(dir.path()), Some(450));
        write("memory.max", "2000\n");
        write("memory.current", "2500\n");
        write("memory.stat", "anon 2400\ninactive_file 100\n");
        assert_eq!(room_in(dir.path()), Some(0));
    }
}
