//! Replacement of a queue's ring.
//!
//! Hugepages come from an anonymous file that this program creates and the module keeps. They stay
//! in use until the queue gets another ring or is removed.

use std::fmt::Write;
use std::fs;
use std::os::fd::AsFd;

use clap::Args;
use hpcap::error::Context;
use hpcap::units::{Bytes, parse_size};
use hpcap::{Error, Kind, QueueName, Result};
use hpcap_host::pages::{ORDINARY, Pages, anonymous, choose_pages, seal};
use hpcap_ipc::connection::{run_dirs, socket_path};
use hpcap_ipc::device::{Device, dev_dir, device_path};
use nix::sys::stat::{Mode, fchmod};

/// A ring.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl ring hpcap0 --size 3G --pages 2M   a ring of 3 GiB in hugepages of 2 MiB
  hpcapctl ring hpcap0:1 --size 64M           queue 1 of adapter 0; hugepages where there are some")]
pub struct Ring {
    /// Such as hpcap0 or hpcap0:1
    pub queue: QueueName,

    /// Size of the ring: 64M, 3G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub size: u64,

    /// Memory pages under it
    #[arg(long, value_name = "ordinary|2M|1G|auto", default_value = "auto")]
    pub pages: Pages,
}

/// Gives the queue another ring. Returns a text that describes the new ring.
///
/// # Errors
/// [`Kind::Full`] if there are not enough hugepages, with advice to reserve more; [`Kind::Busy`]
/// while a listener is attached; [`Kind::Permission`] for users other than root.
pub fn set(wanted: &Ring) -> Result<String> {
    let Ring { queue, size, pages } = wanted;
    let device = open(*queue)?;
    let (page_bytes, note) = choose_pages(*pages, *size)?;
    if page_bytes == ORDINARY {
        device.set_ring(*size, None)?;
    } else {
        let file = anonymous("hpcap-ring", *size, page_bytes)?;
        // The mode is set before any listener gets the file, because a listener may open it again
        // for reading.
        fchmod(&file, Mode::S_IRUSR | Mode::S_IWUSR).context(|| "protect the ring's file")?;
        device.set_ring(*size, Some(file.as_fd()))?;
        // The module has opened the file for writing by now, so the seal does not affect it.
        seal(file.as_fd(), "the ring", false)?;
    }
    let mut said = format!(
        "{queue}: ring {} in {} pages\n",
        Bytes(*size),
        Bytes(page_bytes)
    );
    if let Some(note) = note {
        let _ = writeln!(said, "{note}");
    }
    Ok(said)
}

/// Opens the queue's device. The error for a queue that the module does not have says who serves
/// it.
fn open(queue: QueueName) -> Result<Device> {
    let path = device_path(&dev_dir(), queue);
    let tried = format!("open queue {queue} of the kernel module");
    match Device::open(&path) {
        Err(e) if e.kind() == Kind::NotFound => {
            let served = run_dirs()
                .iter()
                .any(|dir| fs::exists(socket_path(dir, queue)).unwrap_or(false));
            let why = format!("there is no {}", path.display());
            let advice = if served {
                "hpcapd serves it: the size of its ring is set when it starts (hpcapd --ring)"
            } else if fs::exists("/sys/module/hpcap").unwrap_or(false) {
                "hpcap.ko is loaded, and has no such queue; `hpcapctl status` lists those that it has"
            } else {
                "load the kernel module and the one of the NIC: modprobe hpcap_ixgbe"
            };
            Err(Error::new(Kind::NotFound, tried, why).advise(advice))
        }
        Err(e) if e.kind() == Kind::Permission => {
            let why = format!("permission denied on {}", path.display());
            Err(Error::new(Kind::Permission, tried, why).advise("become root"))
        }
        other => other,
    }
}
