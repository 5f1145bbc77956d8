//! What tests with network interfaces share: a namespace of their own, a veth pair in it, a
//! plain sender, and captures.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::{CString, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hpcap::{Count, Reason};
use hpcap_engine::source::{Source, State};

/// Runs `test` in a network namespace of its own, which vanishes with everything in it when
/// `test` ends, however it ends. Without the right to make one, says so and does nothing.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    // The namespace is that of a thread alone, so tests run side by side.
    let thread = std::thread::spawn(|| {
        // SAFETY: no memory is involved.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "unshare: {error}");
            println!("skipped: making a network namespace takes root");
            return;
        }
        // The kernel's own frames (neighbour discovery, multicast reports) stay away.
        for scope in ["all", "default"] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with the words of `line`, in the namespace of this thread.
pub fn ip(line: &str) {
    let output = Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .expect("ip runs");
    assert!(
        output.status.success(),
        "ip {line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A pair of interfaces, `snd` and `rx`, both up.
pub fn veth_pair() {
    ip("link add name snd type veth peer name rx");
    for name in ["snd", "rx"] {
        ip(&format!("link set {name} mtu 9000 arp off multicast off"));
        ip(&format!("link set {name} up"));
    }
}

/// Sends frames as they are.
pub struct Sender(OwnedFd);

impl Sender {
    /// Sends straight to the driver: neither do queueing disciplines drop anything, which they do
    /// without a word before a link has settled, nor do captures on `interface` itself see it.
    pub fn new(interface: &str) -> Self {
        Self::open(interface, true)
    }

    /// Sends so that captures on `interface` itself see it, too, as they see other programs'.
    pub fn visible(interface: &str) -> Self {
        let start = Instant::now();
        let queues = || {
            let output = Command::new("ip")
                .args(["link", "show", interface])
                .output();
            String::from_utf8(output.expect("ip runs").stdout).unwrap()
        };
        while queues().contains("qdisc noop ") {
            assert!(start.elapsed() < Duration::from_secs(10), "{}", queues());
            std::thread::sleep(Duration::from_millis(5));
        }
        Self::open(interface, false)
    }

    fn open(interface: &str, bypass: bool) -> Self {
        // SAFETY: `socket` has no memory to get wrong; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "socket: {}", io::Error::last_os_error());
        // SAFETY: the descriptor was just opened, and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let on = c_int::from(bypass);
        // SAFETY: the kernel reads one integer.
        let result = unsafe {
            let (level, option) = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
            libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const on).cast(), 4)
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        let name = CString::new(interface).unwrap();
        // SAFETY: zero is a valid value of every field.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        // SAFETY: the name ends with zero.
        address.sll_ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) } as c_int;
        let bytes = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: a `sockaddr_ll` of `bytes` bytes.
        let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), bytes) };
        assert_eq!(
            result,
            0,
            "bind to {interface}: {}",
            io::Error::last_os_error()
        );
        Self(fd)
    }

    pub fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the kernel reads the frame.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        assert_eq!(sent as usize, frame.len());
        Ok(())
    }

    /// Sends; what the interface has no room for, it gets again.
    pub fn send(&self, frame: &[u8]) {
        while let Err(error) = self.try_send(frame) {
            assert_eq!(
                error.raw_os_error(),
                Some(libc::ENOBUFS),
                "{} bytes",
                frame.len()
            );
            std::thread::yield_now();
        }
    }
}

/// What a source gave.
#[derive(Debug, Default)]
pub struct Got {
    /// Bytes, and the length on the wire.
    pub frames: Vec<(Vec<u8>, u32)>,
    /// Seconds and nanoseconds of each.
    pub times: Vec<(u64, u32)>,
    pub missed: u64,
    /// Frames before a loss, and what was missed there.
    pub places: Vec<(usize, u64)>,
    pub damaged: u64,
    pub events: Vec<String>,
}

/// Harvests into `got` until `done` says so; panics after `patience`.
pub fn harvest_until(
    source: &mut dyn Source,
    got: &mut Got,
    patience: Duration,
    mut done: impl FnMut(&Got) -> bool,
) {
    let start = Instant::now();
    loop {
        let harvest = source.harvest().unwrap();
        for (reason, count) in harvest.lost {
            if *reason == Reason::NicMissed {
                got.places.push((got.frames.len(), count.frames));
            }
        }
        for frame in harvest.frames.iter() {
            got.frames.push((frame.data().to_vec(), frame.len));
            got.times.push((frame.sec, frame.nsec));
        }
        for (reason, Count { frames, .. }) in harvest.lost {
            match reason {
                Reason::NicMissed => got.missed += frames,
                Reason::NicError => got.damaged += frames,
                other => panic!("{other}"),
            }
        }
        let state = harvest.state;
        got.events.extend(source.events());
        if done(got) {
            return;
        }
        assert!(
            start.elapsed() < patience,
            "nothing more: {} frames, {} missed, {:?}",
            got.frames.len(),
            got.missed,
            got.events
        );
        match state {
            State::Busy => {}
            State::Idle => source.wait(Duration::from_millis(50)).unwrap(),
            State::Ended => panic!("ended"),
        }
    }
}

/// Every capture in the folder that `HPCAP_TEST_PCAPS` names; none, and a word, without it.
pub fn captures() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("HPCAP_TEST_PCAPS") else {
        println!("skipped: real captures; HPCAP_TEST_PCAPS does not name their folder");
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "pcap" || e == "pcapng")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no captures", folder.display());
    files
}

/// The frames of a capture file, as far as the file has them.
pub fn frames_of(path: &std::path::Path) -> Vec<Vec<u8>> {
    let mut reader = hpcap::pcapfile::Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        frames.push(frame.data.to_vec());
    }
    frames
}

/// Frames of each sort that is special on the way from one interface to another.
pub fn special_frames() -> Vec<Vec<u8>> {
    let frame = |tags: &[u8], ethertype: u16, payload: usize| {
        let mut frame = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02".to_vec();
        frame.extend_from_slice(tags);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend((0..payload).map(|n| n as u8));
        frame
    };
    let q = [0x81, 0x00, 0x20, 0x64];
    let priority = [0x81, 0x00, 0x00, 0x00];
    let service = [0x88, 0xa8, 0xe0, 0x05];
    let stacked = |tags: &[[u8; 4]]| tags.concat();
    let mut frames = vec![
        frame(&[], 0x88b5, 0),
        frame(&[], 0x88b5, 1),
        frame(&[], 0x88b5, 46),
        frame(&[], 0x88b5, 1500),
        frame(&[], 0x88b5, 9000),
        frame(&q, 0x88b5, 2), // with less, the kernel throws it away before anybody sees it
        frame(&q, 0x88b5, 3),
        frame(&q, 0x88b5, 46),
        frame(&q, 0x88b5, 1500),
        frame(&q, 0x88b5, 9000),
        frame(&priority, 0x88b5, 46),
        frame(&service, 0x88b5, 46),
        frame(&stacked(&[service, q]), 0x88b5, 46),
        frame(&stacked(&[q, q]), 0x88b5, 46),
        frame(&stacked(&[service, q, priority, q]), 0x88b5, 46),
        frame(&[], 46, 46),     // 802.3, a length instead of a type
        frame(&[], 0x0800, 46), // not IP at all
    ];
    let mut broadcast = frame(&q, 0x0806, 46);
    broadcast[..6].fill(0xff);
    frames.push(broadcast);
    frames
}
