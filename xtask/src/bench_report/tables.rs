//! The commands that measure, and the tables that are written from what they measured.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use hpcap_bench::report::{Capture, Figure, Machine, Report, Row, Unit, markdown};
use hpcap_bench::run::Results;
use serde_json::Value;

/// A command line without the options that say where its results go.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) full: &'static str,
    /// A short form, for a first look.
    pub(super) quick: &'static str,
    /// Whether it writes a folder of results, and no JSON to stdout.
    pub(super) writes_folder: bool,
}

pub(super) const COMMANDS: [Command; 6] = [
    Command {
        name: "instructions",
        full: "hpcap-bench instructions --compare hpcap-bench/instructions.json",
        quick: "hpcap-bench instructions --compare hpcap-bench/instructions.json",
        writes_folder: false,
    },
    Command {
        name: "ring",
        full: "hpcap-bench ring --runs 5",
        quick: "hpcap-bench ring --runs 3 --ring 64M",
        writes_folder: false,
    },
    Command {
        name: "capture",
        full: "hpcap-bench capture --rates 1kpps,10kpps,50kpps,200kpps,max --seconds 2 --runs 3 --dir /dev/shm",
        quick: "hpcap-bench capture --rates 50kpps,max --seconds 1 --runs 1 --dir /dev/shm",
        writes_folder: false,
    },
    Command {
        name: "daemon",
        full: "hpcap-bench run --target hpcapd:af_packet,hpcapd:af_xdp --size 60 --rate 5kpps,50kpps,200kpps",
        quick: "hpcap-bench run --target hpcapd:af_packet,hpcapd:af_xdp --size 60 --rate 50kpps --duration 1s --repeats 1",
        writes_folder: true,
    },
    Command {
        name: "sniff",
        full: "hpcap-bench sniff --seconds 1 --runs 3",
        quick: "hpcap-bench sniff --seconds 1 --runs 1 --sizes 60 --rates 50kpps",
        writes_folder: false,
    },
    Command {
        name: "tap",
        full: "hpcap-bench tap --runs 3 --taps 120",
        quick: "hpcap-bench tap --runs 1 --taps 20 --seconds 1",
        writes_folder: false,
    },
];

impl Command {
    pub(super) fn line(&self, quick: bool) -> &'static str {
        if quick { self.quick } else { self.full }
    }
}

/// A table of the page.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The name of its command.
    pub(super) command: &'static str,
    pub(super) write: fn(&Measured) -> Result<String, String>,
}

pub(super) const TABLES: [Table; 7] = [
    Table {
        name: "instructions",
        command: "instructions",
        write: instructions,
    },
    Table {
        name: "two-queues",
        command: "ring",
        write: |measured| rows(measured, |row| row.what.starts_with("two queues")),
    },
    Table {
        name: "capture",
        command: "capture",
        write: |measured| captures(measured, &[("time a frame", time), ("wake-ups", wakeups)]),
    },
    Table {
        name: "daemon",
        command: "daemon",
        write: daemon,
    },
    Table {
        name: "sniff-output",
        command: "sniff",
        write: |measured| rows(measured, |_| true),
    },
    Table {
        name: "sniff-missed",
        command: "sniff",
        write: |measured| captures(measured, &[("", missed_and_time)]),
    },
    Table {
        name: "tap",
        command: "tap",
        write: |measured| rows(measured, |_| true),
    },
];

/// What a command has measured.
pub(super) struct Measured(Value);

impl Measured {
    pub(super) fn read(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(self.0.clone()).map_err(|e| format!("unexpected result: {e}"))
    }

    fn report(&self) -> Result<Report, String> {
        self.parse()
    }
}

/// Adds the sentence on the machine to a table.
fn on(table: &str, machine: &Machine) -> Result<String, String> {
    if !machine.optimised {
        return Err("the programs are not optimised: build with --release".into());
    }
    Ok(format!("{table}\nMeasured with {machine}."))
}

fn instructions(measured: &Measured) -> Result<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let counts = measured.0["counts"]
        .as_array()
        .ok_or("there are no counts")?;
    let rows = counts.iter().map(|count| {
        let per_frame = count["instructions_per_frame"].as_f64().unwrap_or(f64::NAN);
        vec![text(&count["what"]), format!("{per_frame:.0}")]
    });
    let table = markdown(&["loop", "instructions for a frame"], rows);
    let compilers = &measured.0["compilers"];
    let (rust, c) = (text(&compilers["rust"]), text(&compilers["c"]));
    Ok(format!("{table}\nCompiled with {rust} and {c}."))
}

/// A table of those rows that `choose` accepts.
fn rows(measured: &Measured, choose: impl Fn(&Row) -> bool) -> Result<String, String> {
    let report = measured.report()?;
    let rows: Vec<&Row> = report.rows.iter().filter(|row| choose(row)).collect();
    // A row without a figure says why.
    if let Some(skipped) = rows.iter().find(|row| row.ours.is_none()) {
        return Err(format!("{}: {}", skipped.what, skipped.note));
    }
    if rows.is_empty() {
        return Err("there are no rows".into());
    }
    let head = ["what", "ours", "beside", "ratio", "target", "result"];
    let table = markdown(&head, rows.iter().map(|row| row.cells().to_vec()));
    on(&table, &report.machine)
}

