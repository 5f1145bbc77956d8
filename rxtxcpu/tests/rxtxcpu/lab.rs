//! The program under a name of its own in a folder, and pings from a chosen CPU.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap_host::process::run_on_cpu;
use hpcap_host::{Cpus, Tree};
use tempfile::TempDir;
use testkit::process::{Finished, Process};

/// A folder in which the program runs.
pub(crate) struct Lab(TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    fn link(&self, name: &str) -> PathBuf {
        let link = self.path(&format!(".bin/{name}"));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rxtxcpu"), &link);
        link
    }

    /// Prepares the program under `name` with the words of `line`.
    pub(crate) fn tool(&self, name: &str, line: &str) -> Command {
        let mut command = Command::new(self.link(name));
        command
            .args(line.split_whitespace())
            .current_dir(self.dir())
            .env("LC_ALL", "C");
        command
    }

    /// Prepares the program under `name` with `words`, so that it finds the queues of this network namespace in `/sys`.
    pub(crate) fn with_sysfs(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mount -t sysfs sys /sys && exec \"$0\" \"$@\"",
            ])
            .arg(self.link(name))
            .args(words)
            .current_dir(self.dir());
        command
    }

    /// Starts a capture that finds the queues of this network namespace in `/sys`, and waits until it
    /// receives.
    pub(crate) fn start_with_sysfs(&self, name: &str, line: &str) -> Process {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.start_with_sysfs_words(name, &words)
    }

    /// Does the same with words that may have spaces in them.
    pub(crate) fn start_with_sysfs_words(&self, name: &str, words: &[&str]) -> Process {
        let mut process = Process::spawn(self.with_sysfs(name, words).arg("--verbose"));
        process.wait_for("running on cpu");
        process
    }

    /// Starts a capture, and waits until it receives.
    pub(crate) fn start(&self, name: &str, line: &str) -> Process {
        let mut process = Process::spawn(self.tool(name, line).arg("--verbose"));
        process.wait_for("running on cpu");
        process
    }
}

/// The numbers of the CPUs that are online.
pub(crate) fn cpus() -> Vec<u32> {
    let cpus = Cpus::read(&Tree::machine());
    cpus.all.iter().map(|cpu| cpu.number).collect()
}

/// Sends an echo request from `cpu` to this host and waits for the reply, `times` times. The loopback
/// interface then has sent and received two frames for each.
pub(crate) fn ping(cpu: u32, times: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            run_on_cpu(cpu as usize).unwrap();
            let socket = icmp_socket();
            for number in 0..times {
                echo(&socket, u16::try_from(number).unwrap());
            }
        });
    });
}

fn icmp_socket() -> OwnedFd {
    // SAFETY: socket(2) touches no memory; the result is checked.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) };
    assert!(fd >= 0, "socket: {}", io::Error::last_os_error());
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn echo(socket: &OwnedFd, number: u16) {
    let mut request = [8, 0, 0, 0, 0x12, 0x34, 0, 0];
    request[6..].copy_from_slice(&number.to_be_bytes());
    let sum = 0x0800_u32 + 0x1234 + u32::from(number);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    // SAFETY: zero is a valid value of every field.
    let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap();
    to.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
    let bytes = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).unwrap();
    let fd = socket.as_raw_fd();
    // SAFETY: the kernel reads the request and the address, which have these lengths.
    let sent = unsafe {
        let (from, to) = (request.as_ptr().cast(), (&raw const to).cast());
        libc::sendto(fd, from, request.len(), 0, to, bytes)
    };
    assert_eq!(sent, 8, "sendto: {}", io::Error::last_os_error());
    loop {
        let mut packet = [0_u8; 128];
        // SAFETY: the kernel writes at most the length of the buffer.
        let got = unsafe { libc::recv(fd, packet.as_mut_ptr().cast(), packet.len(), 0) };
        assert!(got >= 28, "recv: {}", io::Error::last_os_error());
        // A reply, behind the header of IP.
        if packet[20] == 0 && packet[26..28] == number.to_be_bytes() {
            break;
        }
    }
}

/// What `program` has printed, as lines.
pub(crate) fn lines(ended: &Finished) -> Vec<&str> {
    ended.out.lines().collect()
}

/// The summary of a capture in which `cpu` has `frames` and all other CPUs none.
pub(crate) fn summary_of(cpu: u32, frames: u64) -> Vec<String> {
    let count = |number: u32| if number == cpu { frames } else { 0 };
    let mut lines: Vec<String> = cpus()
        .into_iter()
        .map(|number| format!("{} packets captured on cpu{number}.", count(number)))
        .collect();
    lines.push(format!("{frames} packets captured total."));
    lines
}

/// A UDP datagram from 192.0.2.1:12345 to `port` of 192.0.2.2, in an Ethernet frame, with a VLAN tag if `tagged`.
pub(crate) fn udp_frame(port: u16, tagged: bool) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
    if tagged {
        frame.extend([0x81, 0, 0, 7]);
    }
    frame.extend([0x08, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 26, 0, 0]);
    frame.extend([0x5a; 18]);
    frame
}
