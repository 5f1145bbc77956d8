//! Makes a configuration of the settings in `params.cfg`.

use std::collections::BTreeSet;
use std::time::Duration;

use hpcap_host::pages::Pages;

use super::Remark;
use super::lines::{Settings, split_key};
use crate::model::{Address, Config, Engine, Interface, Mode};
use crate::problem::excerpt;

/// Most interfaces of the original.
const MOST_INTERFACES: usize = 16;

/// Size in bytes of a page of the original's static memory.
const PAGE: u64 = 4096;

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

/// Reads settings, and remembers what is doubtful.
struct Reader<'a> {
    settings: &'a Settings,
    remarks: &'a mut Vec<Remark>,
}

impl Reader<'_> {
    fn remark(&mut self, line: usize, key: &str, text: impl Into<String>) {
        self.remarks.push(Remark {
            line,
            key: key.to_owned(),
            text: text.into(),
        });
    }

    fn line(&self, key: &str) -> Option<usize> {
        self.settings.get(key).map(|setting| setting.line)
    }

    fn text(&self, key: &str) -> Option<(usize, &str)> {
        let setting = self.settings.get(key)?;
        (!setting.value.is_empty()).then_some((setting.line, setting.value.as_str()))
    }

    /// The number under `key` with its line; a remark says what is used in place of another text.
    fn number(&mut self, key: &str, otherwise: &str) -> Option<(usize, i64)> {
        let (line, value) = self.text(key)?;
        match value.parse() {
            Ok(number) => Some((line, number)),
            Err(_) => {
                let text = format!("{:?} is not a number; {otherwise}", excerpt(value));
                self.remark(line, key, text);
                None
            }
        }
    }

    /// The number under `key` if it is in `range`.
    fn number_in(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        otherwise: &str,
    ) -> Option<(usize, i64)> {
        let (line, number) = self.number(key, otherwise)?;
        if range.contains(&number) {
            return Some((line, number));
        }
        let (low, high) = (range.start(), range.end());
        let text = format!("{number} is not in {low} to {high}; {otherwise}");
        self.remark(line, key, text);
        None
    }

    fn switch(&mut self, key: &str, default: bool) -> bool {
        let otherwise = if default {
            "it is switched on"
        } else {
            "it stays off"
        };
        let found = self.number_in(key, 0..=1, otherwise);
        found.map_or(default, |(_, number)| number == 1)
    }

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
        let most = if engine == Engine::Ixgbevf { 2 } else { 16 };
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

    fn interface(
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

    /// Mode 2: pages of the memory that the module itself contains.
    fn static_ring(&mut self, number: usize, interface: &mut Interface) {
        let key = format!("pages{number}");
        let default = interface.ring_bytes;
        let otherwise = "a ring of 256M is made";
        interface.pages = Pages::Ordinary;
        if let Some((line, pages)) = self.number_in(&key, 0..=262_144, otherwise) {
            let bytes = u64::try_from(pages).unwrap_or(0) * PAGE;
            if bytes < 512 << 10 {
                let text =
                    format!("{pages} pages are less than the smallest ring, 512K; {otherwise}");
                self.remark(line, &key, text);
            } else {
                interface.ring_bytes = bytes;
            }
            if pages > 256 {
                let text = "the last version of the original has 256 pages for all interfaces, and \
                            does not load with more; here the ring has this size";
                self.remark(line, &key, text);
            }
        } else {
            interface.ring_bytes = default;
        }
    }

    /// Mode 3: hugepages.
    fn huge_ring(&mut self, number: usize, interface: &mut Interface) {
        let key = format!("hugesize{number}");
        let otherwise = "a ring of 256M in hugepages is made, if there are enough";
        let Some((line, text)) = self.text(&key).map(|(line, text)| (line, text.to_owned())) else {
            let text = format!("mode 3 needs it; {otherwise}");
            self.remark(self.line(&key).unwrap_or(0), &key, text);
            return;
        };
        let (bytes, doubt) = read_size(&text);
        if let Some(doubt) = doubt {
            self.remark(line, &key, doubt);
        }
        let Some(bytes) = bytes.filter(|bytes| (512 << 10..=16 << 40).contains(bytes)) else {
            let text = format!(
                "{:?} is no size from 512K to 16T; {otherwise}",
                excerpt(&text)
            );
            self.remark(line, &key, text);
            return;
        };
        interface.pages = match bytes {
            bytes if bytes.is_multiple_of(1 << 30) => Pages::Huge1G,
            bytes if bytes.is_multiple_of(2 << 20) => Pages::Huge2M,
            _ => Pages::Auto,
        };
        interface.ring_bytes = bytes.next_multiple_of(PAGE);
        if interface.ring_bytes != bytes {
            self.remark(
                line,
                &key,
                "the size is no multiple of 4K; the next multiple is used",
            );
        }
        if !(4_u64 << 30).is_multiple_of(bytes) {
            let text = "the original damages frames in a buffer whose size does not divide 4G; here \
                        it is right";
            self.remark(line, &key, text);
        }
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
                    let text = "it is no path from the root; /var/log/hpcap is used";
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

/// The length of the prefix that a mask such as 255.255.255.0 stands for.
fn prefix_of(mask: &str) -> Option<u32> {
    let bits = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones())
}

/// The size that a text means, and what the original makes of it instead.
fn read_size(text: &str) -> (Option<u64>, Option<String>) {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return (None, None);
    }
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        "T" | "TB" => 40,
        _ => return (None, None),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|n| n.checked_mul(1 << shift));
    let doubt = match unit.len() {
        0 => Some(format!(
            "the original drops the last digit of a size without unit, and makes {} bytes of it; \
             here it is {digits} bytes",
            digits[..digits.len() - 1].trim_start_matches('0')
        )),
        1 if shift == 40 => Some(format!(
            "the original takes T for bytes; here it is {digits} TiB"
        )),
        2 => Some(format!(
            "the original takes {unit} for bytes; here it is {digits} {}iB",
            unit.to_ascii_uppercase().trim_end_matches('B')
        )),
        _ => None,
    };
    (bytes, doubt)
}
