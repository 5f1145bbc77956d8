//! `hpcap-monitor` beside a daemon: its logs, its metrics, its events, and what it survives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hpcap_e2e::daemon::{Daemon, on_the_wire};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::monitor::{Monitor, grouped, rows};
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::disk::SmallDisk;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

/// A sample of the full log: the time, and the values of each queue by their keys.
struct Full {
    monotonic_ns: u64,
    queues: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Reads the full log with nothing but its header. Every line must be whole.
fn full(log: &Path) -> Vec<Full> {
    let mut samples = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(log.join("full"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending != "index"));
    files.sort();
    for file in files {
        let plain = file.extension().is_some_and(|ending| ending == "jsonl");
        let text = match plain {
            true => fs::read_to_string(&file).unwrap(),
            false => {
                run(Command::new("zstd").arg("-dcq").arg(&file))
                    .exits(0)
                    .out
            }
        };
        assert_eq!(events(&text).count(), text.lines().count(), "{text}");
        // A part of a line may happen to be a number.
        for line in events(&text).filter(serde_json::Value::is_object) {
            if let Some(header) = line["queue"].as_array() {
                keys = header
                    .iter()
                    .map(|k| k.as_str().unwrap().to_owned())
                    .collect();
                continue;
            }
            let queue = |(name, queue): (&String, &serde_json::Value)| {
                let values = queue["values"].as_array().unwrap();
                let values = values.iter().map(|v| v.as_u64().unwrap());
                (name.clone(), keys.iter().cloned().zip(values).collect())
            };
            let monotonic_ns = line["monotonic_ns"].as_u64().unwrap();
            // The last sample of an hour also begins the file of the next one.
            if samples
                .last()
                .is_some_and(|last: &Full| last.monotonic_ns == monotonic_ns)
            {
                continue;
            }
            samples.push(Full {
                monotonic_ns,
                queues: line["queues"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(queue)
                    .collect(),
            });
        }
    }
    samples
}

const SERIES: &str = "{device=\"hpcap0\",queue=\"0\"}";

#[test]
fn every_output_has_the_known_losses() {
    let lab = Lab::new();
    let count = 30_000;
    let daemon = Daemon::start(
        &lab,
        &[
            "--ring",
            "1M",
            &format!("gen:size=100,rate=10000pps,count={count}"),
        ],
    );
    let monitor = Monitor::start(&lab, &[]);
    let recorder = lab.recorder(&["hpcap0", "out"]);
    // A recorder that stands holds the ring back, which has room for a second.
    recorder.signal(Signal::SIGSTOP);
    let lost = "hpcap_dropped_packets_total{device=\"hpcap0\",queue=\"0\",reason=\"ring_full\"}";
    wait_until("losses", || monitor.metric(lost).is_some_and(|n| n > 0));
    let all = format!("hpcap_receive_packets_total{SERIES}");
    wait_until("the end of the source", || {
        monitor.metric(&all).is_some_and(|n| n >= count)
    });
    // The counters stand: all outputs show the same.
    let status = daemon.status("hpcap0");
    let ledger = &status["ledger"];
    assert_eq!(on_the_wire(ledger), count);
    let number = |reason: &str, unit: &str| ledger[reason][unit].as_u64().unwrap();
    assert_eq!(
        number("ring_full", "bytes"),
        100 * number("ring_full", "frames")
    );
    assert_eq!(monitor.metric(&all), Some(count));
    assert_eq!(
        monitor.metric(&format!("hpcap_receive_bytes_total{SERIES}")),
        Some(100 * count)
    );
    assert_eq!(
        monitor.metric(&format!("hpcap_captured_packets_total{SERIES}")),
        Some(number("captured", "frames"))
    );
    for (family, reason) in [
        ("dropped", "ring_full"),
        ("dropped", "nic_missed"),
        ("discarded", "no_listener"),
    ] {
        let labels = format!("{{device=\"hpcap0\",queue=\"0\",reason=\"{reason}\"}}");
        for (unit, name) in [("packets", "frames"), ("bytes", "bytes")] {
            let metric = format!("hpcap_{family}_{unit}_total{labels}");
            assert_eq!(
                monitor.metric(&metric),
                Some(number(reason, name)),
                "{metric}"
            );
        }
    }
    wait_until("the page", || monitor.get("/").contains(&grouped(count)));
    let page = monitor.get("/");
    for reason in ["captured", "ring_full"] {
        let frames = grouped(number(reason, "frames"));
        assert!(
            page.contains(&format!(">{frames}<")),
            "{reason} {frames}: {page}"
        );
    }
    assert!(
        page.contains(&format!("hpcapdd (pid {})", recorder.pid())),
        "{page}"
    );
    recorder.signal(Signal::SIGCONT);
    let _ = recorder.wait().exits(0);
    let log = monitor.log.clone();
    let stopped = monitor.process.interrupt().exits(0);
    assert!(
        stopped.err.contains("hpcap0 loses frames"),
        "{}",
        stopped.err
    );

    let samples = full(&log);
    let last = samples
        .iter()
        .rev()
        .find_map(|s| s.queues.get("hpcap0"))
        .unwrap();
    for reason in ["captured", "ring_full", "no_listener", "nic_missed"] {
        for unit in ["frames", "bytes"] {
            let key = format!("ledger.{reason}.{unit}");
            assert_eq!(last[&key], number(reason, unit), "{key}");
        }
    }
    check_rows(&samples, &rows(&log, "hpcap0"));
    let mut report = lab.tool("hpcap-monitor");
    report
        .args(["report", "hpcap0", "--json", "--basedir"])
        .arg(&log);
    let report: serde_json::Value = serde_json::from_str(&run(&mut report).exits(0).out).unwrap();
    let summary = &report["summary"];
    assert_eq!(summary["exact"], true, "{summary}");
    for key in ["/lost_frames", "/lost_by_cause/ring_full"] {
        let lost = summary.pointer(key).and_then(serde_json::Value::as_u64);
        assert_eq!(
            lost,
            Some(number("ring_full", "frames")),
            "{key}: {summary}"
        );
    }
    assert!(
        summary["holder"]
            .as_str()
            .is_some_and(|who| who.contains("hpcapdd")),
        "{summary}"
    );
    let events: Vec<_> = events(&fs::read_to_string(log.join("events.jsonl")).unwrap()).collect();
    let loss = events
        .iter()
        .find(|event| event["event"] == "loss")
        .unwrap();
    assert_eq!(
        (&loss["phase"], &loss["subject"]),
        (&"begin".into(), &"hpcap0".into())
    );
    let text = loss["message"].as_str().unwrap();
    assert!(text.contains("hpcap0 loses frames"), "{loss}");
    let _ = daemon.stop();
}

#[test]
fn browser_shows_the_page() {
    let Ok(found) = Command::new("chromium").arg("--version").output() else {
        skip("chromium is not installed");
        return;
    };
    assert!(found.status.success(), "{found:?}");
    let lab = Lab::new();
    let daemon = Daemon::start(
        &lab,
        &["--ring", "1M", "--look-back", "gen:rate=1000pps,late=delay"],
    );
    let monitor = Monitor::start(&lab, &[]);
    wait_until("the queue", || monitor.get("/").contains(">hpcap0<"));
    let url = format!("http://{}/", monitor.address());
    let browse = |args: &[&str]| {
        let mut browser = Command::new("chromium");
        browser.current_dir(lab.dir()).env("HOME", lab.dir());
        browser.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ]);
        browser
            .args(["--user-data-dir=browser", "--v=0"])
            .args(args)
            .arg(&url);
        run(&mut browser).exits(0)
    };
    let shown = browse(&["--dump-dom"]);
    assert!(
        shown.out.contains("No frame was lost in the last day"),
        "{}",
        shown.out
    );
    // The browser tells what the policy of the page forbids.
    assert!(
        !shown.err.contains("Refused to") && !shown.err.contains("violates"),
        "{}",
        shown.err
    );
    for size in ["--window-size=400,900", "--window-size=1600,900"] {
        let _ = browse(&[size, "--screenshot=page.png"]);
        let picture = fs::read(lab.path("page.png")).unwrap();
        // A blank picture is smaller.
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 10_000,
            "{size}: {}",
            picture.len()
        );
        fs::remove_file(lab.path("page.png")).unwrap();
    }
    let _ = monitor.process.interrupt().exits(0);
    let _ = daemon.stop();
}

