//! Makes captures for the tests byte by byte, in either byte order.

use hpcap::Error;
use hpcap::pcapfile::Reader;

/// A frame as the reader returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) sec: u64,
    pub(crate) nsec: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) len: u32,
    pub(crate) interface: u32,
    pub(crate) link_type: u32,
    pub(crate) dropped: u64,
    pub(crate) queue: Option<u32>,
    pub(crate) comment: Option<String>,
}

/// Returns all frames of a file, and the error at which reading ended.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Got>, Option<Error>) {
    let mut got = Vec::new();
    let mut reader = match Reader::new(bytes, "test") {
        Ok(reader) => reader,
        Err(e) => return (got, Some(e)),
    };
    loop {
        match reader.next() {
            Ok(None) => return (got, None),
            Err(e) => {
                assert!(matches!(reader.next(), Ok(None)), "an error is the end");
                return (got, Some(e));
            }
            Ok(Some(f)) => got.push(Got {
                sec: f.sec,
                nsec: f.nsec,
                data: f.data.to_vec(),
                len: f.len,
                interface: f.interface,
                link_type: f.link_type,
                dropped: f.dropped,
                queue: f.queue,
                comment: f.comment.map(str::to_owned),
            }),
        }
    }
}

/// A byte order, with functions that encode integers in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) big: bool,
}

impl Order {
    pub(crate) fn u16(self, n: u16) -> [u8; 2] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    pub(crate) fn u32(self, n: u32) -> [u8; 4] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    pub(crate) fn u64(self, n: u64) -> [u8; 8] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    /// Returns the header of a pcap file.
    pub(crate) fn pcap(self, magic: u32, link_type: u32) -> Vec<u8> {
        let mut b = self.u32(magic).to_vec();
        b.extend(self.u16(2));
        b.extend(self.u16(4));
        b.extend([0; 8]);
        b.extend(self.u32(65_535));
        b.extend(self.u32(link_type));
        b
    }

    /// Returns a frame of a pcap file.
    pub(crate) fn record(self, sec: u32, fraction: u32, len: u32, data: &[u8]) -> Vec<u8> {
        let caplen = u32::try_from(data.len()).unwrap();
        let mut b = [sec, fraction, caplen, len].map(|n| self.u32(n)).concat();
        b.extend_from_slice(data);
        b
    }

    /// Returns a pcapng block around `body`.
    pub(crate) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = self.u32(u32::try_from(body.len() + 12).unwrap());
        [&self.u32(kind)[..], &length, &body, &length].concat()
    }

    pub(crate) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut b = self.u16(code).to_vec();
        b.extend(self.u16(u16::try_from(value.len()).unwrap()));
        b.extend_from_slice(value);
        b.resize(b.len().next_multiple_of(4), 0);
        b
    }

    pub(crate) fn section(self) -> Vec<u8> {
        let mut b = self.u32(0x1a2b_3c4d).to_vec();
        b.extend(self.u16(1));
        b.extend(self.u16(0));
        b.extend(self.u64(u64::MAX));
        self.block(0x0a0d_0d0a, &b)
    }

    pub(crate) fn interface(self, link_type: u16, options: &[u8]) -> Vec<u8> {
        let mut b = self.u16(link_type).to_vec();
        b.extend([0; 2]);
        b.extend(self.u32(0));
        b.extend_from_slice(options);
        self.block(1, &b)
    }

    /// Returns an enhanced packet block.
    pub(crate) fn packet(
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

pub(crate) const LITTLE: Order = Order { big: false };
pub(crate) const BIG: Order = Order { big: true };
