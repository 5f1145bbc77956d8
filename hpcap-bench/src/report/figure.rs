//! A measured quantity: the median of several runs, with the smallest and the largest.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Nanoseconds per frame; less is better.
    #[serde(rename = "ns/frame")]
    NsPerFrame,
    /// Bytes per second; more is better.
    #[serde(rename = "B/s")]
    BytesPerSecond,
    /// Bytes; less is better.
    #[serde(rename = "B")]
    Bytes,
    /// Part of a whole, from 0 to 1; less is better.
    #[serde(rename = "part")]
    Part,
    /// Events per second; less is better.
    #[serde(rename = "1/s")]
    PerSecond,
}

/// The median, the smallest and the largest of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The unit of the values.
    pub unit: Unit,
    /// The median value.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// Number of runs.
    pub runs: usize,
}

impl Figure {
    /// Summarises `runs`; all values are zero without a run.
    #[must_use]
    pub fn of(unit: Unit, runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
        Self {
            unit,
            median: median_of_sorted(&sorted),
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
            runs: sorted.len(),
        }
    }
}

/// Returns the median of `values`; zero without a value.
#[must_use]
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let at = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) && middle > 0 {
        f64::midpoint(at(middle - 1), at(middle))
    } else {
        at(middle)
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::NsPerFrame if value.abs() < 10.0 => format!("{value:.2}"),
            Self::NsPerFrame if value.abs() < 1000.0 => format!("{value:.1}"),
            Self::NsPerFrame => format!("{value:.0}"),
            Self::BytesPerSecond => format!("{:.2}", value / 1e9),
            Self::Bytes => format!("{:.1}", value / 1_048_576.0),
            Self::Part => format!("{:.2}", value * 100.0),
            Self::PerSecond => format!("{value:.0}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::NsPerFrame => "ns",
            Self::BytesPerSecond => "GB/s",
            Self::Bytes => "MiB",
            Self::Part => "%",
            Self::PerSecond => "a second",
        }
    }

    /// Formats a value with its unit.
    pub(super) fn with_name(self, value: f64) -> String {
        format!("{} {}", self.show(value), self.name())
    }
}

/// Formats the figure like `12.3 ns (12.1 to 13.0)`.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.unit.with_name(self.median))?;
        let (min, max) = (self.unit.show(self.min), self.unit.show(self.max));
        if self.runs > 1 && min != max {
            write!(f, " ({min} to {max})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_value() {
        let figure = Figure::of(Unit::NsPerFrame, &[3.0, 1.0, 20.0]);
        assert_eq!((figure.min, figure.median, figure.max), (1.0, 3.0, 20.0));
        assert_eq!(Figure::of(Unit::Bytes, &[1.0, 2.0]).median, 1.5);
        assert_eq!(Figure::of(Unit::Bytes, &[]).runs, 0);
    }

    #[test]
    fn figure_is_short() {
        let figure = Figure::of(Unit::NsPerFrame, &[12.345, 12.0, 13.06]);
        assert_eq!(figure.to_string(), "12.3 ns (12.0 to 13.1)");
        assert_eq!(
            Figure::of(Unit::BytesPerSecond, &[2.5e9]).to_string(),
            "2.50 GB/s"
        );
    }
}
