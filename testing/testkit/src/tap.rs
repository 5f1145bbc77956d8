//! Tap devices with several queues: the test is the other end of the wire.

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use crate::network::ip;
use crate::skip;

/// The device, for as long as this value lives.
#[derive(Debug)]
pub struct Tap {
    queues: Vec<File>,
}

impl Tap {
    /// Creates the tap device `name` with `queues` queues in the namespace of this thread, and sets it
    /// up. Returns `None`, after it said so, where there are no tap devices.
    #[must_use]
    pub fn create(name: &str, queues: usize) -> Option<Self> {
        let opened: io::Result<Vec<File>> = (0..queues).map(|_| open_queue(name)).collect();
        let queues = match opened {
            Ok(queues) => queues,
            Err(e) => {
                skip(&format!("a tap device needs /dev/net/tun: {e}"));
                return None;
            }
        };
        ip(&format!("link set {name} arp off multicast off up"));
        Some(Self { queues })
    }

    /// Makes the interface receive `frame` on queue number `queue`.
    pub fn receive(&self, queue: usize, frame: &[u8]) {
        assert_eq!((&self.queues[queue]).write(frame).unwrap(), frame.len());
    }

    /// Takes a frame that was sent through queue number `queue`; `None` if there is none.
    #[must_use]
    pub fn take_sent(&self, queue: usize) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65_536];
        match (&self.queues[queue]).read(&mut frame) {
            Ok(n) => {
                frame.truncate(n);
                Some(frame)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            Err(e) => panic!("read a tap device: {e}"),
        }
    }
}

fn open_queue(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    // SAFETY: zero is a valid value of every field.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let flags: c_int = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_MULTI_QUEUE;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).unwrap();
    // SAFETY: the request is a whole `ifreq`, which the kernel reads and writes, and outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    match done {
        0 => Ok(file),
        _ => Err(Errno::last().into()),
    }
}
