//! `hpcap-status` beside a daemon: its numbers, its screen and keys on a real terminal, and what it
//! survives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hpcap_e2e::daemon::{Daemon, on_the_wire};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::screen::Screen;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

/// A queue that goes on, and has frames whether or not somebody listens.
const SOURCE: [&str; 4] = [
    "--ring",
    "1M",
    "--look-back",
    "gen:size=100,rate=1000pps,late=delay",
];

/// Prepares the program, which reads no log of this machine.
fn status(lab: &Lab) -> Command {
    let mut command = lab.tool("hpcap-status");
    command.args(["--logs", "none"]).env("LC_ALL", "C.UTF-8");
    command
}

fn report(lab: &Lab) -> Value {
    let shown = run(status(lab).arg("--json")).exits(0);
    serde_json::from_str(&shown.out).unwrap()
}

/// Compares the verdict of a picture, the lines below its heading, with the snapshot `name`. What follows is about this
/// machine. Process ids, numbers of frames, times and breaks of lines do not count.
#[track_caller]
fn assert_verdict(name: &str, picture: &str) {
    let lines = picture.lines().skip(1);
    let verdict = lines.take_while(|line| line.starts_with(' '));
    let verdict: Vec<&str> = verdict.map(str::trim).collect();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(process|wchan) \d+", "$1 [PID]");
    settings.add_filter(r"[\d.]+ (k )?frames", "[COUNT] frames");
    settings.add_filter(r"\d\d:\d\d:\d\d", "[TIME]");
    settings.add_filter(r"/\S*/hpcap-e2e-\w+", "[FOLDER]");
    settings.bind(|| insta::assert_snapshot!(name, verdict.join(" ")));
}

fn dashboard(lab: &Lab, size: (u16, u16)) -> Screen {
    let mut command = status(lab);
    command.args(["--interval", "100ms"]);
    Screen::start(&command, size, true)
}

#[test]
fn json_has_the_known_losses() {
    let lab = Lab::new();
    // Six seconds, in which the recorder attaches.
    let count = 60_000;
    let source = format!("gen:size=100,rate=10000pps,count={count}");
    let daemon = Daemon::start(&lab, &["--ring", "1M", &source]);
    let recorder = lab.recorder(&["hpcap0", "out"]);
    recorder.signal(Signal::SIGSTOP);
    // The recorder holds the queue open after the end of its source, so that the counters stand.
    wait_until("the end of the source", || {
        on_the_wire(&daemon.status("hpcap0")["ledger"]) == count
    });
    let ledger = &daemon.status("hpcap0")["ledger"];
    let queue = &report(&lab)["queues"][0];
    assert_eq!(&queue["ledger"]["captured"], &ledger["captured"]);
    assert_eq!(&queue["ledger"]["ring_full"], &ledger["ring_full"]);
    assert_eq!(queue["on_the_wire"]["frames"], count);
    assert_eq!(queue["on_the_wire"]["bytes"], 100 * count);
    let lost: u64 = ["ring_full", "nic_missed", "nic_error"]
        .iter()
        .map(|reason| ledger[reason]["frames"].as_u64().unwrap())
        .sum();
    assert!(lost > 0, "{ledger}");
    assert_eq!(queue["losses"]["total"]["frames"], lost);
    assert_eq!(queue["losses"]["total"]["bytes"], 100 * lost);
    let share = queue["losses"]["share"].as_f64().unwrap();
    assert!((share - lost as f64 / count as f64).abs() < 1e-9);
    let listener = &queue["listeners"][0];
    assert_eq!(listener["program"], "hpcapdd");
    assert_eq!(listener["pid"], recorder.pid());
    assert!(listener["command"].as_str().unwrap().contains("hpcap0 out"));
    recorder.signal(Signal::SIGCONT);
    let _ = recorder.wait().exits(0);
    let _ = daemon.stop();
}

