//! The queues of this machine.

use crate::error::Error;
use crate::name::QueueName;
use crate::queue::Queue;

/// The queues of this machine that could be opened, and the reasons why others could not.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Survey {
    /// The opened queues, in the order of their names.
    pub queues: Vec<Queue>,
    /// Why other queues could not be opened, or why it is unknown whether there are others.
    pub unseen: Vec<Error>,
}

impl Survey {
    /// Opens the queue `only`, or every queue of this machine. A queue that cannot be opened does
    /// not keep the others from being opened, and a producer that does not answer does not delay
    /// them.
    #[must_use]
    pub fn take(only: Option<QueueName>) -> Self {
        let (names, unseen) = only.map_or_else(Queue::list, |name| (vec![name], Vec::new()));
        let mut survey = Self {
            queues: Vec::new(),
            unseen,
        };
        for opened in Queue::open_all(&names) {
            match opened {
                Ok(queue) => survey.queues.push(queue),
                Err(e) => survey.unseen.push(e),
            }
        }
        survey
    }
}
