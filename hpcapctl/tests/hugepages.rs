//! `hpcapctl hugepages` on a stored machine and on this one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use hpcap::Kind;
use hpcap_host::{HugePool, Tree};
use hpcapctl::hugepages::{Reservation, mount, show, unmount};
use nix::sched::{CloneFlags, unshare};
use testkit::machine::{two_nodes, unpack};

const MIB: u64 = 1 << 20;

#[test]
fn pools_are_shown_for_each_node() {
    let (_dir, tree) = two_nodes();
    insta::assert_snapshot!("show", show(&tree, false).unwrap());
    let json = show(&tree, true).unwrap();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["page_bytes"], 2 * MIB);
}

#[test]
fn plan_names_the_file_and_the_permanent_setting() {
    let (_dir, tree) = two_nodes();
    let plan = |node| Reservation::plan(&tree, 1025 * MIB, 2 * MIB, node).unwrap();
    insta::assert_snapshot!("plan_for_machine", plan(None).describe(&tree));
    insta::assert_snapshot!("plan_for_node", plan(Some(1)).describe(&tree));
}

#[test]
fn plan_is_carried_out() {
    let (_dir, tree) = two_nodes();
    let plan = Reservation::plan(&tree, 64 * MIB, 2 * MIB, Some(1)).unwrap();
    let said = plan
        .carry_out(&tree, |path, count| fs::write(path, count))
        .unwrap();
    insta::assert_snapshot!("carried_out", said);
    assert_eq!(HugePool::read(&tree, 2 * MIB, Some(1)).unwrap().total, 32);
}

#[test]
fn pages_in_use_stay_in_the_pool() {
    let (dir, tree) = two_nodes();
    let folder = HugePool::folder(2 * MIB, None);
    unpack(&format!("{folder}/free_hugepages = 500"), dir.path());
    let plan = Reservation::plan(&tree, 0, 2 * MIB, None).unwrap();
    insta::assert_snapshot!("pages_in_use", plan.describe(&tree));
}

/// Writes half of the number, as a kernel does whose memory is in small pieces.
fn give_half(path: &Path, count: String) -> io::Result<()> {
    let wanted: u64 = count.parse().unwrap();
    let given = if wanted == 512 { 512 } else { wanted / 2 };
    fs::write(path, given.to_string())
}

#[test]
fn shortage_is_counted_and_undone() {
    let (_dir, tree) = two_nodes();
    let plan = Reservation::plan(&tree, 2048 * MIB, 2 * MIB, None).unwrap();
    let error = plan.carry_out(&tree, give_half).unwrap_err();
    assert_eq!(error.kind(), Kind::Full);
    insta::assert_snapshot!("shortage", error.to_string());
    assert_eq!(HugePool::read(&tree, 2 * MIB, None).unwrap().total, 512);
}

#[test]
fn memory_that_is_not_free_is_refused_before_a_change() {
    let (_dir, tree) = two_nodes();
    let plan = |bytes, node| Reservation::plan(&tree, bytes, 2 * MIB, node);
    for node in [None, Some(1)] {
        let error = plan(1 << 40, node).unwrap_err();
        assert_eq!(error.kind(), Kind::Full, "{error}");
    }
    assert_eq!(plan(u64::MAX, None).unwrap_err().kind(), Kind::Full);
}

#[test]
fn unknown_sizes_and_nodes_are_usage_errors() {
    let (_dir, tree) = two_nodes();
    let refused = |pages, node| {
        let error = Reservation::plan(&tree, MIB, pages, node).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    };
    insta::assert_snapshot!("unknown_size", refused(3 * MIB, None));
    insta::assert_snapshot!("unknown_node", refused(2 * MIB, Some(7)));
    assert_eq!(
        mount(&tree, Path::new("/x"), 0, true).unwrap_err().kind(),
        Kind::Usage
    );
}

#[test]
fn other_pages_under_a_mount_are_not_replaced() {
    let (_dir, tree) = two_nodes();
    let folder = Path::new("/dev/hugepages");
    let error = mount(&tree, folder, 1 << 30, true).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error}");
    let nothing = unmount(&tree, Path::new("/nowhere"), false).unwrap();
    insta::assert_snapshot!("nothing_mounted", nothing);
}

#[test]
fn hugetlbfs_is_mounted_in_a_namespace_of_its_own() {
    if !testkit::is_root_or_skips("mounting hugetlbfs") {
        return;
    }
    let sizes = HugePool::of_machine(&Tree::machine());
    let Some(pool) = sizes.first() else {
        return testkit::skip("mounting hugetlbfs: this kernel has none");
    };
    let (page_bytes, dir) = (pool.page_bytes, tempfile::tempdir().unwrap());
    let folder = dir.path().join("huge");
    // A thread with its own mount namespace; the mount goes when the thread ends.
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        nix::mount::mount(
            None::<&str>,
            "/",
            None::<&str>,
            nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .unwrap();
        let own = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        assert!(!own.contains("/huge "));
        mount(&Tree::machine(), &folder, page_bytes, false).unwrap();
        let own = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        assert!(
            own.contains(&format!("{} hugetlbfs", folder.display())),
            "{own}"
        );
        let again = mount(&Tree::machine(), &folder, page_bytes, false).unwrap();
        let mut settings = printed::settings();
        settings.add_filter(r"\d+ [KMG]iB", "[SIZE]");
        settings.bind(|| insta::assert_snapshot!("mounted_again", again));
        unmount(&Tree::machine(), &folder, false).unwrap();
        let own = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        assert!(!own.contains("/huge "), "{own}");
    });
    thread.join().unwrap();
}

fn hpcapctl(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn this_machine_shows_its_pools() {
    let shown = hpcapctl(&["hugepages", "show"]);
    assert!(shown.status.success());
    let text = String::from_utf8(shown.stdout).unwrap();
    for pool in HugePool::of_machine(&Tree::machine()) {
        let size = hpcap::units::Bytes(pool.page_bytes).to_string();
        assert!(text.contains(&size), "{size}: {text}");
    }
}

#[test]
fn impossible_reservation_changes_nothing() {
    let before = HugePool::of_machine(&Tree::machine());
    let done = hpcapctl(&["hugepages", "reserve", "40000G"]);
    if before.is_empty() {
        assert_eq!(done.status.code(), Some(2));
        return;
    }
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let totals = |pools: &[HugePool]| pools.iter().map(|p| p.total).collect::<Vec<_>>();
    assert_eq!(
        totals(&HugePool::of_machine(&Tree::machine())),
        totals(&before)
    );
}
