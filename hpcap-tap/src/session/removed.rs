//! Files that are removed while the tap writes them.
//!
//! What is written to a file without a name is lost when the file is closed, and nothing says so but the
//! file itself. A new file takes its place, and says how many frames are lost.

use hpcap::Count;

use super::{Guest, Route, Session};
use crate::plan::Target;
use crate::viewer::door::Place;

impl Session {
    /// Ends the outputs whose files were removed, and begins new files of the same names.
    pub(super) fn replace_removed(&mut self) {
        for (route, lost) in self.lose_removed() {
            let Target::Path(path) = &self.routes[route].output.target else {
                continue;
            };
            let path = path.clone();
            let opened = Place::open(&path).and_then(|place| match place {
                Place::File(outlet) => self.welcome(route, path.display().to_string(), outlet),
                // Whoever has put a FIFO there expects nothing of a file.
                Place::Fifo(_) => Ok(()),
            });
            if let Err(error) = opened {
                self.reporter.error(&error);
                continue;
            }
            if let Some(guest) = self.guests.last_mut() {
                for (tap, frames) in lost {
                    guest.viewer.follow_removed(tap, frames);
                }
            }
        }
    }

    /// Ends the outputs whose files were removed. Returns the route of each, and the frames of each queue
    /// that are lost with the file.
    pub(super) fn lose_removed(&mut self) -> Vec<(usize, Vec<(usize, Count)>)> {
        let Self { guests, routes, .. } = self;
        // Standard output may be a file that never had a name.
        let has_path = |route: &Route| matches!(route.output.target, Target::Path(_));
        let removed: Vec<Guest> = guests
            .extract_if(.., |guest| {
                has_path(&routes[guest.route]) && guest.viewer.is_removed()
            })
            .collect();
        let mut lost = Vec::new();
        for mut guest in removed {
            let (frames, error) = guest.viewer.lose_file();
            self.reporter.error(&error);
            self.failure.get_or_insert(error);
            lost.push((guest.route, frames));
        }
        lost
    }
}
