//! The keys of a recorder. They have the names of the options of `hpcapdd`.

use std::path::PathBuf;
use std::time::Duration;

use hpcap::compress::{Compression, FileFormat};
use hpcap::free_space::FreeSpace;
use hpcap::units::parse_duration;

use super::Key;
use crate::model::{Contract, Recorder};
use crate::value::{Value, put, put_some, quote, size_literal, time_text, word_literal};

const FORMATS: &[(&str, FileFormat)] = &[
    ("raw", FileFormat::Raw),
    ("pcapng", FileFormat::Pcapng),
    ("pcap", FileFormat::Pcap),
];
const COMPRESSIONS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("gz", Compression::Gzip),
    ("zst", Compression::Zstd),
];
const A_TIME: &str = "a time from \"1s\" on, such as \"10m\" or \"1h30m\"";
const A_SIZE: &str = "a size, such as \"500G\"";

/// A path from the root that names something below it.
pub(super) fn absolute_path(value: Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    let good = text.starts_with('/') && text.len() < 4096 && !text.contains('\0');
    good.then(|| PathBuf::from(text))
}

/// Names of users and groups, as useradd accepts them.
fn account(value: Value<'_>) -> Option<String> {
    let name = value.text()?;
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let further = |c: char| first(c) || c.is_ascii_digit() || c == '-';
    let good = name.len() <= 32 && name.starts_with(first) && name.chars().all(further);
    good.then(|| name.to_owned())
}

fn time(value: Value<'_>) -> Option<Duration> {
    value.time(Duration::from_secs(1)..=Duration::from_nanos(u64::MAX))
}

fn size(value: Value<'_>) -> Option<u64> {
    value.size(1..=u64::MAX)
}

fn free_space(value: Value<'_>) -> Option<FreeSpace> {
    match value.text() {
        Some(text) if text.ends_with('%') => text.parse().ok(),
        _ => size(value).map(FreeSpace::Bytes),
    }
}

fn free_space_literal(free: FreeSpace) -> String {
    match free {
        FreeSpace::Bytes(bytes) => size_literal(bytes),
        FreeSpace::Percent(_) => quote(&free.to_string()),
    }
}

fn contract(value: Value<'_>) -> Option<Contract> {
    match value.text()? {
        "lossless" => Some(Contract::Lossless),
        "lossy" => Some(Contract::Lossy),
        text => {
            let limit = parse_duration(text.strip_prefix("lossless:")?).ok()?;
            (!limit.is_zero()).then_some(Contract::LosslessFor(limit))
        }
    }
}

fn contract_text(contract: Contract) -> String {
    match contract {
        Contract::Lossless => "lossless".into(),
        Contract::Lossy => "lossy".into(),
        Contract::LosslessFor(limit) => format!("lossless:{}", time_text(limit)),
    }
}

/// The mode of a file: octal digits in a string, because TOML reads 0640 as an error.
fn mode(value: Value<'_>) -> Option<u32> {
    let digits = value.text()?;
    let good =
        (3..=4).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = good
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()?;
    (mode <= 0o777 && mode & 0o600 == 0o600).then_some(mode)
}

fn time_literal(time: Option<Duration>) -> Option<String> {
    time.map(|time| quote(&time_text(time)))
}

