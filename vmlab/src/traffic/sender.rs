//! The thread that puts frames onto a NIC's wire, and writes down what became of them.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hpcap::error::Context;
use hpcap::pcapfile::{PcapWriter, Precision};
use hpcap::{Error, Kind, Result, Timestamp};
use hpcap_engine::source::pcap::PcapSpec;
use hpcap_engine::source::{Source, SourceSpec, State};

use super::content::{Chunk, content_of, refill};
use super::pace::{Due, Now, Pace};
use super::record::{Record, Segment};
use crate::nic::Receive;
use crate::pci::shared::Shared as Lock;

/// A NIC that the machine's bus and the wire share.
pub type Nic = Arc<Lock<dyn Receive>>;

/// Frames that are offered under one lock, at most.
const BURST: usize = 64;

/// How often a sender looks for room in a NIC that has none: a ring of 512 descriptors lasts
/// 500 µs at a million frames a second.
const LOOK_FOR_ROOM: Duration = Duration::from_micros(20);
/// How often it looks whether an interface is up that is not.
const LOOK_FOR_LINK: Duration = Duration::from_millis(1);
/// A sleep on an idle wire lasts this long, at most, so that it can be interrupted.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// What is to be sent.
struct Job {
    source: Box<dyn Source>,
    pace: Pace,
    /// Frames are due for so long.
    duration: Option<Duration>,
    /// Frames, at most.
    count: u64,
    /// Where frames go that cannot be had again.
    keep: Option<PcapWriter<BufWriter<File>>>,
}

#[derive(Default)]
struct Orders {
    job: Option<Job>,
    /// A job is under way, or waits to be.
    busy: bool,
    stop: bool,
    quit: bool,
    /// Frames that go out at once, whatever the pace.
    storm: u64,
    /// Why the last job ended before its source did.
    failed: Option<String>,
}

struct Shared {
    nic: Nic,
    orders: Mutex<Orders>,
    changed: Condvar,
    record: Mutex<Record>,
}

