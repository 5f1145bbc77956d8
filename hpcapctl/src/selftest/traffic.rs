//! Tests with generated traffic. No result depends on the speed of the machine: a slow generator sends its frames
//! later, and a ring either holds all of the traffic or counts the frames that it has no room for.

use std::fs;

use hpcap::{Error, Kind, Result};

use super::Outcome;
use super::run::Lab;

/// The tests, in their order.
pub(super) const TESTS: [(&str, Test); 4] = [
    ("rx", receive),
    ("store", store),
    ("small-ring", small_ring),
    ("padding-edge", padding_edge),
];

/// A test returns what it has found.
pub(super) type Test = fn(&Lab) -> Result<String>;

/// Traffic for a daemon and a recorder.
struct Traffic {
    ring: &'static str,
    source: &'static str,
    frames: u64,
}

/// The outcome of the traffic.
struct Delivered {
    captured: u64,
    /// Frames for which the ring had no room.
    ring_full: u64,
    before_recorder: u64,
}

/// Counts of the content of files.
pub(super) struct Files {
    files: u64,
    pub(super) frames: u64,
    /// Frames that are missing, because the ring had no room for them.
    ring_full: u64,
}

/// Small frames, to nowhere. The ring has room for all of them.
fn receive(lab: &Lab) -> Result<String> {
    let traffic = Traffic {
        ring: "32M",
        source: "gen:size=88,rate=50kpps,count=200000,late=delay",
        frames: 200_000,
    };
    let found = exchange(lab, &traffic, "null")?;
    match found.ring_full {
        0 => Ok(found.describe()),
        n => Err(wrong(format!("{n} frames were lost (ring_full)"))),
    }
}

/// Frames of mixed sizes, into files that are checked. The ring has room for all of them.
fn store(lab: &Lab) -> Result<String> {
    let traffic = Traffic {
        ring: "64M",
        source: "gen:size=imix,rate=30kpps,count=150000,late=delay",
        frames: 150_000,
    };
    exchange_files(lab, &traffic, "store")
}

/// A ring that holds a few hundred frames. Whatever it cannot take must be counted, in the ledger and in the file.
fn small_ring(lab: &Lab) -> Result<String> {
    let traffic = Traffic {
        ring: "512K",
        source: "gen:size=1012,rate=20kpps,count=80000,late=delay",
        frames: 80_000,
    };
    exchange_files(lab, &traffic, "small")
}

/// Frames of every length, into dozens of files: records end at, before and behind the edges of files. A queue
/// starts at most ten files a second, so that the traffic takes some seconds.
fn padding_edge(lab: &Lab) -> Result<String> {
    const FRAMES: u64 = 100_000;
    let folder = lab.path("padding");
    let destination = folder.display().to_string();
    let source = format!("gen:size=60-1514,rate=20kpps,count={FRAMES},late=delay");
    let recorder = lab.start(
        "hpcapdd",
        &[
            "--source",
            &source,
            &destination,
            "--ring",
            "1M",
            "--rotate-size",
            "256K",
            "--json",
        ],
    )?;
    let ended = recorder.wait()?;
    if !ended.status.success() {
        return Err(failed("hpcapdd", &ended.messages));
    }
    let found = check_files(lab, &destination)?;
    let text = found.describe();
    remove(lab, "padding");
    match found.frames + found.ring_full == FRAMES {
        true => Ok(text),
        false => Err(wrong(format!("{text}, and {FRAMES} frames were sent"))),
    }
}

pub(super) fn told(test: &'static str, done: Result<String>) -> Outcome {
    match done {
        Ok(found) => Outcome::pass(test, found),
        Err(e) => Outcome::fail(
            test,
            e.to_string(),
            "hpcapctl doctor; please report it with this output if nothing explains it",
        ),
    }
}

fn failed(program: &str, messages: &str) -> Error {
    Error::new(
        Kind::Io,
        format!("run {program} for a test"),
        messages.to_owned(),
    )
}

pub(super) fn wrong(why: String) -> Error {
    Error::new(Kind::Format, "account for every frame", why)
}

impl Delivered {
    fn describe(&self) -> String {
        let mut text = format!("{} frames", self.captured);
        for (frames, what) in [
            (self.ring_full, "counted as lost (ring_full)"),
            (self.before_recorder, "before the recorder was there"),
        ] {
            if frames > 0 {
                text += &format!(", {frames} {what}");
            }
        }
        text
    }
}

