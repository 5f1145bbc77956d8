//! The filter of a stream.

use super::event::Frame;
use crate::error::Result;
use crate::filter::Filter;
use crate::pcapfile::LINK_TYPE_ETHERNET;

/// A filter in tcpdump's syntax. A compiled program suits one link type, and a capture file can have
/// frames of several, so the expression is compiled for each link type when its first frame comes.
#[derive(Debug)]
pub(super) struct FrameFilter {
    expression: String,
    compiled: Vec<(u32, Filter)>,
}

impl FrameFilter {
    /// Creates a filter. `link_type` is that of the first frames, if the source knows it.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) when the expression is invalid.
    pub(super) fn new(expression: &str, link_type: Option<u32>) -> Result<Self> {
        let link_type = link_type.unwrap_or(LINK_TYPE_ETHERNET);
        Ok(Self {
            expression: expression.to_owned(),
            compiled: vec![(link_type, Filter::new(expression, link_type)?)],
        })
    }

    /// Whether the filter accepts `frame`.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) when the expression does not suit the link type of
    /// the frame.
    pub(super) fn accepts(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let known = self
            .compiled
            .iter()
            .find(|(link_type, _)| *link_type == frame.link_type);
        if let Some((_, filter)) = known {
            return Ok(filter.matches(frame.data, frame.len));
        }
        let filter = Filter::new(&self.expression, frame.link_type)?;
        let matches = filter.matches(frame.data, frame.len);
        self.compiled.push((frame.link_type, filter));
        Ok(matches)
    }
}
