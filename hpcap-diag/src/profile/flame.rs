//! Stacks of a profile as lines for other programs, and as a flame graph.

use hpcap::{Error, Kind, Result};
use inferno::flamegraph;

use super::result::Profile;

/// Renders the stacks as flame graphs' programs read them: `thread;outer;inner 12`, a stack a line.
#[must_use]
pub fn folded(profile: &Profile) -> String {
    let line = |(stack, samples): (&Vec<String>, &u64)| {
        let names: Vec<String> = stack.iter().map(|name| clean(name)).collect();
        format!("{} {samples}\n", names.join(";"))
    };
    profile.stacks.iter().map(line).collect()
}

/// A name without what ends a name in such a line.
fn clean(name: &str) -> String {
    name.replace(|c: char| c == ';' || c.is_control(), "_")
}

/// Draws the stacks as SVG: the wider a function, the more samples were in it and in what it called.
///
/// # Errors
/// [`Kind::NotFound`] if there is no stack to draw.
pub fn svg(profile: &Profile) -> Result<Vec<u8>> {
    let mut options = flamegraph::Options::default();
    options.title = format!("Where hpcap spends its time, {:.1} s", profile.seconds);
    options.subtitle = Some(format!(
        "{} at {} Hz, {} samples, {} lost; functions of the kernel end in [k]",
        profile.event.name(),
        profile.frequency_hz,
        profile.samples,
        profile.lost
    ));
    options.deterministic = true;
    let folded = folded(profile).replace("_[k]", " [k]");
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut svg)
        .map_err(|e| Error::new(Kind::NotFound, "draw a flame graph", e.to_string()))?;
    Ok(svg)
}
