//! What goes wrong around a capture: interfaces, files, disks, readers.

use std::io::{Read, Write};
use std::process::Stdio;

use nix::sys::signal::Signal;
use testkit::disk::SmallDisk;
use testkit::network::{create_veth_pair, in_namespace, ip};
use testkit::pcap;
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
fn queues_need_one_interface() {
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
        // The program must end even if nobody reads stderr.
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
        // Frames in memory are written within a second, even on an idle link.
        wait_until("the frames are in the file", || {
            testkit::pcap::read(&lab.path("out-0.pcap")).frames.len() == 20
        });
        let _ = capture.kill();
        assert!(testkit::pcap::read(&lab.path("out-0.pcap")).whole);
    });
}

/// A pipe that is full, with its reader, who does not read. It has the size that the program asks for.
fn full_pipe() -> (std::io::PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20);
    let bytes = usize::try_from(nix::fcntl::fcntl(&writer, size).unwrap()).unwrap();
    writer.write_all(&vec![b'.'; bytes]).unwrap();
    (reader, writer.into())
}

/// The number before `what` in the lines of `text`; 0 if it is not there.
fn number(text: &str, what: &str) -> usize {
    let line = text.lines().find_map(|line| line.split_once(what));
    line.map_or(0, |(number, _)| number.trim().parse().unwrap())
}

#[test]
fn unread_output_is_accounted_for() {
    on_loopback(|| {
        let lab = Lab::new();
        let mut command = lab.tool("rxtxcpu", "-l 0 -U -w - -v lo");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut capture = Process::spawn_to(&mut command, writer.into(), Stdio::piped());
        drop(command);
        capture.wait_for("running on cpu");
        // More frames than a pipe of 1 MiB holds, and as many as the ring has room for.
        ping(0, 6000);
        let ended = capture.interrupt().exits(1);
        let captured = number(&ended.err, " packets captured on cpu0.");
        let dropped = number(&ended.err, " packets dropped on cpu0");
        let unwritten = number(&ended.err, " packets captured on cpu0 were not written");
        assert_eq!(captured + dropped, 24_000, "{}", ended.err);
        assert!(unwritten > 0, "{}", ended.err);
        let file = lab.path("read.pcap");
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        std::fs::write(&file, bytes).unwrap();
        let read = testkit::pcap::read(&file).frames.len();
        assert!(
            captured - unwritten <= read && read < captured,
            "{read}: {}",
            ended.err
        );
        let _ = ended.says(&["error writing to savefile '-': its reader reads nothing"]);
    });
}

#[test]
fn unread_messages_do_not_prevent_the_end() {
    on_loopback(|| {
        let lab = Lab::new();
        let (reader, err) = full_pipe();
        let mut command = lab.tool("rxtxcpu", "-v --live=100ms lo");
        let capture = Process::spawn_to(&mut command, Stdio::piped(), err);
        drop(command);
        wait_until("it captures", || capture.catches(Signal::SIGINT));
        ping(0, 10);
        let ended = capture.interrupt().exits(0);
        assert!(ended.out.contains("packets captured total."));
        drop(reader);
    });
}

#[test]
fn unread_summary_is_a_failure() {
    on_loopback(|| {
        let lab = Lab::new();
        let (reader, out) = full_pipe();
        let mut command = lab.tool("rxtxcpu", "--duration 10ms lo");
        let capture = Process::spawn_to(&mut command, out, Stdio::piped());
        drop(command);
        let _ = capture
            .wait()
            .exits(1)
            .says(&["summary", "its reader reads nothing"]);
        drop(reader);
    });
}

#[test]
fn fifo_without_reader_is_refused() {
    on_loopback(|| {
        let lab = Lab::new();
        nix::unistd::mkfifo(&lab.path("out-0.pcap"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = run(&mut lab.tool("rxtxcpu", "-l0 -w out.pcap lo")).exits(1);
        let _ = refused.says(&["'out-0.pcap': nobody reads this FIFO"]);
    });
}

#[test]
fn name_of_a_compressed_file_is_refused() {
    let lab = Lab::new();
    let refused = run(&mut lab.tool("rxtxcpu", "-w out.pcap.gz lo")).exits(2);
    let _ = refused.says(&["ends in .gz", "gzip"]);
}

/// The number before `what` in the last of the lines of `text` that have it.
fn last_number(text: &str, what: &str) -> usize {
    let before = text.rsplit_once(what).unwrap().0;
    let word = before.split_whitespace().last().unwrap();
    word.parse().unwrap()
}

#[test]
fn removed_file_is_counted_and_begun_anew() {
    on_loopback(|| {
        let lab = Lab::new();
        let mut capture = lab.start("rxtxcpu", "-l0 -U -w out.pcap lo");
        ping(0, 3);
        let file = lab.path("out-0.pcap");
        wait_until("the file has its frames", || {
            pcap::read(&file).frames.len() == 12
        });
        std::fs::remove_file(&file).unwrap();
        capture.wait_for("'out-0.pcap' was removed");
        ping(0, 2);
        wait_until("the new file has frames", || {
            // The header is written with the first frame.
            file.metadata().is_ok_and(|found| found.len() > 24)
                && pcap::read(&file).frames.len() == 8
        });
        let ended = capture.interrupt().exits(1);
        assert_eq!(last_number(&ended.err, " packets are lost with it"), 12);
        assert_eq!(
            number(&ended.err, " packets captured on cpu0 were not written"),
            12
        );
        assert_eq!(number(&ended.out, " packets captured on cpu0."), 20);
    });
}

#[test]
fn removed_folder_ends_the_capture() {
    on_loopback(|| {
        let lab = Lab::new();
        std::fs::create_dir(lab.path("out")).unwrap();
        let capture = lab.start("rxtxcpu", "-l0 -U -w out/x.pcap lo");
        ping(0, 3);
        let file = lab.path("out/x-0.pcap");
        wait_until("the file has its frames", || {
            pcap::read(&file).frames.len() == 12
        });
        std::fs::remove_dir_all(lab.path("out")).unwrap();
        let ended = capture.wait().exits(1);
        assert_eq!(
            number(&ended.err, " packets captured on cpu0 were not written"),
            12
        );
        let _ = ended.says(&["error opening savefile 'out/x-0.pcap'"]);
    });
}
