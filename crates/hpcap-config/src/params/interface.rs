//! The settings of one interface in `params.cfg`.

use std::collections::BTreeSet;

use super::reader::Reader;
use crate::model::{Address, Engine, Interface, Mode};
use crate::problem::excerpt;

impl Reader<'_> {
    /// Interface `number`, with `queues` queues. `taken` are the CPUs of the poll threads so far.
    pub(super) fn interface(
        &mut self,
        number: usize,
        engine: Engine,
        queues: u16,
        taken: &mut BTreeSet<u32>,
    ) -> Interface {
        let key = |name: &str| format!("{name}{number}");
        let mode = self.number_in(&key("mode"), 1..=3, "the interface is a standard one");
        let mode = mode.map_or_else(
            || {
                if self.line(&key("mode")).is_none() {
                    let text = "the original demands it; the interface is a standard one";
                    self.remark(0, &key("mode"), text);
                }
                1
            },
            |(_, mode)| mode,
        );
        let mut interface = Interface {
            engine,
            ..Interface::default()
        };
        let prefix = if mode == 1 { "xgb" } else { "hpcap" };
        interface.name = Some(format!("{prefix}{number}"));
        if engine == Engine::Userspace {
            interface.number = u16::try_from(number).ok();
        }
        let otherwise = "both ends of the link agree on the speed";
        if let Some((line, speed)) = self.number(&key("vel"), otherwise) {
            match speed {
                1_000 | 10_000 | 40_000 => interface.speed = u32::try_from(speed).ok(),
                _ => self.remark(
                    line,
                    &key("vel"),
                    format!("{speed} is not 1000, 10000 or 40000; {otherwise}"),
                ),
            }
        }
        if mode == 1 {
            interface.mode = Mode::Standard;
            interface.address = self.address(number);
            return interface;
        }
        for name in ["ip", "mask"] {
            if let Some(line) = self.line(&key(name)) {
                let text = "only standard interfaces have an address; it is left out";
                self.remark(line, &key(name), text);
            }
        }
        interface.queues = queues;
        interface.cpus = self.cpus(number, queues, taken);
        if self.switch(&key("dup"), false) {
            interface.dedup.enabled = true;
            interface.dedup.settings.bytes = Some(70);
            let line = self.line(&key("dup")).unwrap_or(0);
            let text = "the last version of the original removes no duplicates, whatever is set \
                        here; this one does, by the first 70 bytes as older versions did";
            self.remark(line, &key("dup"), text);
        }
        let whole = "whole frames are kept, as the original does";
        if let Some((_, caplen)) = self.number_in(&key("caplen"), 0..=2048, whole) {
            interface.caplen = u32::try_from(caplen).unwrap_or(0);
        }
        match mode {
            2 => self.static_ring(number, &mut interface),
            _ => self.huge_ring(number, &mut interface),
        }
        interface
    }

    /// One CPU for each queue, from `coreN` on; none if another thread has one of them.
    fn cpus(&mut self, number: usize, queues: u16, taken: &mut BTreeSet<u32>) -> Vec<u32> {
        let key = format!("core{number}");
        let Some((line, core)) = self.number_in(&key, -1..=8191, "the poll threads are not pinned")
        else {
            return Vec::new();
        };
        let Ok(first) = u32::try_from(core) else {
            let text = "-1 is the last core for the original; here the poll threads are not pinned";
            self.remark(line, &key, text);
            return Vec::new();
        };
        let cpus: Vec<u32> = (first..first + u32::from(queues))
            .filter(|cpu| *cpu < 8192)
            .collect();
        if cpus.len() < usize::from(queues) || cpus.iter().any(|cpu| taken.contains(cpu)) {
            let text = "another poll thread runs on one of these cores, or there is none; these \
                        poll threads are not pinned";
            self.remark(line, &key, text);
            return Vec::new();
        }
        taken.extend(&cpus);
        cpus
    }

    fn address(&mut self, number: usize) -> Option<Address> {
        let (ip_key, mask_key) = (format!("ip{number}"), format!("mask{number}"));
        let (line, ip) = self.text(&ip_key).map(|(line, ip)| (line, ip.to_owned()))?;
        let mask = self.text(&mask_key).map(|(_, mask)| mask.to_owned());
        let prefix = mask.as_deref().map_or(Some(24), prefix_of);
        let address = prefix.and_then(|prefix| format!("{ip}/{prefix}").parse().ok());
        match (&address, mask) {
            (None, mask) => {
                let text = format!(
                    "{:?} with the mask {:?} is no address; it is left out",
                    excerpt(&ip),
                    excerpt(&mask.unwrap_or_default())
                );
                self.remark(line, &ip_key, text);
            }
            (Some(_), None) => {
                let text = format!("{mask_key} is missing; a prefix of 24 bits is used");
                self.remark(line, &ip_key, text);
            }
            (Some(_), Some(_)) => {}
        }
        address
    }
}

/// The length of the prefix that a mask such as 255.255.255.0 stands for.
fn prefix_of(mask: &str) -> Option<u32> {
    let bits = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones())
}
