//! Tests of recorders of another process's queue: contracts, deaths and kills.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::daemon::{Daemon, config, serve};
use common::{
    Content, Running, files, frames_of, holes, hpcapdd, lost_before_us, of_kind, read_sound,
    summary, told_before_us,
};
use hpcap::Reason;
use nix::sys::signal::Signal;
use testkit::wait::wait_until;

/// Reads all finished files below `folder`, which must be sound.
fn contents(folder: &Path) -> Vec<Content> {
    files(folder, ".raw")
        .iter()
        .map(|path| read_sound(path))
        .collect()
}

/// Returns the sequence numbers of all files, which must rise.
fn sequence(contents: &[Content]) -> Vec<u64> {
    let all: Vec<u64> = contents.iter().flat_map(|c| c.sequence.clone()).collect();
    assert!(all.windows(2).all(|w| w[0] < w[1]));
    all
}

#[test]
fn queue_is_recorded_by_either_name_form() {
    let dir = tempfile::tempdir().unwrap();
    for (i, words) in [&["hpcap0:1"][..], &["0", "1"], &["hpcap0", "1"]]
        .iter()
        .enumerate()
    {
        let daemon = Daemon::start(&config("gen:size=200,count=20000"));
        let folder = dir.path().join(i.to_string());
        let recorder = Running::start(daemon.command().args(*words).arg(&folder));
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(of_kind(&events, "start")[0]["queue"], "hpcap0:1");
        assert_eq!(
            sequence(&contents(&folder)),
            (0..20_000).collect::<Vec<_>>()
        );
        let name = files(&folder, ".raw")[0].file_name().unwrap().to_owned();
        assert!(name.to_str().unwrap().ends_with("_hpcap0_1.raw"));
    }
}

#[test]
fn recorders_of_one_queue_get_the_same_frames() {
    let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let recorders: Vec<_> = dirs
        .iter()
        .map(|d| daemon.recorder(d.path(), &[]))
        .collect();
    let until = daemon.published() + (4 << 20);
    wait_until("some traffic", || daemon.published() > until);
    for (recorder, dir) in recorders.into_iter().zip(&dirs) {
        recorder.signal(Signal::SIGINT);
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 0, "{stderr}");
        let contents = contents(dir.path());
        assert_eq!(contents[0].headers, 1);
        let sequence = sequence(&contents);
        assert_eq!(holes(&sequence), told_before_us(&contents));
        assert_eq!(summary(&events)["frames"], sequence.len());
        assert!(sequence.len() > 10_000);
    }
}

/// Stops `recorder` while the producer fills the ring several times, lets it go on, and ends it.
/// Returns its events.
fn overrun(daemon: &Daemon, mut recorder: Running) -> Vec<serde_json::Value> {
    let rings = |n: u64| {
        let until = daemon.published() + (n << 20);
        wait_until("traffic", || daemon.published() > until);
    };
    // The recorder must store frames before and behind the hole, however busy the machine is.
    let stores = |e: &serde_json::Value| {
        e["event"] == "progress" && e["stored_bytes_per_second"].as_f64().unwrap_or(0.0) > 0.0
    };
    recorder.wait_until(stores);
    recorder.signal(Signal::SIGSTOP);
    rings(4);
    recorder.signal(Signal::SIGCONT);
    recorder.wait_until(|e| {
        e["event"] == "progress" && e["ledger"]["overrun"]["frames"].as_u64().unwrap_or(0) > 0
    });
    // The recorder continues at the next whole block, so some blocks pass before the test ends it.
    rings(1);
    recorder.wait_until(stores);
    recorder.signal(Signal::SIGINT);
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    events
}

/// Checks the holes in the sequence numbers. They can be smaller than all losses together, because
/// gaps that the recorder missed while it was overtaken are not in the files.
fn assert_holes(contents: &[Content], overrun: u64, summary: &serde_json::Value) {
    let holes = holes(&sequence(contents));
    assert!(
        holes >= overrun + told_before_us(contents),
        "{holes} {overrun}"
    );
    assert!(
        holes <= overrun + lost_before_us(summary),
        "{holes} {overrun}"
    );
}

