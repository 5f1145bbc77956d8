//! The EEPROM, as far as a driver looks at it.
//!
//! Datasheet, section 6: words, pointers to modules, and the checksum over them. The address is
//! not in it: `RAL[0]` and `RAH[0]` get it at each reset, as hardware loads them.

/// Words that the EEPROM has: EEC.EE_SIZE says 4, so 1024 words (64 Kb serial).
const WORDS: usize = 1024;
/// Where the words end that the checksum is over; it is the last of them.
const CHECKSUM: usize = 0x3F;
/// What all words up to the checksum add up to.
const CHECKSUM_TOTAL: u16 = 0xBABA;
/// Pointer to the firmware module: 0xFFFF where there is none.
const FIRMWARE: usize = 0x0F;
/// Device capabilities word: 0 for a device of a released stepping without options.
const DEVICE_CAPABILITIES: usize = 0x2C;

/// The EEPROM's contents.
#[derive(Debug, Clone)]
pub(super) struct Eeprom {
    words: Vec<u16>,
}

impl Eeprom {
    pub(super) fn new() -> Self {
        let mut words = vec![0_u16; WORDS];
        // Pointers to the modules stay 0: no module has words for the checksum to run over.
        words[FIRMWARE] = 0xFFFF;
        words[DEVICE_CAPABILITIES] = 0;
        let sum = words[..CHECKSUM]
            .iter()
            .fold(0_u16, |sum, &word| sum.wrapping_add(word));
        words[CHECKSUM] = CHECKSUM_TOTAL.wrapping_sub(sum);
        Self { words }
    }

    pub(super) fn word(&self, address: usize) -> u16 {
        self.words.get(address).copied().unwrap_or(0xFFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eeprom_checksum_holds() {
        let eeprom = Eeprom::new();
        let sum = (0..=CHECKSUM).fold(0_u16, |sum, at| sum.wrapping_add(eeprom.word(at)));
        assert_eq!(sum, CHECKSUM_TOTAL);
        assert_eq!(eeprom.word(FIRMWARE), 0xFFFF);
        assert_eq!(eeprom.word(WORDS), 0xFFFF);
    }
}
