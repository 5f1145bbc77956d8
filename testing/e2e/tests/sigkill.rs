//! SIGKILL of the recorder, a listener or the daemon at random moments, 100 times. No other program
//! is harmed, and every file that is left behind is readable. With `HPCAP_TEST_PRODUCER=module` the
//! queue is the kernel module's; the module cannot be killed, so the test removes its interface
//! instead.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::Reason;
use hpcap_e2e::daemon::frames;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::producer::Producer;
use hpcap_e2e::random::Random;
use hpcap_e2e::recording::{Generated, files, generated};
use hpcap_e2e::vm::slowness;
use nix::sys::signal::Signal;
use testkit::process::{Finished, Process, run};
use testkit::wait::wait_until;

/// Number of kills, unless the environment variable `HPCAP_TEST_KILLS` names another one.
const KILLS: u64 = 100;
/// Longest time before a kill in microseconds. It spans attaching, the first file and some further
/// files.
const MOMENT_US: u64 = 200_000;
/// Bytes that a file may occupy on the disk beyond its length, because file systems round up.
const ROUNDING: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Recorder,
    Listener,
    Producer,
}

/// One round: a recorder and a listener that run while one of the programs is killed.
struct Round<'a> {
    lab: &'a Lab,
    folder: String,
    recorder: Process,
    listener: Process,
}

impl<'a> Round<'a> {
    fn begin(lab: &'a Lab, number: u64, random: &mut Random) -> Self {
        let folder = format!("raw{number}");
        let contract = ["lossless", "lossy"][random.below(2) as usize];
        // The round does not wait for them, because a kill may also happen before they are
        // attached.
        let recorder = Process::spawn(lab.tool("hpcapdd").args([
            "--json",
            "--rotate-size=1M",
            "hpcap0",
            &folder,
        ]));
        let listener =
            Process::spawn(
                lab.tool("e2e-listener")
                    .args(["hpcap0", "--contract", contract]),
            );
        Self {
            lab,
            folder,
            recorder,
            listener,
        }
    }
}

/// Waits until the producer has no listeners any more.
fn is_left_alone(producer: &mut Producer<'_>) {
    wait_until("the slots are free", || producer.listeners().is_empty());
    assert!(producer.is_running());
}

/// Fails the test unless a recording that was not killed has all its frames.
fn is_complete(recorder: &Finished, files: &[PathBuf]) {
    let stored = generated(files);
    assert!(files.iter().all(|f| f.extension().unwrap() == "raw"));
    assert_eq!((stored.damaged, stored.missing), (0, stored.lost_between));
    assert_eq!(recorder.event("summary")["frames"], stored.frames);
    let ledger = &recorder.event("summary")["ledger"];
    assert_eq!(frames(ledger, Reason::Storage), 0);
}

fn producer_survives(producer: &mut Producer<'_>, round: Round<'_>, victim: Victim) {
    let folder = round.lab.path(&round.folder);
    if victim == Victim::Recorder {
        let _ = round.recorder.kill();
        let _ = round.listener.kill();
    } else {
        let _ = round.listener.kill();
        wait_until("its slot is free", || {
            let listeners = producer.listeners();
            listeners.iter().all(|l| l["program"] == "hpcapdd")
        });
        let mut recorder = round.recorder;
        // A recorder that is just starting does not handle signals yet.
        recorder.wait_for("\"event\":\"start\"");
        // A gap shows in the sequence numbers of the frames only if more frames follow.
        let captured = |p: &Producer<'_>| frames(&p.status()["ledger"], Reason::Captured);
        let before = captured(producer);
        wait_until("capturing goes on", || captured(producer) > before + 1000);
        is_complete(&recorder.interrupt().exits(0), &left_in(&folder));
    }
    is_left_alone(producer);
}

/// Returns the files in `folder`, or none if the folder does not exist.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    if folder.exists() {
        files(folder)
    } else {
        Vec::new()
    }
}

/// Makes the producer vanish, and verifies that recorder and listener notice this.
fn producer_vanishes(producer: Producer<'_>, round: Round<'_>) {
    producer.vanish();
    let attached = round.recorder.out().contains("\"event\":\"start\"");
    let folder = round.lab.path(&round.folder);
    let recorded = round.recorder.wait();
    assert!(!recorded.err.contains("panicked"), "{}", recorded.err);
    if Producer::is_the_module() {
        // An attached recorder reports the end of the queue. A recorder that was not attached yet
        // finds no queue.
        assert!(matches!(recorded.code(), Some(0 | 1)), "{}", recorded.err);
        if attached {
            is_complete(&recorded.exits(1), &left_in(&folder));
        }
    } else {
        let recorded = recorded.exits(1);
        if attached {
            let recorded = recorded.says(&["has died", "is stored"]);
            is_complete(&recorded, &left_in(&folder));
        }
    }
    let listened = round.listener.wait();
    assert!(matches!(listened.code(), Some(0 | 1)), "{}", listened.err);
    assert!(!listened.err.contains("panicked"), "{}", listened.err);
}

