//! Snapshots of what `hpcap-diag` prints: what differs between machines and runs does not count.

/// Settings under which snapshots have names in place of folders of tests, build ids and sizes of functions.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let folder = format!(r"{}/\.tmp\w+", std::env::temp_dir().display());
    settings.add_filter(&folder, "[FOLDER]");
    settings.add_filter(r"build id is [0-9a-f]{40}", "build id is [BUILD ID]");
    settings.add_filter(r"0x[0-9a-f]+ bytes", "[SIZE] bytes");
    settings
}
