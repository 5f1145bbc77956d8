//! The proof of one queue: compares every frame that the NIC delivered to the queue with the files.

use std::collections::VecDeque;
use std::path::PathBuf;

use hpcap::{Count, Ledger, QueueName, Result};

use super::balance::{with_place, without_place};
use super::difference::{Wrong, is};
use super::expected::Expected;
use super::recording::{Next, Stream};
use crate::traffic::record::{Amount, Record};

/// The result of the proof of one queue.
#[derive(Debug)]
pub struct QueueProof {
    /// Name of the queue in the files.
    pub queue: QueueName,
    /// Frames that the NIC delivered to the queue.
    pub delivered: Amount,
    /// Delivered frames that are in the files once, in order, with every byte as it was sent.
    pub stored: Count,
    /// Frames that a fault spoiled and that are in the files, as the driver received them.
    pub spoiled: Count,
    /// Frames that a fault spoiled and that are not in the files.
    pub refused: u64,
    /// Delivered frames that are missing where a gap record says so.
    pub in_gaps: u64,
    /// Delivered frames that are missing in other places: they were removed, or captured before the recording began.
    pub elsewhere: u64,
    /// Sum of the ledgers of the files.
    pub ledger: Ledger,
    /// Frames captured before the recording began.
    pub before: Count,
    /// Number of files.
    pub files: u64,
    /// Whether the files end with a complete ledger.
    pub is_final: bool,
    /// The first difference. The comparison stops there.
    pub complaints: Vec<String>,
}

/// Compares one queue with its files, frame by frame.
struct Walk<'r> {
    record: &'r Record,
    rx_queue: u16,
    files: Vec<PathBuf>,
    stream: Stream,
    expected: Expected<'r>,
    /// Number of frames that may be missing without a gap record. It is computed when it is needed.
    free: Option<u64>,
    /// Spoiled frames that were passed. Each of them may still be the next record.
    doubtful: VecDeque<Vec<u8>>,
    proof: QueueProof,
}

/// Compares the files of one queue with what the NIC delivered to it.
pub(super) fn prove(record: &Record, queue: QueueName, files: Vec<PathBuf>) -> Result<QueueProof> {
    let rx_queue = u16::try_from(queue.queue).unwrap_or(u16::MAX);
    let delivered = record.totals.delivered.get(&rx_queue);
    let mut walk = Walk {
        record,
        rx_queue,
        stream: Stream::new(files.clone()),
        files,
        expected: Expected::new(record, rx_queue)?,
        free: None,
        doubtful: VecDeque::new(),
        proof: QueueProof {
            queue,
            delivered: delivered.copied().unwrap_or_default(),
            stored: Count::default(),
            spoiled: Count::default(),
            refused: 0,
            in_gaps: 0,
            elsewhere: 0,
            ledger: Ledger::default(),
            before: Count::default(),
            files: 0,
            is_final: false,
            complaints: Vec::new(),
        },
    };
    walk.go()?;
    let (mut proof, stream) = (walk.proof, walk.stream);
    proof.refused += walk.doubtful.len() as u64;
    if proof.complaints.is_empty() {
        proof.delivered = walk.expected.passed;
    }
    proof.ledger = stream.ledger.all();
    proof.before = stream.ledger.before;
    proof.files = stream.files_read;
    proof.is_final = stream.ledger.is_final();
    for damage in stream.damage {
        proof.complaints.push(format!("damaged: {damage}"));
    }
    Ok(proof)
}

