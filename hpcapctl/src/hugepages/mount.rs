//! `hpcapctl hugepages mount` and `unmount`.

use std::fs;
use std::path::Path;

use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use hpcap_host::{HugeMount, HugePool, Tree};
use nix::mount::{MsFlags, umount};

/// Mounts a hugetlbfs with pages of `page_bytes` on `folder`, which is made if it does not exist.
/// Only root may make files in it. Does nothing if it is mounted already.
///
/// # Errors
/// [`Kind::Usage`] if the kernel has no such pages; [`Kind::Busy`] if a hugetlbfs with other pages is
/// there; [`Kind::Permission`] without root.
pub fn mount(tree: &Tree, folder: &Path, page_bytes: u64, dry_run: bool) -> Result<String> {
    let (place, pages) = (folder.display(), Bytes(page_bytes));
    let tried = || format!("mount hugetlbfs with pages of {pages} on {place}");
    if HugePool::read(tree, page_bytes, None).is_none() {
        return Err(Error::usage(
            format!("pages of {pages}"),
            "hpcapctl hugepages show lists the sizes that this kernel has",
        ));
    }
    if let Some(there) = mounted(tree, folder) {
        // Without an option, the pages have the size that the kernel takes by itself, 2 MiB on x86.
        return match there.page_bytes.unwrap_or(2 << 20) == page_bytes {
            true => Ok(format!(
                "{place}: hugetlbfs with pages of {pages} is mounted already\n"
            )),
            false => Err(Error::new(
                Kind::Busy,
                tried(),
                "a hugetlbfs with pages of another size is mounted there",
            )
            .advise(format!("hpcapctl hugepages unmount {place}"))),
        };
    }
    let options = format!("pagesize={},mode=0700", page_bytes);
    let fstab = format!("hugetlbfs {place} hugetlbfs {options},nofail 0 0");
    if dry_run {
        return Ok(format!(
            "would mount -t hugetlbfs -o {options} hugetlbfs {place}\n\
             to make it permanent, a line of /etc/fstab: {fstab}\n"
        ));
    }
    let exists = folder.exists();
    fs::create_dir_all(folder).context(tried)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let result = nix::mount::mount(
        Some("hugetlbfs"),
        folder,
        Some("hugetlbfs"),
        flags,
        Some(options.as_str()),
    );
    if let Err(e) = result {
        if !exists {
            // The folder is empty, and was made above.
            let _ = fs::remove_dir(folder);
        }
        return Err(Error::io(tried(), e.into()).or_advise("become root"));
    }
    Ok(format!(
        "{place}: hugetlbfs with pages of {pages}\nto make it permanent, a line of /etc/fstab: {fstab}\n"
    ))
}

/// Unmounts the hugetlbfs on `folder`. Does nothing if none is mounted there.
///
/// # Errors
/// [`Kind::Busy`] while a program uses a file of it; [`Kind::Permission`] without root.
pub fn unmount(tree: &Tree, folder: &Path, dry_run: bool) -> Result<String> {
    let place = folder.display();
    if mounted(tree, folder).is_none() {
        return Ok(format!("{place}: no hugetlbfs is mounted there\n"));
    }
    if dry_run {
        return Ok(format!("would umount {place}\n"));
    }
    umount(folder)
        .context(|| format!("unmount {place}"))
        .map_err(|e| match e.kind() {
            Kind::Busy => e.or_advise("end the programs that use its files: fuser -vm shows them"),
            _ => e.or_advise("become root"),
        })?;
    Ok(format!("{place}: unmounted\n"))
}

/// The hugetlbfs that is mounted on `folder`.
fn mounted(tree: &Tree, folder: &Path) -> Option<HugeMount> {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    HugeMount::all(tree)
        .into_iter()
        .rfind(|mount| mount.path == real)
}
