//! Traffic for hpcap, and measurements of how well hpcap handles it.
//!
//! | module | contents |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`run`] | `hpcap-bench run`, which accounts for each frame of a whole capture path |
//! | [`compare`] | `hpcap-bench compare`, which compares two results of `run` |
//! | [`chart`] | the charts and the page of a run |
//! | [`send`] | `hpcap-bench send`, which sends the frames of a source on an interface |
//! | [`verify`] | `hpcap-bench verify`, which checks that no generated frame is lost or damaged |
//! | [`benchmark`] | the benchmarks, which all run and report in the same way |
//! | [`ring`] | the cost of a frame and of a listener for the producer |
//! | [`reader`] | the cost of a frame for a program that reads a queue |
//! | [`disk`] | the speed of the recorder, compared with dd |
//! | [`files`] | the speed of the converter, compared with cp, and of the checker |
//! | [`memory`] | the resident memory of the recorder, the converter and the checker |
//! | [`capture`] | captures of an interface, compared with tcpdump, dumpcap and netsniff-ng |
//! | [`tap`] | what live taps cost the producer |
//! | [`sniff`] | what hpcap-sniff, a copying sniffer and tcpdump print and miss |
//! | [`instructions`] | instructions per frame of the loops that every frame passes, and their growth |
//! | [`limits`] | the theory for a link: the time, the cycles and the disk that its rate leaves for a frame |
//! | [`report`] | the table of results |
//! | [`process`], [`workspace`] | measured programs, and a folder for the files that they write |

#![warn(clippy::cast_possible_truncation)]

pub mod benchmark;
pub mod capture;
pub mod chart;
pub mod cli;
pub mod compare;
pub mod disk;
pub mod files;
pub mod instructions;
pub mod limits;
pub mod memory;
pub mod process;
pub mod reader;
pub mod report;
pub mod ring;
pub mod run;
pub mod send;
pub mod sniff;
pub mod tap;
pub mod verify;
pub mod workspace;
