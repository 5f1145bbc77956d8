//! `hpcapctl set`: changes settings of queues of the kernel module while they capture.

use clap::Args;
use hpcap::{Error, QueueName, Result};
use hpcap_config::hot::{HOT, Hot};
use hpcap_config::keys::{INTERFACE, set};
use hpcap_config::model::Interface;

use super::Folder;
use crate::output::print;

/// What is set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl set hpcap0 caplen=128                    keep 128 bytes of each frame
  hpcapctl set hpcap0 caplen=0 'filter=port 53'     whole frames from or to port 53
  hpcapctl set hpcap0 filter=                       every frame
  hpcapctl set hpcap0 dedup=on dedup.age=500ms      remove copies that follow within half a second
  hpcapctl set hpcap0 poll=busy cpu=3 --all-queues  for all queues of adapter 0
  hpcapctl set hpcap0 priority=-20                  the poll thread before other programs of its CPU
  hpcapctl set hpcap0 caplen=64 --dry-run           what would be written

All values are checked before the first is written. If the kernel refuses one, those before it are
taken back. The keys are those of docs/configuration.md that sysfs has; dedup=on|off is short for
dedup.enabled, and cpu is the CPU of the queue's poll thread, -1 for any.")]
pub struct Set {
    /// Such as hpcap0 or hpcap0:1
    pub queue: QueueName,
    /// Settings and their values
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub settings: Vec<String>,
    /// Change all queues of the adapter
    #[arg(long)]
    pub all_queues: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads `KEY=VALUE` into `interface` and returns the setting.
fn parse(text: &str, interface: &mut Interface) -> Result<&'static Hot> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Error::usage(format!("setting {text:?}"), "expected KEY=VALUE"))?;
    let (key, value) = match (key, value) {
        ("dedup", "on") => ("dedup.enabled", "true"),
        ("dedup", "off") => ("dedup.enabled", "false"),
        ("dedup", other) => {
            return Err(Error::usage(format!("dedup={other}"), "expected on or off")
                .advise("the other settings are dedup.window, dedup.age and so on"));
        }
        other => other,
    };
    let hot = Hot::of(key)?;
    match (key, value) {
        ("cpu", "-1") => interface.cpus.clear(),
        ("cpu", number) => {
            set(INTERFACE, interface, "cpus", &format!("[{number}]")).map_err(|_| {
                Error::usage(format!("cpu={number}"), "expected a CPU, or -1 for any")
            })?;
        }
        (key, value) => set(INTERFACE, interface, key, value)?,
    }
    Ok(hot)
}

impl Set {
    /// Checks all settings, then writes them.
    ///
    /// # Errors
    /// Returns [`hpcap::Kind::Usage`] for a wrong key or value, the errors of [`Folder::of`], and
    /// that of the first setting that the kernel refuses; the settings before it are taken back.
    pub fn run(&self) -> Result<()> {
        let mut wanted = Interface::default();
        let mut changed: Vec<&Hot> = Vec::new();
        for text in &self.settings {
            let hot = parse(text, &mut wanted)?;
            if changed.iter().any(|other| other.key == hot.key) {
                return Err(Error::usage(
                    format!("setting {}", hot.key),
                    "it is given twice",
                ));
            }
            changed.push(hot);
        }
        let folders = match self.all_queues {
            true => Folder::of_adapter(self.queue)?,
            false => vec![Folder::of(self.queue)?],
        };
        // The settings are written in the order of the table. A new ring is the last one, because it cannot be undone.
        let mut writes = Vec::new();
        for hot in HOT
            .iter()
            .filter(|hot| changed.iter().any(|c| c.key == hot.key))
        {
            writes.push((hot, hot.text(&wanted)?));
        }
        let mut text = String::new();
        if !self.dry_run {
            write_all(&folders, &writes)?;
        }
        for folder in &folders {
            for (hot, _) in &writes {
                let verb = if self.dry_run {
                    "would be set to"
                } else {
                    "is now"
                };
                text += &format!(
                    "{}: {} {verb} {}",
                    folder.queue,
                    hot.key,
                    hot.shown(&wanted)
                );
                text += &match hot.note {
                    "" => "\n".to_owned(),
                    note => format!(" ({note})\n"),
                };
            }
        }
        print(&text).map(drop)
    }
}

/// Writes all settings to all queues. After a failure, the settings that were written before get
/// their old values back.
fn write_all(folders: &[Folder], writes: &[(&Hot, String)]) -> Result<()> {
    let mut done: Vec<(&Folder, &Hot, String)> = Vec::new();
    for (hot, text) in writes {
        for folder in folders {
            let step = folder.text(hot).and_then(|old| {
                folder.write(hot, text)?;
                Ok(old)
            });
            match step {
                Ok(old) => done.push((folder, hot, old)),
                Err(e) => return Err(take_back(&done, e)),
            }
        }
    }
    Ok(())
}

/// Writes the old values, and adds to the error which of them could not be written.
fn take_back(done: &[(&Folder, &Hot, String)], error: Error) -> Error {
    let mut stuck = Vec::new();
    for (folder, hot, old) in done.iter().rev() {
        if folder.write(hot, old).is_err() {
            stuck.push(format!("{} of {}", hot.key, folder.queue));
        }
    }
    match (done.is_empty(), stuck.is_empty()) {
        (true, _) => error,
        (false, true) => {
            let text = error.why_and_advice();
            Error::new(error.kind(), "change the settings", text)
                .advise("the settings that were changed before have their old values again")
        }
        (false, false) => {
            let text = error.why_and_advice();
            let stuck = stuck.join(", ");
            Error::new(error.kind(), "change the settings", text)
                .advise(format!("these could not be taken back: {stuck}"))
        }
    }
}
