//! The recorder `hpcapdd` stores a queue in RAW, pcapng or pcap files, or writes it to a pipe.
//!
//! | module | contents |
//! |---|---|
//! | [`cli`], [`aliases`], [`plan`], [`form`] | the command line, and what its options mean together |
//! | [`recorder`] | builds a session from the command line and runs it |
//! | `queue_set` | records all queues of an adapter, each in a thread of its own |
//! | [`session`] | the loop of a recording: inputs, waiting, signals, rotation by time, the producer's heartbeat |
//! | [`sink::block`] | stores whole blocks straight from the ring |
//! | [`sink::record`] | stores frame by frame: filters, pcapng, pcap, pipes, several sources merged by time |
//! | [`sink::null`] | counts frames and stores nothing |
//! | [`storage`] | the files: direct I/O, reserved room, finishing, compression, retention |
//! | [`report`] | what the recorder tells people and programs |

#![warn(clippy::cast_possible_truncation)]

pub mod aliases;
pub mod cli;
pub mod form;
mod inputs;
pub mod internal_error;
mod outlet;
pub mod plan;
mod queue_set;
pub mod recorder;
pub mod report;
pub mod session;
pub mod sink;
pub mod storage;
