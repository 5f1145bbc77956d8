//! Statistics of interfaces in pcapng files.

use std::fs;
use std::path::Path;

/// The type of a statistics block.
const STATISTICS_BLOCK: u32 = 5;

/// The statistics of one interface in one file.
#[derive(Debug)]
pub(crate) struct Statistics {
    /// The interface, counted from 0.
    pub(crate) interface: u32,
    /// Frames that the interface received.
    pub(crate) received: u64,
    /// Frames that did not get into a file.
    pub(crate) os_dropped: u64,
    /// Frames in the file.
    pub(crate) delivered: u64,
}

impl Statistics {
    /// Reads the statistics at the end of a file, which has no other blocks behind them.
    pub(crate) fn of(path: &Path) -> Vec<Self> {
        let bytes = fs::read(path).unwrap();
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let len = usize::try_from(number(at + 4)).unwrap();
            blocks.push(&bytes[at..at + len]);
            at += len;
        }
        let is_one = |block: &&&[u8]| block[..4] == STATISTICS_BLOCK.to_le_bytes();
        let all: Vec<Self> = blocks
            .iter()
            .filter(is_one)
            .map(|b| Self::parse(b))
            .collect();
        assert!(
            blocks.last().as_ref().is_some_and(is_one),
            "{}",
            path.display()
        );
        all
    }

    fn parse(block: &[u8]) -> Self {
        let number = |code: u8| {
            let mut options = &block[20..block.len() - 4];
            while options[..2] != [code, 0] {
                let bytes = usize::from(u16::from_le_bytes([options[2], options[3]]));
                options = &options[4 + bytes.next_multiple_of(4)..];
            }
            u64::from_le_bytes(options[4..12].try_into().unwrap())
        };
        Self {
            interface: u32::from_le_bytes(block[8..12].try_into().unwrap()),
            received: number(4),
            os_dropped: number(7),
            delivered: number(8),
        }
    }
}
