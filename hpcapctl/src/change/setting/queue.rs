//! Files of the kernel, and rings of its module.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;
use hpcap_host::pages::{HUGE_1G, HUGE_2M, Pages};
use hpcap_ipc::device::device_path;

use super::{Setting, queue_name};
use crate::change::step::Root;
use crate::ring::{Ring, set};

/// Folder of the queues of the kernel module.
pub(super) const QUEUES: &str = "/sys/class/hpcap";

/// Whether two contents of a file say the same. The kernel normalises lists of CPUs.
pub(super) fn means_the_same(found: &str, wanted: &str) -> bool {
    let list = |text: &str| text.parse::<hpcap_host::CpuSet>().ok();
    let wanted = wanted.trim();
    found == wanted
        || (wanted.contains(['-', ',']) && list(found).is_some() && list(found) == list(wanted))
}

/// Writes a file of the kernel with one call, because each call is a change of its own.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let tried = || format!("write {:?} to {}", text.trim(), path.display());
    let line = format!("{text}\n");
    let done = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|file| {
            let written = nix::unistd::write(&file, line.as_bytes())?;
            match written == line.len() {
                true => Ok(()),
                false => Err(io::Error::other("the kernel took only a part")),
            }
        });
    done.map_err(|e| {
        let error = Error::io(tried(), e);
        match error.kind() {
            Kind::Permission => error.advise("become root"),
            Kind::Busy => error.advise("`hpcapctl listeners` shows who is attached"),
            _ => error.advise("the kernel refuses this value"),
        }
    })
}

/// Returns the present ring of a queue; `None` if it has none.
pub(super) fn ring_in_force(queue: &str, root: &Root) -> Result<Option<Setting>> {
    let folder = device_path(Path::new(QUEUES), queue_name(queue)?);
    let tree = Tree::at(root.path("/"));
    let bytes = tree.value(folder.join("ring_bytes"));
    let page_bytes = tree.value(folder.join("page_bytes"));
    Ok(bytes.map(|bytes| Setting::Ring {
        queue: queue.to_owned(),
        bytes,
        page_bytes,
    }))
}

/// Gives a queue a ring.
pub(super) fn set_ring(queue: &str, bytes: u64, page_bytes: Option<u64>) -> Result<()> {
    let pages = match page_bytes {
        None => Pages::Auto,
        Some(HUGE_1G) => Pages::Huge1G,
        Some(HUGE_2M) => Pages::Huge2M,
        Some(_) => Pages::Ordinary,
    };
    set(&Ring {
        queue: queue_name(queue)?,
        size: bytes,
        pages,
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_compared_as_sets() {
        assert!(means_the_same("0-3", "0,1,2,3"));
        assert!(means_the_same("busy", "busy\n"));
        assert!(!means_the_same("0-3", "0-2"));
        assert!(!means_the_same("0", "1"));
    }
}
