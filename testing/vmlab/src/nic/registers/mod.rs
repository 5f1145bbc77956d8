//! The registers of the 82599, in one table: names and sections as in Intel's "82599 10 GbE
//! Controller Datasheet", and their bits in [`bits`].
//!
//! A register that is not in the table reads 0 and ignores writes, as an offset without a register does. An array may
//! be accessible through several windows (RAL at 0x5400 for old drivers and at 0xA200), which show the same registers.

pub mod bits;
mod file;

pub use file::{File, decode};

/// The effect of an access, before any behaviour of the register itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Keeps the written value.
    ReadWrite,
    /// Ignores writes.
    ReadOnly,
    /// A statistics register: reading resets it to 0, and writes are ignored.
    ReadClear,
}

/// Position of a register, or of a part of an array of registers.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Offset in BAR 0 of the first register in the window.
    pub offset: u32,
    /// Number of registers in the window.
    pub count: u16,
    /// Bytes between the offsets of consecutive registers.
    pub stride: u32,
    /// Index in the array of the first register.
    pub first: u16,
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The register.
    pub register: Register,
    /// Its name in the datasheet.
    pub name: &'static str,
    /// Its section in the datasheet.
    pub section: &'static str,
    /// The effect of an access.
    pub access: Access,
    /// Its value after a reset.
    pub reset: u32,
    /// The offsets of the register.
    pub windows: &'static [Window],
}

macro_rules! window {
    ($offset:literal) => {
        window!($offset, 1, 4, 0)
    };
    ($offset:literal, $count:literal, $stride:literal) => {
        window!($offset, $count, $stride, 0)
    };
    ($offset:literal, $count:literal, $stride:literal, $first:literal) => {
        Window {
            offset: $offset,
            count: $count,
            stride: $stride,
            first: $first,
        }
    };
}

macro_rules! registers {
    ($($name:ident $section:literal $access:ident $reset:literal:
        $($offset:literal $([$($array:literal),+])?),+;)*) => {
        /// A register, or an array of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(non_camel_case_types, missing_docs, reason = "the names in the data sheet, which describes them")]
        pub enum Register { $($name),* }

        /// Every register that is modelled.
        pub static TABLE: &[Row] = &[$(Row {
            register: Register::$name,
            name: stringify!($name),
            section: $section,
            access: Access::$access,
            reset: $reset,
            windows: &[$(window!($offset $(, $($array),+)?)),+],
        }),*];
    };
}

