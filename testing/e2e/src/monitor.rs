//! A running `hpcap-monitor`, what it serves and what it logs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use testkit::process::Process;

use crate::lab::Lab;

/// A running monitor that logs into the folder `log` of its lab.
#[derive(Debug)]
pub struct Monitor {
    /// The program.
    pub process: Process,
    /// Where it logs.
    pub log: PathBuf,
}

impl Monitor {
    /// Starts one that samples every 100 ms, and waits until it serves.
    #[must_use]
    pub fn start(lab: &Lab, args: &[&str]) -> Self {
        Self::start_at(lab, lab.path("log"), args)
    }

    /// Starts one as [`start`](Self::start) does, with its logs in the folder `log`.
    #[must_use]
    pub fn start_at(lab: &Lab, log: PathBuf, args: &[&str]) -> Self {
        let mut command = lab.tool("hpcap-monitor");
        command
            .args(["run", "--interval", "100ms", "--listen", "127.0.0.1:0"])
            .arg("--basedir")
            .arg(&log);
        let mut process = Process::spawn(command.args(args));
        process.wait_for("/metrics");
        Self { process, log }
    }

    /// Returns the address of the HTTP server.
    #[must_use]
    pub fn address(&self) -> String {
        let err = self.process.err();
        let (_, rest) = err.split_once("http://").unwrap();
        rest.split_once("/metrics").unwrap().0.to_owned()
    }

    /// Returns the body that the server sends for `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let address = self.address();
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Returns the value of a metric, whose name has its labels.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        let text = self.get("/metrics");
        let line = text.lines().find_map(|l| l.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    /// Returns the original's log of `name`, of all weeks.
    #[must_use]
    pub fn rows(&self, name: &str) -> Vec<Vec<u64>> {
        rows(&self.log, name)
    }
}

/// Returns the original's log of `name` below the folder `log`, of all weeks.
#[must_use]
pub fn rows(log: &Path, name: &str) -> Vec<Vec<u64>> {
    let mut text = String::new();
    for entry in fs::read_dir(log).into_iter().flatten() {
        text += &fs::read_to_string(entry.unwrap().path().join(name)).unwrap_or_default();
    }
    let numbers = |line: &str| line.split(' ').map(|n| n.parse().unwrap()).collect();
    text.lines().map(numbers).collect()
}

/// A number as the page shows it: 1 234 567.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits: Vec<char> = number.to_string().chars().rev().collect();
    let groups: Vec<String> = digits
        .chunks(3)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ").chars().rev().collect()
}