/// The keys of `[[recorder]]`.
pub static RECORDER: &[Key<Recorder>] = &[
    Key {
        name: "queue",
        meaning: "the queue that is recorded",
        allowed: "hpcapN or hpcapN:Q in quotes, such as \"hpcap0\", of an interface in this file",
        unset: "needed",
        read: |v, r| put_some(&mut r.queue, v.parsed()),
        write: |r| r.queue.map(|q| quote(&q.to_string())),
    },
    Key {
        name: "destination",
        meaning: "folder that gets the files; a path that ends in .raw, .pcapng or .pcap is one file",
        allowed: "a path from the root, such as \"/data/hpcap0\"",
        unset: "needed",
        read: |v, r| put_some(&mut r.destination, absolute_path(v)),
        write: |r| r.destination.as_ref().map(|d| quote(&d.to_string_lossy())),
    },
    Key {
        name: "format",
        meaning: "format of the files",
        allowed: "\"raw\", \"pcapng\" or \"pcap\"",
        unset: "",
        read: |v, r| put(&mut r.format, v.word(FORMATS)),
        write: |r| word_literal(FORMATS, &r.format),
    },
    Key {
        name: "compress",
        meaning: "compression of finished files, for pcapng and pcap",
        allowed: "\"none\", \"gz\" or \"zst\"",
        unset: "",
        read: |v, r| put(&mut r.compress, v.word(COMPRESSIONS)),
        write: |r| word_literal(COMPRESSIONS, &r.compress),
    },
    Key {
        name: "rotate_size",
        meaning: "size at which a new file is started (RAW: at most 2G)",
        allowed: "a size from \"4K\" on, such as \"1G\"",
        unset: "2G for RAW",
        read: |v, r| put_some(&mut r.rotate_size, v.size(4096..=u64::MAX)),
        write: |r| r.rotate_size.map(size_literal),
    },
    Key {
        name: "rotate_time",
        meaning: "time after which a new file is started",
        allowed: A_TIME,
        unset: "by size only",
        read: |v, r| put_some(&mut r.rotate_time, time(v)),
        write: |r| time_literal(r.rotate_time),
    },
    Key {
        name: "aligned",
        meaning: "whether files start at whole multiples of rotate_time in local time",
        allowed: "true or false",
        unset: "",
        read: |v, r| put(&mut r.aligned, v.boolean()),
        write: |r| Some(r.aligned.to_string()),
    },
    Key {
        name: "keep_age",
        meaning: "age at which finished files are deleted",
        allowed: A_TIME,
        unset: "no limit",
        read: |v, r| put_some(&mut r.keep_age, time(v)),
        write: |r| time_literal(r.keep_age),
    },
    Key {
        name: "keep_size",
        meaning: "size up to which finished files are kept; the oldest are deleted",
        allowed: A_SIZE,
        unset: "no limit",
        read: |v, r| put_some(&mut r.keep_size, size(v)),
        write: |r| r.keep_size.map(size_literal),
    },
    Key {
        name: "keep_free",
        meaning: "room that stays free on the disk; the oldest files are deleted",
        allowed: "a size, such as \"500G\", or a part of the disk from \"1%\" to \"99%\"",
        unset: "no limit",
        read: |v, r| put_some(&mut r.keep_free, free_space(v)),
        write: |r| r.keep_free.map(free_space_literal),
    },
    Key {
        name: "keep_files",
        meaning: "number of finished files that are kept; the oldest are deleted",
        allowed: "a number of files from 1 on",
        unset: "no limit",
        read: |v, r| put_some(&mut r.keep_files, v.integer(1..=i64::MAX as u64)),
        write: |r| r.keep_files.map(|n| n.to_string()),
    },
    Key {
        name: "contract",
        meaning: "what happens when the recorder is too slow: the ring waits, waits for at most a \
                  time, or does not wait",
        allowed: "\"lossless\", \"lossless:TIME\" such as \"lossless:5s\", or \"lossy\"",
        unset: "",
        read: |v, r| put(&mut r.contract, contract(v)),
        write: |r| Some(quote(&contract_text(r.contract))),
    },
    Key {
        name: "owner",
        meaning: "user that the recorder runs as, and who owns the files",
        allowed: "a user's name of at most 32 characters",
        unset: "",
        read: |v, r| put(&mut r.owner, account(v)),
        write: |r| Some(quote(&r.owner)),
    },
    Key {
        name: "file_group",
        meaning: "group of the files and their folders",
        allowed: "a group's name of at most 32 characters",
        unset: "that of the owner",
        read: |v, r| put_some(&mut r.file_group, account(v)),
        write: |r| r.file_group.as_deref().map(quote),
    },
    Key {
        name: "file_mode",
        meaning: "mode of the files; folders can be entered where files can be read",
        allowed: "octal digits in quotes, such as \"0640\"; the owner may read and write",
        unset: "by the umask",
        read: |v, r| put_some(&mut r.file_mode, mode(v)),
        write: |r| r.file_mode.map(|mode| quote(&format!("{mode:04o}"))),
    },
    Key {
        name: "cpu",
        meaning: "CPU of the thread that stores frames",
        allowed: "0 to 8191",
        unset: "not pinned",
        read: |v, r| put_some(&mut r.cpu, v.integer(0..=8191)),
        write: |r| r.cpu.map(|n| n.to_string()),
    },
];
