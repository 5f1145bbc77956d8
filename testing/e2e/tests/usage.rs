//! The command lines of every program: --help, --version, and invalid arguments.

use hpcap_e2e::lab::{Lab, PROGRAMS};
use testkit::process::run;

/// Programs that need no arguments.
const WITHOUT_ARGUMENTS: [&str; 2] = ["hpcap-status", "rxtxcpu"];

/// The program that prints its version as the original of its name does.
const WITH_THE_WORD_VERSION: &str = "rxtxcpu";

#[test]
fn every_program_has_help() {
    let lab = Lab::new();
    for tool in PROGRAMS {
        let help = run(lab.tool(tool).arg("--help")).exits(0);
        assert!(help.out.contains("Usage: "), "{tool}: {}", help.out);
        assert!(
            help.out.contains(&format!("Usage: {tool}")),
            "{tool}: {}",
            help.out
        );
        assert!(help.err.is_empty(), "{tool}: {}", help.err);
        let version = run(lab.tool(tool).arg("--version")).exits(0);
        let word = if tool == WITH_THE_WORD_VERSION {
            " version"
        } else {
            ""
        };
        let expected = format!("{tool}{word} {}", env!("CARGO_PKG_VERSION"));
        assert!(
            version.out.starts_with(&expected),
            "{tool}: {}",
            version.out
        );
    }
}

#[test]
fn invalid_arguments_are_usage_errors() {
    let lab = Lab::new();
    for tool in PROGRAMS {
        for args in [&[][..], &["--no-such-option"]] {
            if args.is_empty() && WITHOUT_ARGUMENTS.contains(&tool) {
                continue;
            }
            let refused = run(lab.tool(tool).args(args)).exits(2);
            assert!(refused.out.is_empty(), "{tool} {args:?}: {}", refused.out);
            assert!(
                refused.err.contains("Usage: "),
                "{tool} {args:?}: {}",
                refused.err
            );
        }
    }
}

/// Command lines that are refused, with words that the error message must contain.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "hpcapd nonsense",
        &["nonsense", "af_packet:INTERFACE", "pcap:FILE", "gen:"],
    ),
    ("hpcapd lo", &["lo is a network interface: -i lo"]),
    ("hpcapd hpcap0", &["hpcapdd QUEUE DEST records"]),
    ("hpcapd status", &["hpcapctl status"]),
    ("hpcapd -w out gen:", &["hpcapdd -i eth0 -w DEST"]),
    ("hpcapd --duration 1m gen:", &["options of the recorder"]),
    ("hpcapd -r x.pcap", &["hpcapd pcap:FILE"]),
    (
        "hpcapd -s some gen:",
        &["captured length \"some\"", "0 keeps"],
    ),
    ("hpcapd --rings 1M gen:", &["'--ring'"]),
    ("hpcapd --quiet --json gen:", &["--json", "--quiet"]),
    ("hpcapd -D gen:", &["--list-interfaces"]),
    ("hpcapd eth0=gen:", &["queue name \"eth0\"", "hpcapN"]),
    (
        "hpcapd hpcap0=gen: hpcap0=gen:",
        &["queue hpcap0", "named twice"],
    ),
    ("hpcapd gen:size=5", &["size=5", "from 14"]),
    ("hpcapd gen:rate=quick", &["rate=quick", "10G"]),
    (
        "hpcapd gen:colour=red",
        &["colour", "size", "rate", "count"],
    ),
    ("hpcapd pcap:", &["name of the file is missing"]),
    (
        "hpcapd af_packet:lo,promisc=perhaps",
        &["promisc=perhaps", "on or off"],
    ),
    ("hpcapd --ring lots gen:", &["--ring", "lots", "64M"]),
    ("hpcapd --pages 3M gen:", &["--pages", "3M", "ordinary"]),
    ("hpcapd --cpu 0,1 gen:", &["--cpu with 2 CPUs", "1 source"]),
    ("hpcapd --kill hpcap0 4", &["hpcapctl kill QUEUE ID"]),
    ("hpcapd --status", &["only serves", "hpcapctl status"]),
    ("hpcapctl kill hpcap0 x", &["'x'", "expected a number"]),
    ("hpcapctl kill eth0 1", &["queue name \"eth0\""]),
    ("hpcapctl status eth0", &["eth0", "hpcapN"]),
    ("hpcapctl status --watch=1ms", &["at least 100ms"]),
    ("hpcapdd hpcap0", &["QUEUE DEST are expected"]),
    ("hpcapdd eth0 null", &["queue name \"eth0\"", "hpcapN"]),
    ("hpcapdd lo null", &["hpcapdd -i lo -w null"]),
    ("hpcapdd gen: null", &["hpcapdd --source gen: null"]),
    ("hpcapdd -i lo", &["-w FOLDER"]),
    ("hpcapdd -w null", &["-i INTERFACE"]),
    ("hpcapdd -i lo -w null -f udp tcp", &["filter already"]),
    ("hpcapdd -i lo --source gen: null", &["--interface"]),
    ("hpcapdd -i hpcap0 --ring 1M null", &["options of hpcapd"]),
    ("hpcapdd -G 60 -i lo -w null", &["--rotate-time"]),
    ("hpcapdd -W 10 -i lo -w null", &["--keep-files"]),
    ("hpcapdd -z gzip -i lo -w null", &["--on-complete"]),
    ("hpcapdd -r x.pcap -w null", &["pcap:FILE"]),
    ("hpcapdd --status", &["hpcapctl status"]),
    ("hpcapdd --from +1s hpcap0 null", &["raw2pcap"]),
    ("hpcapdd --engine-cpu 1 hpcap0 null", &["--recorder-cpu"]),
    ("hpcapdd --snaplan 1 hpcap0 null", &["'--snaplen'"]),
    ("hpcapdd zero 0 null", &["numbers of adapter and queue"]),
    (
        "hpcapdd --source gen: hpcap0 null",
        &["only DEST is expected"],
    ),
    (
        "hpcapdd --source nonsense null",
        &["nonsense", "af_packet:INTERFACE"],
    ),
    (
        "hpcapdd --contract sometimes hpcap0 null",
        &["contract \"sometimes\"", "lossless:5s"],
    ),
    (
        "hpcapdd --start middle hpcap0 null",
        &["start \"middle\"", "oldest"],
    ),
    (
        "hpcapdd --duration soon hpcap0 null",
        &["--duration", "soon", "10s"],
    ),
    (
        "hpcapdd --files 3 hpcap0 null",
        &["--files", "must be a folder"],
    ),
    ("hpcapdd --ring 4M hpcap0 null", &["--source"]),
    (
        "hpcapdd --rotate-size 3G hpcap0 .",
        &["--rotate-size", "2 GiB"],
    ),
    ("hpcapctl --status", &["hpcapctl status"]),
    ("hpcapctl -i lo", &["hpcapdd -i eth0 -w DEST"]),
    ("raw2pcap -o out.pcap", &["Usage: raw2pcap"]),
    (
        "raw2pcap x.pcap",
        &["-o FILE", "hpcapdd --source pcap:x.pcap"],
    ),
    ("raw2pcap -r x -o y", &["need no option"]),
    ("raw2pcap --repair x", &["checkraw --repair"]),
    ("checkraw -o y x", &["raw2pcap converts"]),
    ("checkraw --dry-run", &["Usage: checkraw"]),
    ("hpcap-sniff eth0", &["queue name \"eth0\"", "hpcapN"]),
    ("hpcap-sniff -i hpcap0", &["hpcap-sniff QUEUE [FILTER]"]),
    ("hpcap-sniff -w x hpcap0", &["hpcapdd QUEUE FILE"]),
    ("hpcap-sniff hpcap0 -f tcp udp", &["--filter", "FILTER"]),
    ("hpcap-sniff hpcap0 --log --json", &["--log", "--json"]),
    ("hpcap-sniff hpcap0 -c 0", &["--count", "0"]),
    ("hpcap-status --interval 10ms", &["10ms", "100ms"]),
    ("hpcap-status --once --watch", &["--once", "--watch"]),
    ("hpcap-status -d 1", &["--interval TIME"]),
    ("hpcap-tap eth0 -w x", &["queue name \"eth0\"", "-D lists"]),
    ("hpcap-tap -w x", &["no queue", "hpcap-tap hpcap0"]),
    ("hpcap-tap hpcap0 -w x -w x", &["named twice"]),
    ("hpcap-tap hpcap0 --listen x", &["address \"x\"", "19000"]),
    ("hpcap-tap hpcap0 --format raw", &["pcapng or pcap"]),
    ("hpcap-tap -r x.pcap", &["raw2pcap"]),
    ("hpcap-tap --pdump port=0", &["queue is missing"]),
    ("hpcap-bench send gen:", &["--to"]),
    (
        "rxtxcpu -f nonsense lo",
        &["filter \"nonsense\"", "pcap-filter(7)"],
    ),
    ("rxtxcpu --rotate-size 1G lo", &["--write"]),
    ("hpcap-bench send nonsense --to lo", &["nonsense", "gen:"]),
];

