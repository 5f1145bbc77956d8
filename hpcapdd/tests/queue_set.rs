//! Tests of recordings of all queues of an adapter: `hpcap0:*`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::daemon::serve;
use common::{Running, files, frames_of, hpcapdd, of_kind, read_sound};
use hpcap::{QueueName, Reason};
use hpcap_engine::{Engine, EngineConfig};
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::thread::{StoppedThread, thread_named};
use testkit::wait::wait_until;

/// Serves queue `number` of adapter 0 in the folder `run`, and feeds it from `source`.
fn start_queue(run: &Path, number: u32, source: &str) -> Arc<Engine> {
    let mut config = EngineConfig::new(QueueName::new(0, number), source.parse().unwrap());
    config.ring_bytes = 1 << 20;
    let engine = Arc::new(Engine::start(&config).unwrap().0);
    serve(Arc::clone(&engine), run);
    engine
}

/// A recorder of the queues that are served in `run`.
fn recorder(run: &Path) -> Command {
    let mut command = hpcapdd();
    command.env("HPCAP_RUN_DIR", run).arg("hpcap0:*");
    command
}

/// The events of one kind that name `queue`.
fn of_queue<'a>(events: &'a [Value], kind: &str, queue: &str) -> Vec<&'a Value> {
    let mut found = of_kind(events, kind);
    found.retain(|event| event["queue"] == queue);
    found
}

/// Reads the files of queue `number` below `folder`, which must have its frames without a hole. Returns how many there are.
fn frames_of_queue(folder: &Path, number: u32) -> usize {
    let name = format!("_hpcap0_{number}.raw");
    let mut sequence = Vec::new();
    for path in files(folder, ".raw") {
        if path.to_str().unwrap().contains(&name) {
            sequence.extend(read_sound(&path).sequence);
        }
    }
    let holes = sequence.windows(2).filter(|pair| pair[0] + 1 != pair[1]);
    assert_eq!(holes.count(), 0, "queue {number}");
    sequence.len()
}

#[test]
fn each_queue_is_recorded_whole_into_its_folder() {
    let run = tempfile::tempdir().unwrap();
    let disks = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let counts = [30_000, 20_000, 10_000];
    let engines: Vec<_> = (0..)
        .zip(counts)
        .map(|(number, count)| {
            start_queue(run.path(), number, &format!("gen:size=200,count={count}"))
        })
        .collect();
    let mut command = recorder(run.path());
    command.args(disks.iter().map(|disk| disk.path()));
    let (code, events, stderr) = Running::start(&mut command).finish();
    assert_eq!(code, 0, "{stderr}");
    for (number, count) in counts.iter().enumerate() {
        let folder = disks[number % 2].path();
        assert_eq!(
            frames_of_queue(folder, u32::try_from(number).unwrap()),
            *count
        );
        let queue = QueueName::new(0, u32::try_from(number).unwrap()).to_string();
        assert_eq!(of_queue(&events, "summary", &queue)[0]["frames"], *count);
    }
    let total = events.last().unwrap();
    assert_eq!(total["event"], "total");
    assert_eq!(total["frames"], 60_000);
    assert_eq!(frames_of(total, Reason::Captured), 60_000);
    drop(engines);
}

#[test]
fn queue_that_appears_later_is_recorded() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let _first = start_queue(run.path(), 0, "gen:size=60,rate=1000pps,late=delay");
    let mut running = Running::start(recorder(run.path()).arg(disk.path()));
    let _second = start_queue(run.path(), 7, "gen:size=60,rate=1000pps,late=delay");
    running.wait_until(|event| event["event"] == "start" && event["queue"] == "hpcap0:7");
    running.wait_until(|event| event["event"] == "progress" && event["queue"] == "hpcap0:7");
    running.signal(Signal::SIGTERM);
    let (code, events, stderr) = running.finish();
    assert_eq!(code, 0, "{stderr}");
    for (number, queue) in [(0, "hpcap0"), (7, "hpcap0:7")] {
        let summary = of_queue(&events, "summary", queue)[0];
        assert_eq!(summary["ended_by"], "signal");
        assert_eq!(summary["frames"], frames_of_queue(disk.path(), number));
    }
}

#[test]
fn failure_of_one_queue_ends_no_other() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let _zero = start_queue(run.path(), 0, "gen:size=60,count=50000");
    let _one = start_queue(run.path(), 1, "gen:size=60,rate=1000pps,late=delay");
    let missing = disk.path().join("missing/folder");
    let mut command = recorder(run.path());
    let (code, events, stderr) = Running::start(command.arg(disk.path()).arg(&missing)).finish();
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(frames_of_queue(disk.path(), 0), 50_000);
    let warnings: Vec<_> = of_kind(&events, "warning");
    let names_it = |warning: &&&Value| {
        warning["message"]
            .as_str()
            .unwrap()
            .starts_with("hpcap0:1: ")
    };
    assert_eq!(warnings.iter().filter(names_it).count(), 1, "{warnings:?}");
    assert!(
        stderr.contains("1 of 2 recordings failed: hpcap0:1"),
        "{stderr}"
    );
}

#[test]
fn hangup_starts_a_file_of_each_queue() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let queues = ["hpcap0", "hpcap0:1"];
    let _engines =
        [0, 1].map(|number| start_queue(run.path(), number, "gen:size=60,rate=1000pps,late=delay"));
    let mut running = Running::start(recorder(run.path()).arg(disk.path()));
    for queue in queues {
        running.wait_until(|event| event["event"] == "progress" && event["queue"] == queue);
    }
    running.signal(Signal::SIGHUP);
    // Both files end, in any sequence.
    running.wait_for("file_complete");
    running.wait_for("file_complete");
    for queue in queues {
        assert_eq!(of_queue(&running.seen, "file_complete", queue).len(), 1);
    }
    running.signal(Signal::SIGINT);
    let (code, events, stderr) = running.finish();
    assert_eq!(code, 0, "{stderr}");
    for (number, queue) in (0..).zip(queues) {
        let summary = of_queue(&events, "summary", queue)[0];
        assert_eq!(summary["frames"], frames_of_queue(disk.path(), number));
    }
}

