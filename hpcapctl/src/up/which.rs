//! The interfaces and the configuration that a command is about.

use std::path::{Path, PathBuf};

use clap::Args;
use hpcap::{Error, Kind, Result};
use hpcap_config::{Config, DEFAULT_PATH, Machine, load};
use hpcap_host::Tree;
use nix::unistd::geteuid;

use crate::change::step::Root;

/// The interfaces of a command.
#[derive(Debug, Args)]
pub struct Which {
    /// Interfaces of the configuration: name, PCI or MAC address, or queue [default: all]
    #[arg(value_name = "IF")]
    pub interfaces: Vec<String>,

    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,

    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// With --dry-run: plan for the copy of a machine below this folder
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        requires = "dry_run",
        hide = true
    )]
    pub root: PathBuf,
}

impl Which {
    pub(super) fn tree(&self) -> Tree {
        Tree::at(&self.root)
    }

    pub(super) fn load(&self) -> Result<Config> {
        let path = match self.root == Path::new("/") {
            true => self.config.clone(),
            false => Root::new(&self.root).path(&self.config.display().to_string()),
        };
        load(&path)
            .map(|document| document.config)
            .map_err(|e| match e.kind() {
                Kind::NotFound => e.advise("make one: hpcapctl config new"),
                _ => e,
            })
    }

    /// The places in `config` of the interfaces that are named; all, if none is named.
    pub(super) fn select(&self, config: &Config, machine: &Machine) -> Result<Vec<usize>> {
        let all = 0..config.interfaces.len();
        if self.interfaces.is_empty() {
            return Ok(all.collect());
        }
        let mut selected = Vec::new();
        for name in &self.interfaces {
            let is_called = |position: &usize| {
                let interface = &config.interfaces[*position];
                let port = machine.port_of(interface);
                interface.label() == *name
                    || port.is_some_and(|port| port.name.as_deref() == Some(name))
                    || port.is_some_and(|port| port.pci.is_some_and(|pci| pci.to_string() == *name))
                    || config
                        .queues_of(*position)
                        .iter()
                        .any(|queue| queue.to_string() == *name)
            };
            match all.clone().find(is_called) {
                Some(position) if selected.contains(&position) => {}
                Some(position) => selected.push(position),
                None => {
                    let labels: Vec<String> = config.interfaces.iter().map(|i| i.label()).collect();
                    return Err(Error::new(
                        Kind::NotFound,
                        format!("find interface {name:?} in {}", self.config.display()),
                        "the configuration does not have it",
                    )
                    .advise(format!("it has {}", labels.join(", "))));
                }
            }
        }
        Ok(selected)
    }

    pub(super) fn check_privileges(&self) -> Result<()> {
        if geteuid().is_root() || self.dry_run {
            return Ok(());
        }
        let why = "only root may change interfaces and services";
        Err(Error::new(Kind::Permission, "change the system", why)
            .advise("use sudo, or --dry-run first"))
    }
}
