//! Prints the reports, as text or as JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use hpcap::error::Context;
use hpcap::raw::check::{Finding, Reasons, Report, Severity};
use hpcap::units::Bytes;
use hpcap::visible::{visible, visible_json};
use hpcap::{Error, Result};
use serde::Serialize;

use super::total::Total;
use super::warnings;
use crate::inputs::Input;
use crate::progress::Progress;

/// Outcome of a repair or of a dry run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Repaired {
    /// A line of text for each step.
    pub(super) steps: Vec<String>,
    /// Whether the steps were only printed, by --dry-run.
    #[serde(rename = "dry_run")]
    pub(super) shown: bool,
    /// Files that hold the replaced bytes.
    pub(super) saved: Vec<String>,
    /// New path of the file, if it was renamed.
    pub(super) renamed: Option<String>,
    /// Whether the file is sound after the repair; `None` after a dry run.
    pub(super) sound: Option<bool>,
}

#[derive(Serialize)]
struct Line<'a> {
    path: String,
    sound: bool,
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<&'a Repaired>,
}

#[derive(Serialize)]
struct Sum<'a> {
    total: &'a Total,
}

#[derive(Serialize)]
struct Failure {
    path: String,
    error: String,
}

pub(super) struct Printer {
    json: bool,
    quiet: bool,
    /// Largest number of findings and gaps that are printed for each file.
    most: usize,
    /// Whether each warning gets a line; otherwise each kind of warning gets one.
    each: bool,
    total: Total,
}

impl Printer {
    pub(super) fn new(json: bool, quiet: bool, most: usize, each: bool) -> Self {
        Self {
            json,
            quiet,
            most,
            each,
            total: Total::default(),
        }
    }

    pub(super) fn failed(&mut self, input: &Input, e: &Error, progress: &Progress) -> Result<()> {
        self.total.files += 1;
        if self.json {
            self.json(&Failure {
                path: input.name(),
                error: e.to_string(),
            })
        } else {
            progress.print_line(&format!("checkraw: {e}"));
            Ok(())
        }
    }

    /// Reports a file that was deleted after the inputs were listed, by the retention of a recorder
    /// for example.
    pub(super) fn deleted(&mut self, input: &Input, progress: &Progress) -> Result<()> {
        self.total.deleted += 1;
        if self.json {
            return self.json(&Failure {
                path: input.name(),
                error: "deleted before it was checked".into(),
            });
        }
        if !self.quiet {
            progress.print_line(&format!(
                "checkraw: {}: deleted before it was checked",
                input.name()
            ));
        }
        Ok(())
    }

    pub(super) fn report(
        &mut self,
        input: &Input,
        report: &Report,
        repair: Option<&Repaired>,
        progress: &Progress,
    ) -> Result<()> {
        let sound = repair.and_then(|r| r.sound).unwrap_or(report.is_sound());
        self.total.add(report, sound, self.most);
        if self.json {
            return self.json(&Line {
                path: input.name(),
                sound,
                report,
                repair,
            });
        }
        if self.quiet && report.is_sound() {
            return Ok(());
        }
        let text = self.text(input, report, repair);
        progress.suspend(|| print(&text))
    }

    /// Prints the total if there were several files, or if `always` is set.
    pub(super) fn total(&self, always: bool) -> Result<&Total> {
        let total = &self.total;
        if self.json {
            self.json(&Sum { total })?;
        } else if always || (!self.quiet && total.files + total.deleted > 1) {
            print(&self.total_text())?;
        }
        Ok(total)
    }

    fn total_text(&self) -> String {
        let total = &self.total;
        let s = |n: u64| if n == 1 { "" } else { "s" };
        let mut line = format!(
            "{} file{}, {} sound, {} frame{}",
            total.files,
            s(total.files),
            total.sound,
            total.frames.frames,
            s(total.frames.frames)
        );
        if let (Some(first), Some(last)) = (total.first, total.last) {
            line += &format!(", {} to {}", first.local(), last.local());
        }
        if total.deleted > 0 {
            line += &format!("; {} deleted before they were checked", total.deleted);
        }
        let mut lines = vec![line];
        if total.has_loss() {
            lines.push(format!(
                "  missing in {} gap{}: {}",
                total.gaps,
                s(total.gaps),
                Reasons(&total.lost)
            ));
            lines.extend(total.missing.iter().map(|missing| {
                let from = missing
                    .from
                    .map_or("before".into(), |from| format!("{} to", from.local()));
                format!(
                    "    {from} {}: {}",
                    missing.until.local(),
                    Reasons(&missing.lost)
                )
            }));
            more(&mut lines, total.gaps, total.missing.len(), "gaps");
        } else {
            lines.push("  no frame is missing".into());
        }
        lines.join("\n") + "\n"
    }

    fn json(&self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(line).map_err(|e| Error::io("make JSON", e.into()))?;
        text.push('\n');
        print(&visible_json(&text))
    }