/// Compares the original's log with the differences of the full log.
#[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
fn check_rows(samples: &[Full], rows: &[Vec<u64>]) {
    let mut expected = Vec::new();
    for pair in samples.windows(2) {
        let (Some(before), Some(now)) =
            (pair[0].queues.get("hpcap0"), pair[1].queues.get("hpcap0"))
        else {
            continue;
        };
        let seconds = (pair[1].monotonic_ns - pair[0].monotonic_ns) as f64 / 1e9;
        let sum = |reasons: &[&str], unit: &str| -> u64 {
            let of = |values: &BTreeMap<String, u64>| -> u64 {
                reasons
                    .iter()
                    .map(|reason| values[&format!("ledger.{reason}.{unit}")])
                    .sum()
            };
            of(now) - of(before)
        };
        let rate = |count: u64| (count as f64 / seconds).round() as u64;
        let received = ["captured", "duplicate", "filtered", "no_listener"];
        let lost = ["ring_full", "nic_missed", "nic_error"];
        expected.push(vec![
            rate(8 * sum(&received, "bytes")),
            rate(sum(&received, "frames")),
            rate(8 * sum(&lost, "bytes")),
            rate(sum(&lost, "frames")),
        ]);
    }
    let rates: Vec<&[u64]> = rows.iter().map(|row| &row[1..]).collect();
    // The queue may be new in the first sample, and then has a row that no pair of samples explains.
    let extra = rates.len() - expected.len();
    assert!(
        extra <= 1,
        "{} rows, {} expected",
        rates.len(),
        expected.len()
    );
    assert_eq!(rates[extra..], expected[..]);
}

