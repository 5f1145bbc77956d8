//! The canonical form of a configuration: every key that differs from its default, in the order of
//! the table of keys. Reading the text gives the same configuration again.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

use crate::keys::{INTERFACE, Key, MONITOR, RECORDER};
use crate::model::{Config, Monitor};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Keys::Changed))
    }
}

/// Which keys are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Keys whose values differ from their defaults.
    Changed,
    /// Keys that have a value.
    All,
}

impl Config {
    /// The text of the configuration with every key that has a value, also those with their default.
    #[must_use]
    pub fn to_full_text(&self) -> String {
        self.text(Keys::All)
    }

    /// The configuration as JSON, with every key. A key without a value is null, and a dot in a key
    /// leads into an object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let interfaces = self.interfaces.iter().map(|i| object(INTERFACE, i));
        let recorders = self.recorders.iter().map(|r| object(RECORDER, r));
        serde_json::json!({
            "interface": interfaces.collect::<Vec<_>>(),
            "recorder": recorders.collect::<Vec<_>>(),
            "monitor": object(MONITOR, &self.monitor),
        })
    }

    fn text(&self, keys: Keys) -> String {
        let mut sections = Vec::new();
        for interface in &self.interfaces {
            sections.push(section("[[interface]]", INTERFACE, interface, keys));
        }
        for recorder in &self.recorders {
            sections.push(section("[[recorder]]", RECORDER, recorder, keys));
        }
        if keys == Keys::All || self.monitor != Monitor::default() {
            sections.push(section("[monitor]", MONITOR, &self.monitor, keys));
        }
        sections.join("\n")
    }
}

fn section<T: Default>(title: &str, keys: &[Key<T>], values: &T, which: Keys) -> String {
    let mut text = format!("{title}\n");
    for key in keys {
        let literal = key.literal(values);
        let shown = which == Keys::All || literal != key.default();
        if let Some(literal) = literal.filter(|_| shown) {
            let _ = writeln!(text, "{} = {literal}", key.name);
        }
    }
    text
}

fn object<T: Default>(keys: &[Key<T>], values: &T) -> Value {
    let mut object = Map::new();
    for key in keys {
        let value = key
            .literal(values)
            .map_or(Value::Null, |literal| json_value(&literal));
        match key.name.split_once('.') {
            None => {
                object.insert(key.name.into(), value);
            }
            Some((table, name)) => {
                let inner = object.entry(table).or_insert_with(|| Map::new().into());
                if let Some(inner) = inner.as_object_mut() {
                    inner.insert(name.into(), value);
                }
            }
        }
    }
    object.into()
}

/// A value of TOML as JSON.
fn json_value(literal: &str) -> Value {
    let parsed = toml::de::ValueDeserializer::parse(literal);
    let value: Option<Value> = parsed
        .ok()
        .and_then(|d| serde::Deserialize::deserialize(d).ok());
    value.unwrap_or_else(|| literal.into())
}
