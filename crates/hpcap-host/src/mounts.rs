//! Mounted file systems of hugepages.

use std::path::PathBuf;

use crate::Tree;

/// A mounted hugetlbfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugeMount {
    /// Where it is mounted.
    pub path: PathBuf,
    /// Size of its pages in bytes; `None` for the default size of the machine.
    pub page_bytes: Option<u64>,
}

impl HugeMount {
    /// Returns the mounted hugetlbfs of this thread's namespace, in the order of mounting.
    #[must_use]
    pub fn all(tree: &Tree) -> Vec<Self> {
        let text = tree.text("/proc/thread-self/mounts").unwrap_or_default();
        text.lines().filter_map(parse_line).collect()
    }
}

/// Parses a line such as `hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0`.
fn parse_line(line: &str) -> Option<HugeMount> {
    let mut fields = line.split(' ');
    let (_, path, kind, options) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    (kind == "hugetlbfs").then(|| HugeMount {
        path: PathBuf::from(unescape(path)),
        page_bytes: options
            .split(',')
            .find_map(|option| option.strip_prefix("pagesize="))
            .and_then(|size| hpcap_base::units::parse_size(size).ok()),
    })
}

/// Replaces `\040` by a space, and the like: the kernel escapes white space and backslashes.
fn unescape(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let mount = |line: &str| parse_line(line).map(|m| (m.path, m.page_bytes));
        assert_eq!(
            mount("hugetlbfs /mnt/a\\040b hugetlbfs rw,pagesize=1024M 0 0"),
            Some(("/mnt/a b".into(), Some(1 << 30)))
        );
        assert_eq!(
            mount("none /dev/hugepages hugetlbfs rw,relatime 0 0"),
            Some(("/dev/hugepages".into(), None))
        );
        assert_eq!(mount("proc /proc proc rw 0 0"), None);
        assert_eq!(mount("hugetlbfs"), None);
    }
}
