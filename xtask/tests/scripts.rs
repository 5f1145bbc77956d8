//! The scripts that run before anything is built, and the script that runs spin, each in a repository that is
//! made for the test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testkit::process::copy_program;
use testkit::skip;

/// A repository with nothing but the scripts in it.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("scripts/kernels")).unwrap();
        for script in [
            "Cargo.toml",
            "scripts/deps.sh",
            "scripts/kernels.sh",
            "scripts/kernels/suites.sh",
            "scripts/kernels/unpack.sh",
            "scripts/model.sh",
        ] {
            copy_program(&here.join(script), &root.path().join(script));
        }
        let repository = Self(root);
        let _ = repository.exits(0, "git", &["init", "-q", "."]);
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces the line of `file` that begins with `start`.
    fn replace_line(&self, file: &str, start: &str, line: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let replaced: Vec<_> = text
            .lines()
            .map(|old| if old.starts_with(start) { line } else { old })
            .collect();
        assert!(replaced.contains(&line), "{file} has no line {start:?}");
        fs::write(path, replaced.join("\n") + "\n").unwrap();
    }

    /// Runs a program, which must end with this exit code. Returns everything that it prints.
    #[track_caller]
    fn exits(&self, code: i32, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments);
        self.command_exits(code, &mut command)
    }

    #[track_caller]
    fn command_exits(&self, code: i32, command: &mut Command) -> String {
        command
            .current_dir(self.path())
            .env_remove("CARGO_TARGET_DIR");
        let done = command.output().unwrap();
        let outputs = [done.stdout, done.stderr].concat();
        let text = String::from_utf8_lossy(&outputs).into_owned();
        assert_eq!(done.status.code(), Some(code), "{command:?}: {text}");
        text
    }

    /// Adds a model of two processes that add to a counter, whose first line is `expectation`. With `RACE`,
    /// they use no lock.
    fn add_model(&self, expectation: &str) {
        let folder = self.path().join("kmod/model");
        fs::create_dir_all(&folder).unwrap();
        let text = format!("{expectation}\n{COUNTER}");
        fs::write(folder.join("counter.pml"), text).unwrap();
        let _ = self.exits(0, "git", &["add", "kmod/model"]);
    }
}

const COUNTER: &str = "\
byte n, done;
active [2] proctype add()
{
	byte copy;
#ifdef RACE
	copy = n;
	n = copy + 1;
#else
	atomic { copy = n; n = copy + 1 };
#endif
	done++;
	(done == 2);
	assert(n == 2)
}
";

#[track_caller]
fn assert_says(output: &str, text: &str) {
    assert!(output.contains(text), "no {text:?} in: {output}");
}

#[test]
fn deps_names_missing_packages() {
    let repository = Repository::new();
    let line = "build  no-such-package cmd:no-such-command";
    repository.replace_line("scripts/deps.sh", "build  make ", line);
    let said = repository.exits(1, "scripts/deps.sh", &["check", "build"]);
    assert_says(&said, "missing: no-such-package");
}

#[test]
fn deps_names_unknown_words() {
    let repository = Repository::new();
    let said = repository.exits(2, "scripts/deps.sh", &["check", "tests"]);
    assert_says(&said, "no group is called 'tests'");
    let said = repository.exits(2, "scripts/deps.sh", &["instal"]);
    assert_says(&said, "'instal' is not an action");
}

#[test]
fn deps_refuses_an_old_compiler() {
    let repository = Repository::new();
    repository.replace_line("Cargo.toml", "rust-version", "rust-version = \"99.0\"");
    let said = repository.exits(1, "scripts/deps.sh", &["need", "build"]);
    assert_says(&said, "hpcap needs 99.0");
}

#[test]
fn deps_says_that_cargo_is_missing() {
    let repository = Repository::new();
    let bin = repository.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in [
        "bash",
        "dirname",
        "sed",
        "awk",
        "sort",
        "grep",
        "gcc",
        "make",
        "pkg-config",
    ] {
        let found = std::env::split_paths(&path)
            .map(|dir| dir.join(tool))
            .find(|tool| tool.exists());
        symlink(found.unwrap(), bin.join(tool)).unwrap();
    }
    let mut command = Command::new(bin.join("bash"));
    command
        .args(["scripts/deps.sh", "need", "build"])
        .env("PATH", &bin);
    assert_says(
        &repository.command_exits(1, &mut command),
        "cargo is missing",
    );
}

#[test]
fn model_checks_the_expected_result() {
    if Command::new("spin").arg("-V").output().is_err() {
        return skip("checking models takes spin");
    }
    for (expectation, code, text) in [
        ("// verify:", 0, "holds"),
        ("// verify: -DRACE", 1, "unexpected result"),
        ("// refute: -DRACE", 0, "refuted, as expected"),
        ("// refute:", 1, "unexpected result"),
    ] {
        let repository = Repository::new();
        repository.add_model(expectation);
        let said = repository.exits(code, "scripts/model.sh", &[]);
        assert_says(&said, text);
    }
}

#[test]
fn model_fails_without_models() {
    let said = Repository::new().exits(1, "scripts/model.sh", &[]);
    assert_says(&said, "has no model");
}

#[test]
fn kernels_refuses_unknown_names() {
    let repository = Repository::new();
    for (arguments, code, text) in [
        (["fetch", "6"], 2, "'6' is not a series of Linux"),
        (["fetsch", "6.1"], 2, "'fetsch' is not an action"),
        (["path", "6.1"], 1, "scripts/kernels.sh fetch 6.1"),
    ] {
        let said = repository.exits(code, "scripts/kernels.sh", &arguments);
        assert_says(&said, text);
    }
}

/// A program of another release of Debian runs with the loader and the libraries that were unpacked beside it,
/// wherever its folder is.
#[test]
fn toolchain_runs_with_its_own_libc() {
    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
    const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
    if !Path::new(LOADER).exists() || !Path::new(LIBC).exists() {
        return skip("the libraries of the system are not where Debian has them");
    }
    let repository = Repository::new();
    let first = repository.path().join("first");
    for (from, to) in [
        ("/bin/true", "usr/bin/tool"),
        (LOADER, "usr/lib64/ld-linux-x86-64.so.2"),
        (LIBC, "usr/lib/x86_64-linux-gnu/libc.so.6"),
    ] {
        let to = first.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy_program(Path::new(from), &to);
    }
    symlink("tool", first.join("usr/bin/alias")).unwrap();
    let wrap = ". scripts/kernels/unpack.sh && wrap_programs first";
    let _ = repository.exits(0, "bash", &["-c", wrap]);
    let second = repository.path().join("second");
    fs::rename(first, &second).unwrap();
    let alias = second.join("usr/bin/alias");
    let _ = repository.exits(0, alias.to_str().unwrap(), &[]);
    let libc = second.join("usr/lib/x86_64-linux-gnu/libc.so.6");
    fs::write(libc, "damaged").unwrap();
    let said = repository.exits(127, alias.to_str().unwrap(), &[]);
    assert_says(&said, "libc.so.6");
}
