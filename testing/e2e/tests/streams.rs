//! Streams of a daemon's queue, opened by the path of its socket.

use std::fs::{self, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::task::Poll;

use hpcap::{Event, Kind, Queue};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use testkit::wait::time_limit;

const RATE: &str = "gen:size=60,rate=1000pps,late=delay";

/// A listener that waits with poll(2) notices that its daemon was killed, although a killed process
/// cannot wake anybody.
#[test]
fn sigkill_of_the_daemon_wakes_a_program_in_poll() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let queue = Queue::open(lab.socket("hpcap0")).unwrap();
    let mut stream = queue.record("test").unwrap().pollable().unwrap();
    let limit = PollTimeout::try_from(time_limit()).unwrap();
    let mut frames = 0;
    let error = loop {
        match stream.try_next() {
            Ok(Poll::Ready(Some(Event::Frame(_)))) => {
                frames += 1;
                if frames == 100 {
                    daemon.process.signal(Signal::SIGKILL);
                }
            }
            Ok(Poll::Ready(event)) => assert!(event.is_some(), "no error"),
            Ok(Poll::Pending) => {
                let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
                assert_eq!(poll(&mut fds, limit).unwrap(), 1, "after {frames} frames");
            }
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind(), Kind::Gone, "{error}");
    assert!(frames >= 100, "{frames} frames");
}

/// The path of a socket is checked like the name of a queue.
#[test]
fn untrusted_socket_is_refused_by_its_path() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let socket = lab.socket("hpcap0");
    assert!(Queue::open(socket.to_str().unwrap()).is_ok());

    let link = lab.run_dir().join("link.sock");
    symlink(&socket, &link).unwrap();
    assert_eq!(Queue::open(&link).unwrap_err().kind(), Kind::Format);

    let linked = lab.path("linked");
    symlink(lab.run_dir(), &linked).unwrap();
    let through = linked.join("hpcap0.sock");
    assert_eq!(Queue::open(&through).unwrap_err().kind(), Kind::Permission);

    let none = Queue::open(lab.socket("hpcap7")).unwrap_err();
    assert_eq!(none.kind(), Kind::NotFound);

    fs::set_permissions(lab.run_dir(), Permissions::from_mode(0o777)).unwrap();
    assert_eq!(Queue::open(&socket).unwrap_err().kind(), Kind::Permission);
    fs::set_permissions(lab.run_dir(), Permissions::from_mode(0o755)).unwrap();
    let _ = daemon.stop().exits(0);
}