/// Nobody leaves what these locks protect half-done, so that a thread that panicked does not
/// make it worthless.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends frames into one NIC.
pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Where files go.
    folder: PathBuf,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender for `nic`, which goes on with `record`. Frames that cannot be had again are kept
    /// in `folder`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn new(record: Record, nic: Nic, folder: &Path) -> Result<Self> {
        let name = record.nic.clone();
        let shared = Arc::new(Shared {
            nic,
            orders: Mutex::default(),
            changed: Condvar::new(),
            record: Mutex::new(record),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("traffic-{name}"))
                .spawn(move || shared.run())
                .context(|| format!("start to send to {name}"))?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
            folder: folder.to_owned(),
        })
    }

    /// Sends the frames of `source`, as soon as the interface is up, at `pace`.
    ///
    /// # Errors
    /// [`Busy`](Kind::Busy) while it sends others; those of the source.
    pub fn start(&self, source: &SourceSpec, pace: Pace) -> Result<()> {
        self.begin(source, pace, u64::MAX)
    }

    /// Sends `frames` frames as fast as possible, whether there is room for them or not: the
    /// next ones of what it sends, or generated ones where it sends nothing.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn storm(&self, frames: u64) -> Result<()> {
        let mut orders = lock(&self.shared.orders);
        if orders.busy {
            orders.storm = orders.storm.saturating_add(frames);
            return Ok(());
        }
        drop(orders);
        self.begin(&"gen:".parse()?, Pace::Flood, frames)
    }

    fn begin(&self, source: &SourceSpec, pace: Pace, count: u64) -> Result<()> {
        let mut record = lock(&self.shared.record);
        let tried = || format!("send {source} to {}", record.nic);
        let mut orders = lock(&self.shared.orders);
        if orders.busy {
            return Err(
                Error::new(Kind::Busy, tried(), "other traffic is under way")
                    .advise("wait for its end, or stop it"),
            );
        }
        let duration = match source {
            SourceSpec::Generator(spec) => spec.duration,
            SourceSpec::Pcap(_) | SourceSpec::AfPacket(_) => None,
        };
        let (content, job) = match content_of(source, Timestamp::now())? {
            Some(content) => {
                let content = absolute(content)?;
                // A file at its own pace is opened so that it keeps it.
                let opened = if pace == Pace::Source {
                    source
                } else {
                    &content
                };
                (content.clone(), (opened.open()?, None))
            }
            None => {
                let name = format!("{}.{}.pcap", record.nic, record.segments.len());
                let path = self.folder.join(name);
                let file = File::create(&path).context(|| format!("create {}", path.display()))?;
                let file = BufWriter::new(file);
                let writer = PcapWriter::new(file, 1, 1 << 18, Precision::Nanoseconds);
                let content = absolute(SourceSpec::Pcap(PcapSpec::new(path)))?;
                (content, (source.open()?, Some(writer)))
            }
        };
        record.segments.push(Segment {
            source: source.to_string(),
            content: content.to_string(),
            runs: super::Runs::default(),
        });
        let (source, keep) = job;
        orders.job = Some(Job {
            source,
            pace,
            duration,
            count,
            keep,
        });
        (orders.busy, orders.stop, orders.storm) = (true, false, 0);
        orders.failed = None;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until everything is sent.
    ///
    /// # Errors
    /// What ended the traffic early.
    pub fn wait(&self) -> Result<()> {
        let orders = lock(&self.shared.orders);
        let mut orders = self
            .shared
            .changed
            .wait_while(orders, |o| o.busy && !o.quit)
            .unwrap_or_else(PoisonError::into_inner);
        let failed = orders.failed.take();
        drop(orders);
        match failed {
            None => Ok(()),
            Some(why) => {
                let tried = format!("send to {}", lock(&self.shared.record).nic);
                Err(Error::new(Kind::Io, tried, why))
            }
        }
    }

    /// Ends the traffic; nothing is sent after it returns.
    ///
    /// # Errors
    /// What ended the traffic already.
    pub fn stop(&self) -> Result<()> {
        lock(&self.shared.orders).stop = true;
        self.wait()
    }

    /// Whether traffic is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        lock(&self.shared.orders).busy
    }

    /// Everything so far.
    #[must_use]
    pub fn record(&self) -> Record {
        let mut record = lock(&self.shared.record);
        Shared::settle(&mut record, &mut *self.shared.nic.wire());
        record.clone()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        {
            let mut orders = lock(&self.shared.orders);
            (orders.quit, orders.stop) = (true, true);
            self.shared.changed.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// A file is named so that it is found from any folder.
fn absolute(content: SourceSpec) -> Result<SourceSpec> {
    let SourceSpec::Pcap(mut spec) = content else {
        return Ok(content);
    };
    if spec.path != Path::new("-") {
        spec.path =
            std::path::absolute(&spec.path).context(|| format!("find {}", spec.path.display()))?;
    }
    Ok(SourceSpec::Pcap(spec))
}

impl Shared {
    fn run(&self) {
        // Sleeps of 20 us are to last that long, not 50 us more.
        let _ = nix::sys::prctl::set_timerslack(1_000);
        loop {
            let orders = lock(&self.orders);
            let mut orders = self
                .changed
                .wait_while(orders, |o| o.job.is_none() && !o.quit)
                .unwrap_or_else(PoisonError::into_inner);
            if orders.quit {
                orders.busy = false;
                self.changed.notify_all();
                return;
            }
            let job = orders.job.take();
            drop(orders);
            if let Some(mut job) = job {
                let result = self.send(&mut job);
                let kept = match job.keep.take() {
                    Some(mut keep) => keep.flush().context(|| "keep what was sent"),
                    None => Ok(()),
                };
                let mut orders = lock(&self.orders);
                orders.failed = result.and(kept).err().map(|e| e.to_string());
                (orders.busy, orders.storm) = (false, 0);
                self.changed.notify_all();
            }
        }
    }

    /// Learns what the NIC has thrown away since it was last asked. Those are its youngest frames,
    /// because frames are written down under the NIC's lock.
    fn settle(record: &mut Record, nic: &mut dyn Receive) {
        for (queue, frames) in nic.take_discarded() {
            record.discard(queue, frames);
        }
    }

    /// What was ordered meanwhile: whether to stop, and frames of a storm.
    fn orders(&self) -> (bool, u64) {
        let orders = lock(&self.orders);
        (orders.stop, orders.storm)
    }

    fn send(&self, job: &mut Job) -> Result<()> {
        // Nobody sends to an interface that is not up yet.
        while !self.nic.wire().is_up() {
            if self.orders().0 {
                return Ok(());
            }
            std::thread::sleep(LOOK_FOR_LINK);
        }
        let mut due = Due::new(job.pace, job.duration);
        let (mut chunk, mut next) = (Chunk::default(), 0);
        loop {
            let (stop, storm) = self.orders();
            if stop || job.count == 0 {
                return Ok(());
            }
            if next >= chunk.len() {
                next = 0;
                match refill(&mut *job.source, &mut chunk)? {
                    _ if !chunk.is_empty() => {}
                    State::Ended => return Ok(()),
                    State::Busy => continue,
                    State::Idle => {
                        job.source.wait(SLEEP_MAX)?;
                        continue;
                    }
                }
            }
            let (frames, pace) = if storm > 0 {
                (storm, Pace::Flood)
            } else {
                match due.look(&chunk, next) {
                    Now::Send(frames) => (frames as u64, job.pace),
                    Now::Wait(time) => {
                        std::thread::sleep(time.min(SLEEP_MAX));
                        continue;
                    }
                    Now::End => return Ok(()),
                }
            };
            let frames = usize::try_from(frames.min(job.count)).unwrap_or(usize::MAX);
            let until = chunk.len().min(next + frames.min(BURST));
            let (sent, pause) = self.burst(&chunk, next..until, pace);
            if let Some(keep) = &mut job.keep {
                for index in next..next + sent {
                    let frame = chunk.get(index).unwrap_or_default();
                    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                    keep.frame(Timestamp::now(), len, frame)
                        .context(|| "keep what was sent")?;
                }
            }
            next += sent;
            job.count -= sent as u64;
            if storm > 0 {
                lock(&self.orders).storm -= sent as u64;
            }
            if let Some(pause) = pause {
                std::thread::sleep(pause);
            }
        }
    }

    /// Offers frames `range` of `chunk` under one lock, as far as `pace` allows. Returns how
    /// many it took, and how long to wait before the next ones where it takes none.
    fn burst(
        &self,
        chunk: &Chunk,
        range: std::ops::Range<usize>,
        pace: Pace,
    ) -> (usize, Option<Duration>) {
        let (mut sent, mut pause) = (0, None);
        // Always in this order.
        let mut record = lock(&self.record);
        let mut nic = self.nic.wire();
        Self::settle(&mut record, &mut *nic);
        if pace == Pace::Room && !nic.is_up() {
            return (0, Some(LOOK_FOR_LINK));
        }
        for index in range {
            let frame = chunk.get(index).unwrap_or_default();
            if pace == Pace::Room && !nic.has_room(frame) {
                pause = Some(LOOK_FOR_ROOM);
                break;
            }
            let outcome = nic.receive(frame);
            record.add(outcome, frame.len());
            sent += 1;
        }
        nic.flush();
        (sent, pause)
    }
}
