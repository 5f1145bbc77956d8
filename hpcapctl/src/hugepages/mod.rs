//! `hpcapctl hugepages`: the kernel's pools of hugepages, and file systems of them.

mod mount;
mod reserve;
mod show;

use std::path::PathBuf;

use clap::Subcommand;
use hpcap::Result;
use hpcap::units::parse_size;
use hpcap_host::Tree;

pub use mount::{mount, unmount};
pub use reserve::Reservation;
pub use show::show;

/// What to do with hugepages.
#[derive(Debug, Subcommand)]
pub enum Hugepages {
    /// Show the pools of each size and NUMA node, and where hugetlbfs is mounted
    Show {
        /// Print JSON, one pool a line
        #[arg(long)]
        json: bool,
    },
    /// Have SIZE of free hugepages; 0 gives back those that nobody uses
    Reserve {
        /// Memory that is to be free: 64M, 3G
        #[arg(value_parser = parse_size)]
        size: u64,
        /// Size of a page: 2M, 1G
        #[arg(long, value_name = "SIZE", default_value = "2M", value_parser = parse_size)]
        pages: u64,
        /// The NUMA node whose memory to take, such as that of the NIC
        #[arg(long, value_name = "N")]
        node: Option<u32>,
        /// Print the plan, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Mount hugetlbfs, for programs that make files of hugepages
    Mount {
        /// Where to mount it
        #[arg(value_name = "DIR", default_value = "/dev/hugepages")]
        folder: PathBuf,
        /// Size of a page: 2M, 1G
        #[arg(long, value_name = "SIZE", default_value = "2M", value_parser = parse_size)]
        pages: u64,
        /// Print the plan, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Unmount a hugetlbfs
    Unmount {
        /// Where it is mounted
        #[arg(value_name = "DIR", default_value = "/dev/hugepages")]
        folder: PathBuf,
        /// Print the plan, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs `command` on this machine, and returns what it did.
///
/// # Errors
/// [`hpcap::Kind::Usage`] for a size or node that the machine does not have;
/// [`hpcap::Kind::Permission`] without root; [`hpcap::Kind::Full`] if the kernel gives too few pages.
pub fn run(command: &Hugepages) -> Result<String> {
    let tree = Tree::machine();
    match command {
        Hugepages::Show { json } => show(&tree, *json),
        Hugepages::Reserve {
            size,
            pages,
            node,
            dry_run,
        } => {
            let plan = Reservation::plan(&tree, *size, *pages, *node)?;
            match dry_run {
                true => Ok(plan.describe(&tree)),
                false => plan.carry_out(&tree, |path, count| std::fs::write(path, count)),
            }
        }
        Hugepages::Mount {
            folder,
            pages,
            dry_run,
        } => mount(&tree, folder, *pages, *dry_run),
        Hugepages::Unmount { folder, dry_run } => unmount(&tree, folder, *dry_run),
    }
}
