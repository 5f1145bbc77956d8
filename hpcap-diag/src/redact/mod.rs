//! Replaces what identifies people, machines and networks: hardware addresses, IPv4 and IPv6 addresses, names of
//! hosts and users, and secrets. The same thing gets the same name wherever it stands in a collection.

mod address;
mod names;
mod pattern;

use std::collections::{BTreeMap, HashMap};

use regex::bytes::{Captures, Regex};
use serde_json::Value;

pub use names::Names;

/// A kind of text that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing {
    /// A hardware address.
    Mac,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// The name of a machine or of a domain.
    Host,
    /// The name of a person.
    User,
    /// An address of electronic mail.
    Mail,
    /// A password, a token or a key.
    Secret,
}

impl Thing {
    /// The word before the number in a replacement.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Host => "host",
            Self::User => "user",
            Self::Mail => "mail",
            Self::Secret => "secret",
        }
    }
}

/// The kind of a file, which decides which names can occur in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Numbers and versions, in which nothing is replaced.
    Plain,
    /// Numbers and words of the kernel, among which a word is never a secret or the name of a host or a user.
    Kernel,
    /// Text.
    Text,
    /// JSON, whose keys are ours.
    Json,
}

/// Replaces identifying things, and remembers the replacements.
#[derive(Debug)]
pub struct Redactor {
    /// The patterns for text, before addresses. What one finds is replaced before the next one searches, so that an
    /// address never hides a part of a secret.
    text: Vec<Regex>,
    /// The patterns for files of the kernel, before addresses.
    kernel: Vec<Regex>,
    addresses: Option<Regex>,
    names: Names,
    replacements: HashMap<(Thing, String), u32>,
    counts: BTreeMap<Thing, u32>,
}

impl Redactor {
    /// Creates a redactor that knows `names`.
    ///
    /// # Errors
    /// Why the names cannot be searched, such as that there are too many.
    pub fn new(names: Names) -> Result<Self, String> {
        let compile = |pattern: &str| {
            regex::bytes::RegexBuilder::new(pattern)
                .size_limit(8 << 20)
                .build()
                .map_err(|e| format!("the names of this machine cannot be searched for: {e}"))
        };
        let secrets = compile(&pattern::secrets())?;
        let addresses = compile(&pattern::addresses())?;
        let of_kernel = compile(&pattern::kernel_names(&names))?;
        let of_text = compile(&pattern::names(&names))?;
        Ok(Self {
            kernel: vec![of_kernel],
            text: vec![secrets, of_text],
            addresses: Some(addresses),
            names,
            replacements: HashMap::new(),
            counts: BTreeMap::new(),
        })
    }

    /// Returns `bytes` with replacements.
    #[must_use]
    pub fn redact(&mut self, bytes: &[u8], style: Style) -> Vec<u8> {
        match style {
            Style::Plain => bytes.to_vec(),
            Style::Kernel => {
                // A copy of a pattern would have to learn its automaton anew.
                let patterns = std::mem::take(&mut self.kernel);
                let out = self.replace_all(&patterns, bytes);
                self.kernel = patterns;
                out
            }
            Style::Text => {
                let patterns = std::mem::take(&mut self.text);
                let out = self.replace_all(&patterns, bytes);
                self.text = patterns;
                out
            }
            Style::Json => match serde_json::from_slice::<Value>(bytes) {
                Ok(mut value) => {
                    self.redact_value(&mut value);
                    serde_json::to_vec_pretty(&value).unwrap_or_default()
                }
                Err(_) => self.redact(bytes, Style::Text),
            },
        }
    }