#[test]
fn history_comes_from_the_logs_of_the_monitor() {
    let lab = Lab::new();
    let source = "gen:size=100,rate=10000pps,count=60000";
    let daemon = Daemon::start(&lab, &["--ring", "1M", source]);
    let log = lab.path("log");
    let mut monitor = lab.tool("hpcap-monitor");
    monitor
        .args(["run", "--interval", "100ms", "--listen", "none"])
        .arg("--basedir")
        .arg(&log);
    let monitor = Process::spawn(&mut monitor);
    // The monitor must have seen the queue before its first loss, so as to know all of them.
    let full = || {
        let files = std::fs::read_dir(log.join("full")).into_iter().flatten();
        let text = |file: std::fs::DirEntry| std::fs::read_to_string(file.path()).ok();
        files.flatten().filter_map(text).collect::<String>()
    };
    wait_until("a sample of the queue", || full().contains("\"hpcap0\":"));
    let recorder = lab.recorder(&["hpcap0", "out"]);
    recorder.signal(Signal::SIGSTOP);
    wait_until("the end of the source", || {
        on_the_wire(&daemon.status("hpcap0")["ledger"]) == 60_000
    });
    let seen = || {
        let mut command = lab.tool("hpcap-status");
        command.arg("--json").arg("--logs").arg(&log);
        let report: Value = serde_json::from_str(&run(&mut command).exits(0).out).unwrap();
        report
    };
    wait_until("all losses in the log", || {
        let losses = &seen()["queues"][0]["losses"];
        losses["total"]["frames"].as_u64() > Some(0)
            && losses["in_run"] == losses["total"]["frames"]
    });
    let report = seen();
    let losses = &report["queues"][0]["losses"];
    assert!(
        losses["since_ns"].is_u64() && losses["last_ns"].is_u64(),
        "{losses}"
    );
    assert_eq!(losses["quiet_at_least"], false);
    let began = |event: &Value| {
        let message = event["message"].as_str().unwrap();
        event["phase"] == "begin" && message.contains("hpcap0 loses frames")
    };
    let all = report["events"].as_array().unwrap();
    assert!(all.iter().any(began), "{all:?}");
    recorder.signal(Signal::SIGCONT);
    let _ = recorder.wait().exits(0);
    let _ = monitor.interrupt().exits(0);
    let _ = daemon.stop();
}

#[test]
fn rates_are_differences_of_counters() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &SOURCE);
    let mut watch = Process::spawn(status(&lab).args(["--watch", "--json", "--interval", "100ms"]));
    let lines = |watch: &Process| {
        let out = watch.out();
        let whole = out
            .rsplit_once('\n')
            .map_or("", |(whole, _)| whole)
            .to_owned();
        events(&whole).collect::<Vec<_>>()
    };
    wait_until("some lines", || lines(&watch).len() >= 15);
    assert!(watch.is_running());
    let lines = lines(&watch);
    let (last, earlier) = lines.split_last().unwrap();
    let (rates, frames) = (&last["queues"][0]["rates"], |line: &Value| {
        line["queues"][0]["on_the_wire"]["frames"].as_u64().unwrap()
    });
    let seconds = rates["seconds"].as_f64().unwrap();
    let rate = rates["on_the_wire"]["frames_per_second"].as_f64().unwrap();
    // The rate is the difference to one of the lines before, divided by the time between both.
    let fits = |line: &Value| {
        let grown = (frames(last) - frames(line)) as f64;
        (grown / seconds - rate).abs() < 1e-6 * rate.max(1.0)
    };
    assert!(earlier.iter().any(fits), "{rates}");
    let bits = rates["on_the_wire"]["bits_per_second"].as_f64().unwrap();
    assert!((bits - 8.0 * 124.0 * rate).abs() < 1e-6 * bits);
    assert_eq!(rates["mean_frame_bytes"], 100.0);
    let _ = watch.kill();
    let _ = daemon.stop();
}

