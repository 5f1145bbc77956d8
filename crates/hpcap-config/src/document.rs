//! A configuration together with the text that it was read from.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::check::consistency;
use crate::keys::{self, INTERFACE, Key, MONITOR, RECORDER};
use crate::model::{Config, Interface, Monitor, Recorder};
use crate::problem::{Level, Place, Problem, Problems, excerpt, place_of};
use crate::value::{Refusal, Value};

/// A section of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// The interface at this position in the file, from 0.
    Interface(usize),
    /// The recorder at this position in the file, from 0.
    Recorder(usize),
    /// The monitor.
    Monitor,
}

/// The names of the sections.
const SECTIONS: [&str; 3] = ["interface", "recorder", "monitor"];

/// A finding about a configuration, without its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Severity of the finding.
    pub level: Level,
    /// The section that it is about.
    pub section: Section,
    /// The key that it is about.
    pub key: &'static str,
    /// The problem.
    pub why: String,
    /// The advice.
    pub advice: Option<String>,
}

impl Finding {
    /// Creates a finding with which the configuration cannot be used.
    pub(crate) fn error(section: Section, key: &'static str, why: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            section,
            key,
            why: why.into(),
            advice: None,
        }
    }

    /// Creates a finding that leaves the configuration usable.
    pub(crate) fn warning(section: Section, key: &'static str, why: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(section, key, why)
        }
    }

    /// Adds what to do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// A configuration, the text that it was read from, and where in the text each value is.
