//! Frames and losses as lines of text.
//!
//! Everything that is printed of a frame is a number, an address or a word of this program, so no byte
//! of a frame can reach a terminal as a control character.

mod json;
mod line;
mod log;
mod text;

use hpcap::stream::{Missed, RingFrame};
use hpcap::{Ledger, Reason};

use json::Json;
use line::Lines;
use log::Log;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line for each frame, similar to that of tcpdump.
    Line,
    /// The log of the zero-copy sniffer of 2006: two lines for each frame, with its place in the ring.
    Log,
    /// An object of JSON on each line.
    Json,
}

/// The layout of a ring, from which the place of a frame follows.
#[derive(Debug, Clone, Copy)]
pub struct RingLayout {
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
}

/// Facts about a frame that the frame itself does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the frame among those that were printed, from 1 on.
    pub number: u64,
    /// The CPU on which the poll thread ran last, if that is known.
    pub cpu: Option<u32>,
}

/// Prints frames and losses in one of the styles.
#[derive(Debug)]
pub enum Printer {
    /// [`Style::Line`].
    Line(Lines),
    /// [`Style::Log`].
    Log(Log),
    /// [`Style::Json`].
    Json(Json),
}

impl Printer {
    /// Creates a printer of `style` for frames of a ring of this layout.
    #[must_use]
    pub fn new(style: Style, layout: RingLayout) -> Self {
        match style {
            Style::Line => Self::Line(Lines::new()),
            Style::Log => Self::Log(Log::new(layout)),
            Style::Json => Self::Json(Json::new()),
        }
    }

    /// Appends the text of `frame`.
    #[inline]
    pub fn frame(&mut self, out: &mut Vec<u8>, frame: &RingFrame<'_>, place: Place) {
        match self {
            Self::Line(lines) => lines.frame(out, frame),
            Self::Log(log) => log.frame(out, frame, place),
            Self::Json(json) => json.frame(out, frame, place),
        }
    }

    /// Appends a line that says how many frames are missing here.
    pub fn missed(&mut self, out: &mut Vec<u8>, missed: &Missed) {
        match self {
            Self::Line(_) | Self::Log(_) => {
                let text = losses(missed.by_reason());
                out.extend_from_slice(format!("-- missing here: {text}\n").as_bytes());
            }
            Self::Json(_) => json::missed(out, missed),
        }
    }
}

/// Returns what is lost in words: `12 frames (overrun: this program was too slow)`.
#[must_use]
pub fn losses(lost: &Ledger) -> String {
    let parts: Vec<String> = Reason::ALL
        .into_iter()
        .filter(|reason| reason.is_loss() && lost[*reason].frames > 0)
        .map(|reason| {
            let frames = lost[reason].frames;
            let plural = if frames == 1 { "" } else { "s" };
            format!(
                "{frames} frame{plural} ({}: {})",
                reason.name(),
                why(reason)
            )
        })
        .collect();
    match parts.is_empty() {
        true => "no frame".to_owned(),
        false => parts.join(", "),
    }
}

/// What a loss for `reason` means for the reader of the output.
fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Overrun => "this program was too slow",
        Reason::RingFull => "a lossless listener held the ring back",
        Reason::NicMissed => "lost before the producer saw them",
        Reason::NicError => "received damaged",
        Reason::Storage => "not stored",
        Reason::Captured | Reason::Duplicate | Reason::Filtered | Reason::NoListener => "not lost",
    }
}
