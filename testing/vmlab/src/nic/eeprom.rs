//! The part of the EEPROM that a driver reads.
//!
//! Datasheet, section 6: words, pointers to modules, and the checksum over them. The MAC address is
//! not stored here: each reset writes it to `RAL[0]` and `RAH[0]`, as hardware loads it.

/// Number of words. EEC.EE_SIZE is 4, which means 1024 words (64 Kb serial).
const WORDS: usize = 1024;
/// Index of the checksum, which is the last word that it covers.
const CHECKSUM: usize = 0x3F;
/// Sum of all words up to the checksum.
const CHECKSUM_TOTAL: u16 = 0xBABA;
/// Index of the pointer to the firmware module, which is 0xFFFF because there is none.
const FIRMWARE: usize = 0x0F;
/// Index of the device capabilities, which are 0 for a released stepping without options.
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
