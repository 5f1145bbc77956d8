//! Makes a configuration of the settings in `params.cfg`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Remark;
use super::lines::{Settings, split_key};
use super::reader::Reader;
use crate::model::{Config, Engine};
use crate::problem::excerpt;

/// Largest number of interfaces in the original.
const MOST_INTERFACES: usize = 16;

pub(super) fn convert(settings: &Settings, remarks: &mut Vec<Remark>) -> Config {
    let mut reader = Reader { settings, remarks };
    let mut config = Config::default();
    let engine = reader.engine();
    let queues = reader.queues(engine);
    reader.other_globals();
    let count = reader.interface_count();
    let raised = reader.raised(count);
    let mut taken = BTreeSet::new();
    for number in 0..count {
        if !raised.contains(&number) {
            if let Some(line) = reader.line(&format!("mode{number}")) {
                let text = format!(
                    "interface {number} is not in ifs, and the original does not bring it up; its \
                     settings are left out"
                );
                reader.remark(line, &format!("mode{number}"), text);
            }
            continue;
        }
        let interface = reader.interface(number, engine, queues, &mut taken);
        config.interfaces.push(interface);
    }
    reader.monitor(&mut config, &taken);
    reader.stray(count);
    config
}

impl Reader<'_> {
    fn engine(&mut self) -> Engine {
        let (line, value) = match self.text("driver_type") {
            Some((line, value)) => (line, value.to_owned()),
            None => return Engine::Ixgbe,
        };
        match value.as_str() {
            "ixgbe" => Engine::Ixgbe,
            "ixgbevf" => {
                let text = "the original's own check refuses this driver; hpcap has it";
                self.remark(line, "driver_type", text);
                Engine::Ixgbevf
            }
            other => {
                let text = format!(
                    "hpcap has no kernel module for {:?}; the interfaces are captured in userspace, \
                     and need the names that their own driver gives them",
                    excerpt(other)
                );
                self.remark(line, "driver_type", text);
                Engine::Userspace
            }
        }
    }

    fn queues(&mut self, engine: Engine) -> u16 {
        let most = i64::from(engine.most_queues());
        let Some((line, queues)) = self.number_in("nrxq", 1..=most, "one queue is used") else {
            return 1;
        };
        if queues > 1 {
            let text = "the queues of the original shared one memory, and damaged each other's \
                        frames; here each has a ring of its own";
            self.remark(line, "nrxq", text);
        }
        u16::try_from(queues).unwrap_or(1)
    }

    fn other_globals(&mut self) {
        if let Some(line) = self.line("use_vf") {
            let text = "the original ignores it, too: driver_type decides";
            self.remark(line, "use_vf", text);
        }
        if let Some((line, queues)) = self.number("ntxq", "it is left out")
            && queues != 1
        {
            let text = "a port that captures sends nothing; it is left out";
            self.remark(line, "ntxq", text);
        }
        if let Some((line, threads)) = self.number("consumers", "it is left out")
            && threads != 1
        {
            let text = "here one poll thread serves each queue; it is left out";
            self.remark(line, "consumers", text);
        }
    }

    fn interface_count(&mut self) -> usize {
        let numbers = self.settings.keys().filter_map(|key| split_key(key));
        let used = numbers.map(|(_, n)| n.saturating_add(1)).max().unwrap_or(0);
        let used = used.min(MOST_INTERFACES);
        let most = i64::try_from(MOST_INTERFACES).unwrap_or(i64::MAX);
        let otherwise = "as many interfaces are used as have settings, at most 16";
        match self.number_in("nif", 0..=most, otherwise) {
            Some((_, count)) => usize::try_from(count).unwrap_or(used),
            None => {
                if self.line("nif").is_none() {
                    let text = format!("nif is missing; there are settings of {used} interfaces");
                    self.remark(0, "nif", text);
                }
                used
            }
        }
    }

    /// The numbers of the interfaces that the original brings up.
    fn raised(&mut self, count: usize) -> BTreeSet<usize> {
        let Some((line, value)) = self.text("ifs") else {
            let text = "ifs is missing; all interfaces are used";
            self.remark(self.line("ifs").unwrap_or(0), "ifs", text);
            return (0..count).collect();
        };
        let mut raised = BTreeSet::new();
        let mut texts = Vec::new();
        for (place, name) in value.split_whitespace().enumerate() {
            let digits = name
                .strip_prefix("hpcap")
                .or_else(|| name.strip_prefix("xgb"));
            let number: Option<usize> = digits.and_then(|digits| digits.parse().ok());
            let shown = excerpt(name);
            match number {
                Some(number) if number < count => {
                    if number != place {
                        texts.push(format!("{shown} is not in its place: the original's check demands them in order from 0"));
                    }
                    raised.insert(number);
                    let wrong = match self.settings.get(&format!("mode{number}")) {
                        Some(mode) if mode.value == "1" => name.starts_with("hpcap"),
                        Some(_) => name.starts_with("xgb"),
                        None => false,
                    };
                    if wrong {
                        texts.push(format!(
                            "the name {shown} contradicts mode{number}, which is used"
                        ));
                    }
                }
                Some(_) => texts.push(format!("{shown} is not below nif; it is left out")),
                None => texts.push(format!(
                    "{shown:?} is neither hpcapN nor xgbN; it is left out"
                )),
            }
        }
        for text in texts {
            self.remark(line, "ifs", text);
        }
        raised
    }

    fn monitor(&mut self, config: &mut Config, taken: &BTreeSet<u32>) {
        config.monitor.enabled = self.switch("monitor_enabled", true);
        let interval = self.number_in("monitor_interval", 1..=86_400, "1 second is used");
        if let Some((_, seconds)) = interval {
            config.monitor.interval = Duration::from_secs(seconds.unsigned_abs());
        }
        if let Some((line, core)) = self.number_in("monitor_core", -1..=8191, "it is not pinned")
            && let Ok(cpu) = u32::try_from(core)
        {
            match taken.contains(&cpu) {
                true => {
                    let text = "a poll thread runs on this core; the monitor is not pinned";
                    self.remark(line, "monitor_core", text);
                }
                false => config.monitor.cpu = Some(cpu),
            }
        }
        if let Some((line, path)) = self.text("monitor_basedir") {
            let path = path.to_owned();
            match path.starts_with('/') && path.len() < 4096 && !path.contains('\0') {
                true => config.monitor.basedir = path.into(),
                false => {
                    let text = "it is not an absolute path; /var/log/hpcap is used instead";
                    self.remark(line, "monitor_basedir", text);
                }
            }
        }
    }

    /// Reports settings of interfaces that do not exist.
    fn stray(&mut self, count: usize) {
        let stray: Vec<(String, usize)> = self
            .settings
            .iter()
            .filter(|(key, _)| split_key(key).is_some_and(|(_, number)| number >= count))
            .map(|(key, setting)| (key.clone(), setting.line))
            .collect();
        for (key, line) in stray {
            self.remark(
                line,
                &key,
                "there is no such interface (nif); it is left out",
            );
        }
    }
}
