//! A report as SVG, PNG and HTML.

use std::fmt::Write;
use std::path::Path;

use hpcap::Result;
use hpcap::error::Context;
use hpcap::output_file::{self, SHARED_MODE};

use super::Report;
use super::text::{Lasting, Short, columns};
use crate::chart::{Chart, Drawing, Paint, Size, Theme};
use crate::markup::{Escaped, Grouped};
use crate::span::Span;

/// Limit of the spans in the timeline of a page: a reader looks for losses, and does not read thousands of rows.
const ROWS: usize = 500;

const STYLE: &str = "\
body{margin:0 auto;padding:16px;max-width:980px;background:var(--page);color:var(--text);\
font:15px/1.45 Roboto,Helvetica,Arial,sans-serif}\
h1{font-size:22px;margin:4px 0 8px}h2{font-size:17px;margin:26px 0 6px}\
.good{color:var(--good)}.bad{color:var(--bad)}\
table{border-collapse:collapse;font-size:14px}\
th{text-align:left;color:var(--label);font-weight:normal;padding:3px 14px 3px 0;vertical-align:top}\
td{padding:3px 14px 3px 0;vertical-align:top}\
.scroll{overflow-x:auto}.scroll td,.scroll th{border-top:1px solid var(--grid);white-space:nowrap}\
.n{text-align:right;font-variant-numeric:tabular-nums}\
tr.loss td{color:var(--bad)}\
svg{max-width:100%;height:auto;display:block}.narrow{display:none}\
@media(max-width:640px){.wide{display:none}.narrow{display:block}}\
@media print{body{max-width:none}}";

impl Report {
    fn title(&self) -> String {
        let verdict = match self.summary.lost_frames {
            0 => "no frame was lost".to_owned(),
            lost => format!(
                "{} frames were lost ({})",
                Grouped(lost),
                self.summary.percent()
            ),
        };
        format!("{}: {verdict}", self.subject)
    }

    fn chart(&self) -> Chart {
        let summary = &self.summary;
        let mut details = Vec::new();
        if summary.lost_frames > 0 {
            let causes = summary.lost_by_cause.iter();
            let causes: Vec<String> = causes
                .map(|(cause, frames)| format!("{} ({})", cause.meaning(), Grouped(frames)))
                .collect();
            details.push(format!("Why: {}", causes.join("; ")));
        }
        if let Some(holder) = &summary.holder {
            details.push(format!("Who: {holder}"));
        }
        if let (Some(first), Some(last)) = (summary.first_loss, summary.last_loss) {
            let during = Lasting(summary.with_losses);
            details.push(format!(
                "When: from {} to {}, {during} in all",
                Short(first),
                Short(last)
            ));
        }
        if details.is_empty() {
            let frames = Grouped(summary.received_frames);
            details.push(format!(
                "{frames} frames from {} to {}",
                Short(summary.from),
                Short(summary.to)
            ));
        }
        Chart {
            title: self.title(),
            details,
            buckets: self.buckets.clone(),
            start: summary.from,
            end: summary.to,
        }
    }

    /// Draws speed and losses.
    #[must_use]
    pub fn drawing(&self, size: Size) -> Drawing {
        self.chart().draw(size)
    }

    /// Returns a page with summary, charts and timeline, which needs no other file.
    #[must_use]
    pub fn html(&self) -> String {
        let summary = &self.summary;
        let title = self.title();
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{colours}{STYLE}</style>\n</head>\n<body>\n\
             <h1 class=\"{class}\">{title}</h1>\n<table>\n",
            title = Escaped(&title),
            colours = Theme::style_sheet(),
            class = if summary.lost_frames > 0 {
                "bad"
            } else {
                "good"
            },
        );
        // Writing to a string does not fail.
        for (name, value) in summary.facts() {
            let _ = writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", Escaped(&value));
        }
        out.push_str("</table>\n");
        for (class, size) in [("wide", Size::Wide), ("narrow", Size::Narrow)] {
            // The page has title and details above.
            let chart = Chart {
                title: String::new(),
                ..self.chart()
            };
            let svg = chart.draw(size).svg(Paint::Classes);
            let _ = write!(out, "<div class=\"{class}\">\n{svg}</div>\n");
        }
        self.write_timeline(&mut out);
        out.push_str("</body>\n</html>\n");
        out
    }

    fn write_timeline(&self, out: &mut String) {
        out.push_str("<h2>What happened</h2>\n");
        let mut shown: Vec<&Span> = self.timeline.iter().collect();
        if shown.len() > ROWS {
            // The worst losses, in the order of time.
            shown.retain(|span| span.traffic.lost.frames > 0);
            shown.sort_by_key(|span| std::cmp::Reverse(span.traffic.lost.frames));
            shown.truncate(ROWS);
            shown.sort_by_key(|span| span.start);
            let _ = writeln!(
                out,
                "<p>The {} spans with the most lost frames, of {}.</p>",
                shown.len(),
                self.timeline.len()
            );
        }
        out.push_str(
            "<div class=\"scroll\"><table>\n<tr><th>from</th><th class=\"n\">lasting</th><th>state</th>\
             <th class=\"n\">frames</th><th class=\"n\">speed</th><th class=\"n\">lost frames</th><th>why</th></tr>\n",
        );
        for span in shown {
            let class = if span.traffic.lost.frames > 0 {
                " class=\"loss\""
            } else {
                ""
            };
            let _ = write!(out, "<tr{class}>");
            for (at, cell) in columns(span).iter().enumerate() {
                let class = if [1, 3, 4, 5].contains(&at) {
                    " class=\"n\""
                } else {
                    ""
                };
                let _ = write!(out, "<td{class}>{}</td>", Escaped(cell));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</table></div>\n");
    }

    /// Writes the chart as SVG into a file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_svg(&self, path: &Path) -> Result<()> {
        let svg = self.drawing(Size::Wide).svg(Paint::Fixed(Theme::Light));
        write(path, svg.as_bytes())
    }

    /// Writes the chart as PNG into a file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        write(path, &self.drawing(Size::Wide).png(Theme::Light)?)
    }

    /// Writes the page into a file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_html(&self, path: &Path) -> Result<()> {
        write(path, self.html().as_bytes())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    output_file::write(path, SHARED_MODE, bytes)
        .context(|| format!("write the report {}", path.display()))
}
