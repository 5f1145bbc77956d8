//! What a run of a tool prints, to compare it with a snapshot.

use std::path::Path;
use std::process::Output;

use testkit::process::transcript;

/// Replaces what differs between machines: the folder, times in the local zone, and the size of the
/// output, in which pcapng names the operating system.
pub(crate) fn filters(dir: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&dir.display().to_string(), "[DIR]");
    settings.add_filter(r"\(\d[\d.]* \w+\)", "([SIZE])");
    settings.add_filter(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)",
        "[TIME]",
    );
    settings
}

/// Compares exit code and outputs of a run in `dir` with the snapshot `name`.
#[track_caller]
pub(crate) fn assert_printed(name: &str, run: &Output, dir: &Path) {
    let _filters = filters(dir).bind_to_scope();
    insta::assert_snapshot!(name, transcript(run));
}
