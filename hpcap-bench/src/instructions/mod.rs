//! Instructions per frame of the loops that every frame passes.
//!
//! Times differ from machine to machine and from minute to minute. The number of instructions that
//! the same program executes does not, so it shows a change of some percent that a time hides in its
//! noise. It does not show caches and branch predictions, which `hpcap-bench ring` does.
//!
//! callgrind (of valgrind) executes this program once for each loop, and counts the instructions
//! within `counted_region`. Instructions of libraries are left out (module `callgrind`).

mod callgrind;
mod loops;
mod stored;

use std::fmt;
use std::hint::black_box;
use std::process::Command;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::Serialize;

use crate::process::{check_interrupted, exists, run};
use crate::report::table;
use crate::workspace::Workspace;
use callgrind::instructions_of;
pub use loops::{Loop, NAMES};
pub use stored::{Change, Compilers, GROWTH_MAX, Stored};

/// Room for the profiles and the files of the loops.
const WORKSPACE_BYTES: u64 = 64 << 20;

/// Runs `work`. callgrind counts only the instructions of such calls.
#[inline(never)]
fn counted_region(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    // A jump in place of the last call would end the region before `work` begins.
    black_box(work())
}

/// Runs `work`, whose instructions are counted.
///
/// # Errors
/// Returns the error of `work`.
pub(crate) fn counted<T>(work: impl FnOnce() -> Result<T>) -> Result<()> {
    let mut work = Some(work);
    counted_region(&mut || work.take().map_or(Ok(()), |work| work().map(drop)))
}

/// The instructions of one loop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// The name of the loop.
    pub name: &'static str,
    /// What the loop does for each frame.
    pub what: &'static str,
    /// Instructions per frame.
    #[serde(rename = "instructions_per_frame")]
    pub per_frame: f64,
    /// The change since the count was stored, if it is compared.
    pub change: Option<Change>,
}

/// The instructions of several loops.
#[derive(Debug, Clone, Serialize)]
pub struct Instructions {
    /// The compilers of this program.
    pub compilers: Compilers,
    /// Whether this program was compiled with optimisation.
    pub optimised: bool,
    /// Why the counts are not compared with stored ones, if that was requested.
    pub not_compared: Option<String>,
    /// The counts.
    pub counts: Vec<Counted>,
}

impl Instructions {
    /// Counts the instructions of `loops`.
    ///
    /// # Errors
    /// When valgrind is not installed, or fails.
    pub fn count(loops: &[Loop]) -> Result<Self> {
        if !exists("valgrind") {
            let why = "valgrind is not installed";
            let error = Error::new(Kind::NotFound, "count instructions", why);
            return Err(error.advise("apt install valgrind"));
        }
        let workspace = Workspace::new(&std::env::temp_dir(), WORKSPACE_BYTES)?;
        let mut counts = Vec::new();
        for one in loops {
            check_interrupted()?;
            counts.push(Counted {
                name: one.name,
                what: one.what,
                per_frame: count(one, &workspace)?,
                change: None,
            });
        }
        Ok(Self {
            compilers: Compilers::of_this_program(),
            optimised: !cfg!(debug_assertions),
            not_compared: None,
            counts,
        })
    }

    /// Compares the counts with `stored` ones, if the same compilers made both.
    pub fn compare(&mut self, stored: &Stored) {
        if stored.compilers != self.compilers {
            self.not_compared = Some(format!(
                "the stored counts are those of {} and {}, and this program was compiled by {} and {}",
                stored.compilers.rust, stored.compilers.c, self.compilers.rust, self.compilers.c
            ));
            return;
        }
        for one in &mut self.counts {
            one.change = stored.compare(one);
        }
    }

    /// Checks that no count has grown by more than [`GROWTH_MAX`].
    ///
    /// # Errors
    /// [`Kind::Io`] with the loops that need more instructions than before.
    pub fn check(&self) -> Result<()> {
        let worse: Vec<String> = self
            .counts
            .iter()
            .filter_map(|one| {
                let change = one.change.filter(Change::is_worse)?;
                let (now, was) = (one.per_frame, change.stored);
                Some(format!(
                    "{} needs {now:.1} instructions per frame, and the stored count is {was:.1}",
                    one.name
                ))
            })
            .collect();
        if worse.is_empty() {
            return Ok(());
        }
        let tried = "keep the number of instructions";
        Err(Error::new(Kind::Io, tried, worse.join("; ")).advise(
            "find what the change costs (callgrind_annotate); if the cost is meant, store the new \
             counts with --save",
        ))
    }
}

/// Counts the instructions per frame of one loop.
fn count(one: &Loop, workspace: &Workspace) -> Result<f64> {
    let tried = || format!("count the instructions of {}", one.name);
    let program = std::env::current_exe().context(tried)?;
    let profile = workspace.file("callgrind");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted_region*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(&program)
        .args(["instructions", "--count-here", one.name]);
    run(&mut command, workspace.path())?;
    let profile = std::fs::read_to_string(&profile).context(tried)?;
    match instructions_of(&profile, &program.to_string_lossy()) {
        None | Some(0) => {
            let why = "callgrind saw no instruction of this program";
            Err(Error::new(Kind::Format, tried(), why))
        }
        Some(instructions) => Ok(instructions as f64 / one.frames as f64),
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Compiled by {} and {}\n",
            self.compilers.rust, self.compilers.c
        )?;
        if !self.optimised {
            f.write_str("**Not optimised: these counts mean nothing. Build with --release.**\n\n")?;
        }
        let rows = self.counts.iter().map(|one| {
            let change = one.change;
            [
                one.name.to_owned(),
                one.what.to_owned(),
                format!("{:.1}", one.per_frame),
                change
                    .map(|c| format!("{:.1}", c.stored))
                    .unwrap_or_default(),
                change
                    .map(|c| format!("{:+.1} %", 100.0 * c.growth))
                    .unwrap_or_default(),
                match change {
                    Some(change) if change.is_worse() => "**more**",
                    Some(change) if change.is_better() => "fewer",
                    Some(_) => "as before",
                    None => "",
                }
                .to_owned(),
            ]
        });
        let head = [
            "name",
            "what",
            "instructions per frame",
            "stored",
            "change",
            "result",
        ];
        table(f, head, rows)?;
        if let Some(why) = &self.not_compared {
            write!(f, "\nNot compared: {why}.")?;
        }
        f.write_str("\nInstructions of hpcap's own code, without those of the C library.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(per_frame: f64) -> Instructions {
        Instructions {
            compilers: Compilers::of_this_program(),
            optimised: true,
            not_compared: None,
            counts: vec![Counted {
                name: "push",
                what: "a push",
                per_frame,
                change: None,
            }],
        }
    }

    #[test]
    fn growth_names_the_loop() {
        let mut now = counts(110.0);
        now.compare(&Stored::new(&counts(100.0).counts));
        let error = now.check().unwrap_err().to_string();
        assert!(
            error
                .contains("push needs 110.0 instructions per frame, and the stored count is 100.0"),
            "{error}"
        );
    }

    #[test]
    fn counts_of_other_compilers_are_not_compared() {
        let mut stored = Stored::new(&counts(100.0).counts);
        stored.compilers.rust = "rustc 0.1".into();
        let mut now = counts(110.0);
        now.compare(&stored);
        assert!(now.check().is_ok() && now.counts[0].change.is_none());
        assert!(
            now.to_string()
                .contains("Not compared: the stored counts are those of rustc 0.1")
        );
    }
}
