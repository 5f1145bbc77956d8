//! The values of the registers, and the register of each offset.

use std::sync::LazyLock;

use super::{BAR0_BYTES, Register, TABLE};

/// The register of each word of BAR 0, and the position of each register in a [`File`].
struct Layout {
    words: Vec<Option<(Register, u16)>>,
    /// The first slot of each register, followed by the number of all slots.
    slots: Vec<usize>,
}

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| {
    let mut words = vec![None; (BAR0_BYTES / 4) as usize];
    let mut slots = vec![0];
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(
            row.register as usize, index,
            "the table is in the order of the enum"
        );
        let mut numbers = 0;
        for window in row.windows {
            for i in 0..window.count {
                let word =
                    &mut words[((window.offset + u32::from(i) * window.stride) / 4) as usize];
                assert!(word.is_none(), "{} is where {word:?} is", row.name);
                *word = Some((row.register, window.first + i));
            }
            numbers = numbers.max(window.first + window.count);
        }
        slots.push(slots[index] + usize::from(numbers));
    }
    Layout { words, slots }
});

/// Returns the register at an offset of BAR 0, and its index if it is an array.
pub fn decode(offset: u64) -> Option<(Register, usize)> {
    let word = LAYOUT.words.get(usize::try_from(offset / 4).ok()?)?;
    word.map(|(register, number)| (register, usize::from(number)))
}

/// The values of all registers.
#[derive(Debug, Clone)]
pub struct File {
    layout: &'static [usize],
    values: Vec<u32>,
}

impl File {
    /// Creates the registers with their values after a reset.
    pub fn new() -> Self {
        let layout = &*LAYOUT;
        let slots = &layout.slots;
        let mut values = vec![0; slots[TABLE.len()]];
        for (index, row) in TABLE.iter().enumerate() {
            values[slots[index]..slots[index + 1]].fill(row.reset);
        }
        Self {
            layout: slots,
            values,
        }
    }

    /// Returns the value of a register.
    pub fn get(&self, register: Register) -> u32 {
        self.at(register, 0)
    }

    /// Returns element `n` of an array of registers; 0 after the last one.
    pub fn at(&self, register: Register, n: usize) -> u32 {
        self.all(register).get(n).copied().unwrap_or(0)
    }

    /// Returns all elements of an array of registers.
    pub fn all(&self, register: Register) -> &[u32] {
        let index = register as usize;
        &self.values[self.layout[index]..self.layout[index + 1]]
    }

    /// Sets a register, even if the driver may not write it.
    pub fn set(&mut self, register: Register, n: usize, value: u32) {
        *self.slot(register, n) = value;
    }

    /// Returns the slot of element `n` of an array of registers. Panics after the last one.
    pub fn slot(&mut self, register: Register, n: usize) -> &mut u32 {
        let index = register as usize;
        &mut self.values[self.layout[index]..self.layout[index + 1]][n]
    }
}

impl Default for File {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_windows_alias() {
        assert_eq!(decode(0x5400), Some((Register::RAL, 0)));
        assert_eq!(decode(0xA200), Some((Register::RAL, 0)));
        assert_eq!(decode(0xA20C), Some((Register::RAH, 1)));
        assert_eq!(decode(0x2104), Some((Register::SRRCTL, 1)));
        assert_eq!(decode(0x1054), Some((Register::SRRCTL, 1)));
        assert_eq!(decode(0xD018), Some((Register::RDT, 64)));
        assert_eq!(decode(0x1430), Some((Register::QPRDC, 0)));
        assert_eq!(decode(0x1030), Some((Register::QPRC, 0)));
        assert_eq!(decode(0x4), Some((Register::CTRL, 0)));
        assert_eq!(decode(0x12300), Some((Register::EITR, 24)));
        assert_eq!(decode(0x1F000), None);
        assert_eq!(decode(u64::MAX), None);
    }

    #[test]
    fn register_array_keeps_each_element() {
        let mut file = File::new();
        for row in TABLE {
            assert!(row.section.starts_with("8.2.3."), "{}", row.name);
            let numbers = file.all(row.register).len();
            for n in 0..numbers {
                assert_eq!(file.at(row.register, n), row.reset, "{} {n}", row.name);
                let reached = row.windows.iter().any(|window| {
                    (window.first..window.first + window.count).contains(&(n as u16))
                });
                assert!(reached, "{} {n}", row.name);
            }
            file.set(row.register, numbers - 1, 0x1234_5678);
            assert_eq!(file.at(row.register, numbers - 1), 0x1234_5678);
        }
        assert_eq!(file.at(Register::RAL, 9999), 0);
    }
}
