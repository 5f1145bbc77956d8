//! Panics of a thread as errors, so that the recorder can close its files and say what happened.

use std::any::Any;

use hpcap::{Error, Kind};

/// The error for a `panic` of this thread, which tried to do `tried`. The panic itself was printed
/// when it happened, with its place.
#[must_use]
pub fn internal_error(tried: impl Into<String>, panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it says nothing");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed").to_owned();
    let why = format!("internal error in thread {name}: {said}");
    Error::new(Kind::Io, tried, why)
        .advise("what was stored before is safe; please report this error")
}