// The columns are name, section, access, value after reset: offset [count, stride, index of the
// first], ...
registers! {
    // General control.
    CTRL        "8.2.3.1.1"  ReadWrite 0: 0x00000, 0x00004;
    STATUS      "8.2.3.1.2"  ReadOnly  0: 0x00008;
    CTRL_EXT    "8.2.3.1.3"  ReadWrite 0: 0x00018;
    ESDP        "8.2.3.1.4"  ReadWrite 0: 0x00020;
    I2CCTL      "8.2.3.1.5"  ReadWrite 0: 0x00028;
    LEDCTL      "8.2.3.1.6"  ReadWrite 0: 0x00200;
    EXVET       "8.2.3.1.7"  ReadWrite 0x8100_0000: 0x05078;

    // EEPROM and flash, semaphores with the firmware.
    EEC         "8.2.3.2.1"  ReadOnly  0x0000_2700: 0x10010;
    EERD        "8.2.3.2.2"  ReadWrite 0: 0x10014;
    GRC         "8.2.3.2"    ReadWrite 0: 0x10200;
    GCR         "8.2.3.4.1"  ReadWrite 0: 0x11000;
    GCR_EXT     "8.2.3.4"    ReadWrite 0: 0x11050;
    FACTPS      "8.2.3.4"    ReadOnly  0: 0x10150;
    SWSM        "8.2.3.4.9"  ReadWrite 0: 0x10140;
    FWSM        "8.2.3.4.10" ReadOnly  0x0000_8000: 0x10148;
    SW_FW_SYNC  "8.2.3.4.11" ReadWrite 0: 0x10160;

    // Flow control.
    PFCTOP      "8.2.3.3.1"  ReadWrite 0x8808_0001: 0x03008;
    FCTTV       "8.2.3.3.2"  ReadWrite 0: 0x03200 [4, 4];
    FCRTL       "8.2.3.3.3"  ReadWrite 0: 0x03220 [8, 4];
    FCRTH       "8.2.3.3.4"  ReadWrite 0: 0x03260 [8, 4];
    FCRTV       "8.2.3.3.5"  ReadWrite 0: 0x032A0;
    FCCFG       "8.2.3.3.7"  ReadWrite 0: 0x03D00;

    // Interrupts. The state of EIMS and similar registers is in `Causes`, not here.
    EICR        "8.2.3.5.1"  ReadWrite 0: 0x00800;
    EICS        "8.2.3.5.2"  ReadWrite 0: 0x00808;
    EIMS        "8.2.3.5.3"  ReadWrite 0: 0x00880;
    EIMC        "8.2.3.5.4"  ReadWrite 0: 0x00888;
    EIAC        "8.2.3.5.5"  ReadWrite 0: 0x00810;
    EIAM        "8.2.3.5.6"  ReadWrite 0: 0x00890;
    EICS_EX     "8.2.3.5.7"  ReadWrite 0: 0x00A90 [2, 4];
    EIMS_EX     "8.2.3.5.8"  ReadWrite 0: 0x00AA0 [2, 4];
    EIMC_EX     "8.2.3.5.9"  ReadWrite 0: 0x00AB0 [2, 4];
    EIAM_EX     "8.2.3.5.10" ReadWrite 0: 0x00AD0 [2, 4];
    EITRSEL     "8.2.3.5.11" ReadWrite 0: 0x00894;
    EITR        "8.2.3.5.12" ReadWrite 0: 0x00820 [24, 4], 0x12300 [105, 4, 24];
    IVAR        "8.2.3.5.16" ReadWrite 0: 0x00900 [64, 4];
    IVAR_MISC   "8.2.3.5.17" ReadWrite 0: 0x00A00;
    GPIE        "8.2.3.5.18" ReadWrite 0: 0x00898;

    // Receive: filters and RSS.
    FCTRL       "8.2.3.7.1"  ReadWrite 0: 0x05080;
    VLNCTRL     "8.2.3.7.2"  ReadWrite 0x0000_8100: 0x05088;
    MCSTCTRL    "8.2.3.7.3"  ReadWrite 0: 0x05090;
    PSRTYPE     "8.2.3.7.4"  ReadWrite 0: 0x0EA00 [64, 4], 0x05480 [16, 4];
    RXCSUM      "8.2.3.7.5"  ReadWrite 0: 0x05000;
    RFCTL       "8.2.3.7.6"  ReadWrite 0: 0x05008;
    MTA         "8.2.3.7.7"  ReadWrite 0: 0x05200 [128, 4];
    RAL         "8.2.3.7.8"  ReadWrite 0: 0x0A200 [128, 8], 0x05400 [16, 8];
    RAH         "8.2.3.7.9"  ReadWrite 0: 0x0A204 [128, 8], 0x05404 [16, 8];
    MPSAR       "8.2.3.7.10" ReadWrite 0: 0x0A600 [256, 4];
    VFTA        "8.2.3.7.11" ReadWrite 0: 0x0A000 [128, 4];
    MRQC        "8.2.3.7.12" ReadWrite 0: 0x0EC80, 0x05818;
    RSSRK       "8.2.3.7.14" ReadWrite 0: 0x0EB80 [10, 4], 0x05C80 [10, 4];
    RETA        "8.2.3.7.15" ReadWrite 0: 0x0EB00 [32, 4], 0x05C00 [32, 4];
    SAQF        "8.2.3.7.16" ReadWrite 0: 0x0E000 [128, 4];
    DAQF        "8.2.3.7.17" ReadWrite 0: 0x0E200 [128, 4];
    SDPQF       "8.2.3.7.18" ReadWrite 0: 0x0E400 [128, 4];
    FTQF        "8.2.3.7.19" ReadWrite 0: 0x0E600 [128, 4];
    L34TIMIR    "8.2.3.7"    ReadWrite 0: 0x0E800 [128, 4];
    ETQF        "8.2.3.7"    ReadWrite 0: 0x05128 [8, 4];
    ETQS        "8.2.3.7"    ReadWrite 0: 0x0EC00 [8, 4];
    FDIRCTRL    "8.2.3.21"   ReadWrite 0: 0x0EE00;
    FDIRCMD     "8.2.3.21"   ReadWrite 0: 0x0EE2C;
    FDIRHASH    "8.2.3.21"   ReadWrite 0: 0x0EE28;
    FDIRFREE    "8.2.3.21"   ReadWrite 0: 0x0EE38;

    // Receive: rings and packet buffers.
    RDBAL       "8.2.3.8.1"  ReadWrite 0: 0x01000 [64, 0x40], 0x0D000 [64, 0x40, 64];
    RDBAH       "8.2.3.8.2"  ReadWrite 0: 0x01004 [64, 0x40], 0x0D004 [64, 0x40, 64];
    RDLEN       "8.2.3.8.3"  ReadWrite 0: 0x01008 [64, 0x40], 0x0D008 [64, 0x40, 64];
    RDH         "8.2.3.8.4"  ReadWrite 0: 0x01010 [64, 0x40], 0x0D010 [64, 0x40, 64];
    RDT         "8.2.3.8.5"  ReadWrite 0: 0x01018 [64, 0x40], 0x0D018 [64, 0x40, 64];
    RXDCTL      "8.2.3.8.6"  ReadWrite 0: 0x01028 [64, 0x40], 0x0D028 [64, 0x40, 64];
    SRRCTL      "8.2.3.8.7"  ReadWrite 0x0000_0402:
        0x01014 [64, 0x40], 0x0D014 [64, 0x40, 64], 0x02100 [16, 4];
    RDRXCTL     "8.2.3.8.8"  ReadWrite 0x0000_0008: 0x02F00;
    RXPBSIZE    "8.2.3.8.9"  ReadWrite 0: 0x03C00 [8, 4];
    RXCTRL      "8.2.3.8.10" ReadWrite 0: 0x03000;
    RSCCTL      "8.2.3.8"    ReadWrite 0: 0x0102C [64, 0x40], 0x0D02C [64, 0x40, 64];
    RSCDBU      "8.2.3.8"    ReadWrite 0: 0x03028;
    RTRUP2TC    "8.2.3.10"   ReadWrite 0: 0x03020;
    DCA_RXCTRL  "8.2.3.11.1" ReadWrite 0:
        0x0100C [64, 0x40], 0x0D00C [64, 0x40, 64], 0x02200 [16, 4];

    // Transmit.
    DMATXCTL    "8.2.3.9.2"  ReadWrite 0: 0x04A80;
    TDBAL       "8.2.3.9.5"  ReadWrite 0: 0x06000 [128, 0x40];
    TDBAH       "8.2.3.9.6"  ReadWrite 0: 0x06004 [128, 0x40];
    TDLEN       "8.2.3.9.7"  ReadWrite 0: 0x06008 [128, 0x40];
    TDH         "8.2.3.9.8"  ReadWrite 0: 0x06010 [128, 0x40];
    TDT         "8.2.3.9.9"  ReadWrite 0: 0x06018 [128, 0x40];
    TXDCTL      "8.2.3.9.10" ReadWrite 0: 0x06028 [128, 0x40];
    TDWBAL      "8.2.3.9.11" ReadWrite 0: 0x06038 [128, 0x40];
    TDWBAH      "8.2.3.9.12" ReadWrite 0: 0x0603C [128, 0x40];
    DCA_TXCTRL  "8.2.3.11.2" ReadWrite 0: 0x0600C [128, 0x40];
    TXPBSIZE    "8.2.3.9"    ReadWrite 0x0002_8000: 0x0CC00 [8, 4];
    TXPBTHRESH  "8.2.3.9"    ReadWrite 0: 0x04950 [8, 4];
    MTQC        "8.2.3.9"    ReadWrite 0: 0x08120;
    RTTDCS      "8.2.3.10"   ReadWrite 0: 0x04900;
    RTTDQSEL    "8.2.3.10.13" ReadWrite 0: 0x04904;
    RTTBCNRC    "8.2.3.10.16" ReadWrite 0: 0x04984;

    // Security. Both paths are off and ready, as on a NIC without it.
    SECTXCTRL   "8.2.3.12"   ReadWrite 0: 0x08800;
    SECTXSTAT   "8.2.3.12"   ReadOnly  0x0000_0003: 0x08804;
    SECTXBUFFAF "8.2.3.12"   ReadWrite 0: 0x08808;
    SECTXMINIFG "8.2.3.12"   ReadWrite 0: 0x08810;
    SECRXCTRL   "8.2.3.12.5" ReadWrite 0: 0x08D00;
    SECRXSTAT   "8.2.3.12.6" ReadOnly  0x0000_0003: 0x08D04;

    // Pools of virtual functions. These registers can be written but have no effect.
    PFVTCTL     "8.2.3.27"   ReadWrite 0: 0x051B0;
    PFDTXGSWC   "8.2.3.27"   ReadWrite 0: 0x08220;
    PFVLVF      "8.2.3.27.15" ReadWrite 0: 0x0F100 [64, 4];
    PFVLVFB     "8.2.3.27.16" ReadWrite 0: 0x0F200 [128, 4];
    PFUTA       "8.2.3.27.17" ReadWrite 0: 0x0F400 [128, 4];

    // MAC and link.
    HLREG0      "8.2.3.22.8"  ReadWrite 0x0000_0403: 0x04240;
    MSCA        "8.2.3.22.11" ReadWrite 0: 0x0425C;
    MSRWD       "8.2.3.22.12" ReadWrite 0: 0x04260;
    MAXFRS      "8.2.3.22.13" ReadWrite 0x05EE_0000: 0x04268;
    MFLCN       "8.2.3.22"    ReadWrite 0: 0x04294;
    AUTOC       "8.2.3.22.19" ReadWrite 0x0000_2000: 0x042A0;
    LINKS       "8.2.3.22.20" ReadOnly  0: 0x042A4;
    AUTOC2      "8.2.3.22.22" ReadWrite 0: 0x042A8;
    ANLP1       "8.2.3.22.23" ReadOnly  0x000F_0000: 0x042B0;

    // Statistics, sections 8.2.3.23.1 to 8.2.3.23.80.
    CRCERRS     "8.2.3.23" ReadClear 0: 0x04000;
    ILLERRC     "8.2.3.23" ReadClear 0: 0x04004;
    ERRBC       "8.2.3.23" ReadClear 0: 0x04008;
    MLFC        "8.2.3.23" ReadClear 0: 0x04034;
    MRFC        "8.2.3.23" ReadClear 0: 0x04038;
    RLEC        "8.2.3.23" ReadClear 0: 0x04040;
    RXMPC       "8.2.3.23" ReadClear 0: 0x03FA0 [8, 4];
    PRC64       "8.2.3.23" ReadClear 0: 0x0405C;
    PRC127      "8.2.3.23" ReadClear 0: 0x04060;
    PRC255      "8.2.3.23" ReadClear 0: 0x04064;
    PRC511      "8.2.3.23" ReadClear 0: 0x04068;
    PRC1023     "8.2.3.23" ReadClear 0: 0x0406C;
    PRC1522     "8.2.3.23" ReadClear 0: 0x04070;
    GPRC        "8.2.3.23.26" ReadClear 0: 0x04074;
    BPRC        "8.2.3.23" ReadClear 0: 0x04078;
    MPRC        "8.2.3.23" ReadClear 0: 0x0407C;
    GPTC        "8.2.3.23" ReadClear 0: 0x04080;
    GORCL       "8.2.3.23" ReadClear 0: 0x04088;
    GORCH       "8.2.3.23" ReadClear 0: 0x0408C;
    GOTCL       "8.2.3.23" ReadClear 0: 0x04090;
    GOTCH       "8.2.3.23" ReadClear 0: 0x04094;
    RUC         "8.2.3.23" ReadClear 0: 0x040A4;
    RFC         "8.2.3.23" ReadClear 0: 0x040A8;
    ROC         "8.2.3.23" ReadClear 0: 0x040AC;
    RJC         "8.2.3.23" ReadClear 0: 0x040B0;
    TORL        "8.2.3.23" ReadClear 0: 0x040C0;
    TORH        "8.2.3.23" ReadClear 0: 0x040C4;
    TPR         "8.2.3.23.59" ReadClear 0: 0x040D0;
    TPT         "8.2.3.23" ReadClear 0: 0x040D4;
    PTC64       "8.2.3.23" ReadClear 0: 0x040D8;
    PTC127      "8.2.3.23" ReadClear 0: 0x040DC;
    PTC255      "8.2.3.23" ReadClear 0: 0x040E0;
    PTC511      "8.2.3.23" ReadClear 0: 0x040E4;
    PTC1023     "8.2.3.23" ReadClear 0: 0x040E8;
    PTC1522     "8.2.3.23" ReadClear 0: 0x040EC;
    MPTC        "8.2.3.23" ReadClear 0: 0x040F0;
    BPTC        "8.2.3.23" ReadClear 0: 0x040F4;
    RXDGPC      "8.2.3.23" ReadClear 0: 0x02F50;
    RXDGBCL     "8.2.3.23" ReadClear 0: 0x02F54;
    RXDGBCH     "8.2.3.23" ReadClear 0: 0x02F58;
    TXDGPC      "8.2.3.23" ReadClear 0: 0x087A0;
    RQSMR       "8.2.3.23.71" ReadWrite 0: 0x02300 [32, 4];
    TQSM        "8.2.3.23.73" ReadWrite 0: 0x08600 [32, 4];
    QPRC        "8.2.3.23" ReadClear 0: 0x01030 [16, 0x40];
    QPRDC       "8.2.3.23" ReadClear 0: 0x01430 [16, 0x40];
    QBRC_L      "8.2.3.23" ReadClear 0: 0x01034 [16, 0x40];
    QBRC_H      "8.2.3.23" ReadClear 0: 0x01038 [16, 0x40];
    QPTC        "8.2.3.23" ReadClear 0: 0x08680 [16, 4], 0x06030 [16, 0x40];
    QBTC_L      "8.2.3.23" ReadClear 0: 0x08700 [16, 8];
    QBTC_H      "8.2.3.23" ReadClear 0: 0x08704 [16, 8];
}

impl Register {
    /// Returns the register's row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Returns the bits that a write changes; the others stay 0. A ring starts at a multiple of 128
    /// bytes, and its length is a multiple of 128 bytes.
    pub fn writable(self) -> u32 {
        match self {
            Self::RDBAL | Self::TDBAL => !0x7F,
            Self::RDLEN | Self::TDLEN => 0xF_FF80,
            Self::RDH | Self::RDT | Self::TDH | Self::TDT => 0xFFFF,
            Self::RAH => bits::RAH_AV | 0xFFFF,
            _ => !0,
        }
    }
}

/// Size of BAR 0 in bytes.
pub const BAR0_BYTES: u32 = 0x2_0000;