    /// Returns `text` with replacements.
    #[must_use]
    pub fn redact_text(&mut self, text: &str, style: Style) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes(), style)).into_owned()
    }

    /// Number of different names that were replaced, by kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.counts
            .iter()
            .map(|(thing, count)| (thing.word().to_owned(), *count))
            .collect()
    }

    fn redact_value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact_text(text, Style::Text),
            Value::Array(values) => values.iter_mut().for_each(|v| self.redact_value(v)),
            Value::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    match value {
                        Value::String(secret) if pattern::is_secret_key(key) => {
                            *secret = self.name(Thing::Secret, secret);
                        }
                        _ => self.redact_value(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn replace_all(&mut self, patterns: &[Regex], bytes: &[u8]) -> Vec<u8> {
        let mut out = None;
        for pattern in patterns {
            out = Some(self.replace(pattern, out.as_deref().unwrap_or(bytes)));
        }
        self.replace_addresses(out.as_deref().unwrap_or(bytes))
    }

    /// Replaces addresses. There may be one in each line of a log, so that this search asks for no groups, which
    /// takes a tenth of the time.
    fn replace_addresses(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(pattern) = self.addresses.take() else {
            return bytes.to_vec();
        };
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for found in pattern.find_iter(bytes) {
            out.extend_from_slice(&bytes[at..found.start()]);
            at = found.end();
            let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let around = address::Around {
                word_before: is_word(bytes[..found.start()].last()),
                word_after: is_word(bytes.get(found.end())),
            };
            let text = String::from_utf8_lossy(found.as_bytes());
            match pattern::is_own(&text) {
                true => out.extend_from_slice(found.as_bytes()),
                false => {
                    address::replace(&text, around, &mut out, &mut |thing, key| {
                        self.name(thing, key)
                    });
                }
            }
        }
        out.extend_from_slice(&bytes[at..]);
        self.addresses = Some(pattern);
        out
    }

    fn replace(&mut self, pattern: &Regex, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for found in pattern.captures_iter(bytes) {
            let Some(whole) = found.get(0) else { continue };
            out.extend_from_slice(&bytes[at..whole.start()]);
            self.replace_one(&found, &mut out);
            at = whole.end();
        }
        out.extend_from_slice(&bytes[at..]);
        out
    }

    /// Writes the replacement of one match of a pattern.
    fn replace_one(&mut self, found: &Captures<'_>, out: &mut Vec<u8>) {
        let text = |group: &str| {
            let group = found.name(group)?;
            Some(String::from_utf8_lossy(group.as_bytes()).into_owned())
        };
        if let Some(head) = text("skb") {
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(b" (data of the frame left out)");
        } else if let Some(key) = text("pem") {
            out.extend_from_slice(self.name(Thing::Secret, &key).as_bytes());
        } else if let Some(value) = text("credentials") {
            out.extend_from_slice(b"://");
            out.extend_from_slice(self.name(Thing::Secret, &value).as_bytes());
            out.push(b'@');
        } else if let (Some(key), Some(value)) = (
            text("key").or_else(|| text("option")),
            text("value").or_else(|| text("given")),
        ) {
            out.extend_from_slice(key.as_bytes());
            let bare = value.trim_matches(['"', '\'']);
            let quote = &value[..value.len() - value.trim_start_matches(['"', '\'']).len()];
            let name = self.name(Thing::Secret, bare);
            out.extend_from_slice(format!("{quote}{name}{quote}").as_bytes());
        } else if let Some(mail) = text("mail") {
            out.extend_from_slice(self.name(Thing::Mail, &mail.to_lowercase()).as_bytes());
        } else if let Some(home) = text("home") {
            out.extend_from_slice(b"/home/");
            out.extend_from_slice(self.name(Thing::User, &home.to_lowercase()).as_bytes());
        } else if let Some(domain) = text("domain") {
            out.extend_from_slice(self.name(Thing::Host, &domain.to_lowercase()).as_bytes());
        } else if let Some(word) = text("name") {
            let known = self.names.of(&word);
            match known {
                Some((thing, name)) => out.extend_from_slice(self.name(thing, &name).as_bytes()),
                None => out.extend_from_slice(word.as_bytes()),
            }
        } else if let Some(own) = text("own") {
            out.extend_from_slice(own.as_bytes());
        }
    }

    /// The replacement of the thing that `key` identifies.
    fn name(&mut self, thing: Thing, key: &str) -> String {
        let count = self.counts.entry(thing).or_default();
        let number = *self
            .replacements
            .entry((thing, key.to_owned()))
            .or_insert_with(|| {
                *count += 1;
                *count
            });
        format!("{}-{number}", thing.word())
    }
}
