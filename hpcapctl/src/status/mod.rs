//! `hpcapctl status`: the queues of this machine, whether the kernel module or a daemon serves them.

mod watch;

use hpcap::report::{QueueReport, Survey, json_line};
use hpcap::{Error, QueueName, Result};

pub use watch::watch;

/// The text to print, and the reasons why it is not complete.
#[derive(Debug)]
pub struct StatusText {
    /// A report of each queue that could be opened.
    pub text: String,
    /// The reasons why other queues are not in the text.
    pub unseen: Vec<Error>,
}

/// Reports the queue `only`, or every queue of this machine, as text or as one JSON object per line.
///
/// # Errors
/// [`hpcap::Kind::Io`] if a report cannot be written as JSON.
pub fn report(only: Option<QueueName>, json: bool) -> Result<StatusText> {
    let survey = Survey::take(only);
    let mut text = String::new();
    for queue in &survey.queues {
        let report = QueueReport::of(queue);
        text += &match json {
            true => json_line(&report)?,
            false => report.to_string(),
        };
    }
    if survey.queues.is_empty() && survey.unseen.is_empty() && !json {
        text.push_str(
            "no queue is served on this machine (hpcapd af_packet:INTERFACE starts one)\n",
        );
    }
    Ok(StatusText {
        text,
        unseen: survey.unseen,
    })
}