impl Files {
    pub(super) fn describe(&self) -> String {
        let plural = if self.files == 1 { "" } else { "s" };
        let text = format!(
            "{} frames in {} sound file{plural}",
            self.frames, self.files
        );
        match self.ring_full {
            0 => text,
            n => format!("{text}, and gaps for {n} lost ones (ring_full)"),
        }
    }
}

/// Sends the traffic through hpcapd and hpcapdd to `destination`, and checks that the ledger has every frame.
fn exchange(lab: &Lab, traffic: &Traffic, destination: &str) -> Result<Delivered> {
    let source = format!("hpcap0={}", traffic.source);
    let run_dir = lab.path("run").display().to_string();
    let mut daemon = lab.start(
        "hpcapd",
        &[
            "--run-dir",
            &run_dir,
            "--pages",
            "ordinary",
            "--ring",
            traffic.ring,
            "--json",
            &source,
        ],
    )?;
    daemon.wait_for("serving")?;
    let recorder = lab.start("hpcapdd", &["hpcap0", destination, "--json"])?;
    let recorder = recorder.wait()?;
    if !recorder.status.success() {
        return Err(failed("hpcapdd", &recorder.messages));
    }
    let daemon = daemon.wait()?;
    let ended = daemon.events.iter().find(|event| event["event"] == "ended");
    let Some(ended) = ended.filter(|_| daemon.status.success()) else {
        return Err(failed("hpcapd", &daemon.messages));
    };
    let reason = |name: &str| ended["ledger"][name]["frames"].as_u64().unwrap_or(0);
    let delivered = Delivered {
        captured: reason("captured"),
        ring_full: reason("ring_full"),
        before_recorder: reason("no_listener"),
    };
    let lost: Vec<String> = ended["ledger"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !["captured", "no_listener", "ring_full"].contains(&name.as_str()))
        .filter_map(|(name, value)| match value["frames"].as_u64() {
            Some(frames @ 1..) => Some(format!("{frames} {name}")),
            _ => None,
        })
        .collect();
    if !lost.is_empty() {
        return Err(wrong(format!("frames are missing: {}", lost.join(", "))));
    }
    if delivered.captured == 0 {
        return Err(wrong(
            "the recorder was attached too late, and got no frame".to_owned(),
        ));
    }
    let counted = delivered.captured + delivered.ring_full + delivered.before_recorder;
    match counted == traffic.frames {
        true => Ok(delivered),
        false => Err(wrong(format!(
            "{} frames were sent, and the ledger has {}",
            traffic.frames,
            delivered.describe()
        ))),
    }
}

/// As [`exchange`], but into files, which must have every captured frame, and a gap for every frame that is missing.
fn exchange_files(lab: &Lab, traffic: &Traffic, name: &str) -> Result<String> {
    let destination = lab.path(name).display().to_string();
    let sent = exchange(lab, traffic, &destination)?;
    let found = check_files(lab, &destination)?;
    remove(lab, name);
    match (found.frames, found.ring_full) == (sent.captured, sent.ring_full) {
        true => Ok(format!("{}: {}", sent.describe(), found.describe())),
        false => Err(wrong(format!(
            "the ledger has {}, and there are {}",
            sent.describe(),
            found.describe()
        ))),
    }
}

/// Checks all files in a folder.
pub(super) fn check_files(lab: &Lab, folder: &str) -> Result<Files> {
    let checked = lab
        .start("checkraw", &["--json", "--quiet", folder])?
        .wait()?;
    let total = checked.events.iter().find_map(|event| event.get("total"));
    let Some(total) = total.filter(|_| checked.status.success()) else {
        let damaged = checked
            .events
            .iter()
            .filter(|event| event["sound"] == false);
        let findings: Vec<String> = damaged
            .take(3)
            .map(|event| event["findings"].to_string())
            .collect();
        let text = format!("{}\n{}", checked.messages, findings.join("\n"));
        return Err(failed("checkraw", text.trim()));
    };
    Ok(Files {
        files: total["files"].as_u64().unwrap_or(0),
        frames: total["frames"]["frames"].as_u64().unwrap_or(0),
        ring_full: total["lost"]["ring_full"]["frames"].as_u64().unwrap_or(0),
    })
}

/// Frees the space of a test's files early; what is left goes with the folder.
pub(super) fn remove(lab: &Lab, name: &str) {
    let _ = fs::remove_dir_all(lab.path(name));
}
