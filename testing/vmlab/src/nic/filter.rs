//! The filter that decides which frames the NIC accepts, by size, address and VLAN.
//!
//! Datasheet, section 7.1.1 (filtering) and 8.2.3.22 (sizes).

use super::registers::bits::{
    FCTRL_BAM, FCTRL_MPE, FCTRL_UPE, HLREG0_JUMBOEN, MAXFRS_MFS_SHIFT, MCSTCTRL_MFE, MCSTCTRL_MO,
    RAH_AV, VLNCTRL_VET, VLNCTRL_VFE,
};
use super::registers::{File, Register};

/// Bytes of the frame check sequence, which the sizes in registers include.
pub(super) const FCS: usize = 4;
/// Shortest frame in bytes, with FCS.
const SHORTEST: usize = 64;
/// Longest frame in bytes while jumbo frames are off, with FCS.
const LONGEST: usize = 1518;
/// Bytes of a VLAN tag, by which a tagged frame may be longer.
const TAG: usize = 4;

/// How the MAC classifies the size of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Good,
    Undersize,
    Oversize,
}

/// Settings of the filters.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    fctrl: u32,
    vlnctrl: u32,
    mcstctrl: u32,
    /// Longest frame in bytes, with FCS and without tag.
    longest: usize,
    /// Addresses as numbers of 48 bits.
    unicast: Vec<u64>,
    multicast: Vec<u32>,
    vlans: Vec<u32>,
}

/// Returns the destination address as a number whose lowest byte is the first one, as in registers.
fn destination(frame: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = frame.len().min(6);
    bytes[..count].copy_from_slice(&frame[..count]);
    u64::from_le_bytes(bytes)
}

const BROADCAST: u64 = 0xFFFF_FFFF_FFFF;

impl Filter {
    pub(super) fn new(registers: &File) -> Self {
        let jumbo = registers.get(Register::HLREG0) & HLREG0_JUMBOEN != 0;
        let low = registers.all(Register::RAL);
        let high = registers.all(Register::RAH);
        let unicast = low.iter().zip(high).filter(|(_, high)| *high & RAH_AV != 0);
        Self {
            fctrl: registers.get(Register::FCTRL),
            vlnctrl: registers.get(Register::VLNCTRL),
            mcstctrl: registers.get(Register::MCSTCTRL),
            longest: match jumbo {
                true => (registers.get(Register::MAXFRS) >> MAXFRS_MFS_SHIFT) as usize,
                false => LONGEST,
            },
            unicast: unicast
                .map(|(&low, &high)| u64::from(high & 0xFFFF) << 32 | u64::from(low))
                .collect(),
            multicast: registers.all(Register::MTA).to_vec(),
            vlans: registers.all(Register::VFTA).to_vec(),
        }
    }

    /// Returns the EtherType of a VLAN tag.
    pub(super) fn vet(&self) -> u16 {
        (self.vlnctrl & VLNCTRL_VET) as u16
    }

    pub(super) fn size(&self, frame: &[u8]) -> Size {
        let bytes = frame.len() + FCS;
        let tagged = frame.get(12..14) == Some(&self.vet().to_be_bytes());
        let longest = self.longest + if tagged { TAG } else { 0 };
        match bytes {
            ..SHORTEST => Size::Undersize,
            _ if bytes > longest => Size::Oversize,
            _ => Size::Good,
        }
    }

    /// Returns whether a frame of this VLAN (`None` without a tag) passes.
    pub(super) fn passes(&self, frame: &[u8], vlan: Option<u16>) -> bool {
        let to = destination(frame);
        let address = if to == BROADCAST {
            self.fctrl & FCTRL_BAM != 0
        } else if to & 1 == 0 {
            self.fctrl & FCTRL_UPE != 0 || self.unicast.contains(&to)
        } else {
            self.fctrl & FCTRL_MPE != 0 || self.in_multicast_table(to)
        };
        address && vlan.is_none_or(|tag| self.vlan_passes(tag))
    }

