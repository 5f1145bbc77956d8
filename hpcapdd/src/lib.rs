//! The recorder `hpcapdd`: from a queue to RAW files, or as pcapng into a pipe.
//!
//! | module | is |
//! |---|---|
//! | [`cli`], [`familiar`], [`plan`], [`recorder`], [`attach`] | what was asked for, and how it is put together |
//! | [`session`], [`rotation`] | the loop: steps, waits, holds, ends |
//! | [`input`] | a queue of another process, or an engine in this one |
//! | [`sink`] | what every destination has in common |
//! | [`several`], [`merge_sink`], [`side_by_side`] | several sources in one recording |
//! | [`block_sink`], [`block_writer`], [`bounce`], [`piece`] | whole blocks, straight from the ring |
//! | [`record_sink`], [`mark`], [`raw_output`], [`pcap_output`], [`pcapng_output`], [`discard`] | record by record |
//! | [`capture_file`], [`direct_file`], [`roomy_file`], [`closing`], [`capture_writer`], [`pipe`] | files and pipes |
//! | [`finisher`], [`compressing`], [`on_complete`], [`retention`] | finishing files and deleting old ones, off the fast path |
//! | [`events`], [`text`], [`reporter`], [`meter`], [`pulse`] | what people and programs are told |

pub mod access;
pub mod attach;
pub mod block_sink;
pub mod block_writer;
pub mod bounce;
pub mod capture_file;
pub mod capture_writer;
pub mod cli;
pub mod closing;
pub mod compressing;
pub mod direct_file;
pub mod discard;
pub mod events;
pub mod familiar;
pub mod file_header;
pub mod finisher;
pub mod form;
pub mod input;
pub mod mark;
pub mod merge_sink;
pub mod meter;
pub mod on_complete;
pub mod pcap_output;
pub mod pcapng_output;
pub mod piece;
pub mod pipe;
pub mod plan;
pub mod pulse;
pub mod raw_output;
pub mod record_sink;
pub mod recorder;
pub mod reporter;
pub mod retention;
pub mod roomy_file;
pub mod rotation;
pub mod session;
pub mod several;
pub mod side_by_side;
pub mod signals;
pub mod sink;
pub mod text;
pub mod trouble;
pub mod walk;
