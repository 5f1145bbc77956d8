//! A filter as the kernel module runs it: classic BPF, `kmod/core/filter.h`.

use std::ffi::c_char;

use hpcap::filter::{Filter, Instruction};
use hpcap::{Count, Error, Kind, Result};

use hpcap_source::Frame;

/// Instructions of a program, at most (`HPCAP_FILTER_MAX`).
pub const INSTRUCTIONS: usize = 4096;

unsafe extern "C" {
    fn hpcap_user_filter_check(program: *const Instruction, n: u32, bad: *mut u32) -> i32;
    fn hpcap_user_filter_parse(
        text: *const c_char,
        len: u64,
        program: *mut Instruction,
        max: u32,
    ) -> i32;
    fn hpcap_user_filter_run(program: *const Instruction, frame: *const Frame<'_>) -> u32;
    fn hpcap_user_filter_batch(
        program: *const Instruction,
        frames: *mut Frame<'_>,
        n: u32,
        refused: *mut Count,
    ) -> u32;
}

/// A checked program: it always ends, and reads nothing but the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Checks `instructions`.
    ///
    /// # Errors
    /// [`Kind::Usage`] naming the first instruction that is refused.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self> {
        let n = u32::try_from(instructions.len()).unwrap_or(u32::MAX);
        let mut bad = 0;
        // SAFETY: `instructions` are `n` `struct hpcap_insn` (the layout of libpcap's), and only
        // read; `bad` is valid for writing.
        match unsafe { hpcap_user_filter_check(instructions.as_ptr(), n, &raw mut bad) } {
            0 => Ok(Self(instructions)),
            err => Err(refused(err, &format!("instruction {bad} of {n}"))),
        }
    }

    /// The program that libpcap compiled `filter` to.
    ///
    /// # Errors
    /// As [`Program::new`]: where it is longer than [`INSTRUCTIONS`].
    pub fn of(filter: &Filter) -> Result<Self> {
        Self::new(filter.program().to_vec())
    }

    /// Reads what `tcpdump -ddd` prints.
    ///
    /// # Errors
    /// [`Kind::Usage`] where `text` is none, or is refused.
    pub fn parse(text: &[u8]) -> Result<Self> {
        const NOTHING: Instruction = Instruction {
            code: 0,
            jt: 0,
            jf: 0,
            k: 0,
        };
        let mut program = vec![NOTHING; INSTRUCTIONS];
        // SAFETY: `text` has so many bytes, `program` so many instructions.
        let n = unsafe {
            hpcap_user_filter_parse(
                text.as_ptr().cast(),
                text.len() as u64,
                program.as_mut_ptr(),
                INSTRUCTIONS as u32,
            )
        };
        let n = usize::try_from(n).map_err(|_| refused(n, "what `tcpdump -ddd` prints"))?;
        program.truncate(n);
        Ok(Self(program))
    }

    /// The instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }

    /// What it says of a frame; 0 = refused.
    #[must_use]
    pub fn run(&self, frame: &Frame<'_>) -> u32 {
        // SAFETY: the program was checked: it ends, and reads no byte of the frame beyond what
        // the frame says it has.
        unsafe { hpcap_user_filter_run(self.0.as_ptr(), frame) }
    }

    /// Moves the frames that it wants to the front; returns how many they are, and the rest.
    pub fn apply(&self, frames: &mut [Frame<'_>]) -> (usize, Count) {
        let n = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut refused = Count::default();
        // SAFETY: as in `run`, for `n` frames; a `Count` is a `struct hpcap_count`.
        let kept = unsafe {
            hpcap_user_filter_batch(self.0.as_ptr(), frames.as_mut_ptr(), n, &raw mut refused)
        };
        (kept as usize, refused)
    }
}

fn refused(err: i32, what: &str) -> Error {
    let why = match -err {
        libc::EOPNOTSUPP => "it asks for what is not in the frame",
        libc::E2BIG => "it is too long",
        _ => "it is not a program that may run",
    };
    Error::new(Kind::Usage, format!("use a filter: {what}"), why)
}
