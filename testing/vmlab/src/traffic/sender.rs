//! Sends frames into a NIC, and records their outcomes.

mod thread;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use hpcap::error::Context;
use hpcap::pcapfile::{PcapWriter, Precision};
use hpcap::{Error, Kind, Result, Timestamp};
use hpcap_source::SourceSpec;
use hpcap_source::pcap::PcapSpec;

use super::content::content_of;
use super::pace::Pace;
use super::record::{Record, Segment};
use crate::nic::Receive;
use crate::pci::shared;
use thread::{Job, Orders, Shared, lock};

/// A NIC that the machine's bus and the wire share.
pub type Nic = Arc<shared::Shared<dyn Receive>>;

/// Sends frames into one NIC.
pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Folder for the files of frames that cannot be generated again.
    folder: PathBuf,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// Creates a sender for `nic` that continues `record`. Frames that cannot be generated again
    /// are written to `folder`.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn new(record: Record, nic: Nic, folder: &Path) -> Result<Self> {
        let name = record.nic.clone();
        let shared = Arc::new(Shared {
            nic,
            orders: Mutex::<Orders>::default(),
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
    /// [`Busy`](Kind::Busy) while other traffic is being sent; those of the source.
    pub fn start(&self, source: &SourceSpec, pace: Pace) -> Result<()> {
        self.begin(source, pace, u64::MAX)
    }

    /// Sends `frames` frames as fast as possible, even without room for them. They are the next
    /// frames of the current traffic, or generated ones if there is none.
    ///
    /// # Errors
    /// Fails as [`start`](Self::start) does.
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
            _ => None,
        };
        let (content, job) = match content_of(source, Timestamp::now())? {
            Some(content) => {
                let content = absolute(content)?;
                // A file with a pace of its own is opened in a way that keeps this pace.
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

    /// Waits until all frames were sent.
    ///
    /// # Errors
    /// Returns the error that ended the traffic early.
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

    /// Ends the traffic. No frame is sent after this returns.
    ///
    /// # Errors
    /// Returns the error that had already ended the traffic.
    pub fn stop(&self) -> Result<()> {
        lock(&self.shared.orders).stop = true;
        self.wait()
    }

    /// Returns whether traffic is being sent.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        lock(&self.shared.orders).busy
    }

    /// Returns the record so far.
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
            // A panic of the thread was already printed.
            let _ = thread.join();
        }
    }
}

/// Makes the path of a file absolute, so that it is valid in any folder.
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
