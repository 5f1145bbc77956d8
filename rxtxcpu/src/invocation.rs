//! What the name of the program says: what the streams are, and which direction is captured.

use std::ffi::OsString;
use std::path::Path;

use hpcap_source::af_packet::Direction;

use crate::subject::Subject;

/// The names of the program, and what each of them captures.
pub const NAMES: [Invocation; 9] = [
    Invocation::new("rxtxcpu", Subject::Cpu, Direction::Both),
    Invocation::new("rxcpu", Subject::Cpu, Direction::In),
    Invocation::new("txcpu", Subject::Cpu, Direction::Out),
    Invocation::new("rxtxnuma", Subject::Node, Direction::Both),
    Invocation::new("rxnuma", Subject::Node, Direction::In),
    Invocation::new("txnuma", Subject::Node, Direction::Out),
    Invocation::new("rxtxqueue", Subject::Queue, Direction::Both),
    Invocation::new("rxqueue", Subject::Queue, Direction::In),
    Invocation::new("txqueue", Subject::Queue, Direction::Out),
];

/// How the program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invocation {
    /// The name.
    pub program: &'static str,
    /// What the streams are.
    pub subject: Subject,
    /// The direction that is captured unless an option says otherwise.
    pub direction: Direction,
}

impl Invocation {
    const fn new(program: &'static str, subject: Subject, direction: Direction) -> Self {
        Self {
            program,
            subject,
            direction,
        }
    }

    /// Looks up the first word of a command line. Any unknown name is `rxtxcpu`.
    #[must_use]
    pub fn of(word: Option<&OsString>) -> Self {
        let name = word.and_then(|word| Path::new(word).file_name());
        let known = NAMES
            .into_iter()
            .find(|known| name.is_some_and(|name| name == known.program));
        known.unwrap_or(NAMES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_says_subject_and_direction() {
        let of = |word: &str| Invocation::of(Some(&word.into()));
        let queue = of("./txqueue");
        assert_eq!(
            (queue.subject, queue.direction),
            (Subject::Queue, Direction::Out)
        );
        let numa = of("/usr/bin/rxnuma");
        assert_eq!(
            (numa.subject, numa.direction),
            (Subject::Node, Direction::In)
        );
        for word in ["rxtxcpu", "something", "rxcpu.old", ""] {
            assert_eq!(of(word), NAMES[0], "{word}");
        }
    }
}
