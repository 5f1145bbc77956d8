//! Tells events: to standard error or the journal, to the file of events, and to a command.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::message::{Level, Messages, Stream};

use super::Event;

/// Events that wait for the command. When there is no room for another, its command is not run.
const WAITING: usize = 32;
/// Longest time that a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Tells events to people and to a command.
#[derive(Debug)]
pub struct Outlet {
    messages: Messages,
    /// Whether standard error is the journal, which reads a level at the start of each line.
    journal: bool,
    command: Option<SyncSender<String>>,
}

impl Outlet {
    /// Prints to `messages`, and runs `command` of the shell at each event.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn new(messages: &Messages, command: Option<OsString>) -> Result<Self> {
        let command = command.map(|command| start_runner(command, messages.clone()));
        Ok(Self {
            messages: messages.clone(),
            journal: hpcap_service::is_journal(std::io::stderr()),
            command: command.transpose()?,
        })
    }

    /// Tells an event.
    pub fn tell(&self, event: &Event) {
        self.print(event.level(), &event.message);
        if let Some(command) = &self.command
            && let Ok(json) = event.json_line()
            && command.try_send(json).is_err()
        {
            self.print(
                Level::Warning,
                "the command of events is too slow, and was not run for the event above",
            );
        }
    }

    /// Prints a line, with its level if the journal reads it.
    pub fn print(&self, level: Level, text: &str) {
        self.messages
            .tell(level, Stream::Errors, line(self.journal, level, text));
    }
}

fn line(journal: bool, level: Level, text: &str) -> String {
    // sd-daemon(3) defines these numbers.
    let priority = match level {
        Level::Error => "<3>",
        Level::Warning => "<4>",
        Level::Info | Level::Progress => "<6>",
    };
    // The advice of an error stands on lines of its own, and the journal reads a level at the start of each line.
    let text = text.replace("\n  ", "; ");
    let text = hpcap::visible(&text);
    match journal {
        true => format!("{priority}{text}"),
        false => format!("hpcap-monitor: {text}"),
    }
}

/// Starts the thread that runs the command, one event after another.
fn start_runner(command: OsString, messages: Messages) -> Result<SyncSender<String>> {
    let (sender, events) = sync_channel::<String>(WAITING);
    std::thread::Builder::new()
        .name("event command".into())
        .spawn(move || {
            for event in events {
                if let Err(why) = run(&command, event.trim_end()) {
                    messages.warn(format!("hpcap-monitor: the command of events: {why}"));
                }
            }
        })
        .context(|| "start the thread that runs the command of events")?;
    Ok(sender)
}

fn run(command: &OsStr, event: &str) -> std::result::Result<(), String> {
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("HPCAP_EVENT", event)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let start = Instant::now();
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("it ended with {status}")),
            None if start.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "it took longer than {} s and was killed",
                    LIMIT.as_secs()
                ));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_gets_the_level_of_a_line() {
        assert_eq!(
            line(true, Level::Error, "why\n  advice\x1b"),
            "<3>why; advice\\x1b"
        );
        assert_eq!(line(false, Level::Info, "text"), "hpcap-monitor: text");
    }

    #[test]
    fn command_gets_the_event() {
        let expects = OsStr::new("test \"$HPCAP_EVENT\" = '{}'");
        assert_eq!(run(expects, "{}"), Ok(()));
        assert!(run(OsStr::new("exit 3"), "").is_err_and(|why| why.contains('3')));
    }
}