#[test]
fn killed_monitor_leaves_whole_logs() {
    let lab = Lab::new();
    let source = "gen:rate=1000pps,late=delay";
    let daemon = Daemon::start(&lab, &["--ring", "1M", "--look-back", source]);
    let whole = |monitor: &Monitor| {
        let rows = monitor.rows("hpcap0");
        rows.iter().filter(|row| row.len() == 5).count()
    };
    for round in 0..8_u32 {
        let monitor = Monitor::start(&lab, &[]);
        let before = whole(&monitor);
        wait_until("a row", || whole(&monitor) > before);
        std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 100)));
        let _ = monitor.process.kill();
        cut_lines(&lab.path("log"));
    }
    let monitor = Monitor::start(&lab, &[]);
    let before = whole(&monitor);
    wait_until("a row", || whole(&monitor) > before);
    let log = monitor.log.clone();
    let _ = monitor.process.interrupt().exits(0);
    assert!(full(&log).len() > 9);
    let rows = rows(&log, "hpcap0");
    assert!(
        rows.len() > 8 && rows.iter().all(|row| row.len() == 5),
        "{rows:?}"
    );
    let _ = daemon.stop();
}

/// Adds a part of a line to each log, as a power cut may leave it.
fn cut_lines(log: &Path) {
    let folders = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|ending| ending == "jsonl") {
                let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
                file.write_all(b"17951554").unwrap();
            }
        }
    }
}

