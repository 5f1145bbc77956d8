//! Warnings that are printed once for each kind, with a count and the usual cause.

use hpcap::visible::visible_lines;

/// Warnings of one kind.
#[derive(Debug)]
pub(super) struct Warnings {
    /// What happened, in the plural, such as "indexes were not used".
    what: &'static str,
    /// The usual cause.
    cause: &'static str,
    count: u64,
    first: String,
}

impl Warnings {
    /// Warnings about indexes that cannot be used.
    pub(super) fn of_indexes() -> Self {
        Self::new(
            "indexes were not used",
            "usually files that were repaired or replaced after they were recorded",
        )
    }

    /// Warnings about files with the same part of a recording.
    pub(super) fn of_overlaps() -> Self {
        Self::new(
            "pairs of files have a part of the same recording, whose frames are converted twice",
            "usually two recorders of one queue, or a copied folder",
        )
    }

    fn new(what: &'static str, cause: &'static str) -> Self {
        Self {
            what,
            cause,
            count: 0,
            first: String::new(),
        }
    }

    /// Counts a warning. The text of the first one is printed.
    pub(super) fn add(&mut self, text: String) {
        if self.count == 0 {
            self.first = text;
        }
        self.count += 1;
    }

    /// The line for all warnings; `None` if there are none.
    fn line(&self) -> Option<String> {
        let Self { what, cause, .. } = self;
        match self.count {
            0 => None,
            1 => Some(format!("{} ({cause})", self.first)),
            n => Some(format!("{n} {what}, the first: {} ({cause})", self.first)),
        }
    }

    /// Prints the line to standard error.
    pub(super) fn print(&self) {
        if let Some(line) = self.line() {
            hpcap_cli::say(format_args!("raw2pcap: warning: {}", visible_lines(&line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_a_kind_are_one_line() {
        let mut warnings = Warnings::of_indexes();
        assert_eq!(warnings.line(), None);
        warnings.add("the index of a.raw is damaged".into());
        let cause = "(usually files that were repaired or replaced after they were recorded)";
        let one = format!("the index of a.raw is damaged {cause}");
        assert_eq!(warnings.line(), Some(one.clone()));
        warnings.add("the index of b.raw is damaged".into());
        let two = format!("2 indexes were not used, the first: {one}");
        assert_eq!(warnings.line(), Some(two));
    }
}