#[test]
fn set_without_queues_is_an_error_or_waits() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let output = recorder(run.path()).arg(disk.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("record hpcap0:*: no producer serves a queue of hpcap0"),
        "{stderr}"
    );

    let process = testkit::process::Process::spawn(
        recorder(run.path())
            .args(["--wait", "--json"])
            .arg(disk.path()),
    );
    wait_until("the recorder waits", || process.out().contains("waiting: "));
    let engine = start_queue(run.path(), 0, "gen:size=60,count=1000");
    wait_until("the queue was recorded", || {
        process.out().contains("\"summary\"")
    });
    drop(engine);
    process.signal(Signal::SIGINT);
    let done = process.wait();
    assert_eq!(done.code(), Some(0), "{}", done.err);
    assert_eq!(frames_of_queue(disk.path(), 0), 1000);
}

#[test]
fn dead_socket_beside_a_queue_is_passed_over() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    // A socket on which nobody listens any more.
    drop(std::os::unix::net::UnixListener::bind(run.path().join("hpcap0:1.sock")).unwrap());
    let alone = recorder(run.path()).arg(disk.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert_eq!(alone.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("producer is gone"), "{stderr}");

    let _engine = start_queue(run.path(), 0, "gen:size=60,count=1000");
    let (code, events, stderr) = Running::start(recorder(run.path()).arg(disk.path())).finish();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(of_kind(&events, "summary").len(), 1);
    assert_eq!(frames_of_queue(disk.path(), 0), 1000);
}

#[test]
fn limits_count_for_each_queue() {
    let run = tempfile::tempdir().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let _engines = [0, 1].map(|number| start_queue(run.path(), number, "gen:size=60,count=5000"));
    let mut command = recorder(run.path());
    let (code, events, stderr) =
        Running::start(command.arg(disk.path()).args(["--frames", "700"])).finish();
    assert_eq!(code, 0, "{stderr}");
    for number in [0, 1] {
        assert_eq!(frames_of_queue(disk.path(), number), 700);
    }
    assert_eq!(events.last().unwrap()["frames"], 1400);
}

#[test]
fn threads_use_the_cpus_in_turn() {
    let run = tempfile::tempdir().unwrap();
    let cpus = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    let cpus: Vec<usize> = (0..nix::sched::CpuSet::count())
        .filter(|cpu| cpus.is_set(*cpu).unwrap())
        .take(2)
        .collect();
    let list = cpus
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let _engines =
        [0, 1].map(|number| start_queue(run.path(), number, "gen:size=60,rate=1000pps,late=delay"));
    let mut running = Running::start(recorder(run.path()).args(["null", "--recorder-cpu", &list]));
    for queue in ["hpcap0", "hpcap0:1"] {
        running.wait_until(|event| event["event"] == "progress" && event["queue"] == queue);
    }
    for (number, name) in ["hpcap0", "hpcap0:1"].iter().enumerate() {
        let thread = thread_named(running.pid(), name);
        let status =
            std::fs::read_to_string(format!("/proc/{}/task/{thread}/status", running.pid()))
                .unwrap();
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"))
            .unwrap();
        assert_eq!(allowed, cpus[number % cpus.len()].to_string(), "{name}");
    }
    running.signal(Signal::SIGINT);
    assert_eq!(running.finish().0, 0);

    let refused = hpcapdd()
        .args(["hpcap0", "null", "--recorder-cpu", "0,1"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

/// The messages that have come to the service manager.
fn received(manager: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 1024];
    let mut messages = Vec::new();
    while let Ok(length) = manager.recv(&mut buffer) {
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    messages
}

#[test]
fn service_is_as_well_as_each_of_its_queues() {
    let run = tempfile::tempdir().unwrap();
    let path = run.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let _engines =
        [0, 1].map(|number| start_queue(run.path(), number, "gen:size=60,rate=1000pps,late=delay"));
    let mut command = recorder(run.path());
    command
        .arg("null")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let running = Running::start(&mut command);
    let mut messages = Vec::new();
    wait_until("the watchdog was fed", || {
        messages.extend(received(&manager));
        messages
            .iter()
            .filter(|message| *message == "WATCHDOG=1")
            .count()
            > 3
    });
    {
        let _stopped = StoppedThread::stop(running.pid(), "hpcap0:1");
        // What was on its way when the thread stopped.
        std::thread::sleep(Duration::from_millis(400));
        messages.extend(received(&manager));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(
            received(&manager),
            [""; 0],
            "one of two threads stands still"
        );
    }
    running.signal(Signal::SIGINT);
    assert_eq!(running.finish().0, 0);
    messages.extend(received(&manager));
    let ready: Vec<_> = messages
        .iter()
        .filter(|message| message.starts_with("READY=1"))
        .collect();
    assert_eq!(ready, ["READY=1\nSTATUS=recording 2 queues of hpcap0:*"]);
    let stopping: Vec<_> = messages
        .iter()
        .filter(|message| message.starts_with("STOPPING=1"))
        .collect();
    assert_eq!(
        stopping,
        ["STOPPING=1\nSTATUS=storing what is in the rings"]
    );
}
