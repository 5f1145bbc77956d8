//! The duplicate filter of the producer: `kmod/core/dedup.h`.

use std::hash::{BuildHasher, Hasher, RandomState};

use hpcap::{Count, Error, Kind, Result};
use hpcap_sys::dedup::{AUTO, DROP, MARK, Settings, Window, WindowError};

use hpcap::dedup::{Action, DedupSettings};
use hpcap_source::Frame;

/// A window of remembered frames, in which later frames are found to be duplicates.
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
    /// Creates an empty window for frames of a link type (`LINKTYPE_` value, 1 is Ethernet).
    ///
    /// # Errors
    /// [`Kind::Usage`] when a setting is out of its range, [`Kind::Full`] without enough memory.
    pub fn new(settings: DedupSettings, link_type: u32) -> Result<Self> {
        // The seed is random, so that no sender can aim its frames at one set of the hash table.
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

    /// Returns the current settings.
    #[must_use]
    pub fn settings(&self) -> &DedupSettings {
        &self.settings
    }

    /// Changes the settings. Returns `false`, with nothing changed, if they need another window.
    pub fn change(&mut self, settings: &DedupSettings) -> bool {
        let now = self.settings;
        if (settings.window, settings.bytes, settings.ignore) != (now.window, now.bytes, now.ignore)
        {
            return false;
        }
        // The window ignores these two zeros: it keeps its seed and link type.
        self.window.change(&c_settings(settings, 0, 0));
        self.settings = *settings;
        true
    }

    /// Returns the window, for the pipeline.
    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Finds duplicates. Removes from `frames` the duplicates that the settings drop: returns how
    /// many frames remain at its front, and the count of all duplicates. `marks` becomes as long as
    /// `frames`, and has a value other than 0 for each duplicate that remains.
    pub fn apply(&mut self, frames: &mut [Frame<'_>], marks: &mut Vec<u8>) -> (usize, Count) {
        self.window.select(frames, marks)
    }
}
