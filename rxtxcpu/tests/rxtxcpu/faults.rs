//! What goes wrong around a capture: interfaces, files, disks, readers.

use std::process::Stdio;

use testkit::disk::SmallDisk;
use testkit::network::{create_veth_pair, in_namespace, ip};
use testkit::process::{Process, run};
use testkit::wait::wait_until;

use crate::counts::on_loopback;
use crate::lab::{Lab, ping};

#[test]
fn unknown_interface_has_the_words_of_the_original() {
    let refused = run(&mut Lab::new().tool("rxtxcpu", "nosuch0")).exits(1);
    assert!(refused.out.is_empty());
    let known = "rxtxcpu: error setting ifname 'nosuch0': No such device\n  there are lo";
    let _ = refused.says(&[known]);
}

#[test]
fn queues_of_all_interfaces_are_not_one_set() {
    let refused = run(&mut Lab::new().tool("rxqueue", "")).exits(1);
    let _ = refused.says(&["rxqueue: Failed to get queue count.\n  say which interface"]);
}

#[test]
fn interface_that_is_down_is_refused() {
    in_namespace(|| {
        let refused = run(&mut Lab::new().tool("rxtxcpu", "lo")).exits(1);
        let _ = refused.says(&["it is down", "ip link set lo up"]);
    });
}

#[test]
fn interface_that_vanishes_ends_the_capture() {
    in_namespace(|| {
        create_veth_pair("one", "other", 1500);
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-w out.pcap one");
        ip("link del one");
        let ended = capture.wait().exits(1);
        assert!(ended.out.contains("0 packets captured total."));
        let _ = ended.says(&["rxtxcpu: interface 'one' is gone"]);
        assert_eq!(lab.path("out-0.pcap").metadata().unwrap().len(), 24);
    });
}

#[test]
fn interface_that_goes_down_is_waited_for() {
    on_loopback(|| {
        let mut capture = Lab::new().start("rxtxcpu", "lo");
        ip("link set lo down");
        capture.wait_for("lo is down: waiting for it");
        ip("link set lo up");
        capture.wait_for("lo is up again");
        ping(0, 3);
        let ended = capture.interrupt().exits(0);
        assert!(
            ended.out.contains("12 packets captured on cpu0."),
            "{}",
            ended.out
        );
    });
}

#[test]
fn file_that_cannot_be_created_is_named() {
    on_loopback(|| {
        let refused = run(&mut Lab::new().tool("rxtxcpu", "-w no/out.pcap lo")).exits(1);
        let known = "error opening savefile 'no/out-0.pcap': No such file or directory";
        let _ = refused.says(&[known]);
    });
}

#[test]
fn full_disk_ends_the_capture() {
    on_loopback(|| {
        let Some(disk) = SmallDisk::new("1m") else {
            return;
        };
        let lab = Lab::new();
        let file = disk.path().join("out.pcap");
        let capture = lab.start("rxtxcpu", &format!("-l0 -U -w {} lo", file.display()));
        std::fs::write(disk.path().join("filler"), vec![0; 900 << 10]).unwrap();
        let mut capture = capture;
        while capture.is_running() {
            ping(0, 500);
        }
        let ended = capture.wait().exits(1);
        assert!(
            ended.out.contains("packets captured on cpu0."),
            "{}",
            ended.out
        );
        let _ = ended.says(&["error writing to savefile", "No space left on device"]);
    });
}

#[test]
fn reader_that_leaves_ends_the_capture() {
    on_loopback(|| {
        let lab = Lab::new();
        let mut command = lab.tool("rxtxcpu", "-l 0 -U -w - -v lo");
        let (reader, writer) = std::io::pipe().unwrap();
        let mut capture = Process::spawn_to(&mut command, writer.into(), Stdio::piped());
        drop(command);
        capture.wait_for("running on cpu");
        drop(reader);
        ping(0, 1);
        let ended = capture.wait().exits(0);
        let _ = ended.says(&["packets captured total."]);
    });
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    on_loopback(|| {
        let lab = Lab::new();
        let full = || {
            std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        for line in ["--duration 10ms lo", "--help"] {
            let mut command = lab.tool("rxtxcpu", line);
            let failed = Process::spawn_to(&mut command, full().into(), Stdio::piped()).wait();
            let _ = failed.exits(1).says(&["standard output", "No space left"]);
        }
        // Nobody need read what goes to stderr.
        let mut command = lab.tool("rxtxcpu", "--duration 10ms -v lo");
        let done = Process::spawn_to(&mut command, Stdio::piped(), full().into()).wait();
        assert!(done.exits(0).out.contains("0 packets captured total."));
    });
}

#[test]
fn killed_capture_leaves_whole_frames() {
    on_loopback(|| {
        let lab = Lab::new();
        let capture = lab.start("rxtxcpu", "-l0 -w out.pcap lo");
        ping(0, 5);
        // What is in memory is written within a second, even on an idle link.
        wait_until("the frames are in the file", || {
            testkit::pcap::read(&lab.path("out-0.pcap")).frames.len() == 20
        });
        let _ = capture.kill();
        assert!(testkit::pcap::read(&lab.path("out-0.pcap")).whole);
    });
}
