//! The table of results: our figure, the peer's figure, their ratio, the target, and the verdict.

mod figure;
mod machine;
mod pairs;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use figure::median;
pub use figure::{Figure, Unit};
pub use machine::Machine;
pub use pairs::Pairs;

/// The target for a result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// At least this many times as fast as the peer.
    Ratio(f64),
    /// The figure is at least this value, in its unit.
    AtLeast(f64),
    /// The figure is at most this value, in its unit.
    AtMost(f64),
}

/// Whether a result meets its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The result meets the target.
    Pass,
    /// The result misses the target.
    Miss,
    /// There is no target.
    None,
    /// The result could not be measured.
    Skipped,
}

/// One row of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Figure of hpcap's program.
    pub ours: Option<Figure>,
    /// Name of the program or loop that it is compared with.
    pub peer_name: Option<String>,
    /// Figure of the peer.
    pub peer: Option<Figure>,
    /// How many times as fast as the peer hpcap's program is.
    pub ratio: Option<f64>,
    /// The target, if there is one.
    pub target: Option<Target>,
    /// Whether the result meets the target.
    pub verdict: Verdict,
    /// Conditions of the measurement, or the reason why it was skipped.
    pub note: String,
}

impl Row {
    /// Creates a row with hpcap's figure.
    #[must_use]
    pub fn new(what: impl Into<String>, ours: Figure) -> Self {
        Self {
            what: what.into(),
            ours: Some(ours),
            peer_name: None,
            peer: None,
            ratio: None,
            target: None,
            verdict: Verdict::None,
            note: String::new(),
        }
    }

    /// Creates a row for something that could not be measured, with the reason.
    #[must_use]
    pub fn skipped(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ours: None,
            peer_name: None,
            peer: None,
            ratio: None,
            target: None,
            verdict: Verdict::Skipped,
            note: why.into(),
        }
    }

    /// Sets the target and the verdict.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        let met = match (target, self.ours, self.ratio) {
            (Target::Ratio(least), _, Some(ratio)) => ratio >= least,
            (Target::AtLeast(least), Some(ours), _) => ours.median >= least,
            (Target::AtMost(most), Some(ours), _) => ours.median <= most,
            _ => return self,
        };
        self.target = Some(target);
        self.verdict = if met { Verdict::Pass } else { Verdict::Miss };
        self
    }

    /// Sets the note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Returns the cells of the row: what, ours, beside, ratio, target, result.
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        let unit = self.ours.map_or(Unit::Part, |ours| ours.unit);
        let target = match self.target {
            None => String::new(),
            Some(Target::Ratio(least)) => format!("≥ {least}"),
            Some(Target::AtLeast(least)) => format!("≥ {}", unit.with_name(least)),
            Some(Target::AtMost(most)) => format!("≤ {}", unit.with_name(most)),
        };
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Miss => "**miss**",
            Verdict::None => "",
            Verdict::Skipped => "skipped",
        };
        let peer = match (&self.peer_name, self.peer) {
            (Some(name), Some(peer)) => format!("{name}: {peer}"),
            _ => String::new(),
        };
        let end = [verdict, self.note.as_str()]
            .iter()
            .filter(|s| !s.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("; ");
        [
            self.what.clone(),
            self.ours.map(|f| f.to_string()).unwrap_or_default(),
            peer,
            self.ratio.map(|r| format!("{r:.2}")).unwrap_or_default(),
            target,
            end,
        ]
    }
}

/// The result of capturing with one program at one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    /// The name of the load.
    pub load: String,
    /// Name of the program.
    pub tool: String,
    /// Frames offered in all runs.
    pub offered: u64,
    /// Frames captured in all runs.
    pub captured: u64,
    /// The part of the frames that was lost.
    pub lost: Figure,
    /// Processor time in the program per captured frame.
    pub user: Figure,
    /// Processor time in the kernel per captured frame.
    pub kernel: Figure,
    /// How often a second a thread of the program went to sleep and was woken.
    pub wakeups: Figure,
    /// Processor time outside the program per offered frame: of the sender and of the kernel's
    /// threads that hand frames over.
    pub outside: Figure,
}