#[test]
fn picture_needs_no_terminal() {
    let lab = Lab::new();
    let empty = run(&mut status(&lab)).exits(0);
    assert_verdict("nothing_is_captured", &empty.out);
    let daemon = Daemon::start(&lab, &SOURCE);
    let once = run(status(&lab).arg("--once").env("COLUMNS", "100")).exits(0);
    assert_verdict("no_frame_lost", &once.out);
    assert!(once.out.lines().all(|line| line.chars().count() <= 100));
    assert!(!once.out.contains('\x1b'), "{:?}", once.out);
    // A reader that has read enough ends the lines.
    let mut shell = lab.here(Path::new("sh"));
    let program = status(&lab).get_program().to_owned();
    shell.arg("-c").arg(format!(
        "{} --logs none --watch --interval 100ms | head -n 1",
        program.display()
    ));
    let line = run(&mut shell).exits(0);
    assert!(line.out.contains("hpcap0"), "{}", line.out);
    let _ = daemon.stop();
}

#[test]
fn keys_drive_the_dashboard() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &SOURCE);
    let mut listener = lab.listener(&["hpcap0", "--stuck"]);
    let mut screen = dashboard(&lab, (100, 30));
    screen.wait_for("LOSING FRAMES  hpcap0");
    screen.wait_for("e2e-listener (pid");
    screen.press_for("?", "columns, flags and words");
    screen.press_for("\x1b[6~", "reasons of all losses since");
    screen.press_for("?", "LOSING FRAMES  hpcap0");
    screen.press_for("\r", "ledger:");
    screen.wait_for("Esc back");
    screen.press("u");
    screen.press_for("t", "the last minute");
    screen.press_for("\x1b", "Enter detail");
    screen.press_for("p", "PAUSED");
    screen.press("p");
    screen.press_for("\t", "K kill");
    screen.press_for("K", "y kills it");
    screen.press_for("n", "not killed");
    assert!(listener.is_running());
    screen.press_for("Ky", "is killed");
    wait_until("the death of the listener", || {
        daemon.listeners("hpcap0").is_empty()
    });
    screen.press("q");
    assert!(screen.wait().success());
    assert!(!screen.is_alternate() && screen.echoes());
    let _ = listener.kill();
    let _ = daemon.stop();
}

#[test]
fn dashboard_follows_the_size() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &SOURCE);
    let mut screen = dashboard(&lab, (80, 24));
    screen.wait_for("no loss");
    assert!(!screen.text().contains("received"), "{}", screen.text());
    screen.resize((200, 50));
    screen.wait_for("received");
    screen.resize((40, 10));
    screen.wait_for("80 x 24 shows the tables");
    screen.press("q");
    assert!(screen.wait().success());
    let _ = daemon.stop();
}

#[test]
fn signals_restore_the_terminal() {
    let lab = Lab::new();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ] {
        let mut screen = dashboard(&lab, (80, 24));
        screen.wait_for("NOTHING IS CAPTURED");
        assert!(screen.is_alternate() && screen.is_cursor_hidden() && !screen.echoes());
        screen.signal(signal);
        assert!(screen.wait().success(), "{signal}");
        wait_until("the first screen", || !screen.is_alternate());
        assert!(screen.echoes() && !screen.is_cursor_hidden(), "{signal}");
    }
}

#[test]
fn suspended_dashboard_returns() {
    let lab = Lab::new();
    let mut screen = dashboard(&lab, (80, 24));
    screen.wait_for("NOTHING IS CAPTURED");
    screen.press_for("?", "columns, flags and words");
    // A session without a shell has an orphaned process group, in which SIGTSTP stops nobody: the
    // program gives the terminal back, goes on at once, and takes it again.
    screen.press("\x1a");
    screen.press("?");
    screen.wait_for("NOTHING IS CAPTURED");
    screen.press("q");
    assert!(screen.wait().success());
    assert!(screen.echoes());
}

#[test]
fn stopped_dashboard_takes_the_terminal_again() {
    let lab = Lab::new();
    let mut screen = dashboard(&lab, (80, 24));
    screen.wait_for("NOTHING IS CAPTURED");
    screen.signal(Signal::SIGSTOP);
    screen.reset();
    assert!(screen.echoes());
    screen.signal(Signal::SIGCONT);
    wait_until("a terminal without echo", || !screen.echoes());
    screen.press("q");
    assert!(screen.wait().success());
    assert!(screen.echoes());
}

