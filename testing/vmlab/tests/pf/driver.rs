//! A minimal driver, which sets the NIC up as ixgbe does, with memory of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use vmlab::nic::pf::Pf;
use vmlab::nic::registers::{Register, bits};
use vmlab::pci::Function;
use vmlab::pci::interrupts::Messages;
use vmlab::pci::memory::GuestMemory;

pub(crate) const MAC: [u8; 6] = [0x02, 0, 0, 0, 0xAA, 0x01];
pub(crate) const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0xBB, 0x02];
/// Number of descriptors of each ring.
pub(crate) const RING: u32 = 16;
/// Size of each buffer in bytes.
pub(crate) const BUFFER: u64 = 2048;

/// Layout of the memory: each queue has 1 MiB for its ring and buffers.
const QUEUE_BYTES: u64 = 1 << 20;
const TX_RING: u64 = 0x8_0000;
const TX_BUFFERS: u64 = 0x9_0000;
const BUFFERS: u64 = 0x1000;

#[derive(Debug)]
struct Sent(Sender<u32>);

impl Messages for Sent {
    fn send(&mut self, _address: u64, data: u32) {
        self.0.send(data).expect("the driver listens");
    }
}

/// A frame as the driver receives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    /// The two words of the last descriptor.
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) descriptors: u32,
}

pub(crate) struct Driver {
    pub(crate) nic: Pf,
    pub(crate) memory: Arc<GuestMemory>,
    /// The vectors that were fired.
    pub(crate) fired: Receiver<u32>,
    next: Vec<u32>,
    tx_tail: u32,
}

/// Returns the offset of element `n` of a register, from the table.
pub(crate) fn offset(register: Register, n: u32) -> u64 {
    for window in register.row().windows {
        if let Some(i) = n.checked_sub(u32::from(window.first))
            && i < u32::from(window.count)
        {
            return u64::from(window.offset + i * window.stride);
        }
    }
    panic!("{register:?} has no number {n}");
}

impl Driver {
    /// Sets up only memory and bus: the function is enabled.
    pub(crate) fn bare() -> Self {
        let (sender, fired) = channel();
        let mut nic = Pf::new(MAC, Box::new(Sent(sender)));
        let memory = Arc::new(GuestMemory::alone(8 * QUEUE_BYTES).unwrap());
        nic.set_memory(Arc::clone(&memory));
        nic.config_write(0x04, 2, 0x0006);
        Self {
            nic,
            memory,
            fired,
            next: vec![0; 8],
            tx_tail: 0,
        }
    }

    /// Enables reception and transmission with `queues` queues, and offers all descriptors.
    pub(crate) fn new(queues: u32) -> Self {
        let mut this = Self::bare();
        // MSI-X vector n sends data n. The last vector is for all causes other than queues.
        this.nic.config_write(0x72, 2, 0x8000);
        for vector in 0..=u64::from(queues) {
            this.nic.bar_write(4, 16 * vector + 8, 4, vector);
            this.nic.bar_write(4, 16 * vector + 12, 4, 0);
        }
        let gpie = bits::GPIE_EIAME | bits::GPIE_OCD;
        this.write(Register::GPIE, 0, gpie);
        this.write(Register::EIAM_EX, 0, 0xFFFF_FFFF);
        this.write(Register::EIAC, 0, 0xFFFF);
        this.write(Register::IVAR_MISC, 0, (0x80 | queues) << 8);
        for queue in 0..queues {
            let vector = 0x80 | queue;
            let shift = 16 * (queue % 2);
            let ivar = this.read(Register::IVAR, queue / 2);
            let both = vector << shift | vector << (shift + 8);
            this.write(Register::IVAR, queue / 2, ivar | both);
        }
        this.write(Register::EIMS_EX, 0, 0xFFFF_FFFF);
        this.write(Register::EIMS, 0, bits::EICR_LSC);
        this.write(Register::FCTRL, 0, bits::FCTRL_BAM);
        for queue in 0..queues {
            this.rx_ring(queue);
        }
        let base = TX_RING as u32;
        this.write(Register::DMATXCTL, 0, bits::DMATXCTL_TE);
        this.write(Register::TDBAL, 0, base);
        this.write(Register::TDLEN, 0, RING * 16);
        this.write(Register::TXDCTL, 0, bits::TXDCTL_ENABLE);
        this.write(Register::RXCTRL, 0, bits::RXCTRL_RXEN);
        this
    }

