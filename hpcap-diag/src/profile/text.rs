//! A profile as text for people.

use std::fmt::Write;

use hpcap::visible::visible;

use super::result::{FunctionShare, Profile, ThreadShare};
use crate::report::wrap;

/// Threads with less than this part of a CPU have no table of functions.
const CPU_SHARE_MIN: f64 = 0.005;
/// Functions of a thread in less than this part of its samples are not worth a line.
const SHARE_MIN: f64 = 0.005;

/// Renders `profile`, with at most `top` functions of a thread.
#[must_use]
pub fn render(profile: &Profile, top: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:.1} s, {} at {} Hz: {} samples, {} lost",
        profile.seconds,
        profile.event.name(),
        profile.frequency_hz,
        profile.samples,
        profile.lost
    );
    for missing in &profile.missing {
        wrap::write("  ", missing, &mut out);
    }
    if profile.throttled > 0 {
        let text = format!(
            "The kernel paused the event {} times, because it came too often; --frequency asks for fewer samples.",
            profile.throttled
        );
        wrap::write("  ", &text, &mut out);
    }
    if profile.threads.is_empty() {
        out.push_str(
            "\nNo sample was in a thread that is profiled, nor in a softirq: they were idle.\n",
        );
    } else {
        out.push_str("\n  of a CPU   samples  thread\n");
    }
    for thread in &profile.threads {
        let (share, samples) = (thread.cpu_share * 100.0, thread.samples);
        let _ = writeln!(
            out,
            "  {share:6.1} % {samples:9}  {}",
            visible(&thread.thread)
        );
    }
    if profile.elsewhere > 0 {
        let _ = writeln!(out, "           {:9}  other programs", profile.elsewhere);
    }
    let busy = |thread: &&ThreadShare| thread.cpu_share >= CPU_SHARE_MIN;
    for thread in profile.threads.iter().filter(busy) {
        let _ = writeln!(out, "\n{}", visible(&thread.thread));
        functions(&mut out, &thread.functions, thread.samples, top);
    }
    let own = 100.0 * profile.own_cpu_seconds / profile.seconds.max(0.001);
    let _ = writeln!(
        out,
        "\nhpcap-diag itself used {own:.1} % of a CPU meanwhile."
    );
    out
}

fn functions(out: &mut String, functions: &[FunctionShare], all: u64, top: usize) {
    let part = |samples: u64| samples as f64 / all.max(1) as f64;
    let shown = functions
        .iter()
        .take_while(|function| part(function.samples) >= SHARE_MIN)
        .take(top);
    let mut rest = all;
    out.push_str("     share   samples  module            function\n");
    for function in shown {
        rest -= function.samples.min(rest);
        let inlined = match &function.inlined_into {
            Some(outer) => format!(", inlined into {outer}"),
            None => String::new(),
        };
        let _ = writeln!(
            out,
            "  {:6.1} % {:9}  {:16}  {}{}",
            part(function.samples) * 100.0,
            function.samples,
            visible(&function.module),
            visible(&function.function),
            visible(&inlined)
        );
    }
    if rest > 0 {
        let _ = writeln!(out, "  {:6.1} % {rest:9}  all others", part(rest) * 100.0);
    }
}
