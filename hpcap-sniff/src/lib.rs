//! `hpcap-sniff` prints the frames of a queue straight from its ring: no byte of a frame is copied between
//! the producer and the line of text.
//!
//! | module | content |
//! |---|---|
//! | [`print`](mod@print) | frames and losses as lines, as the log of 2006, and as JSON |
//! | [`sniff`] | the loop over the stream of the queue |
//! | [`output`] | the buffer in front of standard output |
//! | [`statistics`] | the counts so far, at SIGUSR1 |
//! | [`totals`] | what was printed, and what is missing |
//! | [`poll_cpu`] | the CPU that copied the frames into the ring |
//!
//! The producer may overwrite a frame while it is printed. The text of a frame is therefore kept only if
//! the frame was still whole afterwards ([`hpcap::stream::RingStream`]).

pub mod cli;
pub mod output;
pub mod poll_cpu;
pub mod print;
pub mod sniff;
pub mod statistics;
pub mod totals;

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap::error::Context;
use hpcap::filter::Filter;
use hpcap::message::{self, Level, Messages, Stream};
use hpcap::stream::RingStream;
use hpcap::{Contract, Queue, Result, cancellable};

use cli::Cli;
use output::{DELAY, Output, Reader};
use poll_cpu::PollCpu;
use print::{Printer, RingLayout};
use sniff::Sniffer;
use statistics::Statistics;
use totals::Totals;

/// Does what the command line `cli` asks for, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let notice = |_: Stream, dropped: u64| format!("hpcap-sniff: {dropped} messages were dropped");
    message::run("hpcap-sniff", notice, |messages| try_run(cli, messages))
}

fn try_run(cli: &Cli, messages: &Messages) -> Result<()> {
    let stop = hpcap_service::stop_flag().context(|| "prepare for signals")?;
    let Opened {
        queue,
        filter,
        mut stream,
    } = open(cli, &stop)?;
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let mut output = Output::new(stdout.context(|| "open standard output")?)?;
    let layout = RingLayout {
        ring_bytes: queue.info().ring_bytes,
        block_bytes: queue.info().block_bytes,
    };
    let mut sniffer = Sniffer {
        printer: cli.style().map(|style| Printer::new(style, layout)),
        filter,
        count: cli.count,
        end: cli.no_follow.then(|| stream.listener().published()),
        cpu: PollCpu::of(queue.info()),
        totals: Totals::default(),
        statistics: Some(Statistics::on_signal(messages)?),
    };
    let ran = sniffer.run(&mut stream, &mut output, &stop);
    if matches!(ran, Ok(Reader::Gone)) {
        return Ok(());
    }
    let told = tell(&sniffer.totals, cli, &mut output, messages, &stop);
    ran.and(told)
}

/// A queue to which the sniffer is attached.
struct Opened {
    queue: Queue,
    filter: Filter,
    stream: RingStream,
}

/// Opens the queue and attaches to it, unless a signal comes while its producer does not answer.
fn open(cli: &Cli, stop: &AtomicBool) -> Result<Opened> {
    let asked = cli.clone();
    cancellable::finish(
        format!("attach to {}", cli.queue),
        "the producer to answer",
        |_| stop.load(Ordering::Relaxed),
        move || {
            let queue = Queue::open(asked.queue.clone())?;
            let filter = Filter::new(&asked.expression(), queue.info().link_type)?;
            let stream = attach(&queue, &asked)?;
            Ok(Opened {
                queue,
                filter,
                stream,
            })
        },
    )
}

fn attach(queue: &Queue, cli: &Cli) -> Result<RingStream> {
    let contract = match cli.lossless {
        true => Contract::Lossless,
        false => Contract::Lossy,
    };
    queue
        .stream("hpcap-sniff")
        .contract(contract)
        .start(cli.start.start())
        .report_idle(DELAY)
        .open_in_place()
}

/// Prints the totals, for programs to standard output and for people to standard error.
fn tell(
    totals: &Totals,
    cli: &Cli,
    output: &mut Output,
    messages: &Messages,
    stop: &AtomicBool,
) -> Result<()> {
    let text = match (cli.json, cli.count_only) {
        (true, _) => totals.json(),
        (false, true) => format!("{totals}\n"),
        (false, false) => {
            messages.tell(Level::Info, Stream::Errors, totals.to_string());
            return Ok(());
        }
    };
    output.begin().extend_from_slice(text.as_bytes());
    output.keep();
    output.write(stop).map(drop)
}