/// What a cell has of a capture.
type Cell = fn(&Capture) -> String;

fn spread(figure: &Figure) -> String {
    figure.to_string()
}

/// Processor time in the program and in the kernel, and losses if there are any.
fn time(capture: &Capture) -> String {
    let (user, kernel) = (capture.user.median, capture.kernel.median);
    let lost = match capture.captured < capture.offered {
        true => format!("; lost {}", spread(&capture.lost)),
        false => String::new(),
    };
    format!("{:.0} ns{lost}", user + kernel)
}

fn wakeups(capture: &Capture) -> String {
    format!("{:.0}", capture.wakeups.median)
}

fn missed_and_time(capture: &Capture) -> String {
    let time = capture.user.median + capture.kernel.median;
    format!("{}; {time:.0} ns", spread(&capture.lost))
}

/// A table with a line for each load, and columns of each program.
fn captures(measured: &Measured, cells: &[(&str, Cell)]) -> Result<String, String> {
    let report = measured.report()?;
    let Some(first) = report.captures.first() else {
        let why = report
            .rows
            .last()
            .map(|row| format!("{}: {}", row.what, row.note));
        return Err(why.unwrap_or_else(|| "there are no captures".into()));
    };
    let programs: Vec<&str> = (report.captures.iter())
        .filter(|capture| capture.load == first.load)
        .map(|capture| capture.tool.as_str())
        .collect();
    let mut loads: Vec<&str> = Vec::new();
    for capture in &report.captures {
        if loads.last() != Some(&capture.load.as_str()) {
            loads.push(&capture.load);
        }
    }
    // A line for each program and a column for each load is narrower when there are more programs.
    let (lines, columns, of_program) = match programs.len() > loads.len() {
        true => (&programs, &loads, true),
        false => (&loads, &programs, false),
    };
    let head: Vec<String> = std::iter::once(if of_program { "program" } else { "load" }.to_owned())
        .chain(columns.iter().map(|column| (*column).to_owned()))
        .collect();
    let find = |line: &str, column: &str| {
        let (program, load) = if of_program {
            (line, column)
        } else {
            (column, line)
        };
        let of = |capture: &&Capture| capture.load == load && capture.tool == program;
        report.captures.iter().find(of)
    };
    let cell = |capture: &Capture| {
        let parts = cells.iter().map(|(_, cell)| cell(capture));
        parts.collect::<Vec<_>>().join(" / ")
    };
    let body = lines.iter().map(|line| {
        let columns = columns
            .iter()
            .map(|column| find(line, column).map(cell).unwrap_or_default());
        std::iter::once((*line).to_owned()).chain(columns).collect()
    });
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    on(&markdown(&head, body), &report.machine)
}

/// A table of the processor time of a daemon, by rate and target.
fn daemon(measured: &Measured) -> Result<String, String> {
    let results: Results = measured.parse()?;
    if !results.machine.optimised {
        return Err("the programs are not optimised: build with --release".into());
    }
    if let Some(problem) = results.problems().first() {
        return Err(problem.clone());
    }
    let keys: BTreeSet<(&str, &str)> = (results.measurements.iter())
        .map(|m| (m.target.as_str(), m.rate.as_str()))
        .collect();
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for (target, rate) in keys {
        let of_key = || {
            results
                .measurements
                .iter()
                .filter(|m| m.target == target && m.rate == rate)
        };
        let figure = |unit, of: fn(&hpcap_bench::run::Measurement) -> f64| {
            Figure::of(unit, &of_key().map(of).collect::<Vec<_>>())
        };
        let time = figure(Unit::NsPerFrame, |m| m.cost.user_ns + m.cost.kernel_ns);
        let lost = figure(Unit::Part, |m| {
            m.account.lost() as f64 / m.account.offered.frames.max(1) as f64
        });
        let latency = figure(Unit::NsPerFrame, |m| {
            m.account
                .latency
                .map_or(f64::NAN, |latency| latency.p99_ns as f64)
        });
        let offered = figure(Unit::PerSecond, |m| m.account.offered.frames as f64);
        let cells = vec![
            target.to_owned(),
            rate.to_owned(),
            time.to_string(),
            format!("{:.1} ms", latency.median / 1e6),
            lost.to_string(),
        ];
        rows.push((offered.median, cells));
    }
    rows.sort_by(|a, b| a.1[0].cmp(&b.1[0]).then(a.0.total_cmp(&b.0)));
    let head = [
        "target",
        "rate",
        "time a frame",
        "99 % of the frames within",
        "lost",
    ];
    let table = markdown(&head, rows.into_iter().map(|(_, cells)| cells));
    let m = &results.machine;
    let memory = hpcap::units::Bytes(m.memory_bytes);
    Ok(format!(
        "{table}\nMeasured with hpcap {} on {} ({} CPUs, {memory}), Linux {}, {} UTC.",
        m.hpcap, m.processor, m.cpus, m.kernel, m.date
    ))
}
