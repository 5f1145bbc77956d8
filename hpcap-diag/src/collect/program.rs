//! Running another program within limits of time and size: `journalctl`, and our own programs for their version.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::open::Content;
use super::reader::Unreadable;

/// Runs `command` and returns at most `limit` bytes of its output. It is killed when it takes longer than `time`
/// or says more.
///
/// # Errors
/// Why it cannot be started, or that it said nothing and failed.
pub(super) fn output(
    command: &mut Command,
    limit: usize,
    time: Duration,
) -> Result<Content, Unreadable> {
    let end = Instant::now() + time;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Running(child.map_err(|e| format!("it cannot be started: {e}"))?);
    let mut content = Content::default();
    let Some(mut pipe) = child.0.stdout.take() else {
        return Err("it has no output".to_owned());
    };
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || content.bytes.len() >= limit {
            content.bytes.truncate(limit);
            content.cut = true;
            return Ok(content);
        }
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, wait) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(e) => return Err(e.to_string()),
        }
        match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => content.bytes.extend_from_slice(&chunk[..count]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    match child.0.wait() {
        Ok(status) if !status.success() && content.bytes.is_empty() => {
            let name = command.get_program().to_string_lossy();
            Err(format!("{name} says nothing and fails ({status})"))
        }
        _ => Ok(content),
    }
}

/// A child that does not outlive the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn endless_program_is_ended() {
        let endless = output(Command::new("yes").arg("x"), 1000, HOUR).unwrap();
        assert_eq!((endless.bytes.len(), endless.cut), (1000, true));
        let silent = output(
            Command::new("sleep").arg("3600"),
            1000,
            Duration::from_millis(10),
        );
        assert_eq!(
            silent.unwrap(),
            Content {
                bytes: Vec::new(),
                cut: true
            }
        );
    }

    #[test]
    fn missing_program_is_unreadable() {
        assert!(output(&mut Command::new("/no/such/program"), 10, HOUR).is_err());
        assert!(output(&mut Command::new("false"), 10, HOUR).is_err());
    }
}