#[test]
fn terminal_that_goes_away_ends_the_dashboard() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &SOURCE);
    for controls in [true, false] {
        let mut command = status(&lab);
        command.args(["--interval", "1h"]);
        let mut screen = Screen::start(&command, (80, 24), controls);
        screen.wait_for("hpcap0");
        screen.hang_up();
        let _ = screen.wait();
    }
    let _ = daemon.stop();
}

#[test]
fn blocked_terminal_does_not_hold_up_the_end() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &SOURCE);
    let mut screen = dashboard(&lab, (300, 100));
    screen.wait_for("hpcap0");
    screen.stop_reading();
    // A program whose output is stuck wakes up no more, although ten screens a second are due.
    let status = format!("/proc/{}/status", screen.pid());
    let wakes = || {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text
            .lines()
            .find(|l| l.starts_with("voluntary_ctxt"))
            .unwrap();
        line.to_owned()
    };
    wait_until("a program that waits for its terminal", || {
        screen.press("\x0c");
        let before = wakes();
        std::thread::sleep(Duration::from_millis(300));
        wakes() == before
    });
    screen.signal(Signal::SIGTERM);
    let _ = screen.wait();
    assert!(screen.echoes());
    let _ = daemon.stop();
}

#[test]
fn queues_that_come_and_go_are_followed() {
    let lab = Lab::new();
    let mut screen = dashboard(&lab, (100, 30));
    screen.wait_for("NOTHING IS CAPTURED");
    for _ in 0..2 {
        let daemon = Daemon::start(&lab, &SOURCE);
        screen.wait_for("no frame lost  1 queue");
        let _ = daemon.process.kill();
        screen.wait_for("FAILED  hpcap0: its producer died");
    }
    screen.press("q");
    assert!(screen.wait().success());
}

#[test]
fn member_of_the_group_sees_everything() {
    if !is_root_or_skips("becoming another user") {
        return;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        skip("becoming another user takes setpriv");
        return;
    }
    let lab = Lab::new();
    std::fs::set_permissions(
        lab.dir(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let program = lab.copy_of_program("hpcap-status");
    let (member_of, other_group) = (65_534, 65_533);
    let daemon = Daemon::start(
        &lab,
        &[
            "--ring",
            "1M",
            "--group",
            "nogroup",
            "--look-back",
            "gen:rate=1000pps,late=delay",
        ],
    );
    let as_user = |gid: u32, code: i32| {
        let mut command = lab.here(Path::new("setpriv"));
        command
            .args(["--reuid=65534", &format!("--regid={gid}"), "--clear-groups"])
            .arg("--")
            .arg(&program)
            .args(["--logs", "none", "--once"]);
        run(&mut command).exits(code).out
    };
    let member = as_user(member_of, 0);
    assert_verdict("member_of_the_group", &member);
    let other = as_user(other_group, 1);
    assert_verdict("no_member_of_the_group", &other);
    let _ = daemon.stop();
}

#[test]
fn stopped_daemon_hides_no_other_queue() {
    let lab = Lab::new();
    let stopped = Daemon::start(&lab, &SOURCE);
    let healthy = Daemon::start(
        &lab,
        &["--ring", "1M", "hpcap1=gen:rate=1000pps,late=delay"],
    );
    stopped.process.signal(Signal::SIGSTOP);
    let picture = run(status(&lab).arg("--once")).exits(1).says(&["hpcap0"]);
    assert!(picture.out.contains("hpcap1"), "{}", picture.out);
    assert!(
        picture.out.contains("not all can be seen"),
        "{}",
        picture.out
    );
    let json = run(status(&lab).arg("--json")).exits(1);
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["queues"][0]["queue"], "hpcap1");
    assert!(report["unseen"][0].as_str().unwrap().contains("hpcap0"));
    let _ = healthy.stop().exits(0);
    let alone = run(status(&lab).arg("--once")).exits(1);
    assert_verdict("no_queue_can_be_seen", &alone.out);
    stopped.process.signal(Signal::SIGCONT);
    let _ = stopped.stop().exits(0);
}
