//! The numbers of printed and of missing frames.

use std::fmt;

use hpcap::{Ledger, Reason};

use crate::print::losses;

/// Counts of a whole run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Frames that were printed or counted.
    pub frames: u64,
    /// Bytes of these frames on the wire, without FCS.
    pub bytes: u64,
    /// Frames that the filter refused.
    pub filtered: u64,
    /// The missing frames, by reason.
    pub lost: Ledger,
}

impl Totals {
    /// Returns the totals as one object of JSON, with a newline at its end.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = format!(
            "{{\"end\":true,\"frames\":{},\"bytes\":{},\"filtered\":{},\"missed\":{}",
            self.frames,
            self.bytes,
            self.filtered,
            self.lost.lost().frames
        );
        for reason in Reason::ALL {
            let frames = self.lost[reason].frames;
            if reason.is_loss() && frames > 0 {
                text.push_str(&format!(",\"{}\":{frames}", reason.name()));
            }
        }
        text + "}\n"
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.frames == 1 { "" } else { "s" };
        write!(f, "{} frame{plural}, {} bytes", self.frames, self.bytes)?;
        if self.filtered > 0 {
            write!(f, "; {} did not match the filter", self.filtered)?;
        }
        write!(f, "; missing: {}", losses(&self.lost))
    }
}
