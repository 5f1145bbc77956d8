//! The manifest: what was changed, and what was there before.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::file::{remove, write_atomically};
use super::step::{Before, Step};

/// Version of the manifest's form.
const VERSION: u32 = 1;

/// A step, and what was there before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The step. It may not be applied yet if it is the last one.
    pub step: Step,
    /// The state before the step.
    pub before: Before,
}

/// The steps that were applied, in their order.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
    /// The steps.
    pub records: Vec<Record>,
    /// The first record of a change that is not finished, which the next run undoes.
    pub unfinished_from: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    unfinished_from: Option<usize>,
    records: Vec<Record>,
}

impl Manifest {
    /// Reads the manifest. A missing file is an empty manifest.
    ///
    /// # Errors
    /// An error of the file system, or a file that is not a manifest of this version.
    pub fn read(path: PathBuf) -> Result<Self> {
        let tried = || format!("read the list of changes {}", path.display());
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.context(tried)?),
        };
        let form = text
            .map(|text| serde_json::from_str::<Form>(&text))
            .transpose()
            .map_err(|e| Error::new(Kind::Format, tried(), e.to_string()))?;
        let form = form.unwrap_or(Form {
            version: VERSION,
            unfinished_from: None,
            records: Vec::new(),
        });
        if form.version != VERSION {
            let why = format!(
                "it has version {}, and this program knows {VERSION}",
                form.version
            );
            return Err(Error::new(Kind::Version, tried(), why)
                .advise("use the version of hpcapctl that wrote it"));
        }
        Ok(Self {
            path,
            records: form.records,
            unfinished_from: form.unfinished_from,
        })
    }

    /// Returns its file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Forgets that units which the manifest starts were stopped and started again meanwhile, because undoing
    /// that would start them once more before they are stopped.
    pub fn forget_restarts(&mut self) {
        let mut started: Vec<String> = Vec::new();
        self.records.retain(|record| match &record.step {
            Step::StartUnit { unit } | Step::StopUnit { unit } if started.contains(unit) => false,
            Step::StartUnit { unit } => {
                started.push(unit.clone());
                true
            }
            _ => true,
        });
    }

    /// Adds a step that is about to be applied, and returns when the manifest is on disk.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn push(&mut self, step: Step, before: Before) -> Result<()> {
        self.records.push(Record { step, before });
        self.write()
    }

    /// Writes the manifest. An empty one is removed, and its folder with it.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write(&self) -> Result<()> {
        let tried = || format!("write the list of changes {}", self.path.display());
        let folder = self.path.parent().unwrap_or(&self.path);
        if self.records.is_empty() {
            remove_if_there(self, folder).context(tried)?;
            return Ok(());
        }
        let form = Form {
            version: VERSION,
            unfinished_from: self.unfinished_from,
            records: self.records.clone(),
        };
        let text = serde_json::to_string_pretty(&form)
            .map_err(|e| Error::new(Kind::Io, tried(), e.to_string()))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .context(tried)?;
        write_atomically(&self.path, text.as_bytes(), 0o600).context(tried)
    }
}

fn remove_if_there(manifest: &Manifest, folder: &std::path::Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let _ = fs::remove_file(super::file::temporary(&manifest.path));
    remove(&manifest.path)?;
    // Files of others in the folder keep it.
    let _ = fs::remove_dir(folder);
    Ok(())
}