#[test]
fn usage_error_names_valid_values() {
    let lab = Lab::new();
    for (line, words) in REFUSED {
        let mut line = line.split(' ');
        let tool = line.next().unwrap();
        let args: Vec<&str> = line.collect();
        println!("{tool} {args:?}");
        let refused = run(lab.tool(tool).args(&args)).exits(2).says(words);
        assert!(refused.out.is_empty(), "{}", refused.out);
    }
    // The programs have created no files.
    assert_eq!(std::fs::read_dir(lab.dir()).unwrap().count(), 0);
}

/// Each line has the same meaning, with the options of tcpdump or dumpcap and with those of hpcap.
#[test]
fn tcpdump_options_record_the_same() {
    let lab = Lab::new();
    let recorded = |folder: &str, line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        let _ = run(lab.tool("hpcapdd").args(args)).exits(0);
        let out = format!("{folder}.pcap");
        let _ = run(lab.tool("raw2pcap").args(["--quiet", folder, "-w", &out])).exits(0);
        std::fs::read(lab.path(&out)).unwrap()
    };
    let source = "--source gen:size=200,count=500,start=1000000000000000000";
    let ours = recorded("ours", &format!("{source} --caplen 96 --frames 100 ours"));
    assert_eq!(ours.len(), 24 + 100 * (16 + 96));
    for (folder, line) in [
        ("letters", "-s 96 -c 100 -w letters"),
        ("snaplen", "--snaplen 96 -c 100 -w snaplen"),
        ("words", "-s 96 -c 100 -w words udp and not tcp"),
    ] {
        assert!(
            recorded(folder, &format!("{source} {line}")) == ours,
            "{line}"
        );
    }
}

#[test]
fn list_shows_interfaces() {
    let lab = Lab::new();
    for tool in ["hpcapd", "hpcapdd"] {
        let list = run(lab.tool(tool).arg("-D")).exits(0);
        assert!(
            list.out.lines().any(|line| line.starts_with("lo ")),
            "{}",
            list.out
        );
    }
}
