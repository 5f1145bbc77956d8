//! `hpcapctl config`: texts, JSON, exit codes, and what is never overwritten.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hpcap_config::machine::{Cpu, Machine, Node, Port};
use hpcap_config::propose::Wishes;
use hpcap_host::pages::Pages;
use hpcapctl::config::ask;

fn hpcapctl(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .arg("config")
        .args(args)
        .current_dir(dir)
        .env("HPCAP_SYSFS_DIR", dir)
        .env("HPCAP_RUN_DIR", dir)
        .env("HPCAP_DEV_DIR", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the command and returns its exit code, its output and its messages.
fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = hpcapctl(dir, args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// Compares a text with the snapshot `name`. The place of an error in a proposal does not count.
#[track_caller]
fn assert_printed(name: &str, text: &str) {
    let mut settings = printed::settings();
    settings.add_filter(r"the proposal:\d+:\d+", "the proposal:[PLACE]");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!(name, text);
}

const GOOD: &str = "\
# The interface that every machine has.
[[interface]]
name = \"lo\"
ring = \"1M\"
caplen = 128

[interface.dedup]
enabled = true
age = \"1500us\"

[[recorder]]
queue = \"hpcap0\"
destination = \"/data\"
";

#[test]
fn check_names_each_problem() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hpcap.toml");
    fs::write(&file, GOOD).unwrap();
    let (code, out, _) = run(dir.path(), &["check", "hpcap.toml"]);
    assert_eq!((code, out.as_str()), (0, "hpcap.toml: no problems\n"));
    fs::write(
        &file,
        GOOD.replace("128", "70000").replace("lo", "lo\nnone"),
    )
    .unwrap();
    let (code, out, _) = run(dir.path(), &["check", "hpcap.toml"]);
    assert_eq!(code, 1);
    assert!(
        out.ends_with(" error, 0 warnings\n") || out.ends_with(" errors, 0 warnings\n"),
        "{out}"
    );
    fs::write(&file, GOOD.replace("128", "70000")).unwrap();
    let (code, out, _) = run(dir.path(), &["check", "hpcap.toml", "--json"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("check_json", out);
    fs::write(&file, GOOD.replace("\"lo\"", "\"nowhere0\"")).unwrap();
    let (code, out, _) = run(dir.path(), &["check", "hpcap.toml"]);
    assert_eq!(code, 1);
    assert_printed("check_no_interface", &out);
    assert_eq!(run(dir.path(), &["check", "--syntax", "hpcap.toml"]).0, 0);
}

#[test]
fn check_of_an_unreadable_file_fails() {
    let dir = tempfile::tempdir().unwrap();
    let said = ["missing.toml", "."].map(|file| {
        let (code, _, said) = run(dir.path(), &["check", file]);
        assert_eq!(code, 1);
        said
    });
    insta::assert_snapshot!("check_unreadable", said.join("\n"));
}

#[test]
fn show_prints_the_canonical_form() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hpcap.toml"), GOOD).unwrap();
    insta::assert_snapshot!("show", run(dir.path(), &["show", "hpcap.toml"]).1);
    insta::assert_snapshot!(
        "show_json",
        run(dir.path(), &["show", "--json", "hpcap.toml"]).1
    );
    let full = run(dir.path(), &["show", "--all", "hpcap.toml"]).1;
    fs::write(dir.path().join("full.toml"), &full).unwrap();
    assert_eq!(
        run(dir.path(), &["diff", "hpcap.toml", "full.toml"]).0,
        0,
        "{full}"
    );
}

#[test]
fn import_names_doubtful_lines() {
    let dir = tempfile::tempdir().unwrap();
    let params = "driver_type=ixgbe;\nnif=1;\nifs=hpcap0;\nmode0=3;\nhugesize0=2GB;\n";
    fs::write(dir.path().join("params.cfg"), params).unwrap();
    let (code, out, said) = run(dir.path(), &["import", "params.cfg"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("import", format!("{out}--- stderr\n{said}"));
    assert_eq!(
        run(dir.path(), &["import", "params.cfg", "-o", "new.toml"]).0,
        0
    );
    let (code, _, said) = run(dir.path(), &["import", "params.cfg", "-o", "new.toml"]);
    assert_eq!(code, 1);
    assert_printed("import_into_existing", &said);
    assert_eq!(
        run(
            dir.path(),
            &["import", "params.cfg", "-o", "new.toml", "--force"]
        )
        .0,
        0
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("new.toml")).unwrap(),
        out
    );
}

#[test]
fn diff_names_every_difference() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), GOOD).unwrap();
    let other = GOOD.replace("128", "64").replace("/data", "/other")
        + "rotate_time = \"1h\"\n[monitor]\nenabled = false\n";
    fs::write(dir.path().join("b.toml"), other).unwrap();
    let (code, out, _) = run(dir.path(), &["diff", "a.toml", "b.toml"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("diff", out);
    let (code, out, _) = run(dir.path(), &["diff", "a.toml"]);
    assert_eq!(code, 1);
    assert_eq!(out, "interface lo, queue hpcap0: only in a.toml\n");
}

#[test]
fn diff_compares_with_sysfs() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("hpcap_0_0");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("caplen"), "64\n").unwrap();
    fs::write(folder.join("ring_bytes"), "1048576\n").unwrap();
    fs::write(folder.join("filter"), "# udp\n1\n6 0 0 1\n").unwrap();
    fs::write(dir.path().join("a.toml"), GOOD).unwrap();
    let (code, out, _) = run(dir.path(), &["diff", "a.toml"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("diff_running", out);
}

#[test]
fn new_without_a_terminal_asks_for_yes() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, said) = run(dir.path(), &["new", "-o", "new.toml"]);
    assert_eq!(code, 2);
    assert_printed("new_without_terminal", &said);
    let args = [
        "new",
        "--interface",
        "lo",
        "--ring",
        "1M",
        "--pages",
        "ordinary",
        "--yes",
        "-o",
        "new.toml",
    ];
    let (code, _, said) = run(dir.path(), &args);
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(dir.path(), &["check", "new.toml"]).0, 0);
    let (code, _, said) = run(dir.path(), &args);
    assert_eq!(code, 1);
    assert_printed("new_into_existing", &said);
    let wrong = [
        "new",
        "--interface",
        "lo",
        "--ring",
        "513M",
        "--pages",
        "2M",
        "--yes",
        "--dry-run",
    ];
    let (code, _, said) = run(dir.path(), &wrong);
    assert_eq!(code, 1);
    assert_printed("new_with_wrong_ring", &said);
}

#[test]
fn questions_agree_with_the_original() {
    let mut machine = Machine::default();
    machine.cpus.insert(0, Cpu::default());
    machine.nodes.insert(0, Node::default());
    machine.ports.push(Port {
        name: Some("eth\u{1b}0".into()),
        pci: "03:00.0".parse().ok(),
        ..Port::default()
    });
    let mut asked = Vec::new();
    let answers = "eth0 eth1\nmany\n2\n\n96\nno\n64M\n/data\nn\n";
    let wishes = ask(&machine, &Wishes::default(), answers.as_bytes(), &mut asked).unwrap();
    insta::assert_snapshot!("questions", String::from_utf8(asked).unwrap());
    assert_eq!(
        wishes,
        Wishes {
            interfaces: vec!["eth0".into(), "eth1".into()],
            queues: 2,
            caplen: 96,
            pages: Pages::Ordinary,
            ring_bytes: Some(64 << 20),
            record: Some("/data".into()),
            monitor: false,
            ..Wishes::default()
        }
    );
    let ended = ask(&machine, &Wishes::default(), &b"eth0\n"[..], Vec::new()).unwrap_err();
    assert_printed("questions_without_answers", &ended.to_string());
}
