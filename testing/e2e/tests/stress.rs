//! Many records from one process to another.

use hpcap::Reason;
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use std::time::Duration;
use testkit::process::Process;
use testkit::wait::wait_until_within;

const RECORDS: u64 = 100_000_000;
const TIME_LIMIT: Duration = Duration::from_secs(600);

#[test]
#[ignore = "takes half a minute of two processors"]
fn stress_hundred_million_records() {
    let lab = Lab::new();
    let spec = format!("gen:size=60,count={RECORDS}");
    // The ring is small, so that its end is passed some hundred times.
    let daemon = Daemon::start(&lab, &["--ring", "64M", &spec]);
    let mut listener = Process::spawn(lab.tool("e2e-listener").args(["hpcap0", "--start=file"]));
    wait_until_within("a hundred million records", TIME_LIMIT, || {
        !listener.is_running()
    });
    let seen = listener.wait().exits(0).event("end");
    println!("{seen}");
    assert_eq!(seen["frames"], RECORDS);
    for nothing in ["corrupt", "backwards", "missing", "lost", "missed"] {
        assert_eq!(seen[nothing], 0, "{nothing}");
    }
    let ended = daemon.process.wait().exits(0).event("ended");
    assert_eq!(frames(&ended["ledger"], Reason::Captured), RECORDS);
}
