//! Reports to users and programs, as text or as JSON.

pub mod event;
pub mod meter;
pub mod reporter;
pub mod text;
