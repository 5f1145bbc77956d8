//! The XDP program: it stamps each frame and hands it to the AF_XDP socket of the frame's queue.
//!
//! The program is assembled here, so that neither a compiler nor a loader of object files is needed
//! where hpcap runs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{self, Link, Map, MapKind, Place};

/// The name under which `bpftool prog` and `ip link` show the program.
pub(super) const NAME: &str = "hpcap_af_xdp";

/// Length in bytes of what the program writes before a frame: a cookie and the time, eight bytes
/// each.
pub(super) const STAMP_BYTES: usize = 16;

/// The fate of frames that no socket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unserved {
    /// They are dropped (`XDP_DROP`).
    Drop = 1,
    /// They go on to the network stack (`XDP_PASS`).
    Pass = 2,
}

/// The program with its maps, loaded into the kernel.
#[derive(Debug)]
pub(super) struct Program {
    program: OwnedFd,
    sockets: Map,
    unserved: Map,
}

impl Program {
    /// Loads the program for the queues `0..queues`. Frames get `cookie` and the time written
    /// before them, unless it is `None`.
    pub(super) fn load(queues: u32, cookie: Option<u64>, unserved: Unserved) -> io::Result<Self> {
        let sockets = Map::create(MapKind::Sockets, "hpcap_sockets", 4, queues)?;
        let counter = Map::create(MapKind::Array, "hpcap_unserved", 8, 1)?;
        let code = instructions(sockets.as_fd(), counter.as_fd(), cookie, unserved);
        Ok(Self {
            program: bpf::load(NAME, &code)?,
            sockets,
            unserved: counter,
        })
    }

    /// Hands the frames of queue `queue` to `socket` from now on.
    pub(super) fn serve(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.sockets.put_socket(queue, socket)
    }

    /// Hands the frames of queue `queue` to no socket any more. A processor that is just handling frames may still do so.
    pub(super) fn stop_serving(&self, queue: u32) -> io::Result<()> {
        self.sockets.remove_socket(queue)
    }

    /// Attaches the program to an interface until the returned link is dropped.
    pub(super) fn attach(&self, interface: u32, place: Place) -> io::Result<Link> {
        bpf::attach(self.program.as_fd(), interface, place)
    }

    /// Returns the number of frames so far that no socket waited for.
    pub(super) fn unserved(&self) -> io::Result<u64> {
        self.unserved.first()
    }
}

/// The registers: R0 has results, R1 to R5 arguments, R6 survives calls, R10 is the frame pointer.
#[derive(Clone, Copy)]
enum R {
    R0,
    R1,
    R2,
    R3,
    R6 = 6,
    R10 = 10,
}
use R::{R0, R1, R2, R3, R6, R10};

/// Offsets in `struct xdp_md`, the context of the program.
const DATA: i16 = 0;
const DATA_META: i16 = 8;
const RX_QUEUE_INDEX: i16 = 16;

/// Numbers of helper functions of the kernel.
const MAP_LOOKUP_ELEM: i32 = 1;
const KTIME_GET_NS: i32 = 5;
const REDIRECT_MAP: i32 = 51;
const XDP_ADJUST_META: i32 = 54;

/// What `bpf_redirect_map` returns if the queue has a socket.
const XDP_REDIRECT: i32 = 4;

/// Encodes one instruction.
fn instruction(code: u8, to: R, from: u8, offset: i16, immediate: i32) -> u64 {
    u64::from(code)
        | u64::from(to as u8) << 8
        | u64::from(from) << 12
        | u64::from(offset.cast_unsigned()) << 16
        | u64::from(immediate.cast_unsigned()) << 32
}

fn set(to: R, value: i32) -> u64 {
    instruction(0xb7, to, 0, 0, value)
}

fn copy(to: R, from: R) -> u64 {
    instruction(0xbf, to, from as u8, 0, 0)
}

fn add(to: R, value: i32) -> u64 {
    instruction(0x07, to, 0, 0, value)
}

fn load_u32(to: R, from: R, offset: i16) -> u64 {
    instruction(0x61, to, from as u8, offset, 0)
}

fn store_u64(to: R, offset: i16, from: R) -> u64 {
    instruction(0x7b, to, from as u8, offset, 0)
}

fn store_u32(to: R, offset: i16, value: i32) -> u64 {
    instruction(0x62, to, 0, offset, value)
}

