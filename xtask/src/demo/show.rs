//! What the demonstration prints.

use std::cell::Cell;

/// Numbers the steps of the demonstration.
#[derive(Debug, Default)]
pub(super) struct Steps(Cell<u32>);

impl Steps {
    /// Prints the heading of the next step.
    pub(super) fn next(&self, what: &str) {
        self.0.set(self.0.get() + 1);
        println!("\n{}. {what}", self.0.get());
    }
}

/// Prints a command as a user would type it.
pub(super) fn command(line: &str) {
    println!("   $ {line}");
}

/// Prints a line of the output of a program, apart from the text of the demonstration.
pub(super) fn quote(line: &str) {
    println!("   | {line}");
}
