//! The settings that a capture chooses for itself: its queues, the ways to try, and the size of its memory.

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::bpf::Place;
use super::socket::Delivery;
use super::spec::{AfXdpSpec, Mode, Queues, ZeroCopy};

/// Frames that the memory of a queue holds, unless there are many queues.
const FRAMES: u32 = 32_768;
/// Frames that the memory of all queues together holds by default.
const FRAMES_OF_ALL: u32 = 131_072;
/// Smallest default number of frames of a queue.
const FRAMES_LEAST: u32 = 2048;
/// Returns the queues to capture, of `there` queues.
pub(super) fn chosen(spec: &AfXdpSpec, interface: &Interface, there: u32) -> Result<Queues> {
    let all = Queues {
        first: 0,
        last: there - 1,
    };
    match spec.queues {
        None => Ok(all),
        Some(queues) if queues.last < there => Ok(queues),
        Some(queues) => Err(Error::new(
            Kind::NotFound,
            format!("capture queue {} of {}", queues.last, interface.name),
            match there {
                1 => "it has one receive queue, number 0".to_owned(),
                _ => format!("its receive queues are {all}"),
            },
        )
        .advise(format!(
            "ethtool -l {} shows and ethtool -L changes their number",
            interface.name
        ))),
    }
}

/// Returns the ways to try, the best first.
pub(super) fn attempts(spec: &AfXdpSpec) -> Vec<(Place, Delivery)> {
    let mut ways = Vec::new();
    if spec.mode != Mode::Generic {
        if spec.zero_copy != ZeroCopy::Off {
            ways.push((Place::Driver, Delivery::ZeroCopy));
        }
        if spec.zero_copy != ZeroCopy::On {
            ways.push((Place::Driver, Delivery::Copy));
        }
    }
    if spec.mode != Mode::Native && spec.zero_copy != ZeroCopy::On {
        ways.push((Place::Stack, Delivery::Copy));
    }
    ways
}

/// Returns the number of frames that the memory of a queue holds by default.
pub(super) fn frames_of_queue(interface: &Interface, queues: Queues, delivery: Delivery) -> u32 {
    let count = queues.last - queues.first + 1;
    let share = (FRAMES_OF_ALL / count).clamp(FRAMES_LEAST, FRAMES);
    let mut frames = 1 << share.ilog2();
    if delivery == Delivery::ZeroCopy {
        // The NIC holds as many chunks as its ring has descriptors.
        let ring = interface.ring_lengths().map_or(0, |ring| ring.receive);
        frames = frames.max(ring.saturating_mul(2).next_power_of_two().min(1 << 20));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queues_share_the_memory() {
        let interface = Interface::any();
        let frames = |last| {
            let queues = Queues { first: 0, last };
            frames_of_queue(&interface, queues, Delivery::Copy)
        };
        assert_eq!(
            [0, 3, 7, 8, 15, 200].map(frames),
            [32_768, 32_768, 16_384, 8192, 8192, 2048]
        );
    }

    #[test]
    fn ways_are_tried_from_the_best_on() {
        let ways = |options: &str| attempts(&AfXdpSpec::parse(options).unwrap());
        let (driver, stack) = (Place::Driver, Place::Stack);
        let (zero, copy) = (Delivery::ZeroCopy, Delivery::Copy);
        assert_eq!(ways("e"), [(driver, zero), (driver, copy), (stack, copy)]);
        assert_eq!(ways("e,mode=native"), [(driver, zero), (driver, copy)]);
        assert_eq!(ways("e,zerocopy=on"), [(driver, zero)]);
        assert_eq!(ways("e,mode=generic"), [(stack, copy)]);
        assert_eq!(ways("e,zerocopy=off"), [(driver, copy), (stack, copy)]);
    }
}
