//! The units and settings for systemd, checked with systemd's own tools.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hpcap_e2e::lab::{Lab, binary};
use testkit::process::run;
use testkit::{is_root_or_skips, skip};

/// Exposure that `systemd-analyze security` may find, in tenths: 0 is locked up, 100 is open.
const EXPOSURE_LIMITS: [(&str, u32); 4] = [
    ("hpcap-monitor.service", 22),
    ("hpcapd@.service", 22),
    ("hpcapdd@.service", 22),
    ("hpcapdd-queue@.service", 12),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

/// Runs one of systemd's tools. Returns `None`, and says so, if it is not installed.
fn systemd(tool: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => Some(output),
        Err(e) => {
            skip(&format!("{tool}: {e}"));
            None
        }
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Copies the units into the lab, with the built programs instead of the installed ones, and as
/// instances, because a template has no name to check.
fn instances(lab: &Lab) -> Vec<PathBuf> {
    let bin = binary("hpcapd").parent().unwrap().display().to_string();
    let mut units = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path
            .extension()
            .is_some_and(|ending| ending == "sysusers" || ending == "tmpfiles")
        {
            continue;
        }
        let unit = fs::read_to_string(&path).unwrap();
        let copy = lab.path(&name.replace('@', "@hpcap0"));
        // The manual pages are not installed here.
        let unit = unit
            .lines()
            .filter(|line| !line.starts_with("Documentation="));
        let unit: Vec<String> = unit.map(|l| l.replace("/usr/local/bin", &bin)).collect();
        fs::write(&copy, unit.join("\n")).unwrap();
        units.push(copy);
    }
    units
}

#[test]
fn units_pass_systemd_verification() {
    let lab = Lab::new();
    let units = instances(&lab);
    assert_eq!(units.len(), 7, "{units:?}");
    for unit in units {
        let path = unit.to_str().unwrap();
        let Some(checked) = systemd("systemd-analyze", &["verify", "--man=no", path]) else {
            return;
        };
        let said = text(&checked);
        assert!(
            checked.status.success() && said.is_empty(),
            "{path}: {said}"
        );
    }
}

#[test]
fn units_stay_below_their_limits_of_exposure() {
    for (unit, limit) in EXPOSURE_LIMITS {
        let path = folder().join(unit);
        let threshold = format!("--threshold={limit}");
        let arguments = [
            "security",
            "--offline=true",
            &threshold,
            path.to_str().unwrap(),
        ];
        let Some(checked) = systemd("systemd-analyze", &arguments) else {
            return;
        };
        assert!(checked.status.success(), "{unit}: {}", text(&checked));
    }
}

#[test]
fn installed_folders_are_for_the_group_only() {
    if !is_root_or_skips("folders that belong to another user") {
        return;
    }
    let lab = Lab::new();
    fs::create_dir(lab.path("etc")).unwrap();
    let root = format!("--root={}", lab.dir().display());
    let [users, files] = ["hpcap.sysusers", "hpcap.tmpfiles"].map(|name| folder().join(name));
    let tools = [
        (
            "systemd-sysusers",
            vec![root.as_str(), users.to_str().unwrap()],
        ),
        (
            "systemd-tmpfiles",
            vec![root.as_str(), "--create", files.to_str().unwrap()],
        ),
    ];
    for (tool, arguments) in tools {
        let Some(done) = systemd(tool, &arguments) else {
            return;
        };
        assert!(done.status.success(), "{tool}: {}", text(&done));
    }
    let passwd = fs::read_to_string(lab.path("etc/passwd")).unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("hpcap:"))
        .unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    assert_eq!(fields[6], "/usr/sbin/nologin");
    let [user, group] = [fields[2], fields[3]].map(|id| id.parse::<u32>().unwrap());
    for name in ["run/hpcap", "var/lib/hpcap"] {
        let made = fs::metadata(lab.path(name)).unwrap();
        assert_eq!(made.permissions().mode() & 0o7777, 0o750, "{name}");
        assert_eq!((made.uid(), made.gid()), (user, group), "{name}");
    }
    // The rule that the programs apply to a folder of sockets. The owner is trusted only at the real
    // path, so this folder gets another one.
    let path = lab.path("run/hpcap");
    std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
    let _ = run(lab
        .tool("hpcapctl")
        .arg("status")
        .env("HPCAP_RUN_DIR", &path))
    .exits(0);
}

#[test]
fn nothing_is_writable_by_everybody() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let unit = fs::read_to_string(&path).unwrap();
        for line in unit
            .lines()
            .filter(|line| line.contains("Mode=") || line.starts_with("d "))
        {
            let mode = line.split(['=', ' ']).find_map(|word| {
                let digits = word.len() == 4 && word.starts_with('0');
                digits.then(|| u32::from_str_radix(word, 8).unwrap())
            });
            assert_eq!(mode.unwrap() & 0o027, 0, "{}: {line}", path.display());
        }
    }
}
