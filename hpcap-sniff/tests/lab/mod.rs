//! A queue in this process, and a sniffer that reads it.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "not an API")]

use std::fs::{self, File};
use std::sync::atomic::AtomicBool;

use hpcap::filter::Filter;
use hpcap::stream::RingStream;
use hpcap::{Contract, QueueName, Start};
use hpcap_engine::{Engine, EngineConfig};
use hpcap_sniff::output::{Output, Reader};
use hpcap_sniff::poll_cpu::PollCpu;
use hpcap_sniff::print::{Printer, RingLayout, Style};
use hpcap_sniff::sniff::Sniffer;
use hpcap_sniff::totals::Totals;

pub const RING_BYTES: u64 = 1 << 20;

/// Starts a queue of `source`, whose frames wait for the first listener.
pub fn engine(source: &str) -> Engine {
    let config = EngineConfig {
        ring_bytes: RING_BYTES,
        start_on_attach: true,
        ..EngineConfig::new(QueueName::new(0, 0), source.parse().unwrap())
    };
    Engine::start(&config).unwrap().0
}

pub fn stream(engine: &Engine, contract: Contract) -> RingStream {
    let builder = engine.queue().stream("test").contract(contract);
    let start = match contract {
        Contract::Lossless => Start::File,
        _ => Start::Newest,
    };
    builder.start(start).open_in_place().unwrap()
}

/// Runs a lossless sniffer over `engine` and returns its text and totals.
pub fn sniffed(
    engine: &Engine,
    style: Style,
    filter: &str,
    count: Option<u64>,
) -> (String, Totals) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut output = Output::new(File::create(&path).unwrap().into()).unwrap();
    let mut stream = stream(engine, Contract::Lossless);
    let info = engine.queue().info();
    let layout = RingLayout {
        ring_bytes: info.ring_bytes,
        block_bytes: info.block_bytes,
    };
    let mut sniffer = Sniffer {
        printer: Some(Printer::new(style, layout)),
        filter: Filter::new(filter, info.link_type).unwrap(),
        count,
        end: None,
        cpu: PollCpu::of(info),
        totals: Totals::default(),
        statistics: None,
    };
    let ran = sniffer.run(&mut stream, &mut output, &AtomicBool::new(false));
    assert_eq!(ran.unwrap(), Reader::Present);
    (fs::read_to_string(path).unwrap(), sniffer.totals)
}
