//! Programs of the classic BPF machine, which the kernel runs for the frames of a packet socket.

use std::ffi::c_int;
use std::io;
use std::os::fd::OwnedFd;

use hpcap_sys::filter::Instruction;

use super::super::socket_option::set_at;

/// Operation of an instruction that ends the program with a constant.
pub(super) const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> Instruction {
    let code = u16::try_from(code).unwrap_or(0);
    Instruction { code, jt, jf, k }
}

/// Loads a fact that the kernel knows of the frame, one of the `SKF_AD_` constants.
pub(super) fn load_fact(fact: c_int) -> Instruction {
    let place = (libc::SKF_AD_OFF + fact).cast_unsigned();
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place, 0, 0)
}

/// Skips `jt` instructions if the loaded number is `value`, otherwise `jf`.
pub(super) fn skip_if_equal(value: u32, jt: u8, jf: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, jt, jf)
}

/// Subtracts `value` from the loaded number.
pub(super) fn subtract(value: u32) -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, value, 0, 0)
}

/// Ends the program with a constant: the number of bytes to keep, or the number of a socket.
pub(super) fn give(value: u32) -> Instruction {
    instruction(RETURN, value, 0, 0)
}

/// Ends the program with the loaded number.
pub(super) fn give_loaded() -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_A, 0, 0, 0)
}

/// Keeps nothing.
pub(super) fn keep_none() -> [Instruction; 1] {
    [give(0)]
}

/// Keeps only the frames that this host sends.
pub(super) fn keep_outgoing() -> [Instruction; 4] {
    [
        load_fact(libc::SKF_AD_PKTTYPE),
        skip_if_equal(libc::PACKET_OUTGOING.into(), 1, 0),
        give(0),
        give(u32::MAX),
    ]
}

/// Replaces the filter of a socket. The filter runs in the kernel, so that other frames take no room
/// in the ring and do not count as lost.
pub(super) fn attach_filter(fd: &OwnedFd, program: &[Instruction]) -> io::Result<()> {
    set_program(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
}

/// Passes a program as the value of a socket option.
pub(super) fn set_program(
    fd: &OwnedFd,
    level: c_int,
    option: c_int,
    program: &[Instruction],
) -> io::Result<()> {
    const { assert!(size_of::<Instruction>() == size_of::<libc::sock_filter>()) };
    let value = libc::sock_fprog {
        len: u16::try_from(program.len())
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        // The kernel only reads the program, although the field is mutable.
        filter: program.as_ptr().cast_mut().cast(),
    };
    set_at(fd, level, option, &value)
}
