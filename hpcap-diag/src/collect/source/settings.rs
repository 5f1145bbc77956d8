//! Settings: the configuration with its defaults, the files around it, the configuration of the kernel.

use std::io::Read;

use flate2::read::GzDecoder;
use hpcap::Result;
use hpcap_config::load;

use super::super::open::{Content, Part, open_regular, regular_file};
use super::glob::expand;
use super::{Collection, FILE_TIME};
use crate::redact::Style;

/// Largest number of bytes of a file of settings.
const FILE_BYTES: usize = 512 << 10;

/// Files of settings.
const FILES: &[&str] = &[
    "/etc/default/hpcap*",
    "/etc/hpcap/*",
    "/etc/modprobe.d/hpcap*",
    "/etc/os-release",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*",
    "/etc/systemd/system/hpcap*",
    "/etc/systemd/system/hpcap*.d/*",
    "/etc/udev/rules.d/*hpcap*",
];

/// Reads all settings.
pub(super) fn read(collection: &mut Collection<'_>) -> Result<()> {
    for pattern in FILES {
        let tree = collection.options.tree.clone();
        let asked = (*pattern).to_owned();
        let paths = match collection
            .reader
            .ask(FILE_TIME, move || expand(&tree, &asked))
        {
            Ok(paths) => paths,
            Err(why) => {
                collection.note(pattern, why);
                continue;
            }
        };
        for path in paths {
            read_file(collection, &path)?;
        }
    }
    read_configuration(collection)?;
    read_kernel_configuration(collection)
}

fn read_file(collection: &mut Collection<'_>, path: &str) -> Result<()> {
    // `os-release` is a link on most machines, and nobody but root could change it.
    let real = match path {
        "/etc/os-release" => collection.options.tree.real_path(path),
        _ => None,
    };
    let place = real.unwrap_or_else(|| collection.options.tree.path(path));
    let content = collection.reader.read(FILE_TIME, move || {
        regular_file(&place, FILE_BYTES, Part::Start)
    });
    collection.add(&path[1..], content, Style::Text)
}

/// Reads the configuration as hpcap understands it, with every key.
fn read_configuration(collection: &mut Collection<'_>) -> Result<()> {
    let path = collection.options.config.clone();
    let text = collection.reader.ask(FILE_TIME, move || {
        load(&path).map(|document| document.config.to_full_text())
    });
    let content = match text {
        Ok(Ok(text)) => Ok(Content::whole(text.into_bytes())),
        Ok(Err(e)) => Err(e.to_string()),
        Err(why) => Err(why),
    };
    collection.add("configuration.toml", content, Style::Text)
}

/// Reads the configuration with which the kernel was built.
fn read_kernel_configuration(collection: &mut Collection<'_>) -> Result<()> {
    let tree = collection.options.tree.clone();
    let release = hpcap_host::kernel::release(&tree).unwrap_or_default();
    let content = collection.reader.read(FILE_TIME, move || {
        let file = tree.path(format!("/boot/config-{release}"));
        regular_file(&file, FILE_BYTES, Part::Start).or_else(|why| {
            let Ok(file) = open_regular(&tree.path("/proc/config.gz")) else {
                return Err(why);
            };
            let mut bytes = Vec::new();
            GzDecoder::new(file)
                .take(FILE_BYTES as u64)
                .read_to_end(&mut bytes)
                .map_err(|e| e.to_string())?;
            Ok(Content::whole(bytes))
        })
    });
    collection.add("kernel-config", content, Style::Kernel)
}
