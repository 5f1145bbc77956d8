//! The help: every term of the screens, and the keys. What the counters mean comes from their one table.

use hpcap::counters::{Counter, INTERFACE, LISTENER, QUEUE};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::put;
use super::{View, take_bottom, title, wrap};
use crate::app::keys::KEYS;

/// The columns and words of the screens that are not counters.
const TERMS: &[(&str, &str)] = &[
    (
        "queue",
        "a ring with a name: an adapter, and after a colon one of its queues",
    ),
    ("L", "flag: the interface has a link, or the source runs"),
    (
        "C",
        "flag: a listener costs frames now; the ring is full of what it has not read",
    ),
    (
        "D",
        "flag: frames are discarded now, because nobody listens",
    ),
    (
        "E",
        "flag: damaged frames have arrived, since the start of the queue or of the driver",
    ),
    (
        "M",
        "flag: the NIC or the kernel misses frames now, before hpcap sees them",
    ),
    (
        "wire",
        "traffic of the last second with preamble, FCS and gap, which are 24 bytes a frame; key u changes the unit",
    ),
    (
        "use",
        "part of the speed of the link that the traffic takes",
    ),
    (
        "lost now, %",
        "frames lost in the last second, for any reason, and their part of the wire",
    ),
    (
        "lost all, % all",
        "frames lost since the queue started, and their part of the wire",
    ),
    (
        "no loss",
        "time without a loss; > means that nobody watched before, so it may be longer",
    ),
    (
        "ring",
        "part of the ring that waits for the slowest lossless listener",
    ),
    (
        "slack",
        "time until the ring is full if its listeners stand still and the traffic stays as it is",
    ),
    (
        "mean",
        "mean length of a frame in the last second, without FCS: all that the ledger knows of the mix of lengths",
    ),
    ("frames", "frames a second on the wire"),
    ("received", "bytes on the wire since the queue started"),
    (
        "poll",
        "load of the thread that fills the ring; near 100 % it may be too slow, but a thread that spins is always there",
    ),
    (
        "dup, dup %",
        "duplicates that were removed or marked: a second or, if there are none now, all; and their part of the wire",
    ),
    (
        "trend",
        "traffic of the last seconds, one character a second",
    ),
    (
        "why",
        "reasons of all losses since the queue started, the largest first",
    ),
    (
        "contract",
        "lossless: the ring waits for the listener; lossy: it does not; max: it waits for so long",
    ),
    (
        "state",
        "starting, active, stopped (its process), demoted (now lossy), finished (reads the rest), killed",
    ),
    (
        "lag",
        "bytes that the listener has not read yet, and their part of the ring",
    ),
    (
        "reads",
        "bytes a second that the listener takes out of the ring",
    ),
    (
        "disk",
        "bytes a second that its process writes to disks; ? if this user may not know",
    ),
    (
        "hugepages",
        "free and all pages of each size on each NUMA node",
    ),
];

/// Draws the lines from the one that the user has scrolled to. Returns the number of that line.
pub(super) fn draw(view: &View<'_>, mut area: Rect, buf: &mut Buffer) -> u16 {
    let keys = take_bottom(&mut area, 1);
    let hint = "Up, Down, PgUp, PgDn scroll  ? or Esc back  q quit";
    put(
        buf,
        keys.x,
        keys.y,
        keys.width,
        hint,
        view.theme.quiet(),
        false,
    );
    let lines = lines(usize::from(area.width));
    let last = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let scroll = view.app.scroll.min(last.saturating_sub(area.height));
    for (y, line) in (area.y..area.bottom()).zip(&lines[usize::from(scroll)..]) {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        match line {
            Line::Title(text) => title(view, text, row, buf),
            Line::Text { term, text } => {
                put(buf, area.x + 1, y, TERM, term, view.theme.heading(), false);
                let x = area.x + 2 + TERM;
                put(
                    buf,
                    x,
                    y,
                    area.width.saturating_sub(2 + TERM),
                    text,
                    Style::new(),
                    false,
                );
            }
        }
    }
    scroll
}

/// Width of the terms.
const TERM: u16 = 24;

enum Line {
    Title(&'static str),
    Text { term: String, text: String },
}

fn lines(width: usize) -> Vec<Line> {
    let mut lines = vec![Line::Title("keys")];
    for (key, what) in KEYS {
        explain(&mut lines, key, what, width);
    }
    lines.push(Line::Title("columns, flags and words"));
    for (term, what) in TERMS {
        explain(&mut lines, term, what, width);
    }
    lines.push(Line::Title(
        "what became of frames, and other counters of a queue",
    ));
    counters(&mut lines, QUEUE, width);
    lines.push(Line::Title("values of a listener"));
    counters(&mut lines, LISTENER, width);
    lines.push(Line::Title("counters of an interface"));
    counters(&mut lines, INTERFACE, width);
    lines
}

fn counters<S>(lines: &mut Vec<Line>, rows: &[Counter<S>], width: usize) {
    // The bytes of a reason need no second explanation.
    for row in rows.iter().filter(|row| !row.key.ends_with(".bytes")) {
        let key = row.key.strip_prefix("ledger.").unwrap_or(row.key);
        let key = key.strip_suffix(".frames").unwrap_or(key);
        let text = match row.advice {
            "" => row.meaning.to_owned(),
            advice => format!("{}. When it grows: {advice}", row.meaning),
        };
        explain(lines, key, &text, width);
    }
}

fn explain(lines: &mut Vec<Line>, term: &str, text: &str, width: usize) {
    let room = width.saturating_sub(usize::from(TERM) + 3).max(10);
    let mut term = term.to_owned();
    for part in wrap(text, room) {
        lines.push(Line::Text {
            term: std::mem::take(&mut term),
            text: part,
        });
    }
}
