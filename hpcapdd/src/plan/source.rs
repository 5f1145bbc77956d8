//! A source as the command line names it: `[NAME=]SPEC`.

use std::str::FromStr;

use hpcap::raw::SourceName;
use hpcap::raw::name::split_ending;
use hpcap::{Error, Result};
use hpcap_source::SourceSpec;

/// A source that this process captures from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The source in the names of its files: NAME or, without one, a name after the interface or the
    /// file.
    pub name: SourceName,
    /// Where the frames come from.
    pub spec: SourceSpec,
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A `=` behind the first colon belongs to an option of the specification.
        let (name, spec) = match text.split_once('=') {
            Some((name, spec)) if !name.contains(':') => (Some(name), spec),
            _ => (None, text),
        };
        let spec = spec.parse()?;
        let name = match name {
            Some(name) => file_name(text, name)?,
            None => name_of(&spec),
        };
        Ok(Self { name, spec })
    }
}

/// Checks the `name` that the user gives to the files of `--source text`.
fn file_name(text: &str, name: &str) -> Result<SourceName> {
    SourceName::new(name).ok_or_else(|| {
        Error::usage(
            format!("--source {text}"),
            format!(
                "{name:?} cannot be the name of its files: expected letters, digits and . _ + @ -, \
                 at most {} of them, and not the name of a queue",
                SourceName::BYTES_MAX
            ),
        )
    })
}

/// The name of the files of a source that has got none from the user.
fn name_of(spec: &SourceSpec) -> SourceName {
    match spec {
        SourceSpec::AfPacket(spec) => SourceName::like(&spec.interface),
        SourceSpec::AfXdp(spec) => SourceName::like(&spec.interface),
        SourceSpec::Auto(spec) => SourceName::like(&spec.interface),
        SourceSpec::Pcap(spec) => {
            let name = spec.path.file_name().unwrap_or_default().to_string_lossy();
            let stem = split_ending(&name).map_or(&*name, |(stem, _, _)| stem);
            SourceName::like(stem)
        }
        SourceSpec::Generator(_) => SourceName::like("gen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_has_a_name_for_its_files() {
        for (text, name) in [
            ("uplink=af_packet:eth0", "uplink"),
            ("af_packet:eth0", "eth0"),
            ("af_xdp:eth0:0-3", "eth0"),
            ("auto:eth0", "eth0"),
            ("gen:size=60", "gen"),
            ("pcap:/data/web.pcapng.gz", "web"),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.name.to_string(), name, "{text}");
        }
    }

    #[test]
    fn name_of_a_queue_is_refused() {
        for text in ["hpcap0_0=gen:", "a/b=gen:", "=gen:"] {
            let error = text.parse::<Source>().unwrap_err();
            assert_eq!(error.kind(), hpcap::Kind::Usage, "{text}");
        }
    }
}
