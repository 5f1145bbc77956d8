//! Snapshots of what `hpcapctl` prints: what differs between machines and runs does not count.

/// Settings under which snapshots have names in place of the folders of tests and of the interfaces of this machine.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let folder = format!(r"{}/\.tmp\w+", std::env::temp_dir().display());
    settings.add_filter(&folder, "[FOLDER]");
    settings.add_filter("there are lo.*", "there are [INTERFACES]");
    settings
}
