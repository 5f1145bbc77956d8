//! The duplicate filter of the producer: `kmod/core/dedup.h`.

use std::hash::{BuildHasher, Hasher, RandomState};

use hpcap::{Count, Error, Kind, Result};
use hpcap_sys::dedup::{AUTO, DROP, MARK, Settings, Window, WindowError};

use hpcap::dedup::{Action, DedupSettings};
use hpcap_source::Frame;

/// Remembers frames and finds their duplicates.
#[derive(Debug)]
pub struct Dedup {
    window: Window,
    settings: DedupSettings,
}

fn c_settings(settings: &DedupSettings, link_type: u32, seed: u64) -> Settings {
    Settings {
        window: settings.window,
        compare_bytes: settings.bytes.unwrap_or(AUTO),
        age_ns: u64::try_from(settings.age.as_nanos()).unwrap_or(u64::MAX),
        ignore: settings.ignore.bits(),
        action: match settings.action {
            Action::Drop => DROP,
            Action::Mark => MARK,
        },
        seed,
        renew: u32::from(settings.renew),
        link_type,
    }
}

impl Dedup {
    /// An empty window for frames of a link type (`LINKTYPE_` value, 1 is Ethernet).
    ///
    /// # Errors
    /// When a setting is out of its range, or there is not enough memory.
    pub fn new(settings: DedupSettings, link_type: u32) -> Result<Self> {
        // Of the system's randomness: nobody outside can aim at a set.
        let seed = RandomState::new().build_hasher().finish();
        let c = c_settings(&settings, link_type, seed);
        let window = Window::new(&c).map_err(|error| {
            let kind = match error {
                WindowError::OutOfRange => Kind::Usage,
                WindowError::NoMemory => Kind::Full,
            };
            Error::new(kind, "remember frames", error.to_string())
        })?;
        Ok(Self { window, settings })
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &DedupSettings {
        &self.settings
    }

    /// Follows other settings. `false` where they need another window, and nothing changed.
    pub fn change(&mut self, settings: &DedupSettings) -> bool {
        let now = self.settings;
        if (settings.window, settings.bytes, settings.ignore) != (now.window, now.bytes, now.ignore)
        {
            return false;
        }
        // Seed and link type stay those of the window.
        self.window.change(&c_settings(settings, 0, 0));
        self.settings = *settings;
        true
    }

    /// The window, for the pipeline.
    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Looks for duplicates. Those to be dropped leave `frames`: returns how many others stand
    /// at the front, and how many duplicates there were. `marks` becomes as long as `frames`,
    /// and is not 0 for each duplicate that stayed.
    pub fn apply(&mut self, frames: &mut [Frame<'_>], marks: &mut Vec<u8>) -> (usize, Count) {
        self.window.select(frames, marks)
    }
}
