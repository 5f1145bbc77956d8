//! Units of systemd.

use hpcap::Result;

use super::tool::{last_lines, run_tool};

/// Number of lines of a service's own messages that the error of its start repeats.
const MESSAGES: usize = 3;

/// Whether a unit runs, or is starting.
pub(crate) fn is_active(unit: &str) -> bool {
    run_tool("systemctl", &["is-active", "--quiet", unit]).is_ok()
}

/// Starts a unit, whose files may have changed.
///
/// # Errors
/// The unit does not start. The error has the last messages of the unit, because undoing what was changed before may
/// remove the unit.
pub(crate) fn start(unit: &str) -> Result<()> {
    run_tool("systemctl", &["daemon-reload"])?;
    // `systemctl start` waits until the unit runs or has failed.
    match run_tool("systemctl", &["start", unit]) {
        Ok(_) => Ok(()),
        Err(e) => Err(match messages(unit) {
            Some(said) => e.advise(format!("its last messages: {said}")),
            None => e.advise(format!("`journalctl -u {unit}` says more")),
        }),
    }
}

/// Stops a unit.
///
/// # Errors
/// The unit does not stop.
pub(crate) fn stop(unit: &str) -> Result<()> {
    run_tool("systemctl", &["stop", unit])
        .map(drop)
        .map_err(|e| e.advise(format!("`journalctl -u {unit}` says more")))
}

/// Returns the last messages of a unit.
fn messages(unit: &str) -> Option<String> {
    let number = MESSAGES.to_string();
    // Only of the program, not of systemd about it.
    let by_program = ["-u", unit, "-n", &number, "-o", "cat", "--no-pager", "-q"];
    let arguments: Vec<&str> = by_program
        .into_iter()
        .chain(["_TRANSPORT=stdout"])
        .collect();
    let said = run_tool("journalctl", &arguments).ok()?;
    let said = last_lines(&said, MESSAGES);
    (!said.is_empty()).then_some(said)
}
