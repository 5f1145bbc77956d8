//! Traffic for hpcap, and measurements of how well hpcap handles it.
//!
//! | module | is |
//! |---|---|
//! | [`send`] | `hpcap-bench send`: the frames of a source, out of an interface |
//! | [`verify`] | `hpcap-bench verify`: whether generated frames are all there, and whole |
//! | [`ring`] | what a frame and a listener cost the producer |
//! | [`disk`] | the recorder, beside dd |
//! | [`files`] | the converter, beside cp, and the checker |
//! | [`memory`] | resident memory |
//! | [`capture`] | capturing an interface, beside tcpdump, dumpcap and netsniff-ng |
//! | [`report`] | the table of results |
//! | [`process`], [`workspace`] | running programs, and a folder for what they write |

pub mod capture;
pub mod disk;
pub mod files;
pub mod memory;
pub mod process;
pub mod report;
pub mod ring;
pub mod send;
pub mod verify;
pub mod workspace;
