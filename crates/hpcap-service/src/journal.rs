//! Whether what a program prints goes to the journal of systemd.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// Returns whether `stream` is the connection to the journal that the service manager has made, so that the journal
/// reads a level at the start of each line (`<4>`, sd-daemon(3)). A program that a service starts inherits
/// `JOURNAL_STREAM`, also if its output goes into a pipe or a file, where such a level would stand before every line.
#[must_use]
pub fn is_journal(stream: impl AsFd) -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some_and(|named| is_named(&named, stream))
}

/// Returns whether `named`, device and inode as `8:1234`, is the file of `stream`.
fn is_named(named: &OsStr, stream: impl AsFd) -> bool {
    let Some((device, inode)) = named.to_str().and_then(|text| text.split_once(':')) else {
        return false;
    };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else {
        return false;
    };
    let file = stream.as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata())
        .is_ok_and(|found| (found.dev(), found.ino()) == (device, inode))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_named_stream_is_the_journal() {
        let (journal, other) = UnixStream::pair().unwrap();
        let found = File::from(journal.as_fd().try_clone_to_owned().unwrap())
            .metadata()
            .unwrap();
        let named = format!("{}:{}", found.dev(), found.ino());
        assert!(is_named(OsStr::new(&named), &journal));
        assert!(!is_named(OsStr::new(&named), &other));
        for malformed in ["", "8", "8:", ":9", "8:9:10", "-1:2", "a:b"] {
            assert!(!is_named(OsStr::new(malformed), &journal), "{malformed}");
        }
    }
}