fn assert_overrun_is_reported(folder: &Path, events: &[serde_json::Value]) {
    let contents = contents(folder);
    let sequence = sequence(&contents);
    let lost = frames_of(summary(events), Reason::Overrun);
    assert!(lost > 1000, "{lost}");
    let told: u64 = contents
        .iter()
        .map(|c| c.lost[Reason::Overrun].frames)
        .sum();
    assert_eq!(told, lost);
    assert_holes(&contents, lost, summary(events));
    assert_eq!(summary(events)["frames"], sequence.len());
}

/// Starts a live view whose reader takes nothing.
fn stuck_view(daemon: &Daemon, more: &[&str]) -> std::process::Child {
    daemon
        .command()
        .args(["hpcap0:1", "-", "--quiet"])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn paused_live_view_holds_no_ring_back() {
    let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
    let mut view = stuck_view(&daemon, &[]);
    // The pipe holds 1 MiB, and the ring another.
    let until = daemon.published() + (8 << 20);
    wait_until("traffic past the stuck view", || daemon.published() > until);
    view.kill().unwrap();
    view.wait().unwrap();
}

#[test]
fn overtaken_recorder_stores_a_gap() {
    for more in [
        &["--contract", "lossy"][..],
        &["--contract", "lossy", "--filter", "ip"],
    ] {
        let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
        let dir = tempfile::tempdir().unwrap();
        let events = overrun(&daemon, daemon.recorder(dir.path(), more));
        assert_overrun_is_reported(dir.path(), &events);
        // The stuck view caused no loss to other listeners.
        assert_eq!(frames_of(summary(&events), Reason::RingFull), 0, "{more:?}");
    }
}

#[test]
fn stalled_recorder_becomes_lossy() {
    let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
    let dir = tempfile::tempdir().unwrap();
    let recorder = daemon.recorder(dir.path(), &["--contract", "lossless:50ms"]);
    let events = overrun(&daemon, recorder);
    let contents = contents(dir.path());
    let lost = frames_of(summary(&events), Reason::Overrun);
    let full = frames_of(summary(&events), Reason::RingFull);
    assert!(lost > 0 && full > 0, "{lost} {full}");
    assert_holes(&contents, lost, summary(&events));
}

#[test]
fn stalled_lossless_recorder_fills_the_ring() {
    let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
    let dir = tempfile::tempdir().unwrap();
    let recorder = daemon.recorder(dir.path(), &[]);
    let until = daemon.published() + (2 << 20);
    wait_until("traffic", || daemon.published() > until);
    recorder.signal(Signal::SIGSTOP);
    let full = || daemon.engine.queue().ledger().ledger[Reason::RingFull].frames;
    wait_until("the ring is full", || full() > 1000);
    recorder.signal(Signal::SIGCONT);
    // The producer writes the gap before the first frame that finds room again.
    let queue = daemon.engine.queue();
    wait_until("the gap is in the stream", || queue.ledger().gaps > 0);
    let until = daemon.published();
    let recorded = || {
        daemon
            .published()
            .saturating_sub(queue.listeners()[0].lag_bytes)
    };
    wait_until("the gap is recorded", || recorded() >= until);
    recorder.signal(Signal::SIGINT);
    let (code, _, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let contents = contents(dir.path());
    let told = told_before_us(&contents);
    assert!(told > 1000, "{told}");
    assert_eq!(holes(&sequence(&contents)), told);
}

#[test]
fn killed_recorder_closes_its_file() {
    for more in [&[][..], &["--filter", "ip"]] {
        let daemon = Daemon::start(&config("gen:size=300,rate=20000pps,late=delay"));
        let dir = tempfile::tempdir().unwrap();
        let recorder = daemon.recorder(dir.path(), more);
        let until = daemon.published() + (2 << 20);
        wait_until("traffic", || daemon.published() > until);
        let queue = daemon.engine.queue();
        queue.kill(queue.listeners()[0].id).unwrap();
        let (code, events, stderr) = recorder.finish();
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("was killed"), "{stderr}");
        assert_eq!(summary(&events)["ended_by"], "killed");
        let contents = contents(dir.path());
        let sequence = sequence(&contents);
        assert!(sequence.len() > 1000, "{}", sequence.len());
        assert_eq!(holes(&sequence), told_before_us(&contents));
        assert_eq!(summary(&events)["frames"], sequence.len());
    }
}

/// This is not a test, but the process that `dead_daemon_leaves_published_frames_in_file` kills.
#[test]
fn helper_serve_until_killed() {
    let Some(dir) = std::env::var_os("HPCAPDD_TEST_SERVE") else {
        return;
    };
    let source = "gen:size=300,rate=20000pps,late=delay";
    let engine = hpcap_engine::Engine::start(&config(source)).unwrap().0;
    serve(std::sync::Arc::new(engine), Path::new(&dir));
    loop {
        std::thread::park();
    }
}

#[test]
fn dead_daemon_leaves_published_frames_in_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_serve_until_killed"])
        .env("HPCAPDD_TEST_SERVE", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the daemon serves", || {
        dir.path().join("hpcap0:1.sock").exists()
    });
    let folder = dir.path().join("out");
    let mut recorder = Running::start(
        hpcapdd()
            .env("HPCAP_RUN_DIR", dir.path())
            .arg("hpcap0:1")
            .arg(&folder),
    );
    recorder.wait_for("progress");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("has died"), "{stderr}");
    assert_eq!(summary(&events)["ended_by"], "producer gone");
    let contents = contents(&folder);
    let sequence = sequence(&contents);
    assert!(sequence.len() > 10_000, "{}", sequence.len());
    assert_eq!(holes(&sequence), told_before_us(&contents));
    assert_eq!(summary(&events)["frames"], sequence.len());
}