fn add_atomically(to: R, from: R) -> u64 {
    instruction(0xdb, to, from as u8, 0, 0)
}

/// Loads 64 bits, which takes two instructions. `kind` says what they are: 0 a number, 1 the
/// descriptor of a map.
fn set_u64(to: R, kind: u8, value: u64) -> [u64; 2] {
    let (low, high) = (value & u64::from(u32::MAX), value >> 32);
    [instruction(0x18, to, kind, 0, 0) | low << 32, high << 32]
}

fn call(helper: i32) -> u64 {
    instruction(0x85, R0, 0, 0, helper)
}

/// Skips `offset` instructions if the register has `value`.
fn skip_if_equal(register: R, value: i32, offset: i16) -> u64 {
    instruction(0x15, register, 0, offset, value)
}

fn skip_unless_equal(register: R, value: i32, offset: i16) -> u64 {
    instruction(0x55, register, 0, offset, value)
}

fn skip_if_greater(register: R, than: R, offset: i16) -> u64 {
    instruction(0x2d, register, than as u8, offset, 0)
}

const EXIT: u64 = 0x95;

/// Assembles the program.
fn instructions(
    sockets: BorrowedFd<'_>,
    counter: BorrowedFd<'_>,
    cookie: Option<u64>,
    unserved: Unserved,
) -> Vec<u64> {
    let map = |to, fd: BorrowedFd<'_>| set_u64(to, 1, fd.as_raw_fd().cast_unsigned().into());
    let mut code = vec![copy(R6, R1)];
    if let Some(cookie) = cookie {
        let [cookie_low, cookie_high] = set_u64(R0, 0, cookie);
        code.extend([
            // Makes room before the frame. A driver without room refuses.
            set(R2, -16),
            call(XDP_ADJUST_META),
            skip_unless_equal(R0, 0, 10),
            call(KTIME_GET_NS),
            // The verifier wants to see that the room ends before the frame.
            load_u32(R1, R6, DATA_META),
            load_u32(R2, R6, DATA),
            copy(R3, R1),
            add(R3, 16),
            skip_if_greater(R3, R2, 4),
            store_u64(R1, 8, R0),
            cookie_low,
            cookie_high,
            store_u64(R1, 0, R0),
        ]);
    }
    // Returns XDP_REDIRECT, or the given action if the queue has no socket.
    code.push(load_u32(R2, R6, RX_QUEUE_INDEX));
    code.extend(map(R1, sockets));
    code.extend([
        set(R3, unserved as i32),
        call(REDIRECT_MAP),
        skip_if_equal(R0, XDP_REDIRECT, 12),
    ]);
    // Counts the frame that has no socket.
    code.extend([
        copy(R6, R0),
        store_u32(R10, -4, 0),
        copy(R2, R10),
        add(R2, -4),
    ]);
    code.extend(map(R1, counter));
    code.extend([
        call(MAP_LOOKUP_ELEM),
        copy(R1, R0),
        copy(R0, R6),
        skip_if_equal(R1, 0, 2),
        set(R2, 1),
        add_atomically(R1, R2),
        EXIT,
    ]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encodings, as `llvm-objdump` shows them.
    #[test]
    fn instructions_are_encoded_as_the_kernel_reads_them() {
        for (ours, bytes) in [
            (copy(R6, R1), [0xbf, 0x16, 0, 0, 0, 0, 0, 0]),
            (set(R2, -16), [0xb7, 0x02, 0, 0, 0xf0, 0xff, 0xff, 0xff]),
            (load_u32(R2, R6, 16), [0x61, 0x62, 0x10, 0, 0, 0, 0, 0]),
            (store_u64(R1, 8, R0), [0x7b, 0x01, 8, 0, 0, 0, 0, 0]),
            (store_u32(R10, -4, 0), [0x62, 0x0a, 0xfc, 0xff, 0, 0, 0, 0]),
            (call(51), [0x85, 0, 0, 0, 51, 0, 0, 0]),
            (skip_if_equal(R0, 4, 10), [0x15, 0, 10, 0, 4, 0, 0, 0]),
            (EXIT, [0x95, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(ours.to_le_bytes(), bytes);
        }
        assert_eq!(
            set_u64(R1, 1, 0x1_0000_0007).map(u64::to_le_bytes),
            [[0x18, 0x11, 0, 0, 7, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]]
        );
    }
}
