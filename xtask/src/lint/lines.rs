//! Rules for each line of each tracked file.

use std::sync::LazyLock;

use regex::Regex;

use super::Complaint;

/// Absolute paths that exist on one machine only, and the folder with captures beside the clone. The brackets
/// keep the rule from finding itself.
static LOCAL_PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^[:alnum:]_.~-])/(?:[w]ork|[r]oot|[h]ome/[a-z_][a-z0-9_-]*)(?:/|[^[:alnum:]_-]|$)|\bs[h]ared/")
        .expect("the pattern is valid")
});

/// Checks the lines of one file.
pub(super) fn check(file: &str, text: &str) -> Vec<Complaint> {
    // The texts of licences are not ours to change, and inputs of fuzz targets are bytes, not text.
    let is_foreign = file.starts_with("LICENSES/") && file.ends_with(".txt");
    if is_foreign || file.starts_with("fuzz/corpus/") {
        return Vec::new();
    }
    // The script of CI names the folder beside its clone in which it looks for captures.
    let may_name_paths = file == ".ci/run";
    // A snapshot is what a program prints: the help of options has lines of nothing but white space.
    let may_end_with_space = file.ends_with(".snap");
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let complain = |what: &str| Complaint {
            file: file.to_owned(),
            line: Some(number),
            what: what.to_owned(),
        };
        if !may_end_with_space && line.ends_with(char::is_whitespace) {
            complaints.push(complain("white space at the end of the line"));
        }
        if !may_name_paths && LOCAL_PATH.is_match(line) {
            complaints.push(complain("names a path of one machine"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(file: &str, text: &str) -> Vec<String> {
        let found = check(file, text);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clean_lines_pass() {
        let text = "# A\n\nSee [B](B.md#part), /tmp/x, ~/work and the network/work folder.\n";
        assert_eq!(complaints("A.md", text), [""; 0]);
    }

    #[test]
    fn path_of_one_machine_is_found() {
        // The paths are put together here, so that the rule does not find this file.
        for path in ["work/x", "root/.cargo", "home/somebody/hpcap", "work"] {
            assert_eq!(
                complaints("notes.txt", &format!("first\nsee /{path} for more\n")),
                ["notes.txt:2: names a path of one machine"],
                "{path}"
            );
        }
        let captures = ["../sha", "red/pcaps"].concat();
        assert_eq!(complaints("a", &captures).len(), 1);
        assert_eq!(complaints(".ci/run", &captures), [""; 0]);
    }

    #[test]
    fn white_space_at_the_end_is_found() {
        for line in ["a ", "a\t", " ", "a\r"] {
            assert_eq!(
                complaints("a.c", &format!("{line}\nb\n")),
                ["a.c:1: white space at the end of the line"]
            );
            assert_eq!(complaints("a.snap", line), [""; 0]);
        }
    }

    #[test]
    fn licence_texts_are_left_alone() {
        assert_eq!(complaints("LICENSES/MIT.txt", "a \n"), [""; 0]);
    }
}
