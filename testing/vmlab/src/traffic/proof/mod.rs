//! Proof that every frame that was sent into a NIC is in the files or in the ledger.
//!
//! The record of the traffic contains the source of the frames, and what the NIC did with each of
//! them. The proof generates the frames again and compares them with RAW files, byte for byte. Each
//! frame that the NIC delivered to a queue must be in that queue's files once, complete and in
//! order, or it must be missing where a gap record says so, or the ledger must count it. The ledger
//! must count every frame that the NIC did not deliver, under the same reason.

mod balance;
mod difference;
mod expected;
mod queue;
mod recording;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use hpcap::{Error, Ledger, Reason, Result};

use super::record::Record;
pub use queue::QueueProof;

/// The result of a proof.
#[derive(Debug)]
pub struct Proof {
    /// Name of the NIC in the record.
    pub nic: String,
    /// Whether the NIC tells its driver how many frames it missed.
    pub counts_missed: bool,
    /// Totals of the record: frames sent, and their outcomes.
    pub record: super::Totals,
    /// The proof of each queue.
    pub queues: Vec<QueueProof>,
    /// Frames that a fault spoiled and that were delivered to queues without a file, because the
    /// driver refused all of them.
    pub refused_without_a_file: u64,
    /// Sum of the ledgers of all queues.
    pub ledger: Ledger,
    /// Sums that do not match, apart from the differences of the queues.
    pub complaints: Vec<String>,
}

/// Compares `record` with the RAW files in `raw`, which may be folders.
///
/// # Errors
/// Fails if a file cannot be read. Wrong files are no error: see [`Proof::complaints`].
pub fn prove(record: &Record, raw: &[PathBuf]) -> Result<Proof> {
    let recordings = recording::find(raw)?;
    let adapters: Vec<_> = recordings.keys().map(|q| q.adapter).collect();
    if adapters.first() != adapters.last() {
        return Err(Error::usage(
            "the files are of several interfaces",
            "expected those of the one interface that the record is about",
        ));
    }
    let mut proof = Proof {
        nic: record.nic.clone(),
        counts_missed: record.counts_missed,
        record: record.totals.clone(),
        queues: Vec::new(),
        refused_without_a_file: 0,
        ledger: Ledger::default(),
        complaints: Vec::new(),
    };
    let has_a_file = |queue: u16| recordings.keys().any(|q| q.queue == u32::from(queue));
    for (queue, total) in &record.totals.delivered {
        if !has_a_file(*queue) {
            proof.complaints.push(format!(
                "there is no file of queue {queue}, which the NIC delivered {} frames to",
                total.frames
            ));
        }
    }
    // A queue that received only spoiled frames has no file if the driver refused them all.
    proof.refused_without_a_file = (record.totals.spoiled.iter())
        .filter(|(queue, _)| !has_a_file(**queue))
        .map(|(_, total)| total.frames)
        .sum();
    let mut is_final = true;
    for (queue, files) in recordings {
        let queue = queue::prove(record, queue, files)?;
        proof.ledger += &queue.ledger;
        proof.queues.push(queue);
    }
    for queue in &mut proof.queues {
        is_final &= queue.is_final;
        queue.balance();
    }
    if is_final && proof.queues.iter().all(|q| q.complaints.is_empty()) {
        proof.balance();
    }
    Ok(proof)
}

impl Proof {
    /// Verifies that the ledger counts what the NIC did not deliver.
    fn balance(&mut self) {
        // The driver of a virtual function cannot know how many frames were missed.
        let missed = match self.counts_missed {
            true => self.record.missed,
            false => super::Amount::default(),
        };
        let refused_beside_files: u64 = self.queues.iter().map(|q| q.refused).sum();
        let refused = refused_beside_files + self.refused_without_a_file;
        let wanted = [
            (Reason::NicMissed, missed.frames, "missed"),
            (
                Reason::NicError,
                self.record.errors.frames + refused,
                "received damaged, or spoiled,",
            ),
        ];
        for (reason, frames, what) in wanted {
            let counted = self.ledger[reason].frames;
            if counted != frames {
                self.complaints.push(format!(
                    "the NIC {what} {frames} frames, and the ledger has {reason} {counted}"
                ));
            }
        }
    }

    /// Returns whether every frame is accounted for.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complaints().next().is_none()
    }

    /// Returns everything that is wrong.
    pub fn complaints(&self) -> impl Iterator<Item = String> + '_ {
        let of_queues = self.queues.iter().flat_map(|q| {
            q.complaints
                .iter()
                .map(move |c| format!("{}: {c}", q.queue))
        });
        of_queues.chain(self.complaints.iter().cloned())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = &self.record;
        writeln!(
            f,
            "{}: {} frames on the wire, {} delivered, {} missed, {} damaged",
            self.nic,
            sent.offered.frames,
            sent.all_delivered().frames,
            sent.missed.frames,
            sent.errors.frames
        )?;
        let unseen = match self.counts_missed {
            true => super::Amount::default(),
            false => sent.missed,
        };
        for (amount, what) in [
            (
                unseen,
                "missed by a virtual function, which no driver of one can see",
            ),
            (sent.filtered, "refused by the NIC's own filter"),
            (sent.down, "sent while the interface was down"),
            (
                sent.discarded,
                "in the NIC's packet buffer when its driver reset it",
            ),
        ] {
            if amount.frames > 0 {
                writeln!(f, "  {} {what}: they reached nobody", amount.frames)?;
            }
        }
        for q in &self.queues {
            writeln!(
                f,
                "{}: {} of {} delivered frames in {} files, every byte as it was sent, in order",
                q.queue, q.stored.frames, q.delivered.frames, q.files
            )?;
            if q.spoiled.frames + q.refused > 0 {
                let (stored, refused) = (q.spoiled.frames, q.refused);
                writeln!(
                    f,
                    "  {} spoiled by a fault: {stored} stored as they came, {refused} refused",
                    stored + refused
                )?;
            }
            if q.before.frames > 0 {
                let before = q.before.frames;
                writeln!(f, "  {before} captured before the recording began")?;
            }
        }
        write!(f, "ledger:")?;
        for (reason, count) in self.ledger.iter().filter(|(_, c)| c.frames > 0) {
            write!(f, " {reason} {}", count.frames)?;
        }
        writeln!(f)?;
        for complaint in self.complaints() {
            writeln!(f, "WRONG {complaint}")?;
        }
        match self.holds() {
            true => write!(f, "proven: every frame is in the files or in the ledger"),
            false => write!(f, "not proven"),
        }
    }
}

/// Proves the RAW files in `raw` against the record in the file `record`, and prints the result.
/// Returns the exit code: 0 if the proof succeeds, 1 if it fails, 2 for wrong usage.
#[must_use]
pub fn run(record: &Path, raw: &[PathBuf]) -> u8 {
    let proof = Record::read(record).and_then(|record| prove(&record, raw));
    match proof {
        Ok(proof) => {
            // If standard output is closed, nobody wants to read the result. The exit code has it,
            // too.
            let _ = writeln!(std::io::stdout(), "{proof}");
            u8::from(!proof.holds())
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            error.exit_code()
        }
    }
}