/// Sums over the files that all rounds left behind.
#[derive(Debug, Default)]
struct Left {
    frames: u64,
    files: u64,
    under_way: u64,
    cut: u64,
}

/// Verifies that the files in `folder` are readable and can be repaired, and that the repair loses
/// no frame.
fn is_sound_after_repair(lab: &Lab, folder: &str, sum: &mut Left) {
    let left = left_in(&lab.path(folder));
    if left.is_empty() {
        return;
    }
    let before = generated(&left);
    assert_eq!(
        (before.missing, before.cut),
        (before.lost_between, 0),
        "{folder}: {before:?}"
    );
    let checked = run(lab.tool("checkraw").args(["--quiet", folder]));
    assert!(matches!(checked.code(), Some(0 | 1)), "{}", checked.err);
    let converted = run(lab.tool("raw2pcap").args(["-q", folder, "-o", "left.pcap"]));
    assert!(matches!(converted.code(), Some(0 | 1)), "{}", converted.err);
    let pcap = testkit::pcap::read(&lab.path("left.pcap"));
    assert_eq!(pcap.frames.len() as u64, before.frames, "{folder}");
    std::fs::remove_file(lab.path("left.pcap")).unwrap();

    let _ = run(lab.tool("checkraw").args(["--quiet", "--repair", folder])).exits(0);
    let _ = run(lab.tool("checkraw").args(["--quiet", folder])).exits(0);
    let repaired = left_in(&lab.path(folder));
    for file in &repaired {
        assert!(file.extension().unwrap() == "raw", "{}", file.display());
        let facts = std::fs::metadata(file).unwrap();
        assert!(
            facts.blocks() * 512 <= facts.len() + ROUNDING,
            "{} keeps {} bytes for {}",
            file.display(),
            facts.blocks() * 512,
            facts.len()
        );
    }
    let after = generated(&repaired);
    let whole = |g: Generated| (g.frames, g.first, g.last, g.missing, g.lost);
    assert_eq!(whole(after), whole(before), "{folder}");
    assert!(after.damaged == 0 && after.cut <= 1, "{folder}: {after:?}");
    sum.frames += after.frames;
    sum.files += left.len() as u64;
    let is_part = |file: &&PathBuf| file.extension().unwrap() == "part";
    sum.under_way += left.iter().filter(is_part).count() as u64;
    sum.cut += after.cut;
}

#[test]
fn killed_processes_harm_no_other() {
    let lab = Lab::new();
    let mut random = Random::from_environment();
    let args = ["--ring", "4M", "hpcap0=gen:size=imix,rate=200M,late=delay"];
    let mut producer = Producer::start(&lab, &args);
    let mut killed = [0_u64; 3];
    let mut sum = Left::default();
    let kills = std::env::var("HPCAP_TEST_KILLS");
    let kills = kills.map_or(KILLS, |text| text.parse().unwrap());
    for number in 0..kills {
        let mut round = Round::begin(&lab, number, &mut random);
        let folder = round.folder.clone();
        // In about half of the rounds, the time of the kill is counted from the start of the
        // recording. On a busy machine the kill would otherwise always happen before the recorder
        // has stored anything.
        if random.below(2) == 0 {
            round.recorder.wait_for("\"event\":\"start\"");
        }
        if random.below(4) == 0 {
            std::thread::sleep(Duration::from_millis(20));
            // A recorder that has not started to record does not handle SIGHUP yet.
            if round.recorder.out().contains("\"event\":\"start\"") {
                round.recorder.signal(Signal::SIGHUP);
            }
        }
        // The module runs on an emulated processor, where everything starts more slowly.
        let slow = if Producer::is_the_module() {
            6 + 2 * u64::from(slowness())
        } else {
            1
        };
        std::thread::sleep(Duration::from_micros(random.below(slow * MOMENT_US)));
        let victim = [
            Victim::Recorder,
            Victim::Recorder,
            Victim::Listener,
            Victim::Producer,
        ][random.below(4) as usize];
        println!("{number}: {victim:?}, {folder}");
        killed[victim as usize] += 1;
        if victim == Victim::Producer {
            producer_vanishes(producer, round);
            producer = Producer::start(&lab, &args);
        } else {
            producer_survives(&mut producer, round, victim);
        }
        is_sound_after_repair(&lab, &folder, &mut sum);
        let _ = std::fs::remove_dir_all(lab.path(&folder));
    }
    println!("killed: recorder, listener, producer {killed:?}; left: {sum:?}");
    // The kills must have hit every victim, and recordings that had stored something.
    assert!(killed.iter().all(|n| *n > kills / 10));
    assert!(
        sum.frames > 100 * kills && sum.under_way > kills / 10,
        "{sum:?}"
    );
    let _ = producer.stop();
    if !Producer::is_the_module() {
        assert_eq!(std::fs::read_dir(lab.run_dir()).unwrap().count(), 0);
    }
}
