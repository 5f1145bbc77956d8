//! Folders that are shared with the host or stored on a disk.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::unistd::sync;

use super::root::mount_new;
use super::{OUT_TAG, Setup, at};

/// Mount point of the disk.
const DATA: &str = "/data";

/// Mount point of the host's folder.
const OUT: &str = "/out";

/// Mounts all folders that `setup` asks for.
pub(super) fn mount(setup: &Setup) -> io::Result<()> {
    if setup.out {
        show_out()?;
    }
    if setup.disk {
        // Some kernels have these modules built in, and modprobe then fails.
        for module in ["virtio_blk", "ext4"] {
            let _ = Command::new("modprobe").args(["-q", module]).status();
        }
        mount_new("ext4", "/dev/vda", DATA, MsFlags::empty(), "")?;
    }
    for &size in &setup.hugepages {
        let folder = hugepage_folder(size);
        mount_new(
            "hugetlbfs",
            "hugepages",
            &folder,
            MsFlags::empty(),
            &format!("pagesize={size}"),
        )?;
    }
    Ok(())
}

fn show_out() -> io::Result<()> {
    // Without a cache, data that the guest writes is in the host's file at once, even when the
    // guest panics next. With cache=mmap, Linux 6.12 writes it half a minute later.
    let options = "trans=virtio,version=9p2000.L,msize=524288,cache=none";
    mount_new("9p", OUT_TAG, OUT, MsFlags::empty(), options)
}

/// Mounts the host's folder in an installed system, if the machine has one.
pub(super) fn mount_out() -> io::Result<()> {
    let devices = fs::read_dir("/sys/bus/virtio/drivers/9pnet_virtio");
    let has_tag = |entry: fs::DirEntry| {
        let tag = fs::read_to_string(entry.path().join("mount_tag")).unwrap_or_default();
        tag.trim_end_matches(['\0', '\n']) == OUT_TAG
    };
    match devices.into_iter().flatten().flatten().any(has_tag) {
        true => show_out(),
        false => Ok(()),
    }
}

/// Returns `/dev/hugepages`, the usual folder, for 2 MiB, and the same path with a suffix for other
/// sizes.
fn hugepage_folder(size: u64) -> String {
    match size {
        0x20_0000 => "/dev/hugepages".to_owned(),
        _ => format!("/dev/hugepages-{}M", size >> 20),
    }
}

/// Writes all data out and unmounts the folders.
pub(super) fn leave() {
    sync();
    for folder in [DATA, OUT] {
        if is_mounted(folder) {
            // A program that still uses the folder does not delay the end.
            let _ = umount2(folder, MntFlags::MNT_DETACH);
        }
    }
}

fn is_mounted(folder: &str) -> bool {
    let mounts = at("mounts", fs::read_to_string("/proc/self/mounts")).unwrap_or_default();
    let second = |line: &str| line.split(' ').nth(1).map(str::to_owned);
    mounts
        .lines()
        .any(|line| second(line).is_some_and(|at| Path::new(&at) == Path::new(folder)))
}
