//! Makes pcap and pcapng files from their parts, byte by byte and in either byte order, so that tests
//! can make files that no writer makes.

/// A byte order, with functions that encode integers in it.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Whether the most significant byte comes first.
    pub big: bool,
}

impl Order {
    /// Encodes an integer of 16 bits.
    #[must_use]
    pub fn u16(self, n: u16) -> [u8; 2] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    /// Encodes an integer of 32 bits.
    #[must_use]
    pub fn u32(self, n: u32) -> [u8; 4] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    /// Encodes an integer of 64 bits.
    #[must_use]
    pub fn u64(self, n: u64) -> [u8; 8] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    /// Returns the header of a pcap file.
    #[must_use]
    pub fn pcap(self, magic: u32, link_type: u32) -> Vec<u8> {
        let mut b = self.u32(magic).to_vec();
        b.extend(self.u16(2));
        b.extend(self.u16(4));
        b.extend([0; 8]);
        b.extend(self.u32(65_535));
        b.extend(self.u32(link_type));
        b
    }

    /// Returns a frame of a pcap file.
    #[must_use]
    pub fn record(self, sec: u32, fraction: u32, len: u32, data: &[u8]) -> Vec<u8> {
        let caplen = u32::try_from(data.len()).unwrap();
        let mut b = [sec, fraction, caplen, len].map(|n| self.u32(n)).concat();
        b.extend_from_slice(data);
        b
    }

    /// Returns a pcapng block around `body`.
    #[must_use]
    pub fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = self.u32(u32::try_from(body.len() + 12).unwrap());
        [&self.u32(kind)[..], &length, &body, &length].concat()
    }

    /// Returns an option of a pcapng block.
    #[must_use]
    pub fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut b = self.u16(code).to_vec();
        b.extend(self.u16(u16::try_from(value.len()).unwrap()));
        b.extend_from_slice(value);
        b.resize(b.len().next_multiple_of(4), 0);
        b
    }

    /// Returns the header of a pcapng section without options.
    #[must_use]
    pub fn section(self) -> Vec<u8> {
        let mut b = self.u32(0x1a2b_3c4d).to_vec();
        b.extend(self.u16(1));
        b.extend(self.u16(0));
        b.extend(self.u64(u64::MAX));
        self.block(0x0a0d_0d0a, &b)
    }

    /// Returns the description of a pcapng interface.
    #[must_use]
    pub fn interface(self, link_type: u16, options: &[u8]) -> Vec<u8> {
        let mut b = self.u16(link_type).to_vec();
        b.extend([0; 2]);
        b.extend(self.u32(0));
        b.extend_from_slice(options);
        self.block(1, &b)
    }

    /// Returns an enhanced packet block.
    #[must_use]
    pub fn packet(
        self,
        interface: u32,
        units: u64,
        len: u32,
        data: &[u8],
        options: &[u8],
    ) -> Vec<u8> {
        let upper = u32::try_from(units >> 32).unwrap();
        let lower = u32::try_from(units & 0xffff_ffff).unwrap();
        let caplen = u32::try_from(data.len()).unwrap();
        let mut b = [interface, upper, lower, caplen, len]
            .map(|n| self.u32(n))
            .concat();
        b.extend_from_slice(data);
        b.resize(b.len().next_multiple_of(4), 0);
        b.extend_from_slice(options);
        self.block(6, &b)
    }
}

/// Little-endian: the least significant byte comes first.
pub const LITTLE: Order = Order { big: false };
/// Big-endian: the most significant byte comes first.
pub const BIG: Order = Order { big: true };
