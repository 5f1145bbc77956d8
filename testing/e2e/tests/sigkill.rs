//! SIGKILL of the recorder, a listener or the daemon at random moments, 100 times: nobody else
//! is harmed, and every file that is left behind has what it says. With
//! `HPCAP_TEST_PRODUCER=module` the queue is the kernel module's, which nobody kills: its
//! interface is taken away.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

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

/// `HPCAP_TEST_KILLS` names another number.
const KILLS: u64 = 100;
/// The moment is somewhere in the first part of a recording: attaching, the first file, others.
const MOMENT_US: u64 = 200_000;
/// What a file may take on the disk beyond its length: file systems round up.
const ROUNDING: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Recorder,
    Listener,
    Producer,
}

/// One kill: who, and what was going on.
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
        // Neither is waited for: the moment may come before it has attached.
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

/// The producer has no listeners any more.
fn is_left_alone(producer: &mut Producer<'_>) {
    wait_until("the slots are free", || producer.listeners().is_empty());
    assert!(producer.is_running());
}

/// A recording that was not killed has everything.
fn is_complete(recorder: &Finished, files: &[PathBuf]) {
    let stored = generated(files);
    assert!(files.iter().all(|f| f.extension().unwrap() == "raw"));
    assert_eq!((stored.damaged, stored.missing), (0, stored.lost));
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
        // One that is just starting does not handle signals yet.
        recorder.wait_for("\"event\":\"start\"");
        // Nor would a gap behind the last frame show in the numbers of the frames.
        let captured = |p: &Producer<'_>| frames(&p.status()["ledger"], Reason::Captured);
        let before = captured(producer);
        wait_until("capturing goes on", || captured(producer) > before + 1000);
        is_complete(&recorder.interrupt().exits(0), &left_in(&folder));
    }
    is_left_alone(producer);
}

/// The files in `folder`, if there is one.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    if folder.exists() {
        files(folder)
    } else {
        Vec::new()
    }
}

/// The recorder and the listener notice that the producer is gone.
fn producer_vanishes(producer: Producer<'_>, round: Round<'_>) {
    producer.vanish();
    let attached = round.recorder.out().contains("\"event\":\"start\"");
    let folder = round.lab.path(&round.folder);
    let recorded = round.recorder.wait();
    assert!(!recorded.err.contains("panicked"), "{}", recorded.err);
    if Producer::is_the_module() {
        // It says that this was the end; one that had not attached found nothing to attach to.
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

/// What all rounds left behind.
#[derive(Debug, Default)]
struct Left {
    frames: u64,
    files: u64,
    under_way: u64,
    cut: u64,
}

/// Whatever is left in `folder` is readable, can be repaired, and loses nothing by that.
fn is_sound_after_repair(lab: &Lab, folder: &str, sum: &mut Left) {
    let left = left_in(&lab.path(folder));
    if left.is_empty() {
        return;
    }
    let before = generated(&left);
    assert_eq!(
        (before.missing, before.cut),
        (before.lost, 0),
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
        // In every other round the moment is counted from the recorder's start. On a busy machine
        // it would otherwise always come before the recorder has stored anything.
        if random.below(2) == 0 {
            round.recorder.wait_for("\"event\":\"start\"");
        }
        if random.below(4) == 0 {
            std::thread::sleep(Duration::from_millis(20));
            // Only a recorder that has begun handles it.
            if round.recorder.out().contains("\"event\":\"start\"") {
                round.recorder.signal(Signal::SIGHUP);
            }
        }
        // The module's processor is an emulated one: everything starts more slowly.
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
    // The moments were such that there was something to see.
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
