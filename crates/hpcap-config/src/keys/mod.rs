//! The table of all keys: what each means, what it allows, and how it is read and written.
//!
//! Everything that handles keys uses this table: the parser, the printer, the comparison of two
//! configurations, and docs/configuration.md.
//!
//! ```
//! use hpcap_config::keys::{INTERFACE, find, set};
//! use hpcap_config::model::Interface;
//!
//! # fn main() -> hpcap::Result<()> {
//! let key = find(INTERFACE, "caplen").unwrap();
//! assert_eq!(key.default().as_deref(), Some("0"));
//!
//! let mut interface = Interface::default();
//! set(INTERFACE, &mut interface, "caplen", "128")?;
//! assert_eq!(key.literal(&interface).as_deref(), Some("128"));
//! assert!(set(INTERFACE, &mut interface, "caplen", "many").is_err());
//! # Ok(())
//! # }
//! ```

mod dedup;
mod interface;
mod monitor;
mod page;
mod recorder;

pub use dedup::DEDUP;
pub use interface::INTERFACE;
pub(crate) use interface::check_options;
pub use monitor::MONITOR;
pub use page::page;
pub use recorder::RECORDER;

use crate::value::{Refusal, Value};

/// A key of a section `T`.
#[derive(Debug)]
pub struct Key<T: 'static> {
    /// The name; a dot leads into a table of the section.
    pub name: &'static str,
    /// What the key means.
    pub meaning: &'static str,
    /// The values that it allows, with their unit.
    pub allowed: &'static str,
    /// What applies when the key is absent and has no default.
    pub unset: &'static str,
    /// Reads a value into a section.
    pub(crate) read: fn(Value<'_>, &mut T) -> Result<(), Refusal>,
    /// The value as TOML; `None` when it is not set.
    pub(crate) write: fn(&T) -> Option<String>,
}

impl<T: Default> Key<T> {
    /// The value in `section` as TOML; `None` when it is not set.
    #[must_use]
    pub fn literal(&self, section: &T) -> Option<String> {
        (self.write)(section)
    }

    /// The default as TOML; `None` when there is none.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        (self.write)(&T::default())
    }
}

/// Returns the key called `name`.
#[must_use]
pub fn find<T>(keys: &'static [Key<T>], name: &str) -> Option<&'static Key<T>> {
    keys.iter().find(|key| key.name == name)
}

/// Returns the keys called `name` and those in the table `name`.
pub fn below<T>(keys: &'static [Key<T>], name: &str) -> impl Iterator<Item = &'static Key<T>> {
    keys.iter().filter(move |key| {
        let rest = key.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Returns the name in `known` that is most like `name`, if one is like it.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name from a file may be as long as the file, and the comparison takes the product of the
    // lengths.
    if name.len() > 100 {
        return None;
    }
    let alike = |known: &str| {
        let last = known.rsplit('.').next().unwrap_or(known);
        strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, last))
    };
    known
        .map(|known| (alike(known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Advice for a name that is none of `known`: the one that is most like it, or all of them.
pub(crate) fn advise_known<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// Reads `text` as the value of the key `name` into `section`. The text is a value as in a file, or
/// the content of a string without its quotes.
///
/// # Errors
/// Returns why the value is refused: an unknown key with the nearest known one, or a wrong value
/// with those that are allowed.
pub fn set<T: Default>(
    keys: &'static [Key<T>],
    section: &mut T,
    name: &str,
    text: &str,
) -> hpcap::Result<()> {
    let Some(key) = find(keys, name) else {
        let advice = advise_known(name, keys.iter().map(|key| key.name));
        return Err(hpcap::Error::usage(format!("key {name:?}"), "it is unknown").advise(advice));
    };
    if let Ok(value) = toml::de::DeValue::parse(text)
        && (key.read)(Value(value.get_ref()), section).is_ok()
    {
        return Ok(());
    }
    let string = toml::de::DeValue::String(text.into());
    (key.read)(Value(&string), section).map_err(|refusal| {
        let why = match refusal {
            Refusal::NotAllowed => "this value is not allowed".to_owned(),
            Refusal::Because(why) => why,
        };
        hpcap::Error::usage(format!("{name}={text}"), why)
            .advise(format!("allowed: {}", key.allowed))
    })
}
