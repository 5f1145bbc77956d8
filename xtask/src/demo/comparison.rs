//! Pairs of numbers that should be the same.

use std::fmt;

use super::Verdict;

/// A number, and who says so.
pub(super) type Count<'a> = (&'a str, u64);

/// Two numbers that should be the same.
#[derive(Debug)]
pub(super) struct Comparison<'a>(pub(super) Count<'a>, pub(super) Count<'a>);

impl Comparison<'_> {
    fn agrees(&self) -> bool {
        self.0.1 == self.1.1
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.agrees() {
            "ok"
        } else {
            "DOES NOT AGREE"
        };
        let Self((left, a), (right, b)) = self;
        write!(f, "   {left:<34} {a:>12}   {right:<34} {b:>12}   {mark}")
    }
}

/// Prints comparisons, and remembers whether all numbers agree.
#[derive(Debug)]
pub(super) struct Balance(Verdict);

impl Balance {
    pub(super) fn new() -> Self {
        Self(Verdict::Agrees)
    }

    /// Compares two numbers, and prints the result.
    pub(super) fn compare(&mut self, left: Count<'_>, right: Count<'_>) {
        let comparison = Comparison(left, right);
        if !comparison.agrees() {
            self.0 = Verdict::Differs;
        }
        println!("{comparison}");
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.0
    }
}

/// Prints a number that nothing can be compared with, and why.
pub(super) fn not_compared(what: &str, why: &str) {
    println!("   {what:<34} not compared: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_names_both_sides() {
        let line = Comparison(("sent", 3), ("in the files", 3)).to_string();
        let expected = "   sent                                          3   \
                        in the files                                  3   ok";
        assert_eq!(line, expected);
    }

    #[test]
    fn one_difference_decides_the_verdict() {
        let mut balance = Balance::new();
        balance.compare(("a", 1), ("b", 1));
        assert_eq!(balance.verdict(), Verdict::Agrees);
        balance.compare(("a", 1), ("b", 2));
        balance.compare(("a", 1), ("b", 1));
        assert_eq!(balance.verdict(), Verdict::Differs);
        let line = Comparison(("a", 1), ("b", 2)).to_string();
        assert!(line.ends_with("DOES NOT AGREE"), "{line}");
    }
}
