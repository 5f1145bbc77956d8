//! The findings of a collection, as text and as JSON.

use hpcap::Result;
use hpcap::report::json_line;
use hpcap::visible::visible;

use super::wrap;
use crate::bundle::Bundle;
use crate::rules::{Finding, Level, RULES};

/// Writes the findings in `bundle`, which is called `name`: as text, or as one JSON object a line.
///
/// # Errors
/// [`hpcap::Kind::Io`] if a finding cannot be written as JSON.
pub fn render(name: &str, bundle: &Bundle, findings: &[Finding], json: bool) -> Result<String> {
    if json {
        return findings.iter().map(json_line).collect();
    }
    let mut out = String::new();
    wrap::write("", &headline(name, bundle), &mut out);
    for complaint in &bundle.complaints {
        wrap::write("  note: ", &visible(complaint), &mut out);
    }
    for (number, finding) in (1..).zip(findings) {
        out.push('\n');
        write(number, finding, &mut out);
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    out += &match findings.is_empty() {
        true => format!("\nnothing found by {} rules\n", RULES.len()),
        false => {
            let counts = [Level::Problem, Level::Warning, Level::Note].map(|level| {
                let number = count(level);
                let plural = if number == 1 { "" } else { "s" };
                format!("{number} {}{plural}", level.name())
            });
            format!("\n{}\n", counts.join(", "))
        }
    };
    Ok(out)
}

fn headline(name: &str, bundle: &Bundle) -> String {
    let mut parts = vec![format!("{}:", visible(name))];
    if let Some(about) = bundle.about() {
        parts.push(format!(
            "{}, counters read twice within {:.0} s,",
            visible(&about.started),
            about.interval_seconds
        ));
        parts.push(format!("by {}", visible(&about.program)));
        if !about.root {
            parts.push("without root, which sees more".to_owned());
        }
    }
    parts.join(" ")
}

fn write(number: usize, finding: &Finding, out: &mut String) {
    let about = match finding.subject.is_empty() {
        true => String::new(),
        false => format!("{}: ", visible(&finding.subject)),
    };
    let title = format!(
        "{}: {about}{}",
        finding.level.name(),
        visible(&finding.title)
    );
    wrap::write(&format!("{number}. "), &title, out);
    let texts = [
        ("   found  ", &finding.evidence),
        ("   means  ", &finding.meaning),
        ("   do     ", &finding.fix),
    ];
    for (head, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        wrap::write(head, &visible(text), out);
    }
}
