//! The listeners of a queue: which slot belongs to which listener, and who waits for a file to start.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use hpcap::abi::{HPCAP_SLOTS, hpcap_listener};
use hpcap::{Error, Kind, Result, Start};
use hpcap_ipc::memory::Mapping;

use crate::ring::Producer;
use crate::server::WakeupSocket;

/// Longest time that a listener waits for its first file to start.
const START_LIMIT: Duration = Duration::from_secs(5);

/// A listener that waits for its first file to start.
struct Starting {
    slot: usize,
    since: Instant,
    reply: Sender<Result<usize>>,
}

/// The listeners of a queue.
#[derive(Default)]
pub(super) struct Listeners {
    /// The ids of the listeners, by slot; 0 is a free slot.
    ids: [u64; HPCAP_SLOTS],
    starting: Vec<Starting>,
}

impl Listeners {
    /// Gives `listener` a slot of `producer`. `reply` gets the index of the slot once the listener
    /// is active.
    pub(super) fn attach(
        &mut self,
        producer: &mut Producer,
        slot: Mapping,
        listener: &hpcap_listener,
        start: Start,
        reply: Sender<Result<usize>>,
    ) {
        match producer.attach(slot, listener, start) {
            Ok(slot) => {
                self.ids[slot] = listener.id;
                self.starting.push(Starting {
                    slot,
                    since: Instant::now(),
                    reply,
                });
            }
            Err(e) => {
                let _ = reply.send(Err(e));
            }
        }
    }

    /// Frees the slot of listener `id`. The id of a listener that was killed is unknown by then.
    pub(super) fn detach(&mut self, producer: &mut Producer, id: u64) {
        if let Some(slot) = self.slot_of(id) {
            self.free(producer, slot);
        }
    }

    /// Kills listener `id`, whose slot becomes free.
    pub(super) fn kill(&mut self, producer: &mut Producer, id: u64) -> Result<()> {
        let slot = self.slot_of(id).ok_or_else(|| no_listener("kill", id))?;
        producer.kill(slot);
        self.free(producer, slot);
        self.starting.retain(|waiting| {
            if waiting.slot == slot {
                let killed = Error::new(Kind::Killed, "attach", "the listener was killed");
                let _ = waiting.reply.send(Err(killed));
            }
            waiting.slot != slot
        });
        Ok(())
    }

    /// Wakes listener `id` over `socket`, too.
    pub(super) fn set_wakeup(
        &self,
        producer: &mut Producer,
        id: u64,
        socket: WakeupSocket,
    ) -> Result<()> {
        let slot = self.slot_of(id).ok_or_else(|| no_listener("wake", id))?;
        producer.set_wakeup(slot, socket);
        Ok(())
    }

    /// Replies to the waiting listeners that have become active or have waited too long.
    pub(super) fn answer_started(&mut self, producer: &mut Producer) {
        let ids = &mut self.ids;
        self.starting.retain(|waiting| {
            if producer.is_active(waiting.slot) {
                // The client has closed its connection meanwhile, so its slot is freed.
                if waiting.reply.send(Ok(waiting.slot)).is_err() {
                    ids[waiting.slot] = 0;
                    producer.detach(waiting.slot);
                }
                return false;
            }
            if waiting.since.elapsed() < START_LIMIT {
                return true;
            }
            ids[waiting.slot] = 0;
            producer.detach(waiting.slot);
            let _ = waiting.reply.send(Err(no_file()));
            false
        });
    }

    /// Refuses the listeners that wait for a file to start, because the queue stops.
    pub(super) fn refuse_starting(&mut self) {
        for waiting in self.starting.drain(..) {
            let _ = waiting.reply.send(Err(Error::new(
                Kind::Gone,
                "attach to the queue",
                "the producer is stopping",
            )));
        }
    }

    fn slot_of(&self, id: u64) -> Option<usize> {
        self.ids.iter().position(|other| id != 0 && *other == id)
    }

    fn free(&mut self, producer: &mut Producer, slot: usize) {
        self.ids[slot] = 0;
        producer.detach(slot);
    }
}

fn no_listener(verb: &str, id: u64) -> Error {
    let tried = format!("{verb} listener {id}");
    Error::new(Kind::NotFound, tried, "there is no such listener")
}

fn no_file() -> Error {
    Error::new(
        Kind::Timeout,
        "start a file",
        format!(
            "the ring stayed full for {} s: a lossless listener does not read",
            START_LIMIT.as_secs()
        ),
    )
    .advise("`hpcapctl status` shows its pid and lag; `hpcapctl kill QUEUE ID` ends it")
}
