//! `hpcapctl install` in a folder that stands for a system: what it changes, and that failures, power
//! cuts and `uninstall` leave everything as it was.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hpcap::{Error, Kind};
use hpcapctl::change::Changer;
use hpcapctl::change::step::Step;

/// A system with the units and the user of hpcap.
struct System(tempfile::TempDir);

/// Content, mode and owner of each file, by path.
type Files = BTreeMap<PathBuf, (String, u32, u32)>;

impl System {
    fn new() -> Self {
        let system = Self(tempfile::tempdir().unwrap());
        for folder in ["etc/default", "var/lib", "lib/systemd/system"] {
            fs::create_dir_all(system.path(folder)).unwrap();
        }
        fs::write(system.path("etc/passwd"), "hpcap:x:997:997::/:/nologin\n").unwrap();
        for unit in [
            "hpcap.target",
            "hpcapd@.service",
            "hpcap-port@.service",
            "hpcapdd-queue@.service",
            "hpcap-monitor.service",
        ] {
            fs::write(system.path("lib/systemd/system").join(unit), "").unwrap();
        }
        system
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpcapctl"));
        command.args(arguments).arg("--root").arg(self.0.path());
        command
    }

    /// Runs `hpcapctl`, and returns its output. The exit code must be `code`.
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let done = self.command(arguments).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }

    /// Compares a text with the snapshot `name`, with `[ROOT]` for the folder of the system.
    #[track_caller]
    fn assert_printed(&self, name: &str, text: &str) {
        let root = self.0.path().display().to_string();
        insta::assert_snapshot!(name, text.replace(&root, "[ROOT]"));
    }

    fn files(&self) -> Files {
        let mut files = Files::new();
        collect(self.0.path(), &mut files);
        files
    }
}

fn collect(folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let content = match found.file_type() {
            kind if kind.is_dir() => {
                collect(&path, files);
                "folder".to_owned()
            }
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            _ => fs::read_to_string(&path).unwrap(),
        };
        let mode = found.permissions().mode();
        files.insert(path, (content, mode, found.uid()));
    }
}

/// Steps of every kind that works without a service manager, one of which replaces a file.
fn steps() -> Vec<Step> {
    let folder = |path: &str| Step::CreateFolder { path: path.into() };
    let file = |path: &str, content: &str| Step::WriteFile {
        path: path.into(),
        content: content.into(),
        mode: 0o640,
    };
    vec![
        folder("/etc/new"),
        folder("/etc/new/inner"),
        file("/etc/new/inner/file", "new\n"),
        file("/etc/passwd", "replaced\n"),
        Step::CreateLink {
            path: "/etc/new/link".into(),
            target: "inner/file".into(),
        },
        file("/etc/last", "last\n"),
    ]
}

#[test]
fn failure_of_any_step_rolls_back() {
    for failing in 0..steps().len() {
        let system = System::new();
        let before = system.files();
        let mut changer = Changer::open(system.0.path()).unwrap();
        let mut number = 0;
        let failed = changer.apply_observed(&steps(), &mut |_| {
            number += 1;
            match number > failing {
                true => Err(Error::new(Kind::Full, "write", "no space left")),
                false => Ok(()),
            }
        });
        let error = failed.unwrap_err().to_string();
        system.assert_printed("full_disk", &error);
        assert_eq!(system.files(), before, "step {failing}");
    }
}

#[test]
fn obstacle_in_the_way_rolls_back() {
    let system = System::new();
    fs::create_dir(system.path("etc/last")).unwrap();
    let before = system.files();
    let mut changer = Changer::open(system.0.path()).unwrap();
    let error = changer.apply(&steps()).unwrap_err().to_string();
    system.assert_printed("obstacle", &error);
    assert_eq!(system.files(), before);
}

#[test]
fn next_run_undoes_a_run_that_was_cut_off() {
    for cut in 0..steps().len() {
        let system = System::new();
        let before = system.files();
        let mut changer = Changer::open(system.0.path()).unwrap();
        let mut number = 0;
        // A panic leaves everything as a power cut does: nothing is undone.
        let cut_off = catch_unwind(AssertUnwindSafe(|| {
            changer.apply_observed(&steps(), &mut |_| {
                number += 1;
                assert!(number <= cut, "power cut");
                Ok(())
            })
        }));
        assert!(cut_off.is_err());
        let mut next = Changer::open(system.0.path()).unwrap();
        assert!(next.is_unfinished(), "step {cut}");
        next.recover().unwrap();
        assert_eq!(system.files(), before, "step {cut}");
    }
}

