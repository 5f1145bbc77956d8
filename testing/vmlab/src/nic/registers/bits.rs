//! Bits and fields of the registers that a test or the NIC's own code uses.

#![expect(missing_docs, reason = "the names are the datasheet's")]

pub const CTRL_LRST: u32 = 1 << 3;
pub const CTRL_RST: u32 = 1 << 26;

pub const EERD_START: u32 = 1 << 0;
pub const EERD_DONE: u32 = 1 << 1;
pub const EERD_ADDRESS_SHIFT: u32 = 2;
pub const EERD_DATA_SHIFT: u32 = 16;

/// Interrupt causes of EICR, EIMS and similar registers. The low 16 bits are vectors.
pub const EICR_RTXQ: u32 = 0xFFFF;
pub const EICR_LSC: u32 = 1 << 20;
/// Bits that reading EICR clears where GPIE.OCD is set.
pub const EICR_OTHER_CLEARABLE: u32 = 0x3FFF_0000;
pub const GPIE_OCD: u32 = 1 << 5;
pub const GPIE_EIAME: u32 = 1 << 30;
pub const IVAR_ALLOC: u8 = 0x3F;
pub const IVAR_ALLOC_VAL: u8 = 0x80;

pub const FCTRL_SBP: u32 = 1 << 1;
pub const FCTRL_MPE: u32 = 1 << 8;
pub const FCTRL_UPE: u32 = 1 << 9;
pub const FCTRL_BAM: u32 = 1 << 10;
pub const VLNCTRL_VET: u32 = 0xFFFF;
pub const VLNCTRL_VFE: u32 = 1 << 30;
pub const MCSTCTRL_MO: u32 = 0b11;
pub const MCSTCTRL_MFE: u32 = 1 << 2;
pub const RAH_AV: u32 = 1 << 31;
pub const FDIRCTRL_INIT_DONE: u32 = 1 << 3;
pub const FDIRCMD_CMD: u32 = 0b11;

pub const MRQC_MRQE: u32 = 0xF;
pub const MRQC_TCP_IPV4: u32 = 1 << 16;
pub const MRQC_IPV4: u32 = 1 << 17;
pub const MRQC_IPV6: u32 = 1 << 20;
pub const MRQC_TCP_IPV6: u32 = 1 << 21;
pub const MRQC_UDP_IPV4: u32 = 1 << 22;
pub const MRQC_UDP_IPV6: u32 = 1 << 23;

pub const RXCTRL_RXEN: u32 = 1 << 0;
pub const RXDCTL_ENABLE: u32 = 1 << 25;
pub const RXDCTL_SWFLSH: u32 = 1 << 26;
pub const RXDCTL_VME: u32 = 1 << 30;
/// Size of buffers in units of 1 KB.
pub const SRRCTL_BSIZEPACKET: u32 = 0x1F;
pub const SRRCTL_DROP_EN: u32 = 1 << 28;
pub const RDRXCTL_DMAIDONE: u32 = 1 << 3;
pub const RXPBSIZE_SIZE: u32 = 0x3FF << 10;

pub const DMATXCTL_TE: u32 = 1 << 0;
pub const TXDCTL_ENABLE: u32 = 1 << 25;
pub const TXDCTL_SWFLSH: u32 = 1 << 26;

pub const HLREG0_JUMBOEN: u32 = 1 << 2;
/// Loopback: transmitted frames are received again, and none reaches the wire.
pub const HLREG0_LPBK: u32 = 1 << 15;
pub const MAXFRS_MFS_SHIFT: u32 = 16;
pub const AUTOC_RESTART_AN: u32 = 1 << 12;
pub const MSCA_MDICMD: u32 = 1 << 30;
/// The link is up, at 10 Gb/s.
pub const LINKS_UP_10G: u32 = 1 << 30 | 3 << 28;
