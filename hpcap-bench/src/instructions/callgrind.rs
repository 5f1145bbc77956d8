//! The instructions that callgrind counted in one program file.
//!
//! Only these are counted, and not those of libraries: the C library chooses its memcpy by the
//! processor, so its instructions differ from machine to machine.

use std::collections::HashMap;

/// Sums the instructions of all functions of the program file `object` in a profile of callgrind.
/// Instructions of functions that they call count where they were executed. Returns `None` if the
/// profile does not name the file.
///
/// The format: <https://valgrind.org/docs/manual/cl-format.html>.
pub(super) fn instructions_of(profile: &str, object: &str) -> Option<u64> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut is_named, mut is_current) = (false, false);
    // The line after `calls=` has the cost of the called function, which is counted there.
    let mut is_call = false;
    let mut total = 0;
    for line in profile.lines() {
        if let Some(value) = line
            .strip_prefix("ob=")
            .or_else(|| line.strip_prefix("cob="))
        {
            // A name is given once, as `(2) /path`, and then referred to as `(2)`.
            let (id, name) = value.split_once(' ').unwrap_or((value, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with("ob=") {
                is_current = names.get(id) == Some(&object);
                is_named |= is_current;
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            if is_current && !is_call {
                // A line number, and the number of instructions.
                let cost = line.split(' ').nth(1)?;
                total += cost.parse::<u64>().ok()?;
            }
            is_call = false;
        }
    }
    is_named.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
# callgrind format
version: 1
events: Ir

ob=(1) /usr/lib/libc.so.6
fl=(1) string.c
fn=(1) memcpy
10 7000
+2 30

ob=(2) /opt/bench
fl=(2) ring.c
fn=(2) push
20 100
cob=(1)
cfn=(1)
calls=50 10
+1 7030
* 5

fn=(3) service
ob=(2)
-4 11
";

    #[test]
    fn only_instructions_of_the_program_count() {
        assert_eq!(instructions_of(PROFILE, "/opt/bench"), Some(116));
        assert_eq!(instructions_of(PROFILE, "/usr/lib/libc.so.6"), Some(7030));
    }

    #[test]
    fn program_that_was_not_counted_has_no_sum() {
        assert_eq!(instructions_of(PROFILE, "/opt/other"), None);
    }
}
