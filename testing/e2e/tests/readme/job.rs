//! A job of README.md: its folder, its network, and its command.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hpcap_e2e::lab::{Lab, binary};
use regex::Regex;
use testkit::network::{create_veth_pair, in_namespace, ip};
use testkit::process::{Finished, Process, run};
use testkit::wait::wait_until;

use crate::document::{README, command_of};

/// Where datagrams are sent: DNS, the flow that a job asks for, and others, on both interfaces.
const RECEIVERS: [&str; 5] = [
    "10.9.0.2:53",
    "192.0.2.7:443",
    "10.9.0.2:7000",
    "10.9.1.2:53",
    "10.9.1.2:7000",
];
const PAYLOAD: [u8; 200] = [b'0'; 200];
const BETWEEN_DATAGRAMS: Duration = Duration::from_millis(50);

/// A job in a network namespace with traffic.
pub(crate) struct Job {
    lab: Lab,
    /// The command of the job, as it runs.
    pub(crate) command: String,
    _traffic: Traffic,
}

impl Job {
    /// Runs `check` on the job with this heading. Skips it where no network namespace can be created.
    pub(crate) fn check(title: &str, check: impl FnOnce(Job) + Send + 'static) {
        let command = command_of(README, title);
        let command = command.unwrap_or_else(|| panic!("README.md has no command below {title:?}"));
        in_namespace(move || {
            make_network();
            let lab = Lab::new();
            fs::create_dir(lab.path("data")).unwrap();
            let mut job = Self {
                lab,
                command,
                _traffic: Traffic::start(),
            };
            job.replace("sudo ", "");
            let data = job.data().display().to_string();
            job.replace("/data", &data);
            check(job);
        });
    }

    /// Returns the folder that replaces /data.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Returns the path of a file in the folder that the commands run in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.path(name)
    }

    /// Replaces a part of the command, which must be there.
    pub(crate) fn require_and_replace(&mut self, part: &str, by: &str) {
        assert!(
            self.command.contains(part),
            "no {part:?} in {}",
            self.command
        );
        self.replace(part, by);
    }

    /// Replaces every occurrence of a part of the command.
    pub(crate) fn replace(&mut self, part: &str, by: &str) {
        self.command = self.command.replace(part, by);
    }

    fn bash(&self, script: &str) -> Command {
        bash(&self.lab, script)
    }

    /// Runs another command, which must succeed, in the folder of the job. Returns its standard output.
    pub(crate) fn sh(&self, script: &str) -> String {
        run(&mut self.bash(script)).exits(0).out
    }

    /// Starts the command of the job.
    pub(crate) fn start(&self) -> Process {
        Process::spawn(&mut self.bash(&self.command))
    }

    /// Runs the command of the job, which ends by itself.
    pub(crate) fn finish(&self) -> Finished {
        self.start().wait()
    }

    /// Makes a recording, for jobs that read one.
    pub(crate) fn record_sample(&self, frames: u64) {
        let _ = self.sh(&format!("hpcapdd -q -i eth0 -w data -c {frames}"));
    }

    /// Makes a recording with losses, because no memory takes 400 Gb/s.
    pub(crate) fn record_losses(&self) {
        let _ =
            self.sh("hpcapdd -q --source gen:size=1514,rate=400G,count=3000000 --ring 512K data");
    }

    /// Waits until the recorder has stored ten frames.
    pub(crate) fn wait_for_stored_frames(&self) {
        wait_until("ten frames are stored", || {
            // The file may have no complete record yet.
            let convert = "raw2pcap -q --force data -o some.pcap";
            self.count_files(".raw.part") > 0
                && run(&mut self.bash(convert)).code() == Some(0)
                && self.frames("some.pcap", "") >= 10
        });
    }

    /// Converts the recording into all.pcap.
    pub(crate) fn convert(&self) {
        let _ = self.sh("raw2pcap -q --force data -o all.pcap");
    }

    /// Returns the number of files in the recording whose names end in `end`.
    pub(crate) fn count_files(&self, end: &str) -> usize {
        files_below(&self.data(), end).len()
    }

    /// Returns the number of frames in `file` that match `filter`, also while the file is being written.
    pub(crate) fn frames(&self, file: &str, filter: &str) -> u64 {
        let mut tcpdump = self.lab.here(Path::new("tcpdump"));
        let done = tcpdump
            .args(["--count", "-nnr", file])
            .args(filter.split_whitespace())
            .output();
        let said = String::from_utf8(done.unwrap().stdout).unwrap();
        said.split(' ')
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }
}

/// Prepares a command of the README in the folder of `lab`. It finds the built programs, and its times are UTC.
pub(crate) fn bash(lab: &Lab, script: &str) -> Command {
    let tools = binary("hpcapdd").parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut command = lab.here(Path::new("bash"));
    command
        .args(["-c", script])
        .env("PATH", format!("{tools}:{path}"))
        .env("TZ", "UTC");
    command
}

/// Returns the files in `folder` and below whose names end in `end`, in the order of their names.
pub(crate) fn files_below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns whether a program printed a line that matches `pattern`.
pub(crate) fn has_line(output: &str, pattern: &str) -> bool {
    let pattern = Regex::new(pattern).unwrap();
    output.lines().any(|line| pattern.is_match(line))
}

/// Waits until a running program has printed a line that matches `pattern`.
pub(crate) fn wait_for_line(process: &Process, pattern: &str) {
    wait_until(pattern, || {
        has_line(&process.out(), pattern) || has_line(&process.err(), pattern)
    });
}

/// eth0 and eth1 receive what wire0 and wire1 send. The routes lead all traffic of the test through wire0 and
/// wire1.
fn make_network() {
    ip("link set lo up");
    for n in 0..2 {
        create_veth_pair(&format!("wire{n}"), &format!("eth{n}"), 1500);
        ip(&format!("addr add 10.9.{n}.1/24 dev wire{n}"));
    }
    ip("route add 192.0.2.0/24 via 10.9.0.2");
}

/// A thread that sends datagrams until it is dropped.
struct Traffic {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        // A thread is in the network namespace of the thread that started it.
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            while !over.load(Ordering::Relaxed) {
                for receiver in RECEIVERS {
                    // The interface may have no room for a moment; the next datagram follows soon.
                    let _ = socket.send_to(&PAYLOAD, receiver);
                }
                std::thread::sleep(BETWEEN_DATAGRAMS);
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
