//! Tests of how a queue ends.

use std::sync::mpsc::channel;
use std::time::Instant;

use hpcap::abi::hpcap_queue;
use hpcap::queue::page::QueuePage;

use super::*;
use crate::event::event_queue;
use crate::ring::memory::{Pages, QueueMemory};
use hpcap_source::{Description, Harvest};

/// How the test's source behaves when it is harvested.
#[derive(Clone, Copy)]
enum Act {
    Panic,
    Fail,
    End,
    /// Its first harvests take this time each.
    Dawdle {
        harvests: u32,
        time: Duration,
    },
}

struct Acting(Act);

impl Source for Acting {
    fn description(&self) -> Description {
        Description {
            interface: "test".into(),
            link_type: 1,
            clock_source: "engine",
            waits: false,
            knows_directions: false,
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        match &mut self.0 {
            Act::Dawdle { harvests, time } if *harvests > 0 => {
                *harvests -= 1;
                std::thread::sleep(*time);
                Ok(Harvest {
                    frames: &mut [],
                    lost: &[],
                    state: State::Busy,
                })
            }
            Act::Panic => panic!("this source panics"),
            Act::Fail => Err(Error::new(Kind::Io, "harvest", "this source fails")),
            Act::End | Act::Dawdle { .. } => Ok(Harvest {
                frames: &mut [],
                lost: &[],
                state: State::Ended,
            }),
        }
    }

    fn wait(&mut self, _: Duration) -> Result<()> {
        Ok(())
    }
}

/// Runs a poll thread with a source that behaves as `act`. Returns how the queue ended, its page, and the
/// thread's result.
fn run(act: Act) -> (QueueEnd, QueuePage, Result<()>) {
    let (mut memory, _) = QueueMemory::allocate(1 << 20, Pages::Ordinary).unwrap();
    memory.describe(|page: &mut hpcap_queue| page.file_bytes_max = page.block_bytes);
    let (commands, receiver) = channel();
    let producer = Producer::new(memory).unwrap();
    let page = QueuePage::map(producer.memory().queue_fd()).unwrap();
    let stages = Stages::default();
    let (events, _) = event_queue("test", None);
    let poll = Poll::new(producer, receiver, stages, true, false, IDLE, events);
    let thread = std::thread::spawn(move || poll.run(Box::new(Acting(act))));
    let start = Instant::now();
    let end = loop {
        if let Some(end) = page.end() {
            break end;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(1));
    };
    commands.send(Command::Stop).unwrap();
    (end, page, thread.join().unwrap())
}

fn end_of(act: Act) -> (QueueEnd, Result<()>) {
    let (end, _, outcome) = run(act);
    (end, outcome)
}

#[test]
fn panic_of_the_poll_thread_fails_the_queue() {
    let (end, outcome) = end_of(Act::Panic);
    assert_eq!(end, QueueEnd::Failed);
    assert!(outcome.unwrap_err().to_string().contains("source panics"));
}

#[test]
fn failure_of_a_source_fails_the_queue() {
    let (end, outcome) = end_of(Act::Fail);
    assert_eq!(end, QueueEnd::Failed);
    assert!(outcome.is_err());
}

#[test]
fn end_of_a_source_ends_the_queue() {
    let (end, outcome) = end_of(Act::End);
    assert_eq!(end, QueueEnd::Ended);
    outcome.unwrap();
}

#[test]
fn longest_pause_is_that_between_two_looks_at_the_source() {
    let time = Duration::from_millis(30);
    let (_, page, outcome) = run(Act::Dawdle { harvests: 2, time });
    outcome.unwrap();
    let longest = Duration::from_nanos(page.ledger().longest_pause_ns);
    assert!(longest >= time, "{longest:?}");
}
