//! The messages of a program to its service manager.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::notify::Notifier;
use crate::watchdog::Watchdog;

/// This process as a service.
#[derive(Debug)]
pub struct Service {
    notifier: Option<Notifier>,
    watchdog: Option<Watchdog>,
    /// The state that the manager should know, in the lines of sd_notify(3).
    state: State,
    status: String,
    /// Whether the manager has received state and status.
    sent: bool,
    /// Where a part of a service notes its state in place of sending it; `None` for a whole service.
    part: Option<Arc<PartState>>,
}

/// What a thread that does a part of the work of a service says to the thread that talks with the manager.
#[derive(Debug, Clone)]
pub struct Part(Arc<PartState>);

#[derive(Debug, Default)]
struct PartState {
    ready: AtomicBool,
    beats: AtomicU64,
}

impl Part {
    /// Whether the part has said that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// A number that changes with each call of [`Service::watch`] in the part: the heartbeat of its thread.
    #[must_use]
    pub fn beat(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    Stopping,
}

impl Service {
    /// Reads the variables that a service manager sets. A variable without a valid value counts as
    /// missing.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name), std::process::id())
    }

    /// A part of a service, for a thread of its own: it sends nothing to the manager, but tells the returned [`Part`]
    /// that it is ready and that it works.
    #[must_use]
    pub fn part() -> (Self, Part) {
        let mut service = Self::from_variables(|_| None, 0);
        let state = Arc::new(PartState::default());
        service.part = Some(Arc::clone(&state));
        (service, Part(state))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let notifier = variable("NOTIFY_SOCKET").and_then(|address| Notifier::to(&address).ok());
        // The process may have inherited the variables from its parent, whose watchdog it must not feed.
        let is_ours = number("WATCHDOG_PID").is_none_or(|of| of == u64::from(pid));
        let limit = number("WATCHDOG_USEC").filter(|limit| is_ours && *limit > 0);
        Self {
            notifier,
            watchdog: limit
                .map(|limit| Watchdog::new(Duration::from_micros(limit), Instant::now())),
            state: State::Starting,
            status: String::new(),
            sent: true,
            part: None,
        }
    }

    /// Says that the service works, and what it does.
    pub fn set_ready(&mut self, status: &str) {
        if let Some(part) = &self.part {
            part.ready.store(true, Ordering::Relaxed);
        }
        self.set(State::Ready, status);
    }

    /// Says that the service ends, and what it still does.
    pub fn set_stopping(&mut self, status: &str) {
        self.set(State::Stopping, status);
    }

    fn set(&mut self, state: State, status: &str) {
        // A status is one line.
        let status = status.replace(['\n', '\r'], " ");
        if self.state == State::Stopping || (self.state == state && self.status == status) {
            return;
        }
        self.state = state;
        self.status = status;
        self.sent = false;
        self.send_state();
    }

    fn send_state(&mut self) {
        let Some(notifier) = &self.notifier else {
            self.sent = true;
            return;
        };
        let state = match self.state {
            State::Starting => "",
            State::Ready => "READY=1\n",
            State::Stopping => "STOPPING=1\n",
        };
        self.sent = notifier.send(&format!("{state}STATUS={}", self.status));
    }

    /// Feeds the watchdog if it is time and every poll thread has shown since the last time that it
    /// works. `beats` has the heartbeat of each poll thread of this process, or `None` for one that
    /// has ended. Call this several times a second, always with the threads in the same order.
    pub fn watch(&mut self, beats: &[Option<u64>]) {
        if let Some(part) = &self.part {
            part.beats.fetch_add(1, Ordering::Relaxed);
        }
        if !self.sent {
            self.send_state();
        }
        let (Some(notifier), Some(watchdog)) = (&self.notifier, &mut self.watchdog) else {
            return;
        };
        let now = Instant::now();
        if watchdog.is_due(beats, now) && notifier.send("WATCHDOG=1") {
            watchdog.note_feeding(beats, now);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    const PID: u32 = 4711;

    /// A service whose manager has the given address, and a watchdog with no time between feedings.
    fn service(address: &str, watchdog_pid: Option<u32>) -> Service {
        let variable = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(address.into()),
            "WATCHDOG_USEC" => Some("1".into()),
            "WATCHDOG_PID" => watchdog_pid.map(|pid| pid.to_string().into()),
            _ => None,
        };
        Service::from_variables(variable, PID)
    }

    /// Returns the messages that have arrived so far.
    fn received(manager: &UnixDatagram) -> Vec<String> {
        manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 1024];
        let mut messages = Vec::new();
        while let Ok(length) = manager.recv(&mut buffer) {
            messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        messages
    }

    #[test]
    fn manager_receives_each_state_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut service = service(path.to_str().unwrap(), None);
        for _ in 0..2 {
            service.set_ready("serving\nhpcap0");
        }
        service.set_stopping("");
        service.set_ready("again");
        assert_eq!(
            received(&manager),
            ["READY=1\nSTATUS=serving hpcap0", "STOPPING=1\nSTATUS="]
        );
    }

    #[test]
    fn abstract_socket_receives_messages() {
        let name = format!("hpcap-service-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        service(&format!("@{name}"), None).set_ready("");
        assert_eq!(received(&manager), ["READY=1\nSTATUS="]);
    }

    #[test]
    fn state_is_repeated_until_it_is_received() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let mut service = service(path.to_str().unwrap(), Some(PID + 1));
        service.set_ready("nobody listens");
        let manager = UnixDatagram::bind(&path).unwrap();
        for _ in 0..2 {
            service.watch(&[]);
        }
        assert_eq!(received(&manager), ["READY=1\nSTATUS=nobody listens"]);
    }

    #[test]
    fn watchdog_of_another_process_is_not_fed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        for (pid, fed) in [(None, 1), (Some(PID), 1), (Some(PID + 1), 0)] {
            let mut service = service(path.to_str().unwrap(), pid);
            // The time between feedings has passed by then.
            std::thread::sleep(Duration::from_millis(1));
            service.watch(&[None]);
            assert_eq!(received(&manager).len(), fed, "{pid:?}");
        }
    }

    #[test]
    fn part_tells_the_thread_that_talks_with_the_manager() {
        let (mut service, part) = Service::part();
        assert!(!part.is_ready() && service.notifier.is_none());
        let beat = part.beat();
        service.set_ready("recording");
        service.watch(&[]);
        assert!(part.is_ready());
        assert_ne!(part.beat(), beat);
    }

    #[test]
    fn program_without_manager_says_nothing() {
        let mut service = Service::from_variables(|_| None, PID);
        service.set_ready("alone");
        service.watch(&[Some(1)]);
        assert!(service.notifier.is_none() && service.watchdog.is_none());
    }
}