    fn text(&self, input: &Input, report: &Report, repair: Option<&Repaired>) -> String {
        let mut lines = vec![headline(input, report)];
        if let Some(h) = &report.header {
            let queue = h.queue.as_deref().unwrap_or("no queue");
            lines.push(format!(
                "  {queue}, {} on {}, time by {}, {}, started {}",
                h.interface,
                h.host,
                h.clock_source,
                h.software,
                h.start.local()
            ));
        }
        if report.old_variant {
            lines.push("  the older variant of records, with one length".into());
        }
        if report.frames_cut > 0 {
            lines.push(format!(
                "  {} longer than 65535 bytes, stored cut",
                report.frames_cut
            ));
        }
        if report.times_adjusted > 0 {
            lines.push(format!(
                "  {} stored with another time, because a record cannot hold theirs",
                report.times_adjusted
            ));
        }
        if report.duplicates > 0 {
            lines.push(format!("  {} marked as duplicates", report.duplicates));
        }
        if report.frames_sent > 0 {
            lines.push(format!(
                "  {} sent by the machine itself",
                report.frames_sent
            ));
        }
        if report.gaps > 0 {
            let plural = if report.gaps == 1 { "" } else { "s" };
            lines.push(format!(
                "  missing in {} gap{plural}: {}",
                report.gaps,
                Reasons(&report.lost)
            ));
            lines.extend(
                report
                    .missing
                    .iter()
                    .map(|missing| format!("    {missing}")),
            );
            more(&mut lines, report.gaps, report.missing.len(), "gaps");
        }
        let of = |severity| {
            let is_of = move |finding: &&Finding| finding.problem.severity() == severity;
            report.findings.iter().filter(is_of)
        };
        let defects = of(Severity::Defect).map(|finding| format!("  defect: {finding}"));
        lines.extend(defects);
        let shown = of(Severity::Defect).count();
        more(&mut lines, report.defects, shown, "defects");
        if self.each {
            let warnings = of(Severity::Warning).map(|finding| format!("  warning: {finding}"));
            lines.extend(warnings);
            let shown = of(Severity::Warning).count();
            more(&mut lines, report.warnings, shown, "warnings");
        } else {
            lines.extend(warnings::lines(report));
        }
        if let Some(repair) = repair {
            repair.text(&mut lines, self.most);
        }
        // Control characters in the header are escaped, because the header's text may come from
        // anybody.
        lines
            .iter()
            .flat_map(|line| [visible(line), Cow::Borrowed("\n")])
            .collect()
    }
}

/// Adds a line with the number of items that are not shown.
fn more(lines: &mut Vec<String>, all: u64, shown: usize, what: &str) {
    let left = all.saturating_sub(shown as u64);
    if left > 0 {
        lines.push(format!("    and {left} more {what} (-e 0 prints all)"));
    }
}

fn headline(input: &Input, report: &Report) -> String {
    let s = |n: u64| if n == 1 { "" } else { "s" };
    let mut line = format!("{}: ", input.name());
    line += &match (report.defects, report.warnings) {
        (0, 0) => "sound".to_owned(),
        (0, w) => format!("sound, {w} warning{}", s(w)),
        (d, 0) => format!("{d} defect{}", s(d)),
        (d, w) => format!("{d} defect{}, {w} warning{}", s(d), s(w)),
    };
    let frames = report.frames.frames;
    line += &format!(
        ", {frames} frame{}, {}",
        s(frames),
        Bytes(report.file_bytes)
    );
    if let (Some(first), Some(last)) = (report.first, report.last) {
        line += &format!(", {} to {}", first.local(), last.local());
    }
    if report.under_way {
        line += ", under way";
    }
    if report.times_backwards > 0 {
        line += &format!(
            ", time goes back {} time{} (by {} ns at worst)",
            report.times_backwards,
            s(report.times_backwards),
            report.worst_backwards_ns
        );
    }
    if report.skipped_bytes > 0 {
        line += &format!(", {} skipped", Bytes(report.skipped_bytes));
    }
    line
}

impl Repaired {
    fn text(&self, lines: &mut Vec<String>, most: usize) {
        if self.steps.is_empty() {
            lines.push("  nothing to repair".into());
            return;
        }
        let does = if self.shown { "would be done" } else { "done" };
        lines.push(format!("  {does}:"));
        lines.extend(
            self.steps
                .iter()
                .take(most)
                .map(|step| format!("    {step}")),
        );
        more(
            lines,
            self.steps.len() as u64,
            most.min(self.steps.len()),
            "steps",
        );
        for path in &self.saved {
            lines.push(format!("  what it was before is in {path}"));
        }
        if let Some(path) = &self.renamed {
            lines.push(format!("  it is {path} now"));
        }
        match self.sound {
            Some(true) => lines.push("  sound now".into()),
            Some(false) => lines.push("  still not sound".into()),
            None => {}
        }
    }
}

pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context(|| "write the report to standard output")
}
