//! Changes of the machine that can be taken back.
//!
//! A change is a list of steps. Before a step is applied, the manifest says on disk what the step is and
//! what was there before. So a run that is cut off at any point, even by a power cut, leaves a manifest
//! from which the next run undoes the rest, and an uninstall knows everything that was changed.

pub mod file;
pub mod manifest;
pub mod modules;
pub(crate) mod service;
pub mod setting;
pub mod step;
pub(crate) mod tool;

use std::path::{Path, PathBuf};

use hpcap::Result;

use manifest::Manifest;
use step::{Before, Root, Step, Undone};

/// The manifest, below the root. The folder belongs to root alone, because an uninstall trusts it.
const MANIFEST: &str = "/var/lib/hpcapctl/manifest.json";

/// Applies and undoes steps below a root folder.
#[derive(Debug)]
pub struct Changer {
    root: Root,
    manifest: Manifest,
    /// Whether each step is compared with the system again. Otherwise, what an administrator has changed after a step
    /// was applied stays.
    always: bool,
}

/// Lines for people about the changes that a run made.
pub type Lines = Vec<String>;

impl Changer {
    /// Opens the manifest below `root`, which is `/` except for images.
    ///
    /// # Errors
    /// An error if the manifest cannot be read, or is not one.
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Self {
            always: false,
            ..Self::open_manifest(root, MANIFEST)?
        })
    }

    /// Opens another manifest below `root`, for changes of the running system: they are made again whenever
    /// something else is in force, and a restart of the machine undoes them, so the manifest is in `/run`.
    ///
    /// # Errors
    /// As [`Changer::open`].
    pub fn open_manifest(root: &Path, path: &str) -> Result<Self> {
        let root = Root::new(root);
        let manifest = Manifest::read(root.path(path))?;
        Ok(Self {
            root,
            manifest,
            always: true,
        })
    }

    /// The steps that are applied.
    #[must_use]
    pub fn steps(&self) -> Vec<&Step> {
        self.manifest
            .records
            .iter()
            .map(|record| &record.step)
            .collect()
    }

    /// Whether a step would change something, or fail because something is in its way.
    #[must_use]
    pub fn would_change(&self, step: &Step) -> bool {
        !matches!(step.prepare(&self.root), Ok(Before::Same))
    }

    /// Whether an earlier run was cut off.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.manifest.unfinished_from.is_some()
    }

    /// Undoes what is left of a run that was cut off.
    ///
    /// # Errors
    /// The error of a step that cannot be undone; the next call tries again.
    pub fn recover(&mut self) -> Result<Lines> {
        match self.manifest.unfinished_from {
            Some(first) => self.undo_from(first),
            None => Ok(Lines::new()),
        }
    }

    /// Applies the steps that are not applied yet. If one fails, undoes those of this call.
    ///
    /// # Errors
    /// The error of the step that failed. Everything is then as it was before, unless the error says
    /// otherwise.
    pub fn apply(&mut self, steps: &[Step]) -> Result<Lines> {
        self.apply_observed(steps, &mut |_| Ok(()))
    }

    /// [`Changer::apply`] that calls `observe` with each step after the manifest has it and before it is
    /// applied. The step fails if `observe` does. Tests use this to fail or to stop at every step.
    ///
    /// # Errors
    /// As [`Changer::apply`].
    pub fn apply_observed(
        &mut self,
        steps: &[Step],
        observe: &mut dyn FnMut(&Step) -> Result<()>,
    ) -> Result<Lines> {
        let mut lines = self.recover()?;
        let first = self.manifest.records.len();
        match self.apply_each(steps, &mut lines, observe) {
            Ok(()) => {
                self.manifest.unfinished_from = None;
                self.manifest.forget_restarts();
                self.manifest.write()?;
                Ok(lines)
            }
            Err(e) => match self.undo_from(first) {
                Ok(_) => Err(e.also_advise("everything that was changed before has been undone")),
                Err(undo) => Err(e.also_advise(format!(
                    "undoing what was changed before has failed, too: {undo}; \
                     the next run tries again"
                ))),
            },
        }
    }

    fn apply_each(
        &mut self,
        steps: &[Step],
        lines: &mut Lines,
        observe: &mut dyn FnMut(&Step) -> Result<()>,
    ) -> Result<()> {
        let first = self.manifest.records.len();
        for step in steps {
            if !self.always && self.steps().contains(&step) {
                continue;
            }
            let before = step.prepare(&self.root)?;
            if before == Before::Same {
                continue;
            }
            self.manifest.unfinished_from.get_or_insert(first);
            self.manifest.push(step.clone(), before)?;
            observe(step)?;
            step.apply(&self.root)?;
            lines.push(step.to_string());
        }
        Ok(())
    }

    /// Undoes all steps, the last one first, and removes the manifest.
    ///
    /// # Errors
    /// The error of a step that cannot be undone; the next call tries again.
    pub fn undo_all(&mut self) -> Result<Lines> {
        self.undo_from(0)
    }

    fn undo_from(&mut self, first: usize) -> Result<Lines> {
        let mut lines = self.stop_enabled_units(first)?;
        while self.manifest.records.len() > first {
            self.manifest.unfinished_from = Some(first);
            self.manifest.write()?;
            if let Some(record) = self.manifest.records.last() {
                match record.step.undo(&self.root, &record.before)? {
                    Undone::Yes => lines.push(format!("undone: {}", record.step)),
                    Undone::AlreadyGone => {}
                    Undone::Foreign(why) => lines.push(format!("left alone: {why}")),
                }
            }
            self.manifest.records.pop();
        }
        self.manifest.unfinished_from = None;
        self.manifest.write()?;
        Ok(lines)
    }

    /// Stops the units that a link of the records from `first` on has systemd start at boot, the last one first. After a
    /// power cut, such a unit may run without a record of its start, and hold what the records before it have changed.
    fn stop_enabled_units(&self, first: usize) -> Result<Lines> {
        let mut lines = Lines::new();
        if !self.root.is_running_system() {
            return Ok(lines);
        }
        let records = self.manifest.records.get(first..).unwrap_or_default();
        let ours = records
            .iter()
            .filter(|record| record.before != Before::Same);
        for unit in ours.rev().filter_map(|record| record.step.enabled_unit()) {
            if service::is_active(unit) {
                service::stop(unit)?;
                lines.push(format!("stopped: {unit}"));
            }
        }
        Ok(lines)
    }

    /// Returns the path of the manifest.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.manifest.path().to_owned()
    }
}