    pub(crate) fn rx_ring(&mut self, queue: u32) {
        let base = u64::from(queue) * QUEUE_BYTES;
        self.write(Register::RDBAL, queue, base as u32);
        self.write(Register::RDBAH, queue, (base >> 32) as u32);
        self.write(Register::RDLEN, queue, RING * 16);
        self.write(Register::RDH, queue, 0);
        self.write(Register::RDT, queue, 0);
        self.write(Register::SRRCTL, queue, 2 | 1 << 25);
        self.write(Register::RXDCTL, queue, bits::RXDCTL_ENABLE);
        self.next[queue as usize] = 0;
        for i in 0..RING {
            self.refill(queue, i);
        }
        self.write(Register::RDT, queue, RING - 1);
    }

    pub(crate) fn read(&mut self, register: Register, n: u32) -> u32 {
        self.nic.bar_read(0, offset(register, n), 4) as u32
    }

    pub(crate) fn write(&mut self, register: Register, n: u32, value: u32) {
        self.nic
            .bar_write(0, offset(register, n), 4, u64::from(value));
    }

    fn refill(&self, queue: u32, i: u32) {
        let base = u64::from(queue) * QUEUE_BYTES;
        let at = base + 16 * u64::from(i);
        self.memory
            .store(at, base + BUFFERS + BUFFER * u64::from(i))
            .unwrap();
        self.memory.store(at + 8, 0).unwrap();
    }

    /// Returns the received frames without returning their descriptors to the NIC.
    pub(crate) fn take(&mut self, queue: u32) -> Vec<Received> {
        let base = u64::from(queue) * QUEUE_BYTES;
        let mut frames = Vec::new();
        let mut bytes = Vec::new();
        let mut descriptors = 0;
        loop {
            let i = self.next[queue as usize];
            let at = base + 16 * u64::from(i);
            let (low, high) = (
                self.memory.load(at).unwrap(),
                self.memory.load(at + 8).unwrap(),
            );
            if high & 1 == 0 {
                assert_eq!(descriptors, 0, "a frame without its end");
                return frames;
            }
            let len = (high >> 32 & 0xFFFF) as usize;
            let mut piece = vec![0; len];
            self.memory
                .read(base + BUFFERS + BUFFER * u64::from(i), &mut piece)
                .unwrap();
            bytes.extend(piece);
            descriptors += 1;
            self.refill(queue, i);
            self.next[queue as usize] = (i + 1) % RING;
            if high & 2 != 0 {
                let bytes = std::mem::take(&mut bytes);
                frames.push(Received {
                    bytes,
                    low,
                    high,
                    descriptors,
                });
                descriptors = 0;
            }
        }
    }

    /// Returns all used descriptors to the NIC.
    pub(crate) fn give_back(&mut self, queue: u32) {
        let tail = (self.next[queue as usize] + RING - 1) % RING;
        self.write(Register::RDT, queue, tail);
    }

    /// Returns the words of descriptor `i`.
    pub(crate) fn descriptor(&self, queue: u32, i: u32) -> (u64, u64) {
        let at = u64::from(queue) * QUEUE_BYTES + 16 * u64::from(i);
        (
            self.memory.load(at).unwrap(),
            self.memory.load(at + 8).unwrap(),
        )
    }

    /// Puts a transmit descriptor with `bytes` into queue 0. Returns the address of the descriptor.
    pub(crate) fn tx(&mut self, bytes: &[u8], command: u64) -> u64 {
        let at = TX_RING + 16 * u64::from(self.tx_tail);
        let buffer = TX_BUFFERS + BUFFER * u64::from(self.tx_tail);
        self.memory.write(buffer, bytes).unwrap();
        self.memory.store(at, buffer).unwrap();
        self.memory
            .store(at + 8, command | bytes.len() as u64)
            .unwrap();
        self.tx_tail = (self.tx_tail + 1) % RING;
        at
    }

    /// Puts a transmit descriptor with these two words into queue 0.
    pub(crate) fn tx_words(&mut self, low: u64, high: u64) {
        let at = TX_RING + 16 * u64::from(self.tx_tail);
        self.memory.store(at, low).unwrap();
        self.memory.store(at + 8, high).unwrap();
        self.tx_tail = (self.tx_tail + 1) % RING;
    }

    pub(crate) fn tx_go(&mut self) {
        let tail = self.tx_tail;
        self.write(Register::TDT, 0, tail);
    }

    /// Returns the vectors fired since the last call.
    pub(crate) fn vectors(&self) -> Vec<u32> {
        self.fired.try_iter().collect()
    }
}

/// Returns a frame of `len` bytes for the NIC that contains its number.
pub(crate) fn frame(number: u16, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| (i + usize::from(number)) as u8).collect();
    frame[..6].copy_from_slice(&MAC);
    frame[6..12].copy_from_slice(&OTHER);
    frame[12..14].copy_from_slice(&[0x88, 0xB5]);
    frame[14..16].copy_from_slice(&number.to_be_bytes());
    frame
}
