//! Tests of the generated man pages and completions.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

/// Whether a program is installed; prints that the test is skipped if not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

/// Writes all pages into a new folder.
fn pages() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    xtask::page::write_all(dir.path()).unwrap();
    dir
}

/// Reads the page of a program or a command, with its escaped dashes as people see them.
fn read_page(dir: &Path, name: &str) -> String {
    let page = std::fs::read_to_string(dir.join(format!("{name}.1"))).unwrap();
    page.replace("\\-", "-").replace("\\:", "")
}

/// Checks that the page of `command` has each of its options, and the pages of its commands.
fn check_page(dir: &Path, name: &str, command: &clap::Command) {
    let page = read_page(dir, name);
    // The synopsis does not count: the page must explain the option.
    let options = page.split_once(".SH OPTIONS").unwrap().1;
    // Hidden options are for tests and for other programs of hpcap.
    for argument in command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
    {
        for alias in argument.get_long_and_visible_aliases().unwrap_or_default() {
            assert!(
                options.contains(&format!("--{alias}")),
                "{name}(1) does not explain --{alias}"
            );
        }
        for letter in argument.get_short_and_visible_aliases().unwrap_or_default() {
            assert!(
                options.contains(&format!("-{letter}")),
                "{name}(1) does not explain -{letter}"
            );
        }
    }
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" {
            check_page(dir, &format!("{name}-{}", inner.get_name()), inner);
        }
    }
}

#[test]
fn page_explains_each_option_of_its_program() {
    let dir = pages();
    for program in xtask::programs() {
        check_page(dir.path(), program.get_name(), &program);
    }
}

#[test]
fn page_keeps_the_lines_of_examples() {
    let dir = pages();
    let page = read_page(dir.path(), "hpcapctl");
    let (_, examples) = page.split_once(".SH EXAMPLES\n.nf\n").unwrap();
    let first = examples.lines().next().unwrap();
    assert!(first.starts_with("hpcapctl "), "{first}");
    assert!(page.contains(".SH \"EXIT STATUS\"\n0 done"), "{page}");
}

#[test]
fn man_shows_pages_without_warnings() {
    if !has("man") || !has("groff") {
        return;
    }
    let dir = pages();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let shown = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .output()
            .unwrap();
        let warnings = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{}: {warnings}", path.display());
        assert_eq!(warnings, "", "{}", path.display());
    }
}

#[test]
fn bash_completes_options_and_commands() {
    if !has("bash") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    xtask::completions::write_all(dir.path()).unwrap();
    for (program, typed, expected) in [
        ("hpcapdd", "--rot", "--rotate-size"),
        ("hpcapctl", "sta", "status"),
        ("hpcapd", "--loo", "--look-back"),
    ] {
        let script = format!(
            "source {}\nCOMP_WORDS=({program} {typed})\nCOMP_CWORD=1\n_{program} {program} {typed} {program}\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            dir.path().join("bash").join(program).display()
        );
        let done = Command::new("bash").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(done.stdout).unwrap();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(
            words.lines().any(|word| word == expected),
            "{program}: {words}{errors}"
        );
    }
}

#[test]
fn each_shell_has_completions_of_each_program() {
    let dir = tempfile::tempdir().unwrap();
    xtask::completions::write_all(dir.path()).unwrap();
    for program in xtask::programs() {
        let name = program.get_name();
        for file in [
            format!("bash/{name}"),
            format!("zsh/_{name}"),
            format!("fish/{name}.fish"),
        ] {
            let text = std::fs::read_to_string(dir.path().join(&file)).unwrap();
            assert!(text.contains(name), "{file}");
        }
    }
}
