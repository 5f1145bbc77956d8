//! Places in the code of modules, as the kernel prints them.

use std::sync::LazyLock;

use regex::Regex;

/// A place in a function of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the function.
    pub function: String,
    /// Bytes from the start of the function.
    pub offset: u64,
    /// Bytes of the function.
    pub size: u64,
    /// Name of the module.
    pub module: String,
    /// Build id of the module, which newer kernels print.
    pub build_id: Option<String>,
    /// Whether the processor was about to execute this place. In a call trace, it was to return to it.
    pub is_exact: bool,
}

/// `function+0xOFFSET/0xSIZE [module]`, or `[module 0123...]` with the build id.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let pattern = r"([A-Za-z_][A-Za-z0-9_.]*)\+0x([0-9a-f]+)/0x([0-9a-f]+) \[([A-Za-z0-9_]+)(?: ([0-9a-f]{16,64}))?(?:[ (][^\]]*)?\]";
    Regex::new(pattern).ok()
});

/// `Not tainted 6.1.0-56-amd64 #1`, or `Tainted: G  OE  6.1.0-56-amd64 #1`.
static RELEASE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"ainted:? (?:.* )?([0-9]+\.[0-9]+[^ ]*) #").ok());

/// The text in the first line of a report.
const HEADLINES: [&str; 9] = [
    "BUG: ",
    "WARNING: ",
    "Oops: ",
    "kernel BUG at ",
    "general protection fault",
    "INFO: task ",
    "rcu: INFO: ",
    "Kernel panic",
    "Call Trace:",
];

/// Whether `line` begins a report of the kernel, or names its processor and version.
#[must_use]
pub fn is_headline(line: &str) -> bool {
    HEADLINES.iter().any(|head| line.contains(head)) || release(line).is_some()
}

/// Whether `module` is one of hpcap's.
#[must_use]
pub fn is_ours(module: &str) -> bool {
    module == "hpcap" || module.starts_with("hpcap_")
}

/// Returns the places of modules in a line of a log.
#[must_use]
pub fn places(line: &str) -> Vec<Place> {
    let Some(pattern) = PLACE.as_ref() else {
        return Vec::new();
    };
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    pattern
        .captures_iter(line)
        .filter_map(|found| {
            Some(Place {
                function: found[1].to_owned(),
                offset: number(&found[2])?,
                size: number(&found[3])?,
                module: found[4].to_owned(),
                build_id: found.get(5).map(|id| id.as_str().to_owned()),
                is_exact: line.contains("RIP: ") || line.contains("pc : "),
            })
        })
        .collect()
}

fn release(line: &str) -> Option<&str> {
    let found = RELEASE.as_ref()?.captures(line)?;
    found.get(1).map(|release| release.as_str())
}

/// Returns the version of the kernel that wrote `log`, as `uname -r` prints it, if a report has it.
#[must_use]
pub fn kernel_release(log: &str) -> Option<String> {
    log.lines().find_map(release).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn place_is_found_in_a_call_trace() {
        let line = "[   12.3]  ? hpcap_poll.isra.0+0x1f/0x2a0 [hpcap 5f3e0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b]";
        let found = places(line);
        let expected = Place {
            function: "hpcap_poll.isra.0".into(),
            offset: 0x1f,
            size: 0x2a0,
            module: "hpcap".into(),
            build_id: Some("5f3e0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b".into()),
            is_exact: false,
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn place_of_the_processor_is_exact() {
        let found = places("RIP: 0010:hpcap_read+0x5/0x10 [hpcap]");
        assert!(found[0].is_exact && found[0].build_id.is_none());
    }

    #[test]
    fn places_of_the_kernel_itself_are_left_out() {
        assert!(places(" do_syscall_64+0x5b/0xc0").is_empty());
    }

    #[test]
    fn release_stands_after_the_taints() {
        for (line, release) in [
            (
                "CPU: 0 PID: 1 Comm: x Not tainted 6.1.0-56-amd64 #1 Debian",
                "6.1.0-56-amd64",
            ),
            (
                "CPU: 1 PID: 7 Comm: y Tainted: G    B      OE     6.12.117+deb12-amd64 #1",
                "6.12.117+deb12-amd64",
            ),
            ("CPU: 1 Tainted: [O]=OOT_MODULE 6.12.5", ""),
        ] {
            assert_eq!(kernel_release(line).unwrap_or_default(), release);
        }
    }

    #[test]
    fn modules_of_others_are_not_ours() {
        assert!(is_ours("hpcap") && is_ours("hpcap_netdev"));
        assert!(!is_ours("hpcapture") && !is_ours("ixgbe"));
    }
}
