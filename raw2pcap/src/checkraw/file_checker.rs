//! Checks each file, repairs it if that was asked for, and checks it again.

use std::path::{Path, PathBuf};

use hpcap::compress::Decompressor;
use hpcap::error::Context;
use hpcap::raw::Reader;
use hpcap::raw::check::{Checker, Report};
use hpcap::raw::index::Index;
use hpcap::raw::name::start_of;
use hpcap::raw::repair::{apply, plan};
use hpcap::{Error, Kind, Result};

use super::print::{Printer, Repaired};
use super::sizes::Sizes;
use crate::inputs::{Input, Opened};
use crate::progress::Progress;

/// Whether files are repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    No,
    /// Print the steps of the repair, but change nothing.
    DryRun,
    Do,
}

/// Largest number of rounds of planning and repairing a file.
const ROUNDS_MAX: usize = 1000;

pub(super) struct FileChecker {
    checker: Checker,
    repair: Repair,
    sizes: Option<Sizes>,
    printer: Printer,
    visible: bool,
}

impl FileChecker {
    pub(super) fn new(
        checker: Checker,
        repair: Repair,
        sizes: Option<Sizes>,
        printer: Printer,
        visible: bool,
    ) -> Self {
        Self {
            checker,
            repair,
            sizes,
            printer,
            visible,
        }
    }

    /// Checks all inputs. Returns whether all files are sound in the end, and whether frames are
    /// missing. `says_total` prints the total even for one file. A file that cannot be read counts as
    /// not sound, and the check goes on with the next.
    pub(super) fn run(&mut self, inputs: &[Input], says_total: bool) -> Result<(bool, bool)> {
        let total = inputs.iter().filter_map(Input::bytes).sum();
        let mut progress = Progress::new("checkraw", total, self.visible);
        let mut done = 0;
        let mut all_sound = true;
        for input in inputs {
            progress.set_item(input.name());
            let bytes = input.bytes().unwrap_or(0);
            match self.one(input, &mut progress, done) {
                Ok(sound) => all_sound &= sound,
                Err(e) if e.os_error() == Some(32) => return Err(e),
                Err(e) => {
                    all_sound = false;
                    self.printer.failed(input, &e, &progress)?;
                }
            }
            done += bytes;
            progress.set_bytes(done);
        }
        if let Some(sizes) = &mut self.sizes {
            sizes.finish()?;
        }
        progress.done();
        let has_loss = self.printer.total(says_total)?.has_loss();
        Ok((all_sound, has_loss))
    }

    fn one(&mut self, input: &Input, progress: &mut Progress, done: u64) -> Result<bool> {
        let opened = match input {
            Input::Stdin => None,
            Input::File(listed) => match listed.open()? {
                Some(opened) => Some(opened),
                None => {
                    self.printer.deleted(input, progress)?;
                    return Ok(true);
                }
            },
        };
        let path = opened.as_ref().map(|opened| opened.path.clone());
        let report = self.check(input, opened, progress, done)?;
        let mut sound = report.is_sound();
        let mut repaired = None;
        if let (Some(path), true) = (path, self.repair != Repair::No) {
            let outcome = self.repair(&path)?;
            sound = outcome.sound.unwrap_or(sound);
            repaired = Some(outcome);
        }
        self.printer
            .report(input, &report, repaired.as_ref(), progress)?;
        Ok(sound)
    }

    fn check(
        &mut self,
        input: &Input,
        opened: Option<Opened>,
        progress: &mut Progress,
        done: u64,
    ) -> Result<Report> {
        let sizes = &mut self.sizes;
        if let Some(sizes) = sizes {
            sizes.start();
        }
        let mut count = 0_u32;
        let mut each = |passing: hpcap::raw::check::Passing<'_>| {
            count = count.wrapping_add(1);
            if count.is_multiple_of(4096) {
                progress.set_bytes(done + passing.body_offset);
            }
            match sizes {
                Some(sizes) => sizes.frame(passing),
                None => Ok(()),
            }
        };
        let Some(opened) = opened else {
            let tried = || "read standard input";
            let source = Decompressor::new(std::io::stdin().lock()).context(tried)?;
            let reader = Reader::new(source).named(input.name());
            return self.checker.check(reader, None, false, &mut each);
        };
        let (name, under_way) = (opened.path.display().to_string(), opened.is_locked);
        let start = opened
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let start = start_of(&start);
        let index = match under_way {
            true => None,
            // Readers ignore an index that cannot be loaded.
            false => Index::load(&opened.path).unwrap_or_default(),
        };
        let (source, _) = opened.unpacked()?;
        let reader = Reader::new(source).named(name);
        self.checker
            .check_with_index(reader, start, under_way, index.as_ref(), &mut each)
    }

    /// Repairs a file, or prints the steps of the repair.
    fn repair(&self, path: &Path) -> Result<Repaired> {
        let mut repaired = Repaired::default();
        let mut path: PathBuf = path.to_owned();
        for _ in 0..ROUNDS_MAX {
            let plan = plan(&path)?;
            if plan.is_empty() {
                let again = self.checker.check_file(&path, &mut |_| Ok(()))?;
                repaired.sound = Some(again.is_sound());
                return Ok(repaired);
            }
            repaired.steps.extend(plan.steps.iter().cloned());
            if self.repair == Repair::DryRun {
                repaired.shown = true;
                return Ok(repaired);
            }
            let outcome = apply(&path, &plan)?;
            let saved = outcome.saved.iter().chain(&outcome.kept);
            repaired
                .saved
                .extend(saved.map(|path| path.display().to_string()));
            if outcome.path != path {
                path.clone_from(&outcome.path);
                repaired.renamed = Some(outcome.path.display().to_string());
            }
        }
        Err(Error::new(
            Kind::Format,
            format!("repair {}", path.display()),
            format!("the file is still not sound after {ROUNDS_MAX} rounds of repair"),
        ))
    }
}
