//! The metrics for Prometheus: their text, an HTTP server, and a file for node_exporter.

pub mod http;
pub mod metrics;
pub mod textfile;

pub use metrics::{Format, Published};
