//! Which frames a stream keeps, and how much of each: a program that the kernel runs.

use hpcap_sys::filter::Instruction;

use super::super::classic::{RETURN, give, load_fact, skip_if_equal};
use super::super::spec::Direction;

/// Builds the program that keeps `caplen` bytes of the frames of `direction` that `filter` accepts.
///
/// The kernel takes VLAN tags out of frames, so `filter`, which counts bytes from the start of the
/// frame, would look at the wrong bytes of a frame that had a tag. Such frames are kept whole, and the
/// caller of [`Stream::harvest`](super::Stream::harvest) decides about them.
pub(super) fn program(
    direction: Direction,
    filter: &[Instruction],
    caplen: u32,
) -> Vec<Instruction> {
    let outgoing = libc::PACKET_OUTGOING.into();
    let mut program = Vec::with_capacity(filter.len() + 8);
    match direction {
        Direction::Both => {}
        Direction::In => program.extend([
            load_fact(libc::SKF_AD_PKTTYPE),
            skip_if_equal(outgoing, 0, 1),
            give(0),
        ]),
        Direction::Out => program.extend([
            load_fact(libc::SKF_AD_PKTTYPE),
            skip_if_equal(outgoing, 1, 0),
            give(0),
        ]),
    }
    if filter.is_empty() {
        program.push(give(caplen));
        return program;
    }
    program.extend([
        load_fact(libc::SKF_AD_VLAN_TAG_PRESENT),
        skip_if_equal(0, 1, 0),
        give(u32::MAX),
    ]);
    program.extend(filter.iter().map(|instruction| {
        let accepts = u32::from(instruction.code) == RETURN && instruction.k != 0;
        match accepts {
            true => give(caplen),
            false => *instruction,
        }
    }));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_returns_keep_the_captured_length() {
        let filter = [skip_if_equal(7, 0, 1), give(65_535), give(0)];
        let built = program(Direction::Both, &filter, 96);
        assert_eq!(
            built[built.len() - 3..],
            [skip_if_equal(7, 0, 1), give(96), give(0)]
        );
        assert_eq!(program(Direction::Both, &[], 64), [give(64)]);
    }
}
