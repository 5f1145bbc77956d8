//! `hpcapctl get`: the settings of a queue of the kernel module.

use clap::Args;
use hpcap::report::json_line;
use hpcap::{QueueName, Result};
use hpcap_config::hot::Hot;
use serde_json::json;

use super::Folder;
use crate::output::print;

/// Which settings are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl get hpcap0               all settings of queue 0 of adapter 0
  hpcapctl get hpcap0:1 caplen      one of them
  hpcapctl get hpcap0 --json        a JSON object")]
pub struct Get {
    /// Such as hpcap0 or hpcap0:1
    pub queue: QueueName,
    /// The setting, such as caplen or dedup.enabled [default: all]
    pub key: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Get {
    /// Prints the settings.
    ///
    /// # Errors
    /// Returns the errors of [`Folder::of`] and [`Folder::settings`].
    pub fn run(&self) -> Result<()> {
        let only = self.key.as_deref().map(Hot::of).transpose()?;
        let (interface, known) = Folder::of(self.queue)?.settings()?;
        let shown: Vec<(&str, String)> = known
            .iter()
            .filter(|hot| only.is_none_or(|only| only.key == hot.key))
            .map(|hot| (hot.key, hot.shown(&interface)))
            .collect();
        let text = if self.json {
            let mut object = serde_json::Map::new();
            object.insert("queue".into(), self.queue.to_string().into());
            for (key, value) in shown {
                // The values are numbers, words and strings, whose form JSON has, too.
                let value = serde_json::from_str(&value).unwrap_or_else(|_| value.into());
                let (table, name) = key.split_once('.').unwrap_or(("", key));
                match table {
                    "" => drop(object.insert(name.into(), value)),
                    table => {
                        let inner = object.entry(table);
                        if let Some(inner) = inner.or_insert_with(|| json!({})).as_object_mut() {
                            inner.insert(name.into(), value);
                        }
                    }
                }
            }
            json_line(&object)?
        } else if only.is_some() {
            shown
                .iter()
                .map(|(_, value)| format!("{value}\n"))
                .collect()
        } else {
            shown
                .iter()
                .map(|(key, value)| format!("{key} = {value}\n"))
                .collect()
        };
        print(&text).map(drop)
    }
}
