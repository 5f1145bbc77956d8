//! The capture: a worker thread for each stream, and the calling thread, which watches them.

mod budget;
mod counters;
mod intake;
mod live;
mod stop;
mod supervisor;
mod watch;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use hpcap::Error;
use hpcap::filter::Filter;
use hpcap_service::Signals;
use hpcap_source::af_packet::streams::Group;

use crate::failure::Failure;
use crate::output::{StreamFacts, StreamFile, Waiting};
use crate::plan::Plan;
use crate::repeats::Repeat;
use crate::verbose;
use budget::Budget;
use counters::Counters;
pub use counters::StreamCounts;
use intake::{Intake, Intakes};
use live::Live;
use stop::Stop;
use supervisor::Supervisor;
use worker::Worker;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Stop,
    /// Print how many frames were captured so far.
    Statistics,
}

/// State that all workers share.
#[derive(Debug)]
struct Shared {
    stop: Arc<Stop>,
    budget: Budget,
    /// How often the set of CPUs that are online has changed. A worker whose CPU went offline runs
    /// elsewhere, and returns when the CPU does.
    cpu_changes: AtomicU32,
}

/// A capture whose streams receive frames.
#[derive(Debug)]
pub struct Capture<'p> {
    plan: &'p Plan,
    filter: Filter,
    streams: Vec<(Intake, Option<StreamFile>)>,
    group: Option<Group>,
    link_type: u32,
    shared: Shared,
    signals: Signals<Request>,
}

/// The result of a capture.
#[derive(Debug)]
pub struct CaptureResult {
    /// The streams, in the order of their numbers.
    pub streams: Vec<StreamCounts>,
    /// The frames of each of these streams that were sent repeatedly.
    pub repeats: Vec<Vec<Repeat>>,
    /// Why the capture ended early.
    pub failure: Option<Failure>,
}

impl<'p> Capture<'p> {
    /// Opens the streams and their files.
    ///
    /// # Errors
    /// An invalid filter, a missing permission, no memory, or a file that cannot be created.
    pub fn start(plan: &'p Plan) -> Result<Self, Failure> {
        let signals = Signals::install(&[
            (libc::SIGINT, Request::Stop),
            (libc::SIGTERM, Request::Stop),
            (libc::SIGHUP, Request::Stop),
            (libc::SIGUSR1, Request::Statistics),
        ])
        .map_err(|e| Error::io("install handlers of signals", e))?;
        let link_type = plan.interface.link()?.link_type;
        let filter = Filter::new(&plan.filter, link_type)?;
        let Intakes { streams, group } = Intakes::open(plan, &filter)?;
        verbose::capture(plan, group.as_ref().map(|group| group.id));
        let stop = Arc::new(Stop::new().map_err(|e| Error::io("create a pair of sockets", e))?);
        let with_file = |stream: Intake| -> Result<_, Failure> {
            let file = match &plan.output {
                Some(output) => {
                    let facts = facts(plan, stream.number(), link_type);
                    let waiting = Arc::clone(&stop) as Arc<dyn Waiting>;
                    Some(StreamFile::create(output, facts, waiting)?)
                }
                None => None,
            };
            Ok((stream, file))
        };
        Ok(Self {
            plan,
            streams: streams
                .into_iter()
                .map(with_file)
                .collect::<Result<_, _>>()?,
            filter,
            group,
            link_type,
            shared: Shared {
                stop: Arc::clone(&stop),
                budget: Budget::new(plan.count),
                cpu_changes: AtomicU32::new(0),
            },
            signals,
        })
    }

    /// Captures until there is a reason to stop.
    #[must_use]
    pub fn run(self) -> CaptureResult {
        let Self {
            plan,
            filter,
            streams,
            group,
            link_type,
            shared,
            signals,
        } = self;
        let numbers: Vec<u32> = streams.iter().map(|(stream, _)| stream.number()).collect();
        let counters: Vec<Counters> = numbers.iter().map(|_| Counters::default()).collect();
        let mut failure = None;
        let mut repeats = Vec::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = streams
                .into_iter()
                .zip(&counters)
                .map(|((stream, file), counters)| {
                    let worker =
                        Worker::new(plan, &filter, &shared, stream, file, counters, link_type);
                    std::thread::Builder::new()
                        .name(plan.subject.label(worker.number()))
                        .spawn_scoped(scope, || worker.run())
                })
                .collect();
            if let Some(Err(e)) = workers.iter().find(|worker| worker.is_err()) {
                let error = std::io::Error::from(e.kind());
                failure = Some(Error::io("start a thread", error).into());
                shared.stop.request();
            }
            let live = plan
                .live
                .map(|every| Live::new(plan, &counters, &numbers, every));
            shared.stop.watch();
            let supervisor = Supervisor::new(plan, &shared, group.as_ref(), &counters, live);
            if let Err(e) = supervisor.run(&signals) {
                failure.get_or_insert(e);
            }
            shared.stop.request();
            for worker in workers.into_iter().flatten() {
                match worker.join() {
                    Ok((repeated, ended)) => {
                        repeats.push(repeated);
                        if let Err(e) = ended {
                            failure.get_or_insert(e);
                        }
                    }
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        let streams = numbers.iter().zip(&counters);
        CaptureResult {
            streams: streams
                .map(|(number, counters)| counters.read(*number))
                .collect(),
            repeats,
            failure,
        }
    }
}

fn facts(plan: &Plan, stream: u32, link_type: u32) -> StreamFacts {
    use crate::subject::Subject;
    StreamFacts {
        number: stream,
        label: plan.subject.label(stream),
        is_queue: plan.subject == Subject::Queue,
        interface: plan.interface.name.clone(),
        link_type,
        caplen: plan.caplen,
        filter: plan.filter.clone(),
        application: concat!("rxtxcpu ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