/// All results, and the machine on which they were measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The machine on which they were measured.
    pub machine: Machine,
    /// The rows of the table.
    pub rows: Vec<Row>,
    /// Results of captures of an interface.
    pub captures: Vec<Capture>,
}

impl Report {
    /// Creates a report without results.
    #[must_use]
    pub fn new() -> Self {
        Self {
            machine: Machine::here(),
            rows: Vec::new(),
            captures: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl Capture {
    fn cells(&self) -> [String; 9] {
        [
            self.load.clone(),
            self.tool.clone(),
            self.offered.to_string(),
            self.captured.to_string(),
            self.lost.to_string(),
            self.user.to_string(),
            self.kernel.to_string(),
            self.wakeups.to_string(),
            self.outside.to_string(),
        ]
    }
}

/// Formats the report as Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n", self.machine)?;
        if !self.rows.is_empty() {
            let head = ["what", "ours", "beside", "ratio", "target", "result"];
            table(f, head, self.rows.iter().map(Row::cells))?;
        }
        if !self.captures.is_empty() {
            let head = [
                "load on veth",
                "program",
                "offered",
                "captured",
                "lost",
                "user, a frame",
                "kernel, a frame",
                "wake-ups",
                "sender and delivery",
            ];
            f.write_str("\n")?;
            table(f, head, self.captures.iter().map(Capture::cells))?;
        }
        f.write_str("\nMedians, with the smallest and the largest run in parentheses.")
    }
}

/// Writes a Markdown table with aligned columns, which can also be read as plain text.
pub(crate) fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    let lines: Vec<[String; N]> = std::iter::once(head.map(String::from))
        .chain(rows)
        .collect();
    let width: [usize; N] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    });
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(width) {
            write!(f, "| {cell:<width$} ")?;
        }
        f.write_str("|\n")?;
        if number == 0 {
            for width in width {
                write!(f, "|{:-<w$}", "", w = width + 2)?;
            }
            f.write_str("|\n")?;
        }
    }
    Ok(())
}

/// Returns a Markdown table with narrow columns.
#[must_use]
pub fn markdown(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(value: f64) -> Figure {
        Figure::of(Unit::NsPerFrame, &[value])
    }

    fn beside(ours: f64, peer: f64) -> Row {
        let mut pairs = Pairs::new(Unit::NsPerFrame);
        pairs.add(ours, peer);
        pairs.row("x", "y")
    }

    #[test]
    fn target_is_met_or_missed() {
        let ratio = |least| beside(10.0, 8.0).target(Target::Ratio(least));
        assert_eq!(ratio(0.8).verdict, Verdict::Pass);
        assert_eq!(ratio(0.81).verdict, Verdict::Miss);
        let most = |most| Row::new("x", ns(10.0)).target(Target::AtMost(most)).verdict;
        assert_eq!((most(10.0), most(9.9)), (Verdict::Pass, Verdict::Miss));
        assert_eq!(
            Row::skipped("x", "no root")
                .target(Target::Ratio(1.0))
                .verdict,
            Verdict::Skipped
        );
    }

    #[test]
    fn table_is_markdown() {
        let mut report = Report::new();
        report.add(beside(10.0, 8.0).target(Target::Ratio(0.9)));
        report.add(Row::skipped("capture", "needs root"));
        let text = report.to_string();
        let table: Vec<&str> = text.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(table.len(), 4);
        assert!(table.iter().all(|l| l.matches('|').count() == 7));
        assert!(
            table[2].contains("0.80") && table[2].contains("**miss**"),
            "{text}"
        );
        assert!(table[3].contains("skipped; needs root"), "{text}");
    }
}
