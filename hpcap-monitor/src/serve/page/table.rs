//! Tables of the page.

use std::fmt::Write;

use crate::markup::Escaped;

/// A table under way. All its texts are escaped.
#[derive(Debug)]
pub(super) struct Table {
    title: &'static str,
    head: String,
    rows: String,
}

impl Table {
    /// A table with these columns; those of numbers begin with `#`.
    pub(super) fn new(title: &'static str, columns: &[&str]) -> Self {
        let mut head = String::new();
        for column in columns {
            let _ = match column.strip_prefix('#') {
                Some(name) => write!(head, "<th class=\"n\">{}</th>", Escaped(name)),
                None => write!(head, "<th>{}</th>", Escaped(column)),
            };
        }
        Self {
            title,
            head,
            rows: String::new(),
        }
    }

    /// Begins a row.
    pub(super) fn row(&mut self) {
        self.rows.push_str("<tr>");
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: &str) {
        let _ = write!(self.rows, "<td>{}</td>", Escaped(text));
    }

    /// Adds a text that may have several lines.
    pub(super) fn wide(&mut self, text: &str) {
        let _ = write!(self.rows, "<td class=\"w\">{}</td>", Escaped(text));
    }

    /// Adds a number, which the eye finds if it is an alarm.
    pub(super) fn number(&mut self, text: &str, alarm: bool) {
        let class = if alarm { "n alarm" } else { "n" };
        let _ = write!(self.rows, "<td class=\"{class}\">{}</td>", Escaped(text));
    }

    /// Adds a bar that is full at 100 percent, and its text.
    pub(super) fn bar(&mut self, percent: f64, text: &str, alarm: bool) {
        let role = if alarm { "bad" } else { "speed" };
        let _ = write!(
            self.rows,
            "<td><svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect class=\"f-grid\" width=\"100\" height=\"10\"/>\
             <rect class=\"f-{role}\" width=\"{:.1}\" height=\"10\"/></svg>{}</td>",
            percent.clamp(0.0, 100.0),
            Escaped(text)
        );
    }

    /// Writes the table, or `empty` if it has no rows.
    pub(super) fn finish(self, out: &mut String, empty: &str) {
        let _ = writeln!(out, "<h2>{}</h2>", self.title);
        let _ = match self.rows.is_empty() {
            true => writeln!(out, "<p class=\"empty\">{}</p>", Escaped(empty)),
            // Browsers end a row where the next begins.
            false => writeln!(
                out,
                "<div class=\"scroll\"><table>\n<tr>{}\n{}\n</table></div>",
                self.head,
                self.rows.replace("<tr>", "\n<tr>")
            ),
        };
    }
}
