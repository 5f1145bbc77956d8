//! Tests of rings of several sizes, in ordinary pages and in hugepages.

use std::os::fd::{AsFd, OwnedFd};

use hpcap::{Kind, QueueName};
use hpcap_host::pages::{ORDINARY, Pages, anonymous};
use hpcapctl::cli::Ring;
use nix::sys::stat::{Mode, fchmod};

use crate::module::{Module, lossless, read_frames};

const HUGE: u64 = 2 << 20;

fn hugepages(bytes: u64, mode: u32) -> OwnedFd {
    let file = anonymous("test", bytes, HUGE).unwrap();
    fchmod(&file, Mode::from_bits_truncate(mode)).unwrap();
    file
}

/// Reads frames over three laps of the ring, and checks that their numbers have no hole.
fn laps(module: &Module, ring_bytes: u64) {
    let queue = module.queue();
    assert_eq!(queue.info().ring_bytes, ring_bytes);
    let mut listener = lossless(&queue);
    module.up(true);
    read_frames(&mut listener, 3 * ring_bytes / 1000);
    module.up(false);
    assert!(listener.position() > 2 * ring_bytes);
}

#[test]
fn ring_of_any_size_wraps() {
    let Some(module) = Module::take() else { return };
    for ring_bytes in [512 << 10, 1 << 20, 1237 * 4096] {
        module.device().set_ring(ring_bytes, None).unwrap();
        assert_eq!(module.queue().info().page_bytes, ORDINARY);
        laps(&module, ring_bytes);
    }
}

#[test]
fn ring_in_hugepages_wraps() {
    let Some(module) = Module::take() else { return };
    let queue = QueueName::new(0, 0);
    let (size, pages) = (3 * HUGE, Pages::Huge2M);
    let said = hpcapctl::ring::set(&Ring { queue, size, pages }).unwrap();
    assert_eq!(said, "hpcap0: ring 6 MiB in 2 MiB pages\n");
    assert_eq!(module.queue().info().page_bytes, HUGE);
    laps(&module, size);
}

#[test]
fn listener_cannot_write_its_ring() {
    let Some(module) = Module::take() else { return };
    let device = module.device();
    for mode in [0o777, 0o660, 0o602] {
        let file = hugepages(HUGE, mode);
        let refused = device.set_ring(HUGE, Some(file.as_fd())).unwrap_err();
        assert_eq!(refused.kind(), Kind::Permission, "{mode:o}");
    }
    let file = hugepages(HUGE, 0o600);
    device.set_ring(HUGE, Some(file.as_fd())).unwrap();
}

#[test]
fn impossible_ring_changes_nothing() {
    let Some(module) = Module::take() else { return };
    let device = module.device();
    let before = module.queue().info().clone();
    let usage = |ring_bytes: u64, file: Option<&OwnedFd>| {
        let refused = device
            .set_ring(ring_bytes, file.map(AsFd::as_fd))
            .unwrap_err();
        assert_eq!(refused.kind(), Kind::Usage, "{ring_bytes}: {refused}");
    };
    for ring_bytes in [0, 4096, (512 << 10) - 4096, (1 << 20) + 1, u64::MAX] {
        usage(ring_bytes, None);
    }
    let huge = hugepages(2 * HUGE, 0o600);
    usage(HUGE + 4096, Some(&huge));
    usage(3 * HUGE, Some(&huge));
    let ordinary = anonymous("test", HUGE, ORDINARY).unwrap();
    fchmod(&ordinary, Mode::from_bits_truncate(0o600)).unwrap();
    usage(HUGE, Some(&ordinary));
    // This is more memory than any machine has.
    let full = device.set_ring(1 << 50, None).unwrap_err();
    assert_eq!(full.kind(), Kind::Full);
    assert_eq!(module.queue().info(), &before);
}

#[test]
fn ring_with_a_listener_is_not_replaced() {
    let Some(module) = Module::take() else { return };
    let device = module.device();
    let observer = module.queue();
    let listener = lossless(&observer);
    let busy = device.set_ring(1 << 20, None).unwrap_err();
    assert_eq!(busy.kind(), Kind::Busy);
    drop(listener);
    device.set_ring(1 << 20, None).unwrap();
    // The old ring has ended, but its observers can still read it.
    assert!(!observer.is_running());
    assert_eq!(observer.info().ring_bytes, 8 << 20);
    assert!(module.queue().is_running());
}
