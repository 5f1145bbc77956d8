//! Measures how many frames per second the software 82599 receives with a driver that returns every
//! descriptor at once. This is the upper limit of traffic into a virtual machine.
//!
//!     cargo run --release -p vmlab --example receive_speed

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use vmlab::nic::pf::Pf;
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::Function;
use vmlab::pci::interrupts::Messages;
use vmlab::pci::memory::GuestMemory;

const RING: u32 = 4096;
const FRAMES: u32 = 4_000_000;
const BURST: u32 = 64;

#[derive(Debug)]
struct Nowhere;

impl Messages for Nowhere {
    fn send(&mut self, _address: u64, _data: u32) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    for len in [60, 1514] {
        for (name, mrqc) in [("", 0), (", RSS", 0x0003_0001)] {
            let memory = Arc::new(GuestMemory::alone(64 << 20)?);
            let mut nic = Pf::new([2, 0, 0, 0, 0, 1], Box::new(Nowhere));
            nic.set_memory(Arc::clone(&memory));
            nic.config_write(4, 2, 6);
            let mut write = |offset, value: u32| nic.bar_write(0, offset, 4, u64::from(value));
            write(0x1008, RING * 16); // RDLEN
            write(0x1014, 2); // SRRCTL: 2 KB
            write(0x1028, 1 << 25); // RXDCTL: enabled
            write(0x5818, mrqc); // MRQC
            write(0x3000, 1); // RXCTRL
            let offer = |i: u32| memory.store(16 * u64::from(i), 0x10_0000 + 2048 * u64::from(i));
            (0..RING)
                .try_for_each(offer)
                .map_err(|error| format!("{error:?}"))?;
            let mut frame = vec![0x5A; len];
            frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
            frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
            frame[23] = 6;
            let mut delivered = 0;
            let started = Instant::now();
            for burst in 0..FRAMES / BURST {
                let first = burst * BURST % RING;
                nic.bar_write(0, 0x1018, 4, u64::from((first + BURST) % RING)); // RDT
                for i in 0..BURST {
                    if matches!(nic.receive(&frame), Outcome::Delivered { .. }) {
                        delivered += 1;
                    }
                    offer((first + i) % RING).map_err(|error| format!("{error:?}"))?;
                }
                nic.flush();
            }
            let seconds = started.elapsed().as_secs_f64();
            let rate = f64::from(delivered) / seconds / 1e6;
            println!("{len} B{name}: {rate:.2} M frames/s, {delivered} of {FRAMES} delivered");
        }
    }
    Ok(())
}
