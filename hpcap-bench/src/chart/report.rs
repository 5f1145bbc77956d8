//! The page of a run: one HTML file that needs no other, and the charts as files of their own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hpcap::Result;
use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap_chart::{Escaped, Paint, Theme};

use super::select::{Chart, charts};
use super::short;
use crate::run::{Measurement, Results};

/// The name of the page.
pub const FILE: &str = "report.html";

/// Writes the page and the charts of `results` into `folder`.
///
/// # Errors
/// When a file cannot be written, or a chart is too large for a picture.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    let charts = charts(results);
    let put = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).context(|| format!("write {}", path.display()))
    };
    for chart in &charts {
        let svg = chart.drawing.svg(Paint::Fixed(Theme::Light));
        put(format!("{}.svg", chart.name), svg.as_bytes())?;
        put(
            format!("{}.png", chart.name),
            &chart.drawing.png(Theme::Light)?,
        )?;
    }
    put(FILE.into(), page(results, &charts).as_bytes())
}

const STYLE: &str = "body{font:15px/1.5 Roboto,Helvetica,Arial,sans-serif;background:var(--page);\
color:var(--text);max-width:1000px;margin:2em auto;padding:0 1em}svg{max-width:100%;height:auto;\
margin:1em 0}table{border-collapse:collapse;font-size:13px;margin:1em 0;display:block;\
overflow-x:auto}th,td{padding:.3em .6em;text-align:right;border-bottom:1px solid var(--grid)}\
th:first-child,td:first-child{text-align:left}.bad{color:var(--bad);font-weight:bold}\
.good{color:var(--good);font-weight:bold}dt{font-weight:bold}dd{margin:0 0 .5em 0}";

fn page(results: &Results, charts: &[Chart]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>Captures, measured frame by frame</title>\n\
         <style>{}{STYLE}</style></head><body>\n<h1>Captures, measured frame by frame</h1>\n",
        Theme::style_sheet()
    );
    // Writing to a string does not fail.
    let _ = write_page(&mut html, results, charts);
    html.push_str("</body></html>\n");
    html
}

fn write_page(html: &mut String, results: &Results, charts: &[Chart]) -> std::fmt::Result {
    let problems = results.problems();
    let (done, planned) = (results.measurements.len(), results.planned);
    if done < planned {
        let left = planned - done;
        writeln!(
            html,
            "<p class=\"bad\">{left} of {planned} measurements were not made.</p>"
        )?;
    }
    if problems.is_empty() {
        writeln!(
            html,
            "<p class=\"good\">Every frame of {done} measurements is accounted for.</p>"
        )?;
    } else {
        writeln!(html, "<p class=\"bad\">What does not add up:</p><ul>")?;
        for problem in &problems {
            writeln!(html, "<li>{}</li>", Escaped(problem))?;
        }
        writeln!(html, "</ul>")?;
    }
    for chart in charts {
        html.push_str(&chart.drawing.svg(Paint::Classes));
    }
    write_table(html, &results.measurements)?;
    write_machine(html, results)
}

fn write_table(html: &mut String, measurements: &[Measurement]) -> std::fmt::Result {
    writeln!(
        html,
        "<h2>Measurements</h2>\n<table><tr><th>what</th><th>sent</th><th>kpps</th><th>captured</th>\
         <th>copies removed</th><th>lost</th><th>unexplained</th><th>user + kernel, ns</th>\
         <th>outside, ns</th><th>latency 50 / 99 %, ms</th><th>stamp error, median, &micro;s</th>\
         <th>memory</th></tr>"
    )?;
    for m in measurements {
        let a = &m.account;
        let latency = a.latency.map_or_else(String::new, |l| {
            format!(
                "{} / {}",
                short(l.p50_ns as f64 / 1e6),
                short(l.p99_ns as f64 / 1e6)
            )
        });
        let stamp = a
            .stamp_error
            .map_or_else(String::new, |s| short(s.p50_ns as f64 / 1e3));
        writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{} + {}</td><td>{}</td><td>{latency}</td><td>{stamp}</td><td>{}</td></tr>",
            Escaped(&m.what()),
            a.offered.frames,
            short(a.offered.frames as f64 / a.offered.seconds.max(1e-9) / 1e3),
            a.captured,
            a.removed_copies(),
            a.lost(),
            a.unexplained
                .map_or("not told".to_owned(), |n| n.to_string()),
            short(m.cost.user_ns),
            short(m.cost.kernel_ns),
            short(m.cost.outside_ns),
            Bytes(m.memory_bytes),
        )?;
    }
    writeln!(html, "</table>")
}

fn write_machine(html: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    writeln!(html, "<h2>The machine</h2>\n<dl>")?;
    let clock = machine
        .clock_hz
        .map_or_else(String::new, |hz| format!(", {:.2} GHz", hz / 1e9));
    let optimised = if machine.optimised {
        ""
    } else {
        ", not optimised: these figures mean nothing"
    };
    let mitigations: Vec<String> = machine
        .mitigations
        .iter()
        .map(|(name, state)| format!("{name}: {state}"))
        .collect();
    let programs: Vec<String> = machine.programs.values().cloned().collect();
    for (name, text) in [
        ("Time", format!("{} UTC", machine.date)),
        (
            "Processor",
            format!("{} ({} processors{clock})", machine.processor, machine.cpus),
        ),
        ("Memory", Bytes(machine.memory_bytes).to_string()),
        (
            "Kernel",
            format!(
                "Linux {}, clock source {}",
                machine.kernel, machine.clock_source
            ),
        ),
        ("Path of the frames", machine.path.clone()),
        (
            "Programs",
            [
                vec![format!("hpcap {}{optimised}", machine.hpcap)],
                programs,
            ]
            .concat()
            .join("; "),
        ),
        ("Mitigations", mitigations.join("; ")),
        ("Command", results.command.clone()),
    ] {
        writeln!(html, "<dt>{name}</dt><dd>{}</dd>", Escaped(&text))?;
    }
    writeln!(html, "</dl>")
}
