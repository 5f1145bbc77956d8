//! The capture filter of the producer: classic BPF, run by `kmod/core/filter.h`.
//!
//! ```
//! use hpcap::filter::Filter;
//! use hpcap_engine::stages::filter::Program;
//! use hpcap_sys::Frame;
//!
//! # fn main() -> hpcap::Result<()> {
//! let program = Program::of(&Filter::new("greater 100", 1)?)?;
//! let (short, long) = ([0; 60], [0; 200]);
//! let mut frames = [Frame::new(&short, 60, 0, 0), Frame::new(&long, 200, 0, 0)];
//! let (kept, refused) = program.apply(&mut frames);
//! assert_eq!((kept, frames[0].len), (1, 200));
//! assert_eq!((refused.frames, refused.bytes), (1, 60));
//! # Ok(())
//! # }
//! ```

use hpcap::filter::{Filter, Instruction};
use hpcap::{Count, Error, Kind, Result};
use hpcap_sys::filter::{self, Refusal};

use hpcap_source::Frame;

pub use hpcap_sys::filter::INSTRUCTIONS_MAX;

/// A checked program, which always ends and reads nothing outside the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(filter::Program);

impl Program {
    /// Checks `instructions`.
    ///
    /// # Errors
    /// [`Kind::Usage`], naming the first instruction that is refused.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self> {
        let n = instructions.len();
        let program = filter::Program::new(instructions);
        program.map(Self).map_err(|refusal| {
            let at = format!("instruction {} of {n}", refusal.instruction);
            refused(refusal, &at)
        })
    }

    /// Takes the program that libpcap compiled from `filter`.
    ///
    /// # Errors
    /// As [`Program::new`]; a program longer than [`INSTRUCTIONS_MAX`] is refused.
    pub fn of(filter: &Filter) -> Result<Self> {
        Self::new(filter.program().to_vec())
    }

    /// Parses the output of `tcpdump -ddd`.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `text` has another format, or if the program is refused.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let program = filter::Program::parse(text);
        program
            .map(Self)
            .map_err(|refusal| refused(refusal, "what `tcpdump -ddd` prints"))
    }

    /// Returns the instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        self.0.instructions()
    }

    /// Returns the checked program, for the pipeline.
    pub(super) fn checked(&self) -> &filter::Program {
        &self.0
    }

    /// Returns the program's verdict on `frame`; 0 refuses the frame.
    #[must_use]
    pub fn run(&self, frame: &Frame<'_>) -> u32 {
        self.0.run(frame)
    }

    /// Moves the frames that the program accepts to the front. Returns their number, and the count
    /// of the refused frames.
    pub fn apply(&self, frames: &mut [Frame<'_>]) -> (usize, Count) {
        self.0.select(frames)
    }
}

fn refused(refusal: Refusal, what: &str) -> Error {
    let why = match refusal.errno {
        libc::EOPNOTSUPP => {
            "it reads data that is not part of the frame, such as the direction or a random number"
        }
        libc::E2BIG => "it is too long",
        _ => "it is not a program that may run",
    };
    Error::new(Kind::Usage, format!("use a filter: {what}"), why)
}
