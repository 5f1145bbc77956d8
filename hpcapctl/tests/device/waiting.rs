//! Tests of waiting for frames, and of the events that end a wait.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use hpcap::abi::{self, hpcap_attach, hpcap_slot};
use hpcap::raw;
use hpcap::stream::Pollable;
use hpcap::{Contract, Event, Kind, Queue, QueueName, Reason, Start, Waited};
use hpcap_ipc::memory::{Access, Mapping, Place};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::module::{Module, lossless, read_frames, request};

/// Far longer than any wait in these tests should take, even on a busy machine.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn wait_ends_at_its_timeout() {
    let Some(module) = Module::take() else { return };
    let mut listener = lossless(&module.queue());
    // This skips the file header, which is already there.
    listener.advance(listener.available());
    for ms in [0, 30, 250] {
        let wanted = Duration::from_millis(ms);
        let start = Instant::now();
        assert_eq!(listener.wait(1, wanted).unwrap(), Waited::TimedOut);
        let took = start.elapsed();
        assert!(
            took >= wanted && took < wanted + LONG / 2,
            "{took:?} for {wanted:?}"
        );
    }
}

#[test]
fn pollable_stream_wakes_for_frames_and_for_its_end() {
    let Some(module) = Module::take() else { return };
    let queue = module.queue();
    let mut stream = queue.record("pollable").unwrap().pollable().unwrap();
    let readable = |stream: &Pollable, wait: Duration| {
        let wait = PollTimeout::try_from(wait).unwrap();
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, wait).unwrap() == 1
    };
    let frames = |stream: &mut Pollable| {
        let mut frames = 0;
        while let Poll::Ready(event) = stream.try_next().unwrap() {
            frames += u32::from(matches!(event.unwrap(), Event::Frame(_)));
        }
        frames
    };
    // Without frames, there is only the header of the file.
    assert_eq!(frames(&mut stream), 0);
    assert!(!readable(&stream, Duration::from_millis(50)));
    assert_eq!(frames(&mut stream), 0);

    module.up(true);
    let mut read = 0;
    while read < 1000 {
        assert!(readable(&stream, LONG), "after {read} frames");
        read += frames(&mut stream);
    }
    module.up(false);

    // A killed stream wakes, too, and returns what was published before.
    let id = stream.stream().listener().unwrap().id();
    queue.kill(id).unwrap();
    let killed = loop {
        assert!(readable(&stream, LONG));
        match stream.try_next() {
            Ok(Poll::Ready(None)) => panic!("the queue has not ended"),
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert_eq!(killed.kind(), Kind::Killed);
}

#[test]
fn killed_listener_wakes() {
    let Some(module) = Module::take() else { return };
    let queue = module.queue();
    let mut listener = lossless(&queue);
    listener.advance(listener.available());
    let id = listener.id();
    let start = Instant::now();
    let waiter = std::thread::spawn(move || listener.wait(1, 10 * LONG));
    std::thread::sleep(Duration::from_millis(50));
    queue.kill(id).unwrap();
    assert_eq!(waiter.join().unwrap().unwrap_err().kind(), Kind::Killed);
    assert!(start.elapsed() < LONG);
}

/// This test takes the five seconds that a listener waits for its file.
#[test]
fn missing_start_is_an_error_with_a_reason() {
    let Some(module) = Module::take() else { return };
    let queue = module.queue();
    let stuck = lossless(&queue);
    module.up(true);
    // A ring that is almost full may still have room for the end of a file, so this waits until the
    // ring takes no frame at all.
    let ring_bytes = queue.info().ring_bytes;
    let mut before = 0;
    while stuck.available() < ring_bytes / 2 || stuck.available() != before {
        before = stuck.available();
        std::thread::sleep(Duration::from_millis(200));
    }
    let wanted = request(Contract::Lossless, Start::File);
    let refused = queue.attach(&wanted).unwrap_err();
    assert_eq!(refused.kind(), Kind::Timeout);
    let text = refused.to_string();
    assert!(
        text.contains("5 s") && text.contains("hpcapctl kill"),
        "{text}"
    );
    assert_eq!(queue.listeners().len(), 1);
    // A listener that starts at the newest record needs no new file, so it starts at once.
    let _ = queue
        .attach(&request(Contract::Lossy, Start::Newest))
        .unwrap();
    drop(stuck);
    let _ = queue.attach(&wanted).unwrap();
}

#[test]
fn poll_sleeps_until_enough_is_published() {
    let Some(module) = Module::take() else { return };
    let connection = module.connection();
    let attach = hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op: abi::HPCAP_OP_ATTACH,
        contract: abi::HPCAP_LOSSY,
        start: abi::HPCAP_START_NEWEST,
        ..hpcap_attach::zeroed()
    };
    connection.ask("attach", &attach).unwrap();
    let place = Place::new(connection.as_fd(), abi::HPCAP_MMAP_SLOT);
    let slot = Mapping::of(place, abi::HPCAP_SLOT_BYTES, Access::Write, "the slot").unwrap();
    let queue = module.queue();
    let goal = queue.page().published() + 100_000;
    // SAFETY: both words are inside the slot's page and aligned, the page stays mapped, and all
    // accesses are atomic.
    let (wait_off, waiting) = unsafe {
        let at = |offset: usize| slot.as_ptr().add(offset);
        (
            AtomicU64::from_ptr(at(std::mem::offset_of!(hpcap_slot, wait_off)).cast()),
            AtomicU32::from_ptr(at(std::mem::offset_of!(hpcap_slot, waiting)).cast()),
        )
    };
    wait_off.store(goal, Ordering::Relaxed);
    let events = |timeout: u16| {
        let mut fds = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(timeout)).unwrap();
        fds[0].revents().unwrap()
    };
    assert_eq!(events(50), PollFlags::empty());
    assert_eq!(
        waiting.load(Ordering::Relaxed),
        1,
        "poll has asked to be woken"
    );
    module.up(true);
    assert_eq!(events(30_000), PollFlags::POLLIN);
    assert!(queue.page().published() >= goal);
}

#[test]
fn listeners_outlive_a_removed_adapter() {
    let Some(module) = Module::take() else { return };
    let Ok(queue) = Queue::open(QueueName::new(1, 0)) else {
        panic!("adapter 1 can be removed only once: load the module again to repeat this test");
    };
    let mut listener = lossless(&queue);
    module.up(true);
    let numbers = read_frames(&mut listener, 1000);
    let mut read = numbers.end - numbers.start;
    module.remove_adapter_1();
    assert!(!queue.is_running());
    while listener.wait(1, LONG).unwrap() != Waited::Ended {
        while let Some(event) = listener.next_record().unwrap() {
            read += u64::from(matches!(event, raw::Event::Frame(_)));
        }
        listener.ack().unwrap();
    }
    assert!(
        listener.ended()
            && listener.queue_end() == Some(hpcap::queue::QueueEnd::Stopped)
            && !listener.producer_died()
    );
    // The ledger counts only this listener's frames, because no other was attached before.
    assert_eq!(listener.ledger().ledger[Reason::Captured].frames, read);
    let again = queue.attach(&request(Contract::Lossy, Start::Newest));
    assert!(matches!(
        again.unwrap_err().kind(),
        Kind::NotFound | Kind::Gone
    ));
    // The queue's memory can still be read.
    assert!(listener.published() > 0 && listener.block_entry(0).is_some());
}
