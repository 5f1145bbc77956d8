//! Tests of how often a recorder that captures an interface wakes up, and of the frames that still wait when it ends.

mod common;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::network::{FrameSender, create_veth_pair, in_namespace};
use testkit::process::sleeps;
use testkit::source::send_generated;

use crate::common::{Running, summary};

#[test]
fn frames_before_a_signal_are_recorded() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 1500);
        let sender = FrameSender::new("snd");
        for source in ["af_packet:rx", "af_packet:rx,delay=1s"] {
            let folder = tempfile::tempdir().unwrap();
            let recording = Running::source(source, folder.path(), &[]);
            send_generated(&sender, 0, 250);
            recording.signal(Signal::SIGINT);
            let (code, events, said) = recording.finish();
            assert_eq!(code, 0, "{said}");
            assert_eq!(summary(&events)["frames"], 250, "{source}");
        }
    });
}

/// Sends a frame every five milliseconds for two seconds. Returns how often `thread` has gone to sleep meanwhile, and
/// the seconds that this has taken.
fn sleeps_of(thread: &str, sender: &FrameSender, recording: &Running) -> (u64, f64) {
    let slept = || sleeps(recording.pid(), thread);
    let (before, start) = (slept(), Instant::now());
    while start.elapsed() < Duration::from_secs(2) {
        send_generated(sender, 0, 1);
        std::thread::sleep(Duration::from_millis(5));
    }
    (slept() - before, start.elapsed().as_secs_f64())
}

#[test]
fn recorder_of_files_seldom_wakes_up() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 1500);
        let sender = FrameSender::new("snd");
        // Writing into memory does not let the recorder sleep, as a disk would.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let recording = Running::source("af_packet:rx", folder.path(), &[]);
        // The kernel hands over a block every 400 ms, and the poll thread sleeps for 400 ms at most.
        let (sleeps, seconds) = sleeps_of("poll ", &sender, &recording);
        assert!(
            sleeps as f64 <= 5.0 * seconds + 5.0,
            "{sleeps} in {seconds} s"
        );
        // The recorder writes every 400 ms, and does not wake up for anything else.
        let (sleeps, seconds) = sleeps_of("hpcapdd", &sender, &recording);
        assert!(
            sleeps as f64 <= 3.5 * seconds + 2.0,
            "{sleeps} in {seconds} s"
        );
        recording.signal(Signal::SIGINT);
        assert_eq!(recording.finish().0, 0);
    });
}