impl Walk<'_> {
    fn go(&mut self) -> Result<()> {
        let mut owed = 0;
        loop {
            match self.stream.advance()? {
                Next::Gap(gap) => owed += with_place(&gap.lost),
                Next::Frame => {
                    if !self.skip(std::mem::take(&mut owed))? || !self.frame()? {
                        return Ok(());
                    }
                }
                Next::End => break,
            }
        }
        if self.skip(owed)? {
            self.end()?;
        }
        Ok(())
    }

    /// Passes `frames` frames, or fewer if there are not so many. Spoiled frames do not count.
    fn pass(&mut self, frames: u64) -> Result<u64> {
        let mut passed = 0;
        self.pass_spoiled()?;
        while passed < frames && self.expected.current().is_some() {
            self.expected.pass()?;
            passed += 1;
            self.pass_spoiled()?;
        }
        Ok(passed)
    }

    /// Passes spoiled frames, which the driver may have refused or stored.
    fn pass_spoiled(&mut self) -> Result<()> {
        while self.expected.is_spoiled()
            && let Some((frame, _)) = self.expected.current()
        {
            self.doubtful.push_back(frame.to_vec());
            self.expected.pass()?;
        }
        Ok(())
    }

    /// Finds the spoiled frame that the record holds. A wrong length truncates a frame or extends
    /// it with old bytes of the buffer, so only the common part is compared.
    fn spoiled(&self) -> Option<usize> {
        let data = self.stream.stored()?.data;
        self.doubtful
            .iter()
            .position(|frame| frame.iter().zip(data).all(|(sent, found)| sent == found))
    }

    /// Passes frames that are lost according to a gap record.
    fn skip(&mut self, frames: u64) -> Result<bool> {
        let skipped = self.pass(frames)?;
        self.proof.in_gaps += skipped;
        if skipped < frames {
            self.proof.complaints.push(format!(
                "{}: the gap before it counts {frames} frames, and the NIC delivered {skipped} more",
                self.stream.place()
            ));
        }
        Ok(skipped == frames)
    }

    /// Accepts the record if it is a spoiled frame. The driver has refused the spoiled frames
    /// before it.
    fn take_spoiled(&mut self) -> bool {
        let Some(at) = self.spoiled() else {
            return false;
        };
        self.refuse(at);
        self.doubtful.pop_front();
        let len = self.stream.stored().map_or(0, |stored| stored.len);
        self.proof.spoiled += Count::new(1, u64::from(len));
        true
    }

    /// Counts the first `frames` spoiled frames as refused.
    fn refuse(&mut self, frames: usize) {
        self.doubtful.drain(..frames);
        self.proof.refused += frames as u64;
    }

    fn matches(&self) -> bool {
        match (self.stream.stored(), self.expected.current()) {
            (Some(stored), Some((frame, _))) => is(stored, frame, self.stream.caplen),
            _ => false,
        }
    }

    fn free(&mut self) -> Result<u64> {
        let free = match self.free {
            Some(free) => free,
            None => without_place(self.files.clone())?,
        };
        self.free = Some(free);
        Ok(free)
    }

    /// Compares the current record. Returns `false` if the record is wrong.
    fn frame(&mut self) -> Result<bool> {
        self.pass_spoiled()?;
        if !self.matches() {
            if self.take_spoiled() {
                return Ok(true);
            }
            let wanted = self
                .expected
                .current()
                .map(|(frame, place)| (frame.to_vec(), place));
            // Frames that a stage removed may be missing, because no gap record locates them.
            let mut free = self.free()?;
            let from = free;
            while free > 0 && self.expected.current().is_some() && !self.matches() {
                self.pass(1)?;
                free -= 1;
                if self.spoiled().is_some() {
                    break;
                }
            }
            self.free = Some(free);
            if !self.matches() && self.take_spoiled() {
                self.proof.elsewhere += from - free;
                return Ok(true);
            }
            if !self.matches() {
                let wanted = wanted.as_ref().map(|(frame, place)| (&frame[..], *place));
                self.difference(wanted)?;
                return Ok(false);
            }
            self.proof.elsewhere += from - free;
        }
        self.refuse(self.doubtful.len());
        let len = self.expected.current().map_or(0, |(frame, _)| frame.len());
        self.proof.stored += Count::new(1, len as u64);
        self.expected.pass()?;
        Ok(true)
    }

    fn difference(&mut self, expected: Option<(&[u8], super::expected::Place)>) -> Result<()> {
        let Some(stored) = self.stream.stored() else {
            return Ok(());
        };
        let data = stored.data.to_vec();
        let wrong = Wrong {
            record: self.record,
            queue: self.rx_queue,
            stored: super::recording::Stored {
                len: stored.len,
                data: &data,
            },
            at: self.stream.place(),
            caplen: self.stream.caplen,
            expected,
        };
        let text = wrong.explain(&mut self.stream)?;
        self.proof.complaints.push(text);
        Ok(())
    }

    /// Counts the remaining delivered frames as missing after all files were read.
    fn end(&mut self) -> Result<()> {
        self.pass_spoiled()?;
        let Some((_, place)) = self.expected.current() else {
            return Ok(());
        };
        let missing = self.pass(u64::MAX)?;
        let free = self.free()?;
        self.proof.elsewhere += missing.min(free);
        if missing > free {
            self.proof.complaints.push(format!(
                "the files end before {place}: {} frames that the NIC delivered after that are \
                 neither in the files nor in the ledger",
                missing - free
            ));
        }
        Ok(())
    }
}