#[test]
fn recorder_fails_without_a_producer() {
    let dir = tempfile::tempdir().unwrap();
    let output = hpcapdd()
        .env("HPCAP_RUN_DIR", dir.path())
        .args(["hpcap7", "null"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.starts_with("hpcapdd: cannot open queue hpcap7"),
        "{stderr}"
    );
}

#[test]
fn file_header_names_filter_with_caplen() {
    let daemon = Daemon::start(&config("gen:size=300,count=20000,flows=64"));
    let dir = tempfile::tempdir().unwrap();
    let recorder = daemon.recorder(
        dir.path(),
        &["--filter", "udp[0:2] & 1 = 0", "--caplen", "80"],
    );
    let (code, events, stderr) = recorder.finish();
    assert_eq!(code, 0, "{stderr}");
    let path = &files(dir.path(), ".raw")[0];
    let mut reader = hpcap::raw::Reader::open(path).unwrap();
    let mut frames = 0;
    let mut ledger = None;
    while let Some(event) = reader.next().unwrap() {
        match event {
            hpcap::raw::Event::FileStart(header) => {
                assert_eq!(header.filter, "udp[0:2] & 1 = 0");
                assert_eq!(header.caplen, 80);
            }
            hpcap::raw::Event::Frame(record) => {
                assert_eq!((record.data.len(), record.len), (80, 300));
                assert_eq!(record.data[35] & 1, 0);
                frames += 1;
            }
            hpcap::raw::Event::FileEnd(tag) => ledger = Some(tag.ledger),
            hpcap::raw::Event::Padding(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1000..19_000).contains(&frames), "{frames}");
    let ledger = ledger.unwrap();
    assert_eq!(ledger[Reason::Captured].frames, frames);
    assert_eq!(ledger[Reason::Filtered].frames, 20_000 - frames);
    assert_eq!(
        frames_of(summary(&events), Reason::Filtered),
        20_000 - frames
    );
}
