//! The names of hosts and users that a machine knows.

use std::collections::BTreeMap;

use hpcap_host::Tree;

use super::Thing;

/// Names that every machine has, and that identify none.
const COMMON: [&str; 9] = [
    "localhost",
    "localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-localnet",
    "ip6-mcastprefix",
    "root",
];
/// The first user id of people; those below belong to the system.
const FIRST_PERSON: u32 = 1000;
/// The user id of nobody.
const NOBODY: u32 = 65534;
/// Largest number of names that are searched for.
const MOST: usize = 2000;

/// The names that are replaced.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The owner of a name in lower case.
    known: BTreeMap<String, (Thing, String)>,
}

impl Names {
    /// Finds the names of the machine: its own name and the files `passwd`, `hosts` and `resolv.conf` in `/etc`.
    #[must_use]
    pub fn of_machine(tree: &Tree) -> Self {
        let mut names = Self::default();
        for file in ["/etc/hostname", "/proc/sys/kernel/hostname"] {
            names.add_host(tree.text(file).as_deref().unwrap_or_default());
        }
        let words = |file: &str, keep: fn(&str) -> bool| -> Vec<String> {
            let text = tree.text(file).unwrap_or_default();
            let lines = text
                .lines()
                .map(|l| l.split('#').next().unwrap_or_default());
            lines
                .filter(|line| keep(line))
                .flat_map(|line| line.split_whitespace().skip(1).map(str::to_owned))
                .collect()
        };
        for host in words("/etc/hosts", |_| true) {
            names.add_host(&host);
        }
        let is_domain = |line: &str| line.starts_with("search") || line.starts_with("domain");
        for domain in words("/etc/resolv.conf", is_domain) {
            names.add_host(&domain);
        }
        for line in tree.text("/etc/passwd").unwrap_or_default().lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(Ok(id))) =
                (fields.next(), fields.nth(1).map(str::parse::<u32>))
                && id >= FIRST_PERSON
                && id != NOBODY
            {
                names.add(Thing::User, name);
            }
        }
        if tree.is_machine() {
            for variable in ["USER", "LOGNAME", "SUDO_USER"] {
                names.add(Thing::User, &std::env::var(variable).unwrap_or_default());
            }
        }
        names
    }

    /// Adds the name of a machine or a domain, also without its domain.
    pub fn add_host(&mut self, name: &str) {
        let name = name.trim().trim_matches('.');
        if name.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        self.add(Thing::Host, name);
        if let Some((short, _)) = name.split_once('.') {
            self.add(Thing::Host, short);
        }
    }

    /// Adds a name.
    pub fn add(&mut self, thing: Thing, name: &str) {
        self.add_form(thing, name, name);
    }

    /// Adds a hardware address as it stands in names of interfaces: without separators.
    pub fn add_mac(&mut self, address: &str) {
        let bare: String = address.chars().filter(char::is_ascii_hexdigit).collect();
        if bare.len() == 12 && bare.bytes().any(|byte| byte != b'0') {
            let key = super::address::mac_key(&bare);
            self.add_form(Thing::Mac, &bare, &key);
            self.add_form(Thing::Mac, &format!("enx{bare}"), &key);
        }
    }

    fn add_form(&mut self, thing: Thing, form: &str, key: &str) {
        let form = form.trim().to_lowercase();
        let is_common = form.is_empty() || COMMON.contains(&form.as_str());
        // A name of digits alone would be found in every number.
        let is_number = thing != Thing::Mac && form.bytes().all(|byte| byte.is_ascii_digit());
        if !is_common && !is_number && self.known.len() < MOST {
            self.known
                .entry(form)
                .or_insert_with(|| (thing, key.to_lowercase()));
        }
    }

    /// Every form, the longest first, so that a name is found before its beginning.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let mut all: Vec<&str> = self.known.keys().map(String::as_str).collect();
        all.sort_by_key(|name| std::cmp::Reverse(name.len()));
        all.into_iter()
    }

    /// The forms of hardware addresses.
    pub(super) fn hardware(&self) -> impl Iterator<Item = &str> {
        self.all()
            .filter(|form| matches!(self.known.get(*form), Some((Thing::Mac, _))))
    }

    /// Returns the kind of thing that `word` names.
    pub(super) fn of(&self, word: &str) -> Option<(Thing, String)> {
        self.known.get(&word.to_lowercase()).cloned()
    }
}
