//! Stands for the filter of a stream when `hpcap` is built without the feature `filter`.

use super::event::Frame;
use crate::error::Result;

/// A filter that cannot exist: no code can make a value of this type.
#[derive(Debug)]
pub(super) enum FrameFilter {}

impl FrameFilter {
    /// Is never called.
    pub(super) fn accepts(&mut self, _frame: &Frame<'_>) -> Result<bool> {
        match *self {}
    }
}
