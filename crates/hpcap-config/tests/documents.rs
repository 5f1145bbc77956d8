//! Whole configurations: their canonical form, their checks, and hostile files.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod any;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hpcap_config::check::check;
use hpcap_config::keys::{self, INTERFACE, MONITOR, RECORDER};
use hpcap_config::machine::{Cpu, HugePages, Machine, Node, Port};
use hpcap_config::model::{Config, Interface, Monitor, Recorder};
use hpcap_config::{Document, Level, load, save};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, String> {
    let document = Document::parse("hpcap.toml", text).map_err(|e| e.to_string())?;
    Ok(document.config)
}

proptest! {
    /// The canonical text of any valid configuration is read back as the same configuration.
    #[test]
    fn printed_configuration_reads_back(config in any::config()) {
        let text = config.to_string();
        let read = parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&config), "{}", text);
        prop_assert_eq!(read.unwrap().to_string(), text);
    }

    /// No text makes the parser panic, and each problem has a place in the text.
    #[test]
    fn any_text_is_read_or_refused(text in any::text()) {
        if let Err(problems) = Document::parse("x", &text) {
            let lines = text.split('\n').count();
            prop_assert!(!problems.0.is_empty());
            prop_assert!(problems.0.iter().all(|p| (1..=lines).contains(&p.place.line)));
            let shown = problems.to_string();
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{:?}", shown);
        }
    }
}

#[test]
fn default_of_every_key_is_allowed() {
    for key in INTERFACE {
        let line = key.default().map(|d| format!("{} = {d}\n", key.name));
        let text = format!("[[interface]]\nname = \"e0\"\n{}", line.unwrap_or_default());
        assert_eq!(
            parse(&text).unwrap().interfaces[0].mtu,
            None,
            "{}",
            key.name
        );
    }
    assert!(
        RECORDER
            .iter()
            .all(|k| k.default() == k.literal(&Recorder::default()))
    );
    let monitor: String = MONITOR
        .iter()
        .filter_map(|k| Some(format!("{} = {}\n", k.name, k.default()?)))
        .collect();
    assert_eq!(
        parse(&format!("[monitor]\n{monitor}")).unwrap().monitor,
        Monitor::default()
    );
}

#[test]
fn document_of_the_keys_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("HPCAP_WRITE_DOCS").is_some() {
        fs::write(&path, keys::page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        written,
        keys::page(),
        "HPCAP_WRITE_DOCS=1 writes docs/configuration.md anew"
    );
}

#[test]
fn example_of_the_document_is_valid() {
    let page = keys::page();
    let example: String = page
        .lines()
        .skip_while(|l| !l.starts_with("    [["))
        .take_while(|l| l.is_empty() || l.starts_with("    "))
        .map(|l| format!("{}\n", l.trim()))
        .collect();
    let config = parse(&example).unwrap();
    assert_eq!((config.interfaces.len(), config.recorders.len()), (1, 1));
}

#[test]
fn contradictions_are_reported_with_their_lines() {
    let text = "\
[[interface]]
mac = \"00:1b:21:3c:9d:f8\"
name = \"hpcap0\"
number = 3
cpus = [1, 2]
ring = 1000000

[[interface]]
pci = \"0000:03:00.0\"
mode = \"standard\"
filter = \"udp\"

[[interface]]
name = \"hpcap0\"
engine = \"ixgbevf\"
queues = 3
options = \"direction=in\"
address = \"192.0.2.1/24\"

[[interface]]
poll = \"busy\"

[[interface]]
name = \"eth5\"
number = 0
cpus = [1]
pages = \"2M\"
ring = \"513M\"

[[recorder]]
queue = \"hpcap0\"
destination = \"/data/x.pcap\"
compress = \"gz\"
aligned = true
rotate_size = \"3G\"
cpu = 1

[[recorder]]
queue = \"hpcap0\"
destination = \"/data/x.pcap\"

[monitor]
cpu = 2
";
    insta::assert_snapshot!(parse(text).unwrap_err());
}