#[test]
fn monitor_follows_queues_that_come_and_go() {
    let lab = Lab::new();
    let monitor = Monitor::start(&lab, &[]);
    for _ in 0..2 {
        let daemon = Daemon::start(
            &lab,
            &["--ring", "1M", "--look-back", "gen:rate=1000pps,late=delay"],
        );
        let captured = format!("hpcap_captured_packets_total{SERIES}");
        wait_until("the queue", || {
            monitor.metric(&captured).is_some_and(|n| n > 0)
        });
        let _ = daemon.stop();
        wait_until("the end of the queue", || {
            monitor.metric(&captured).is_none()
        });
    }
    let rows = monitor.rows("hpcap0");
    // No row has a rate that the source does not have; the first may be of a short time.
    assert!(rows.iter().all(|row| row[2] < 20_000), "{rows:?}");
    let _ = monitor.process.interrupt().exits(0);
}

#[test]
fn full_disk_is_reported_and_survived() {
    let Some(disk) = SmallDisk::new("64k") else {
        return;
    };
    let lab = Lab::new();
    let mut monitor = Monitor::start_at(&lab, disk.path().join("log"), &[]);
    fs::write(disk.path().join("big"), vec![0; 56 << 10]).unwrap_or_default();
    monitor.process.wait_for("the logs are not written");
    let samples = monitor.metric("hpcap_monitor_samples_total");
    wait_until("another sample", || {
        monitor.metric("hpcap_monitor_samples_total") > samples
    });
    assert!(monitor.metric("hpcap_monitor_unwritten_total") > Some(0));
    fs::remove_file(disk.path().join("big")).unwrap();
    disk.resize("8m");
    monitor.process.wait_for("log_failed, logs: over");
    let log = monitor.log.clone();
    let _ = monitor.process.interrupt().exits(0);
    assert!(!full(&log).is_empty());
}

#[test]
fn monitor_follows_interfaces_that_come_and_go() {
    if !is_root_or_skips("network namespaces") {
        return;
    }
    in_namespace(|| {
        ip("link set lo up");
        let lab = Lab::new();
        let monitor = Monitor::start(&lab, &[]);
        let received = "hpcap_interface_receive_packets_total{device=\"mon1\"}";
        for _ in 0..2 {
            create_veth_pair("mon0", "mon1", 1500);
            wait_until("the interface", || monitor.metric(received).is_some());
            let before = monitor.metric(received).unwrap();
            let sender = FrameSender::new("mon0");
            (0..100).for_each(|_| sender.send(&[0xff; 100]));
            wait_until("the frames", || {
                monitor.metric(received) >= Some(before + 100)
            });
            ip("link del mon0");
            wait_until("the end of the interface", || {
                monitor.metric(received).is_none()
            });
        }
        let rows = monitor.rows("mon1");
        assert!(rows.iter().any(|row| row[2] > 0), "{rows:?}");
        let _ = monitor.process.interrupt().exits(0);
    });
}

#[test]
fn statistics_of_a_driver_are_served_with_the_log() {
    if !is_root_or_skips("network namespaces") {
        return;
    }
    in_namespace(|| {
        ip("link set lo up");
        let lab = Lab::new();
        create_veth_pair("mon2", "mon3", 1500);
        // A veth pair's driver has the index of the other end among its statistics.
        let links: Value = serde_json::from_str(&ip("-j link show dev mon2")).unwrap();
        let peer = links[0]["ifindex"].as_u64().unwrap();
        let monitor = Monitor::start(&lab, &[]);
        let name = "hpcap_interface_driver_statistic{device=\"mon3\",statistic=\"peer_ifindex\"}";
        wait_until("the statistics", || monitor.metric(name).is_some());
        assert_eq!(monitor.metric(name), Some(peer));
        let logged = || {
            let files = fs::read_dir(monitor.log.join("full")).into_iter().flatten();
            let texts = files.map(|file| fs::read_to_string(file.unwrap().path()));
            let text: String = texts.filter_map(Result::ok).collect();
            let lines = text.lines().map(serde_json::from_str::<Value>);
            lines
                .filter_map(Result::ok)
                .find_map(|line| line["interfaces"]["mon3"]["driver"]["peer_ifindex"].as_u64())
        };
        wait_until("the log", || logged().is_some());
        assert_eq!(logged(), Some(peer));
        let _ = monitor.process.interrupt().exits(0);
    });
}

