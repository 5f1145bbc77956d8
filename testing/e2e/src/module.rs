//! The kernel module as the producer of a test: `hpcap_netdev.ko` on one end of a veth pair.
//!
//! The module is set up to behave as `hpcapd` with a generator does. Frames wait in the module
//! while the ring is full (`when_full=hold`), and a source without a rate only starts when a
//! listener is attached.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hpcap::units::parse_size;
use hpcap::{Queue, QueueName};
use serde_json::{Value, json};

use crate::daemon::{on_the_wire, status};
use crate::lab::Lab;
use crate::network::{CAPTURE, SEND, veth_pair};
use testkit::network::ip;
use testkit::process::Process;
use testkit::wait::wait_until;

/// Only one test at a time can use the module, because there is one adapter 0.
static ONLY: Mutex<()> = Mutex::new(());
/// Number of frames that can wait in the module while the ring is full. No test sends more.
const WAITING: &str = "262144";
const MTU: u32 = 9000;

/// The loaded module. Dropping it unloads the module.
#[derive(Debug)]
pub struct Module<'a> {
    lab: &'a Lab,
    /// The queue, kept open so that its ledger can be read after the end.
    queue: Option<Queue>,
    stop: Arc<AtomicBool>,
    source: Option<JoinHandle<()>>,
    _only: MutexGuard<'static, ()>,
}

/// Settings that `hpcapd` would get as arguments.
struct Wanted {
    ring_bytes: u64,
    look_back: bool,
    source: String,
}

impl Wanted {
    fn of(args: &[&str]) -> Self {
        let mut wanted = Self {
            ring_bytes: 256 << 20,
            look_back: false,
            source: String::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--ring" => wanted.ring_bytes = parse_size(args.next().unwrap()).unwrap(),
                "--look-back" => wanted.look_back = true,
                spec if spec.starts_with("hpcap0=") => spec[7..].clone_into(&mut wanted.source),
                spec if spec.starts_with("gen:") => spec.clone_into(&mut wanted.source),
                other => panic!("the module has no counterpart of the argument {other}"),
            }
        }
        wanted
    }
}

/// Runs a program of the system. Fails the test unless the program succeeds.
pub fn system(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output();
    let done = done.unwrap_or_else(|e| panic!("start {program}: {e}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
}

/// Returns the path of an attribute of queue 0 of adapter 0.
#[must_use]
pub fn attribute(name: &str) -> PathBuf {
    PathBuf::from("/sys/class/hpcap/hpcap_0_0").join(name)
}

/// Sets an attribute of queue 0 of adapter 0.
pub fn set(name: &str, value: &str) {
    let file = attribute(name);
    let done = std::fs::write(&file, value);
    done.unwrap_or_else(|e| panic!("write {value} to {}: {e}", file.display()));
}

impl<'a> Module<'a> {
    /// Loads the module, attaches it to the interface, and starts to send.
    pub(crate) fn start(lab: &'a Lab, args: &[&str]) -> Self {
        let only = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = Wanted::of(args);
        for scope in ["all", "default"] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        system("modprobe", &["veth"]);
        veth_pair(MTU);
        let look_back = u8::from(wanted.look_back);
        let ring = format!("ring_bytes={}", wanted.ring_bytes);
        let look_back = format!("look_back={look_back}");
        system("modprobe", &["hpcap", &ring, "when_full=hold", &look_back]);
        let interfaces = format!("interfaces={CAPTURE}:0");
        let limit = format!("limit={WAITING}");
        system("modprobe", &["hpcap_netdev", &interfaces, &limit]);
        let queue = Queue::open(QueueName::new(0, 0)).unwrap();
        assert_eq!(queue.info().ring_bytes, wanted.ring_bytes);
        let stop = Arc::new(AtomicBool::new(false));
        let (tool, told) = (lab.tool("hpcap-bench"), Arc::clone(&stop));
        let source = std::thread::spawn(move || feed(tool, &wanted.source, &told));
        Self {
            lab,
            queue: Some(queue),
            stop,
            source: Some(source),
            _only: only,
        }
    }

    pub(crate) fn status(&self) -> Value {
        status(self.lab, "hpcap0")
    }

    /// Waits until the source has ended. Returns the ledger.
    pub(crate) fn ended(mut self) -> Value {
        self.join();
        self.ledger()
    }

    /// Ends the source and the queue. Returns the ledger.
    pub(crate) fn stop(mut self) -> Value {
        self.stop.store(true, Ordering::Relaxed);
        self.join();
        self.ledger()
    }

    fn ledger(&self) -> Value {
        json!(self.queue.as_ref().unwrap().ledger().ledger)
    }

    fn join(&mut self) {
        if let Some(Err(panic)) = self.source.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.source.take().is_some_and(|s| s.join().is_err());
        drop(self.queue.take());
        if failed || std::thread::panicking() {
            // The module stays loaded after a failure, so that the next test reports what is left.
            return;
        }
        // Programs that were killed a moment ago may still have the device open.
        let unload = ["-r", "hpcap_netdev", "hpcap"];
        wait_until("the modules can be unloaded", || {
            let done = Command::new("modprobe").args(unload).output();
            done.is_ok_and(|done| done.status.success())
        });
        ip(&format!("link del {SEND}"));
    }
}

/// Sends the frames of `source` until the source ends or `stop` is set, waits until the module has
/// received all of them, and detaches the interface from the module. Listeners see the end of the
/// queue.
fn feed(mut bench: Command, source: &str, stop: &AtomicBool) {
    let queue = Queue::open(QueueName::new(0, 0)).unwrap();
    let stopped = || stop.load(Ordering::Relaxed);
    if !source.contains("rate=") {
        while queue.listeners().is_empty() && !stopped() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    bench.args(["send", "--json", source, "--to", SEND]);
    let mut sender = Process::spawn(&mut bench);
    while sender.is_running() && !stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent_all = !sender.is_running();
    let outcome = sender.interrupt();
    if !sent_all && outcome.code().is_none() {
        // The sender was terminated before its signal handlers were installed, so it has sent
        // nothing.
        return detach();
    }
    let outcome = outcome.exits(0);
    let outcome: Value = serde_json::from_str(&outcome.out).unwrap();
    let sent = outcome["sent"]["frames"].as_u64().unwrap();
    // If a listener is stuck, the module never receives the rest.
    wait_until("the module has every frame that was sent", || {
        stopped() || on_the_wire(&json!(queue.ledger().ledger)) == sent
    });
    detach();
}

/// Detaches the interface from the module.
fn detach() {
    std::fs::write("/sys/module/hpcap_netdev/parameters/detach", CAPTURE).unwrap();
}
