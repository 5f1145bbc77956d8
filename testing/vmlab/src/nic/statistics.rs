//! Statistics: registers that count, and that reading resets to 0.
//!
//! Datasheet, section 8.2.3.23. Counters of frames saturate. Counters of bytes have 36 bits in two
//! registers.

use super::filter::FCS;
use super::registers::{File, Register};

/// Adds one to element `n` of a register.
pub(super) fn count(registers: &mut File, register: Register, n: usize) {
    let slot = registers.slot(register, n);
    *slot = slot.saturating_add(1);
}

/// Adds bytes to a 36-bit counter.
fn add(registers: &mut File, low: Register, high: Register, n: usize, bytes: usize) {
    let (sum, carry) = registers.at(low, n).overflowing_add(bytes as u32);
    registers.set(low, n, sum);
    if carry {
        let high = registers.slot(high, n);
        *high = (*high + 1) & 0xF;
    }
}

/// Returns the counter for frames of this size, with FCS.
fn by_size(bytes: usize, registers: [Register; 6]) -> Register {
    match bytes {
        ..=64 => registers[0],
        65..=127 => registers[1],
        128..=255 => registers[2],
        256..=511 => registers[3],
        512..=1023 => registers[4],
        _ => registers[5],
    }
}

fn is_broadcast(frame: &[u8]) -> bool {
    frame.starts_with(&[0xFF; 6])
}

fn is_multicast(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 != 0)
}

/// Counts a frame on the wire while reception is on.
pub(super) fn on_the_wire(registers: &mut File, frame: &[u8]) {
    count(registers, Register::TPR, 0);
    add(
        registers,
        Register::TORL,
        Register::TORH,
        0,
        frame.len() + FCS,
    );
}

/// Counts a good frame that passed the filters, before its ring is considered. So GPRC also
/// includes frames that are missed afterwards; ixgbe subtracts them.
pub(super) fn received(registers: &mut File, frame: &[u8]) {
    use Register::{PRC64, PRC127, PRC255, PRC511, PRC1023, PRC1522};
    let bytes = frame.len() + FCS;
    count(registers, Register::GPRC, 0);
    add(registers, Register::GORCL, Register::GORCH, 0, bytes);
    let size = by_size(bytes, [PRC64, PRC127, PRC255, PRC511, PRC1023, PRC1522]);
    count(registers, size, 0);
    if is_broadcast(frame) {
        count(registers, Register::BPRC, 0);
    } else if is_multicast(frame) {
        count(registers, Register::MPRC, 0);
    }
}

/// Returns which of the 16 queue counters this queue uses. There are fewer counters than queues,
/// and RQSMR (four queues per register) assigns a counter to each queue.
pub(super) fn counter_of(registers: &File, queue: usize) -> usize {
    (registers.at(Register::RQSMR, queue / 4) >> (8 * (queue % 4)) & 0xF) as usize
}

/// Counts a frame that was delivered into the guest's memory.
pub(super) fn delivered(registers: &mut File, queue: usize, frame: &[u8]) {
    let n = counter_of(registers, queue);
    count(registers, Register::QPRC, n);
    add(
        registers,
        Register::QBRC_L,
        Register::QBRC_H,
        n,
        frame.len() + FCS,
    );
    count(registers, Register::RXDGPC, 0);
    add(
        registers,
        Register::RXDGBCL,
        Register::RXDGBCH,
        0,
        frame.len() + FCS,
    );
}

/// Counts a frame that the guest transmitted.
pub(super) fn transmitted(registers: &mut File, queue: usize, frame: &[u8]) {
    use Register::{PTC64, PTC127, PTC255, PTC511, PTC1023, PTC1522};
    let bytes = frame.len() + FCS;
    count(registers, Register::GPTC, 0);
    count(registers, Register::TPT, 0);
    count(registers, Register::TXDGPC, 0);
    add(registers, Register::GOTCL, Register::GOTCH, 0, bytes);
    let size = by_size(bytes, [PTC64, PTC127, PTC255, PTC511, PTC1023, PTC1522]);
    count(registers, size, 0);
    if is_broadcast(frame) {
        count(registers, Register::BPTC, 0);
    } else if is_multicast(frame) {
        count(registers, Register::MPTC, 0);
    }
    let map = registers.at(Register::TQSM, queue / 4);
    let n = (map >> (8 * (queue % 4)) & 0xF) as usize;
    count(registers, Register::QPTC, n);
    add(registers, Register::QBTC_L, Register::QBTC_H, n, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_counter_saturates_byte_counter_carries() {
        let mut file = File::new();
        file.set(Register::TORL, 0, u32::MAX - 10);
        file.set(Register::TPR, 0, u32::MAX);
        on_the_wire(&mut file, &[0; 60]);
        assert_eq!(file.get(Register::TORL), 53);
        assert_eq!(file.get(Register::TORH), 1);
        assert_eq!(file.get(Register::TPR), u32::MAX);
    }

    #[test]
    fn queue_counts_in_its_mapped_register() {
        let mut file = File::new();
        file.set(Register::RQSMR, 1, 0x0302_0100);
        delivered(&mut file, 6, &[0; 60]);
        delivered(&mut file, 6, &[0; 60]);
        delivered(&mut file, 0, &[0; 60]);
        assert_eq!(file.all(Register::QPRC)[..4], [1, 0, 2, 0]);
        assert_eq!(file.at(Register::QBRC_L, 2), 128);
    }
}