#[test]
fn event_command_gets_the_event() {
    let lab = Lab::new();
    let command = "printf '%s' \"$HPCAP_EVENT\" >> told.json";
    let monitor = Monitor::start(&lab, &["--event-command", command]);
    let daemon = Daemon::start(&lab, &["--ring", "1M", "gen:rate=1000pps,late=delay"]);
    wait_until("the queue", || {
        monitor.get("/metrics").contains("hpcap_captured")
    });
    // A queue whose producer dies has failed.
    let _ = daemon.process.kill();
    let told = || fs::read_to_string(lab.path("told.json")).unwrap_or_default();
    wait_until("the command", || told().contains("queue_failed"));
    let _ = monitor.process.interrupt().exits(0);
}

#[test]
fn prometheus_reads_the_textfile() {
    let lab = Lab::new();
    let monitor = Monitor::start(&lab, &["--textfile", "hpcap.prom"]);
    wait_until("the file", || lab.path("hpcap.prom").exists());
    let text = fs::read_to_string(lab.path("hpcap.prom")).unwrap();
    assert!(text.contains("hpcap_monitor_samples_total"), "{text}");
    let _ = monitor.process.interrupt().exits(0);
    let mut check = Command::new("/bin/sh");
    check
        .args(["-c", "promtool check metrics < hpcap.prom"])
        .current_dir(lab.dir());
    if Command::new("promtool").arg("--version").output().is_err() {
        skip("promtool is not installed");
        return;
    }
    let _ = run(&mut check).exits(0);
}

#[test]
fn reload_reads_the_configuration_again() {
    let lab = Lab::new();
    let config = lab.path("hpcap.toml");
    fs::write(&config, "[monitor]\n").unwrap();
    let mut monitor = Monitor::start(&lab, &["--config", config.to_str().unwrap()]);
    fs::write(&config, "[monitor]\ninterval = 3\n").unwrap();
    monitor.process.signal(Signal::SIGHUP);
    monitor.process.wait_for("was read anew");
    fs::write(&config, "[monitor]\ninterval = \"soon\"\n").unwrap();
    monitor.process.signal(Signal::SIGHUP);
    monitor.process.wait_for("the old configuration stays");
    let told = monitor.process.interrupt().exits(0).err;
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"/\S*/hpcap-e2e-\w+", "[FOLDER]");
    let about_it = told.lines().filter(|line| line.contains("configuration"));
    let told = about_it.collect::<Vec<_>>().join("\n");
    settings.bind(|| insta::assert_snapshot!("reload", told));
}

#[test]
fn prometheus_scrapes_the_monitor() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        skip("prometheus is not installed");
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(
        &lab,
        &[
            "--ring",
            "1M",
            "--look-back",
            "gen:size=100,rate=1000pps,late=delay",
        ],
    );
    let monitor = Monitor::start(&lab, &[]);
    let config = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: hpcap\n    static_configs:\n      - targets: [\"{}\"]\n",
        monitor.address()
    );
    fs::write(lab.path("prometheus.yml"), config).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Process::spawn(Command::new("prometheus").current_dir(lab.dir()).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        &format!("--web.listen-address={free}"),
    ]));
    let query = |text: &str| -> String {
        let url = format!("http://{free}");
        run(Command::new("promtool").args(["query", "instant", &url, text])).out
    };
    wait_until("a scrape", || {
        query("hpcap_captured_packets_total{device=\"hpcap0\",queue=\"0\"} > 0").contains("hpcap0")
    });
    // A value that Prometheus has must be one that the queue had.
    let balance = "hpcap_receive_packets_total == hpcap_captured_packets_total \
                   + sum without (reason) (hpcap_discarded_packets_total) \
                   + sum without (reason) (hpcap_dropped_packets_total)";
    assert!(query(balance).contains("hpcap0"), "{}", server.err());
    let _ = server.interrupt();
    let _ = monitor.process.interrupt().exits(0);
    let _ = daemon.stop();
}
