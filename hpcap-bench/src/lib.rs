//! Traffic for hpcap, and how well it copes.
//!
//! | module | is |
//! |---|---|
//! | [`send`] | `hpcap-bench send`: the frames of a source, out of an interface |

pub mod send;
