//! Whether the services of a configuration can be started here, and the steps that start them.

use std::fmt::Write;

use hpcap_host::Tree;

use super::unit::{self, Unit};
use crate::change::step::Step;

/// Whether services can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Services {
    /// systemd runs, and hpcap's units are installed.
    Ready,
    /// systemd does not run.
    NoSystemd,
    /// The units are not installed.
    NotInstalled,
}

impl Services {
    pub(super) fn of(tree: &Tree) -> Self {
        match (tree.has("/run/systemd/system"), unit::are_installed(tree)) {
            (false, _) => Self::NoSystemd,
            (true, false) => Self::NotInstalled,
            (true, true) => Self::Ready,
        }
    }

    /// The steps that start services.
    pub(super) fn steps(self, units: &[Unit], tree: &Tree) -> Vec<Step> {
        match self {
            Self::Ready => units.iter().flat_map(|unit| unit.steps(tree)).collect(),
            _ => Vec::new(),
        }
    }

    /// What the user must do.
    pub(super) fn notes(self, units: &[Unit]) -> String {
        let mut text = String::new();
        let why = match self {
            Self::Ready => return text,
            Self::NoSystemd => "systemd does not run here, so start by yourself",
            Self::NotInstalled => {
                "the units of hpcap are not installed (package hpcap, or `make install`), so start by yourself"
            }
        };
        for unit in units {
            let _ = writeln!(text, "  note: {why}: {}", unit.command);
        }
        text
    }
}
