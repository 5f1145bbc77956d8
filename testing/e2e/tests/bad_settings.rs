//! Filters that are invalid, and rings that cannot be allocated.

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::{files, generated};
use testkit::process::run;
use testkit::skip;

#[test]
fn bad_filter_shows_libpcap_message() {
    let lab = Lab::new();
    let bad = "tcp port 80 or";
    let words = ["filter", bad, "syntax error"];
    let _ = run(lab.tool("hpcapd").args(["--filter", bad, "gen:"]))
        .exits(2)
        .says(&words);
    let source = ["--source", "gen:", "null"];
    let _ = run(lab.tool("hpcapdd").args(["--filter", bad]).args(source))
        .exits(2)
        .says(&words);
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:rate=1000pps,late=delay"]);
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--filter", bad, "hpcap0", "null"]))
    .exits(2)
    .says(&words);
    let _ = daemon.stop().exits(0);
    record_some(&lab);
    let _ = run(lab
        .tool("raw2pcap")
        .args(["raw", "-o", "x.pcap", "--filter", bad]))
    .exits(2)
    .says(&words);
    assert!(!lab.path("x.pcap").exists());
}

fn record_some(lab: &Lab) {
    let source = ["--source", "gen:count=100", "raw"];
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--quiet", "--ring", "4M"])
        .args(source))
    .exits(0);
    assert_eq!(generated(&files(&lab.path("raw"))).frames, 100);
}

#[test]
fn ring_larger_than_memory_is_refused() {
    let lab = Lab::new();
    let words = ["ring", "memory"];
    let _ = run(lab.tool("hpcapd").args(["--ring", "4096G", "gen:"]))
        .exits(1)
        .says(&words);
    let source = ["--source", "gen:", "null"];
    let _ = run(lab.tool("hpcapdd").args(["--ring", "4096G"]).args(source))
        .exits(1)
        .says(&words);
}

#[test]
fn ring_below_minimum_is_a_usage_error() {
    let lab = Lab::new();
    let _ = run(lab.tool("hpcapd").args(["--ring", "100K", "gen:"]))
        .exits(2)
        .says(&["ring", "512"]);
}

#[test]
fn missing_hugepages_are_named() {
    let free = |size: &str| {
        let file = format!("/sys/kernel/mm/hugepages/hugepages-{size}/free_hugepages");
        std::fs::read_to_string(file).is_ok_and(|n| n.trim() != "0")
    };
    if free("2048kB") || free("1048576kB") {
        return skip("there are hugepages");
    }
    let lab = Lab::new();
    for pages in ["2M", "1G"] {
        let args = ["--ring", "1G", "--pages", pages, "gen:"];
        let _ = run(lab.tool("hpcapd").args(args))
            .exits(1)
            .says(&["hugepages", "hpcapctl hugepages reserve 1024M"]);
        let _ = run(lab
            .tool("hpcapdd")
            .args(&args[..4])
            .args(["--source", "gen:", "null"]))
        .exits(1)
        .says(&["hugepages", "hpcapctl hugepages reserve 1024M"]);
    }
}

/// A control group with a memory limit. Dropping it removes the control group.
struct ControlGroup(std::path::PathBuf);

impl ControlGroup {
    /// Creates a control group with a limit of `bytes`. Returns `None` where this process may not
    /// create one.
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("hpcap-e2e-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        versions.into_iter().find_map(|(root, limit)| {
            let group = Self(std::path::Path::new(root).join(&name));
            std::fs::create_dir(&group.0).ok()?;
            std::fs::write(group.0.join(limit), bytes.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn ring_larger_than_its_cgroup_is_refused() {
    let Some(group) = ControlGroup::new(64 << 20) else {
        return testkit::skip("making a memory control group is not allowed here");
    };
    let lab = Lab::new();
    let script = format!(
        "echo $$ >{}/cgroup.procs && exec \"$0\" \"$@\"",
        group.0.display()
    );
    let inside = |args: &[&str]| {
        let mut shell = lab.here("/bin/sh".as_ref());
        shell
            .args(["-c", &script])
            .arg(hpcap_e2e::lab::binary("hpcapd"));
        run(shell
            .args(["--pages", "ordinary", "--no-linger"])
            .args(args))
    };
    let refused = inside(&["--ring", "256M", "gen:count=1,rate=1000pps"]).exits(1);
    let _ = refused.says(&["control group", "MemoryMax="]);
    let _ = inside(&["--ring", "16M", "gen:count=1,rate=1000pps"]).exits(0);
}
