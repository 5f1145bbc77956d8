//! `hpcap-monitor` where clocks are changed, and where nothing can be written.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use hpcap_e2e::lab::Lab;
use hpcap_e2e::monitor::Monitor;
use serde_json::Value;
use testkit::disk::SmallDisk;
use testkit::process::run;
use testkit::wait::wait_until;

/// Runs `hpcap-monitor report` about a file, in the time zone of Madrid.
fn report(lab: &Lab, file: &str, options: &[&str]) -> String {
    let mut command = lab.tool("hpcap-monitor");
    command.env("TZ", "Europe/Madrid").args(["report", file]);
    run(command.args(options)).exits(0).out
}

#[test]
fn changed_clocks_leave_no_seam_in_a_report() {
    let lab = Lab::new();
    // The last hour of summer time is followed by one with the same times; in spring, an hour is left out.
    for (change, [before, between, after]) in [
        (
            1_792_890_000_u64,
            [
                "2026-10-25T02:30:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T02:30:00+01:00",
            ],
        ),
        (
            1_806_195_600,
            [
                "2027-03-28T01:30:00+01:00",
                "2027-03-28T03:00:00+02:00",
                "2027-03-28T03:30:00+02:00",
            ],
        ),
    ] {
        let mut rows = String::new();
        for second in change - 1799..=change + 1800 {
            let lost = u64::from(second > change);
            writeln!(rows, "{second} 8000 10 {} {lost}", 800 * lost).unwrap();
        }
        fs::write(lab.path("rows"), rows).unwrap();
        let json: Value = serde_json::from_str(&report(&lab, "./rows", &["--json"])).unwrap();
        let summary = &json["summary"];
        assert_eq!(summary["received_frames"], 36_000, "{summary}");
        assert_eq!(summary["lost_frames"], 1800, "{summary}");
        // An hour of data is an hour, and none is missing.
        let text = report(&lab, "./rows", &[]);
        for line in [
            format!("from       {before}"),
            format!("to         {after}"),
            "observed   1h00m00s, a sample each 1s".to_owned(),
        ] {
            assert!(text.contains(&line), "{line:?} in\n{text}");
        }
        assert!(!text.contains("no data"), "{text}");
        let half = report(&lab, "./rows", &["--from", between, "--json"]);
        let half: Value = serde_json::from_str(&half).unwrap();
        assert_eq!(half["summary"]["received_frames"], 18_000, "{half}");
        assert_eq!(half["summary"]["lost_frames"], 1800, "{half}");
    }
}

#[test]
fn read_only_disk_is_named_and_the_rest_works() {
    let Some(disk) = SmallDisk::new("1m") else {
        return;
    };
    let lab = Lab::new();
    let read_only = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(disk.path())
        .status();
    assert!(read_only.unwrap().success());
    let mut monitor = Monitor::start_at(&lab, disk.path().join("log"), &[]);
    monitor.process.wait_for("the logs are not written");
    let samples = monitor.metric("hpcap_monitor_samples_total");
    wait_until("another sample", || {
        monitor.metric("hpcap_monitor_samples_total") > samples
    });
    assert!(monitor.get("/").contains("log_failed") || monitor.get("/").contains("not written"));
    let said = monitor.process.interrupt().exits(0).err;
    assert!(said.contains("Read-only file system"), "{said}");
    assert_eq!(
        said.matches("the logs are not written").count(),
        1,
        "{said}"
    );
    fs::write(
        lab.path("rows"),
        "1795155462 8000 10 0 0\n1795155463 8000 10 0 0\n",
    )
    .unwrap();
    for (program, args, option) in [
        ("hpcap-monitor", vec!["report", "./rows"], "--html"),
        ("hpcap-diag", vec!["collect", "--interval", "0s"], "-o"),
    ] {
        let mut command = lab.tool(program);
        command.args(args).arg(option).arg(disk.path().join("file"));
        let said = run(&mut command).exits(1).err;
        assert!(said.contains("Read-only file system"), "{said}");
    }
}
