//! The filter of a conversion, for frames of any link type.

use hpcap::Result;
use hpcap::filter::Filter;

/// A filter, compiled once for each link type of the frames.
pub(super) struct Filters {
    expression: String,
    compiled: Vec<(u32, Filter)>,
}

impl Filters {
    /// Compiles `expression` for frames of `link_type`.
    pub(super) fn new(expression: &str, link_type: u32) -> Result<Self> {
        let filter = Filter::new(expression, link_type)?;
        Ok(Self {
            expression: expression.to_owned(),
            compiled: vec![(link_type, filter)],
        })
    }

    /// Whether a frame of `len` bytes, of which `data` was captured, passes.
    #[inline]
    pub(super) fn matches(&mut self, link_type: u32, data: &[u8], len: u32) -> Result<bool> {
        for (of, filter) in &self.compiled {
            if *of == link_type {
                return Ok(filter.matches(data, len));
            }
        }
        let filter = Filter::new(&self.expression, link_type)?;
        let matches = filter.matches(data, len);
        self.compiled.push((link_type, filter));
        Ok(matches)
    }
}