/// A machine with two nodes of 16 GiB, two CPUs on each, and a port on node 1.
fn machine() -> Machine {
    let mut machine = Machine::default();
    for cpu in 0..4 {
        machine.cpus.insert(
            cpu,
            Cpu {
                node: cpu / 2,
                core: BTreeSet::from([cpu / 2 * 2, cpu / 2 * 2 + 1]),
                isolated: false,
            },
        );
    }
    for node in 0..2 {
        let pages = HugePages {
            all: 512,
            free: 512,
        };
        machine.nodes.insert(
            node,
            Node {
                memory_bytes: 16 << 30,
                huge_pages: [(2 << 20, pages)].into(),
            },
        );
    }
    machine.ports.push(Port {
        name: Some("eth4".into()),
        pci: "0000:03:00.0".parse().ok(),
        mac: "00:1b:21:3c:9d:f8".parse().ok(),
        node: Some(1),
        driver: Some("ixgbe".into()),
    });
    machine
}

fn compare(text: &str) -> Vec<String> {
    let document = Document::parse("hpcap.toml", text).unwrap();
    let problems = check(&document, Some(&machine()));
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn configuration_is_compared_with_the_machine() {
    let fits = "[[interface]]\npci = \"0000:03:00.0\"\nengine = \"ixgbe\"\ncpus = [2]\nring = \"1G\"\npages = \"2M\"\n";
    assert!(compare(fits).is_empty(), "{:?}", compare(fits));
    let text = "\
[[interface]]
name = \"eth4\"
cpus = [1, 0]
queues = 2
ring = \"1G\"
pages = \"2M\"
[[interface]]
name = \"eth9\"
cpus = [9]
node = 7
[[interface]]
name = \"hpcap8\"
engine = \"ixgbe\"
ring = \"8G\"
pages = \"1G\"
queues = 3
[[interface]]
pci = \"0000:04:00.0\"
ring = \"20G\"
[[interface]]
mac = \"00:1b:21:3c:9d:f9\"
[[recorder]]
queue = \"hpcap0\"
destination = \"/data\"
cpu = 77
";
    insta::assert_snapshot!(compare(text).join("\n"));
}

#[test]
fn doubtful_name_is_a_warning() {
    let document =
        Document::parse("x", "[[interface]]\nname = \"eth4\"\nengine = \"ixgbe\"\n").unwrap();
    let problems = check(&document, Some(&machine()));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].level, Level::Warning);
}

fn refusal(path: &Path) -> String {
    load(path).unwrap_err().to_string()
}

#[test]
fn hostile_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(refusal(dir.path()).contains("it is a folder"));
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refusal(&at("fifo")).contains("not a plain file"));
    assert!(refusal(Path::new("/dev/zero")).contains("not a plain file"));
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    assert!(refusal(&at("loop")).contains("symbolic links"));
    assert!(refusal(&at("missing")).contains("No such file"));
    fs::write(at("latin1"), b"# ok\n# \xe9\n").unwrap();
    assert!(refusal(&at("latin1")).contains("line 2 has bytes that are not UTF-8"));
    let big = fs::File::create(at("big")).unwrap();
    big.set_len(100 << 20).unwrap();
    assert!(refusal(&at("big")).contains("more than 1 MiB"));
    // A long list of brackets must not take the stack.
    fs::write(at("deep"), format!("a = {}", "[".repeat(500_000))).unwrap();
    assert!(!refusal(&at("deep")).is_empty());
}

#[test]
fn hostile_names_are_made_visible() {
    let text =
        "[[interface]]\n\"\\u001b[2J\" = \"\\u202e\u{202e}\"\n[[interface]]\nname = \"eth0\nx\"";
    let shown = parse(text).unwrap_err();
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn file_is_replaced_only_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hpcap.toml");
    save(&path, "a", false).unwrap();
    let refused = save(&path, "b", false).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a");
    save(&path, "b", true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "b");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn queues_have_the_numbers_of_their_interfaces() {
    let text = "[[interface]]\nname = \"eth0\"\nqueues = 2\n[[interface]]\nname = \"hpcap7\"\n[[interface]]\nname = \"e\"\nnumber = 9\n";
    let config = parse(text).unwrap();
    let names = |i| -> Vec<String> {
        config
            .queues_of(i)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(names(0), ["hpcap0", "hpcap0:1"]);
    assert_eq!(names(1), ["hpcap7"]);
    assert_eq!(names(2), ["hpcap9"]);
    let _: &Interface = &config.interfaces[0];
}