#[test]
fn killed_install_is_finished_by_the_next_run() {
    let complete = System::new();
    complete.run(&["install", "eth0", "eth1", "--record"], 0);
    let names = |system: &System| -> Vec<PathBuf> {
        let root = system.0.path();
        let files = system.files();
        files
            .keys()
            .map(|path| path.strip_prefix(root).unwrap().to_owned())
            .collect()
    };
    let mut cut_off = 0;
    for round in 0..40_u64 {
        let system = System::new();
        let before = system.files();
        let mut running = system
            .command(&["install", "eth0", "eth1", "--record"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(round * 500));
        running.kill().unwrap();
        running.wait().unwrap();
        let manifest = Changer::open(system.0.path()).unwrap();
        cut_off += u32::from(manifest.is_unfinished());
        if round % 2 == 0 {
            system.run(&["install", "eth0", "eth1", "--record"], 0);
            assert_eq!(names(&system), names(&complete), "round {round}");
        }
        system.run(&["uninstall"], 0);
        assert_eq!(system.files(), before, "round {round}");
    }
    println!("{cut_off} of 40 runs were killed in the middle");
}

#[test]
fn uninstall_restores_the_earlier_files() {
    let system = System::new();
    let before = system.files();
    let said = system.run(&["install", "eth0", "--record"], 0);
    system.assert_printed("install", &said);
    let settings = fs::read_to_string(system.path("etc/default/hpcapd-eth0")).unwrap();
    assert!(
        settings.ends_with("SOURCE=hpcap0=af_packet:eth0\n"),
        "{settings}"
    );
    let wants = system.path("etc/systemd/system/hpcap.target.wants");
    for (link, unit) in [
        ("hpcapd@eth0.service", "hpcapd@.service"),
        ("hpcapdd-queue@hpcap0.service", "hpcapdd-queue@.service"),
    ] {
        let target = fs::read_link(wants.join(link)).unwrap();
        assert_eq!(target, Path::new("/lib/systemd/system").join(unit));
    }
    system.run(&["uninstall"], 0);
    assert_eq!(system.files(), before);
}

#[test]
fn install_twice_changes_nothing_the_second_time() {
    let system = System::new();
    system.run(&["install", "eth0"], 0);
    let once = system.files();
    let said = system.run(&["install", "eth0"], 0);
    system.assert_printed("install_twice", &said);
    assert_eq!(system.files(), once);
}

#[test]
fn further_interface_gets_the_next_queue() {
    let system = System::new();
    system.run(&["install", "eth0"], 0);
    system.run(&["install", "eth1", "eth0"], 0);
    let settings = fs::read_to_string(system.path("etc/default/hpcapd-eth1")).unwrap();
    assert!(settings.contains("SOURCE=hpcap1="), "{settings}");
}

#[test]
fn dry_run_prints_the_plan_without_a_change() {
    let system = System::new();
    let before = system.files();
    let said = system.run(&["install", "eth0", "--dry-run"], 0);
    system.assert_printed("dry_run", &said);
    assert_eq!(system.files(), before);
}

#[test]
fn settings_that_a_user_has_changed_stay() {
    let system = System::new();
    system.run(&["install", "eth0"], 0);
    let settings = system.path("etc/default/hpcapd-eth0");
    fs::write(&settings, "SOURCE=af_packet:eth0,promisc=off\n").unwrap();
    let said = system.run(&["uninstall"], 0);
    system.assert_printed("uninstall_after_a_change", &said);
    assert!(settings.exists());
}

#[test]
fn all_problems_are_reported_at_once() {
    let system = System(tempfile::tempdir().unwrap());
    let said = system.run(&["install", "eth0", "eth0", "a/b"], 1);
    system.assert_printed("problems", &said);
    assert!(system.files().is_empty());
}

#[test]
fn damaged_list_of_changes_is_refused() {
    let system = System::new();
    let manifest = Changer::open(system.0.path()).unwrap().manifest_path();
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    fs::write(&manifest, "{}").unwrap();
    let said = system.run(&["uninstall"], 1);
    system.assert_printed("damaged_list", &said);
}

#[test]
fn list_of_changes_is_for_root_only() {
    let system = System::new();
    system.run(&["install", "eth0"], 0);
    let manifest = Changer::open(system.0.path()).unwrap().manifest_path();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&manifest), 0o600);
    assert_eq!(mode(manifest.parent().unwrap()), 0o700);
}
