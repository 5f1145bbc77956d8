//! The command line of `checkraw`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hpcap::raw::check::Checker;
use hpcap::raw::name::start_of;
use hpcap::raw::repair::undo;
use hpcap::visible::visible_path;
use hpcap::{Error, Kind, Result};
use hpcap_cli::Hint;

use super::file_checker::{FileChecker, Repair};
use super::print::{Printer, print};
use super::sizes::Sizes;
use crate::convert::{protected, survive_file_size_limit};
use crate::inputs::{Input, expand};

const AFTER: &str = "\
A defect is a place where a file breaks the format, so that readers skip or guess there. A warning is \
about something that the format allows but that is often a mistake. Frames that the capture lost are \
neither: the file itself says where they are missing, and so does this report.

A repair loses no byte of a file. A record that the file's end cuts keeps the bytes that are there, \
bytes that are no records are covered with padding (only headers are written), closing padding is \
appended, and FILE.raw.part becomes FILE.raw. checkraw repairs only files that are RAW beyond doubt. \
It writes each change to FILE.repair first, and --undo undoes the changes.

Examples:
  checkraw /data                                check all files of a recording
  checkraw --quiet --fail-on-loss /data         exit with 3 if frames are missing
  checkraw --repair /data/*/*.raw.part          close files after a crash
  checkraw --undo 1763619462_hpcap0_0.raw       make a file what it was before its repair

Exit codes: 0 all files are sound (with --repair: after it), 1 defects or a failure, 2 usage, 3 frames are \
missing and --fail-on-loss was given.";

/// Default number of defects, and of gaps, that are printed for each file.
const FINDINGS: usize = 20;

/// Exit code of --fail-on-loss where frames are missing.
const LOSS: u8 = 3;

/// Options of other tools, with their names in checkraw.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-r", "--read-file"],
        advice: "files to check need no option: checkraw PATH...",
    },
    Hint {
        options: &["-o", "-w", "--output", "--from", "--to", "--filter"],
        advice: "raw2pcap converts: raw2pcap IN... -o OUT",
    },
];

/// Checks RAW files, says where frames are missing, and repairs files that are damaged.
#[derive(Debug, Parser)]
#[command(name = "checkraw", version = hpcap_cli::VERSION, after_help = AFTER)]
pub struct Cli {
    /// RAW files, folders (every *.raw and *.raw.part below them), or - for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Skip files whose name has an earlier start time, in seconds since 1970
    #[arg(short = 't', long, value_name = "SECONDS")]
    started_from: Option<u64>,
    /// Do not warn of frames shorter than 60 bytes
    #[arg(short = 'c', long)]
    allow_short: bool,
    /// Print at most N defects and N warnings for each file, a line each; 0 prints all
    /// [default: 20 defects, and one line for each kind of warning]
    #[arg(short = 'e', long, value_name = "N")]
    max_findings: Option<usize>,
    /// Write a line for each frame into FILE: its number, offset of its first byte, caplen, len, time
    #[arg(short = 'x', long, value_name = "FILE")]
    sizes: Option<PathBuf>,
    /// Make damaged files sound, and print each change
    #[arg(long, short_alias = 'f', visible_short_alias = 'f')]
    repair: bool,
    /// Undo the repairs of these files: their bytes, sizes and names become what they were
    #[arg(long, conflicts_with_all = ["repair", "dry_run"])]
    undo: bool,
    /// Print what --repair would do, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Exit with code 3 if frames are missing
    #[arg(long)]
    fail_on_loss: bool,
    /// Print JSON: one object on each line for each file, and one for the total
    #[arg(long)]
    json: bool,
    /// Print no progress bar, and only files with defects
    #[arg(short, long)]
    quiet: bool,
}

impl Cli {
    /// Runs the check and returns the exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        survive_file_size_limit();
        match self.check() {
            Ok(code) => ExitCode::from(code),
            // EPIPE: the program that reads the report has ended.
            Err(e) if e.os_error() == Some(32) => ExitCode::from(1),
            Err(e) => {
                hpcap_cli::say(format_args!("checkraw: {e}"));
                ExitCode::from(e.exit_code())
            }
        }
    }

    /// Checks the files and returns the exit code.
    fn check(self) -> Result<u8> {
        if self.undo {
            return self.undo_repairs().map(|all| u8::from(!all));
        }
        let repair = match (self.repair, self.dry_run) {
            (_, true) => Repair::DryRun,
            (true, false) => Repair::Do,
            (false, false) => Repair::No,
        };
        let inputs: Vec<Input> = expand(&self.paths)?
            .into_iter()
            .filter(|i| self.is_wanted(i))
            .collect();
        if repair != Repair::No && inputs.contains(&Input::Stdin) {
            return Err(Error::usage(
                "--repair -",
                "standard input cannot be repaired: name files",
            ));
        }
        if inputs.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                "check anything",
                format!(
                    "all files were started before {}",
                    self.started_from.unwrap_or(0)
                ),
            ));
        }
        let findings = match self.max_findings {
            None => FINDINGS,
            Some(0) => usize::MAX,
            Some(most) => most,
        };
        let checker = Checker::new()
            .findings_max(findings)
            .short_frames(!self.allow_short);
        if let Some(sizes) = &self.sizes {
            protected(&inputs).check(sizes)?;
        }
        let sizes = self.sizes.as_deref().map(Sizes::create).transpose()?;
        let each = self.max_findings.is_some();
        let printer = Printer::new(self.json, self.quiet, findings, each);
        let mut work = FileChecker::new(checker, repair, sizes, printer, !self.quiet && !self.json);
        let (sound, has_loss) = work.run(&inputs, self.fail_on_loss)?;
        Ok(match (sound, has_loss && self.fail_on_loss) {
            (false, _) => 1,
            (true, true) => LOSS,
            (true, false) => 0,
        })
    }

    /// Undoes the repairs of every path; `false` where the repairs of one could not be undone.
    fn undo_repairs(&self) -> Result<bool> {
        let mut all = true;
        for path in &self.paths {
            match undo(path) {
                Ok(undone) => print(&format!(
                    "{}: {} repair{} taken back, it is as before\n",
                    visible_path(&undone.path),
                    undone.journals.len(),
                    if undone.journals.len() == 1 { "" } else { "s" }
                ))?,
                Err(e) if self.paths.len() == 1 => return Err(e),
                Err(e) => {
                    hpcap_cli::say(format_args!("checkraw: {e}"));
                    all = false;
                }
            }
        }
        Ok(all)
    }

    fn is_wanted(&self, input: &Input) -> bool {
        let (Some(min), Input::File(listed)) = (self.started_from, input) else {
            return true;
        };
        let name = listed.path.file_name().and_then(|name| name.to_str());
        name.and_then(start_of).is_none_or(|start| start >= min)
    }
}
