//! The canonical form of a configuration: every key that differs from its default, in the order of
//! the table of keys. Reading the text gives the same configuration again.

use std::fmt::{self, Write};

use crate::keys::{INTERFACE, Key, MONITOR, RECORDER};
use crate::model::{Config, Monitor};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sections = Vec::new();
        for interface in &self.interfaces {
            sections.push(section("[[interface]]", INTERFACE, interface)?);
        }
        for recorder in &self.recorders {
            sections.push(section("[[recorder]]", RECORDER, recorder)?);
        }
        if self.monitor != Monitor::default() {
            sections.push(section("[monitor]", MONITOR, &self.monitor)?);
        }
        f.write_str(&sections.join("\n"))
    }
}

fn section<T: Default>(
    title: &str,
    keys: &[Key<T>],
    values: &T,
) -> std::result::Result<String, fmt::Error> {
    let mut text = format!("{title}\n");
    for key in keys {
        let literal = key.literal(values);
        if let Some(literal) = literal.filter(|l| Some(l) != key.default().as_ref()) {
            writeln!(text, "{} = {literal}", key.name)?;
        }
    }
    Ok(text)
}
