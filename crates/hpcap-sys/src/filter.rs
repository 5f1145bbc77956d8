//! Programs of the classic BPF machine, as the producer runs them (`kmod/core/filter.h`).
//!
//! ```
//! # #[cfg(feature = "core")] {
//! use hpcap_sys::Frame;
//! use hpcap_sys::filter::Program;
//!
//! // `tcpdump -ddd` prints the number of instructions, and each of them as four numbers. This program accepts frames
//! // whose first byte is 0xab: it loads the byte, compares it, and returns how many bytes to keep.
//! let program = Program::parse(b"4\n48 0 0 0\n21 0 1 171\n6 0 0 65535\n6 0 0 0\n").unwrap();
//! assert_eq!(program.run(&Frame::new(&[0xab; 60], 60, 0, 0)), 65535);
//! assert_eq!(program.run(&Frame::new(&[0; 60], 60, 0, 0)), 0);
//! assert!(Program::parse(b"1\n6 0 0\n").is_err());
//! # }
//! ```

/// Largest number of instructions in a program (`HPCAP_FILTER_MAX`).
pub const INSTRUCTIONS_MAX: usize = 4096;

/// One instruction of the classic BPF machine (`struct hpcap_insn`, libpcap's `struct bpf_insn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Number of instructions to skip when a comparison is true.
    pub jt: u8,
    /// Number of instructions to skip when a comparison is false.
    pub jf: u8,
    /// The constant operand.
    pub k: u32,
}

impl Instruction {
    /// `(field, offset, size)` of every field, for the comparison with the C header.
    pub const FIELDS: &'static [(&'static str, usize, usize)] = &[
        ("code", std::mem::offset_of!(Self, code), 2),
        ("jt", std::mem::offset_of!(Self, jt), 1),
        ("jf", std::mem::offset_of!(Self, jf), 1),
        ("k", std::mem::offset_of!(Self, k), 4),
    ];
}

#[cfg(feature = "core")]
pub use program::{Program, Refusal};

#[cfg(feature = "core")]
mod program {
    use std::ffi::c_char;

    use super::{INSTRUCTIONS_MAX, Instruction};
    use crate::{Count, Frame};

    unsafe extern "C" {
        fn hpcap_sys_filter_check(program: *const Instruction, n: u32, bad: *mut u32) -> i32;
        fn hpcap_sys_filter_parse(
            text: *const c_char,
            len: u64,
            program: *mut Instruction,
            max: u32,
        ) -> i32;
        fn hpcap_sys_filter_run(program: *const Instruction, frame: *const Frame<'_>) -> u32;
        fn hpcap_sys_filter_batch(
            program: *const Instruction,
            frames: *mut Frame<'_>,
            n: u32,
            refused: *mut Count,
        ) -> u32;
    }

    /// Why a program is refused.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Refusal {
        /// A positive errno: `EOPNOTSUPP` for an instruction that reads more than the frame,
        /// `E2BIG` for a program that is too long, `EINVAL` otherwise.
        pub errno: i32,
        /// Index of the first refused instruction; 0 when the text is not a program.
        pub instruction: u32,
    }

    /// A checked program, which always ends and reads nothing but the frame.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Program(Vec<Instruction>);

    impl Program {
        /// Checks `instructions`.
        ///
        /// # Errors
        /// Fails when the module would refuse the program, too.
        pub fn new(instructions: Vec<Instruction>) -> Result<Self, Refusal> {
            let n = u32::try_from(instructions.len()).unwrap_or(u32::MAX);
            let mut instruction = 0;
            // SAFETY: `instructions` are `n` `struct hpcap_insn`, which C only reads;
            // `instruction` is valid for writing.
            let result =
                unsafe { hpcap_sys_filter_check(instructions.as_ptr(), n, &raw mut instruction) };
            match result {
                0 => Ok(Self(instructions)),
                error => Err(Refusal {
                    errno: -error,
                    instruction,
                }),
            }
        }

        /// Parses the output of `tcpdump -ddd`.
        ///
        /// # Errors
        /// Fails when `text` is not such output, or the module would refuse the program.
        pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
            #[expect(clippy::cast_possible_truncation, reason = "it is 4096")]
            const MOST: u32 = INSTRUCTIONS_MAX as u32;
            let mut program = vec![Instruction::default(); INSTRUCTIONS_MAX];
            // SAFETY: `text` has `text.len()` bytes, and `program` has INSTRUCTIONS_MAX
            // instructions.
            let n = unsafe {
                hpcap_sys_filter_parse(
                    text.as_ptr().cast(),
                    text.len() as u64,
                    program.as_mut_ptr(),
                    MOST,
                )
            };
            let n = usize::try_from(n).map_err(|_| Refusal {
                errno: -n,
                instruction: 0,
            })?;
            program.truncate(n);
            Ok(Self(program))
        }

        /// The instructions of the program.
        #[must_use]
        pub fn instructions(&self) -> &[Instruction] {
            &self.0
        }

        /// Returns the program's verdict on `frame`; 0 refuses the frame.
        #[must_use]
        pub fn run(&self, frame: &Frame<'_>) -> u32 {
            // SAFETY: the program was checked, so it ends and reads only captured bytes of the
            // frame.
            unsafe { hpcap_sys_filter_run(self.0.as_ptr(), frame) }
        }

        /// Moves the frames that the program accepts to the front. Returns their number, and
        /// the count of the others.
        pub fn select(&self, frames: &mut [Frame<'_>]) -> (usize, Count) {
            let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
            let mut refused = Count::default();
            // SAFETY: as in `run`, for `n` frames; a `Count` is a `struct hpcap_count`.
            let kept = unsafe {
                hpcap_sys_filter_batch(self.0.as_ptr(), frames.as_mut_ptr(), n, &raw mut refused)
            };
            (kept as usize, refused)
        }
    }
}