    fn in_multicast_table(&self, to: u64) -> bool {
        if self.mcstctrl & MCSTCTRL_MFE == 0 {
            return false;
        }
        // MO selects which 12 of the highest 16 bits of the address are the index.
        let first = match self.mcstctrl & MCSTCTRL_MO {
            0 => 36,
            1 => 35,
            2 => 34,
            _ => 32,
        };
        let index = (to >> first) as usize & 0xFFF;
        self.multicast[index / 32] & 1 << (index % 32) != 0
    }

    fn vlan_passes(&self, tag: u16) -> bool {
        let id = usize::from(tag & 0xFFF);
        self.vlnctrl & VLNCTRL_VFE == 0 || self.vlans[id / 32] & 1 << (id % 32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: [u8; 6]) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[..6].copy_from_slice(&to);
        frame
    }

    fn with(set: &[(Register, usize, u32)]) -> Filter {
        let mut file = File::new();
        for &(register, n, value) in set {
            file.set(register, n, value);
        }
        Filter::new(&file)
    }

    #[test]
    fn filter_checks_addresses() {
        let ours = frame([0x02, 0, 0, 0, 0xAA, 0x01]);
        let others = frame([0x02, 0, 0, 0, 0xAA, 0x02]);
        let group = frame([0x01, 0, 0x5E, 0, 0x00, 0xFB]);
        let all = frame([0xFF; 6]);
        let takes = |filter: &Filter| {
            [&ours, &others, &group, &all].map(|frame| filter.passes(frame, None))
        };
        let address = [
            (Register::RAL, 5, 0x0000_0002),
            (Register::RAH, 5, RAH_AV | 0x01AA),
        ];
        assert_eq!(takes(&with(&address)), [true, false, false, false]);
        assert_eq!(
            takes(&with(&[(Register::FCTRL, 0, FCTRL_UPE)])),
            [true, true, false, false]
        );
        assert_eq!(
            takes(&with(&[(Register::FCTRL, 0, FCTRL_MPE)])),
            [false, false, true, false]
        );
        assert_eq!(
            takes(&with(&[(Register::FCTRL, 0, FCTRL_BAM)])),
            [false, false, false, true]
        );
        // 00:FB are the highest 16 bits, FB highest: index 0xFB0.
        let table = (Register::MTA, 0xFB0 / 32, 1 << (0xFB0 % 32));
        assert_eq!(takes(&with(&[table])), [false; 4], "MFE is off");
        let enabled = (Register::MCSTCTRL, 0, MCSTCTRL_MFE);
        assert_eq!(takes(&with(&[table, enabled])), [false, false, true, false]);
    }

    #[test]
    fn filter_checks_vlans() {
        let filter = with(&[
            (Register::FCTRL, 0, FCTRL_UPE),
            (Register::VLNCTRL, 0, VLNCTRL_VFE | 0x8100),
            (Register::VFTA, 3, 1 << 4),
        ]);
        let frame = frame([2; 6]);
        assert!(filter.passes(&frame, None));
        assert!(filter.passes(&frame, Some(0xE000 | 100)));
        assert!(!filter.passes(&frame, Some(101)));
    }

    #[test]
    fn filter_checks_sizes() {
        let standard = with(&[]);
        let sized = |filter: &Filter, len: usize, tagged: bool| {
            let mut frame = vec![0; len];
            if tagged {
                frame[12..14].copy_from_slice(&[0x81, 0]);
            }
            filter.size(&frame)
        };
        assert_eq!(sized(&standard, 59, false), Size::Undersize);
        assert_eq!(sized(&standard, 60, false), Size::Good);
        assert_eq!(sized(&standard, 1514, false), Size::Good);
        assert_eq!(sized(&standard, 1515, false), Size::Oversize);
        assert_eq!(sized(&standard, 1518, true), Size::Good);
        assert_eq!(sized(&standard, 1519, true), Size::Oversize);
        let jumbo = with(&[
            (Register::HLREG0, 0, HLREG0_JUMBOEN),
            (Register::MAXFRS, 0, 9018 << MAXFRS_MFS_SHIFT),
        ]);
        assert_eq!(sized(&jumbo, 9014, false), Size::Good);
        assert_eq!(sized(&jumbo, 9015, false), Size::Oversize);
        assert_eq!(filter_of_nothing(&jumbo), Size::Undersize);
    }

    fn filter_of_nothing(filter: &Filter) -> Size {
        filter.size(&[])
    }
}
