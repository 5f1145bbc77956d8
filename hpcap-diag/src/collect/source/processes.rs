//! Processes: the names of all, and the threads of hpcap's.

use hpcap::Result;

use super::super::open::kernel_file;
use super::kernel::read as read_files;
use super::{Collection, FILE_TIME};
use crate::redact::Style;

/// Largest number of threads of a process whose files are read.
const MOST_THREADS: usize = 256;
/// Largest number of bytes of a command line.
const COMMAND_BYTES: usize = 64 << 10;

/// Reads the names of all processes, and more of those of hpcap.
pub(super) fn read(collection: &mut Collection<'_>) -> Result<()> {
    read_files(collection, &["/proc/[0-9]*/comm"], "", Style::Text)?;
    for pid in ours(collection) {
        let files = [
            format!("/proc/{pid}/cgroup"),
            format!("/proc/{pid}/io"),
            format!("/proc/{pid}/limits"),
            format!("/proc/{pid}/status"),
        ];
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        read_files(collection, &files, "", Style::Text)?;
        let place = collection.options.tree.path(format!("/proc/{pid}/cmdline"));
        let line = collection.reader.read(FILE_TIME, move || {
            let mut content = kernel_file(&place, COMMAND_BYTES)?;
            // As a person would have typed it.
            content
                .bytes
                .iter_mut()
                .filter(|b| **b == 0)
                .for_each(|b| *b = b' ');
            Ok(content)
        });
        collection.add(&format!("proc/{pid}/cmdline"), line, Style::Text)?;
    }
    read_load(collection, "")
}

/// Reads how long each thread of hpcap has run on which CPU.
pub(super) fn read_load(collection: &mut Collection<'_>, folder: &str) -> Result<()> {
    for pid in ours(collection) {
        let threads = collection.options.tree.names(format!("/proc/{pid}/task"));
        for thread in threads.iter().take(MOST_THREADS) {
            let files = ["stat", "status", "comm"];
            let count = if folder.is_empty() { files.len() } else { 1 };
            let files: Vec<String> = files[..count]
                .iter()
                .map(|file| format!("/proc/{pid}/task/{thread}/{file}"))
                .collect();
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            read_files(collection, &files, folder, Style::Text)?;
        }
    }
    Ok(())
}

/// The numbers of the processes of hpcap: its programs, and the poll threads of its modules.
fn ours(collection: &Collection<'_>) -> Vec<u32> {
    let tree = &collection.options.tree;
    let is_ours = |pid: &u32| {
        tree.text(format!("/proc/{pid}/comm"))
            .is_some_and(|name| name.contains("hpcap") || name == "raw2pcap" || name == "checkraw")
    };
    let mut pids = tree.numbers("/proc", "");
    pids.retain(is_ours);
    pids
}