#[derive(Debug, Clone)]
pub struct Document {
    /// The configuration.
    pub config: Config,
    file: String,
    text: String,
    sections: HashMap<Section, Range<usize>>,
    values: HashMap<(Section, &'static str), Range<usize>>,
    /// Sections with values that were refused.
    refused: BTreeSet<Section>,
    problems: Vec<(usize, Problem)>,
}

impl Document {
    /// Reads a configuration from `text`; `file` is the name in messages. The document is usable:
    /// all keys are known, every value is allowed, and the values agree with each other.
    ///
    /// # Errors
    /// Returns all errors at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut document = Self {
            config: Config::default(),
            file: file.to_owned(),
            text: text.to_owned(),
            sections: HashMap::new(),
            values: HashMap::new(),
            refused: BTreeSet::new(),
            problems: Vec::new(),
        };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            document.syntax_error(&error);
        }
        document.read_root(root.get_ref());
        // A value that was refused says nothing about the others of its section.
        for finding in consistency::check(&document.config) {
            if finding.level == Level::Error && !document.refused.contains(&finding.section) {
                let problem = document.problem(&finding);
                let at = document.range_of(&finding).start;
                document.problems.push((at, problem));
            }
        }
        if document.problems.is_empty() {
            return Ok(document);
        }
        document.problems.sort_by_key(|(at, _)| *at);
        let problems = document.problems.into_iter().map(|(_, problem)| problem);
        Err(Problems(problems.collect()))
    }

    /// The name of the file in messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Gives a finding its place in the file.
    #[must_use]
    pub fn problem(&self, finding: &Finding) -> Problem {
        let range = self.range_of(finding);
        let known = self.values.contains_key(&(finding.section, finding.key));
        Problem {
            level: finding.level,
            file: self.file.clone(),
            place: place_of(&self.text, range.start),
            key: self.key_text(finding.section, finding.key),
            found: known.then(|| excerpt(self.text.get(range).unwrap_or_default())),
            why: finding.why.clone(),
            allowed: None,
            advice: finding.advice.clone(),
        }
    }

    /// The bytes of the value that `finding` is about, or of its section's start.
    fn range_of(&self, finding: &Finding) -> Range<usize> {
        let value = self.values.get(&(finding.section, finding.key));
        let section = || self.sections.get(&finding.section);
        value.or_else(section).cloned().unwrap_or_default()
    }

    /// `interface hpcap0, caplen`: the section as the user names it, and the key.
    fn key_text(&self, section: Section, key: &str) -> String {
        let number = |i: usize| format!("{}", i + 1);
        let section = match section {
            Section::Interface(i) => {
                let interface = self.config.interfaces.get(i);
                let named =
                    interface.filter(|i| i.name.is_some() || i.pci.is_some() || i.mac.is_some());
                let label = named.map_or_else(|| number(i), Interface::label);
                format!("interface {label}")
            }
            Section::Recorder(i) => format!("recorder {}", number(i)),
            Section::Monitor => "monitor".into(),
        };
        format!("{section}, {key}")
    }

    fn add(&mut self, at: Range<usize>, key: String, found: bool, why: &str) -> &mut Problem {
        let problem = Problem {
            level: Level::Error,
            file: self.file.clone(),
            place: place_of(&self.text, at.start),
            key,
            found: found.then(|| excerpt(self.text.get(at.clone()).unwrap_or_default())),
            why: why.to_owned(),
            allowed: None,
            advice: None,
        };
        self.problems.push((at.start, problem));
        let last = self.problems.len() - 1;
        &mut self.problems[last].1
    }

    fn syntax_error(&mut self, error: &toml::de::Error) {
        let at = error.span().unwrap_or_default();
        if error.message().contains("duplicate key") {
            let key = excerpt(self.text.get(at.clone()).unwrap_or_default());
            self.add(at, key, false, "it is given twice").advice =
                Some("remove one of the two".into());
            return;
        }
        self.add(at, String::new(), false, error.message());
    }

    fn unknown<'k>(
        &mut self,
        at: Range<usize>,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let advice = keys::advise_known(name, known);
        self.add(at, excerpt(name), false, &format!("this {what} is unknown"))
            .advice = Some(advice);
    }

    fn read_root(&mut self, root: &DeTable<'_>) {
        for (name, value) in root {
            let span = name.span();
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("interface", DeValue::Array(list)) => {
                    for (i, item) in list.iter().enumerate() {
                        let mut interface = Interface::default();
                        let section = Section::Interface(i);
                        self.read_section(section, item, INTERFACE, &mut interface, |d, s| {
                            d.config.interfaces.push(s);
                        });
                    }
                }
                ("recorder", DeValue::Array(list)) => {
                    for (i, item) in list.iter().enumerate() {
                        let mut recorder = Recorder::default();
                        let section = Section::Recorder(i);
                        self.read_section(section, item, RECORDER, &mut recorder, |d, s| {
                            d.config.recorders.push(s);
                        });
                    }
                }
                ("monitor", DeValue::Table(_)) => {
                    let mut monitor = Monitor::default();
                    self.read_section(Section::Monitor, value, MONITOR, &mut monitor, |d, s| {
                        d.config.monitor = s;
                    });
                }
                (known @ ("interface" | "recorder"), _) => {
                    let why = format!("it is not a list: each one begins with [[{known}]]");
                    self.add(span, known.to_owned(), false, &why);
                }
                ("monitor", _) => {
                    let why = "it is not a table: it begins with [monitor]";
                    self.add(span, "monitor".into(), false, why);
                }
                (other, _) => {
                    let other = other.to_owned();
                    let known = INTERFACE.iter().map(|k| k.name);
                    let stray = known.clone().any(|k| k == other);
                    match stray {
                        true => {
                            let why = "this key stands outside of a section";
                            self.add(span, other, false, why).advice = Some(
                                "put it below [[interface]], [[recorder]] or [monitor]".into(),
                            );
                        }
                        false => self.unknown(span, "section", &other, SECTIONS.into_iter()),
                    }
                }
            }
        }
    }

    fn read_section<T>(
        &mut self,
        section: Section,
        item: &Spanned<DeValue<'_>>,
        keys: &'static [Key<T>],
        into: &mut T,
        store: impl FnOnce(&mut Self, T),
    ) where
        T: Default,
    {
        self.sections.insert(section, item.span());
        let Some(table) = item.get_ref().as_table() else {
            let why = "it is not a table of keys";
            self.add(item.span(), self.key_text(section, ""), true, why);
            self.refused.insert(section);
            store(self, T::default());
            return;
        };
        let mut entries = Vec::new();
        flatten(String::new(), table, keys, &mut entries);
        let mut failed = Vec::new();
        for entry in entries {
            let Some(key) = keys::find(keys, &entry.path) else {
                let known = keys.iter().map(|k| k.name);
                self.unknown(entry.key_span, "key", &entry.path, known);
                self.refused.insert(section);
                continue;
            };
            self.values.insert((section, key.name), entry.value.span());
            match (key.read)(Value(entry.value.get_ref()), into) {
                Ok(()) => {}
                Err(refusal) => failed.push((key, entry.value.span(), refusal)),
            }
        }
        store(self, std::mem::take(into));
        // The messages name the section, so they are made when all of the section is known.
        for (key, at, refusal) in failed {
            self.refused.insert(section);
            let name = self.key_text(section, key.name);
            let why = match refusal {
                Refusal::NotAllowed => "this value is not allowed".into(),
                Refusal::Because(why) => why,
            };
            self.add(at, name, true, &why).allowed = Some(key.allowed.to_owned());
        }
    }

    /// The place at which `section` begins; for other libraries that add messages.
    #[must_use]
    pub fn place_of(&self, section: Section) -> Place {
        let start = self.sections.get(&section).map_or(0, |range| range.start);
        place_of(&self.text, start)
    }
}

/// A key of a section and its value.
struct Entry<'a> {
    path: String,
    key_span: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// Collects the keys of `table`. A table inside is followed if some key's name leads into it.
fn flatten<'a, T>(
    prefix: String,
    table: &'a DeTable<'a>,
    keys: &'static [Key<T>],
    out: &mut Vec<Entry<'a>>,
) {
    for (name, value) in table {
        let path = format!("{prefix}{}", name.get_ref());
        let inside = format!("{path}.");
        match value.get_ref().as_table() {
            Some(table) if keys.iter().any(|k| k.name.starts_with(&inside)) => {
                flatten(inside, table, keys, out);
            }
            _ => out.push(Entry {
                path,
                key_span: name.span(),
                value,
            }),
        }
    }
}
