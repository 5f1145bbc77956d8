//! Wrong command lines, in the words of the original.

use rxtxcpu::invocation::NAMES;
use testkit::process::run;

use crate::lab::Lab;

/// Command lines, and what the program says.
const REFUSED: &[(&str, &str)] = &[
    ("rxtxcpu -c 10j", "rxtxcpu: Invalid count '10j'."),
    ("rxtxcpu -c -1", "rxtxcpu: Invalid count '-1'."),
    ("rxtxcpu -l 10j", "rxtxcpu: Invalid cpu list '10j'."),
    ("rxtxcpu -l 2-1", "rxtxcpu: Invalid cpu list '2-1'."),
    ("rxtxcpu -m 10j", "rxtxcpu: Invalid cpu mask '10j'."),
    ("rxtxcpu -d 10j", "rxtxcpu: Invalid direction '10j'."),
    ("rxtxcpu -w", "rxtxcpu: Option '-w' requires an argument."),
    ("rxtxcpu -z", "rxtxcpu: Unrecognized option '-z'."),
    ("rxtxcpu -zv", "rxtxcpu: Unrecognized option '-z'."),
    ("rxtxcpu --zzz", "rxtxcpu: Unrecognized option '--zzz'."),
    (
        "rxtxcpu -l0 -m1",
        "rxtxcpu: -l [--cpu-list] and -m [--cpu-mask] are mutually exclusive.",
    ),
    (
        "rxcpu -l 60000",
        "rxcpu: No configured cpus present in cpu list.",
    ),
    (
        "txcpu -m 1000000000000000000000000000000000000000000",
        "txcpu: No configured cpus present in cpu mask.",
    ),
    (
        "rxtxcpu lo lo2",
        "rxtxcpu: Only one interface argument is allowed (got [ 'lo', 'lo2' ]).",
    ),
    (
        "rxtxnuma -l 60000",
        "rxtxnuma: No configured numa nodes present in numa list.",
    ),
    ("rxnuma -m x", "rxnuma: Invalid numa mask 'x'."),
    ("txqueue -l x lo", "txqueue: Invalid queue list 'x'."),
    (
        "rxtxqueue -l 7 lo",
        "rxtxqueue: No configured queues present in queue list.",
    ),
    (
        "rxtxqueue -l0 -m1 lo",
        "rxtxqueue: -l [--queue-list] and -m [--queue-mask] are mutually exclusive.",
    ),
    (
        "rxtxqueue --cpu-list 0 lo",
        "rxtxqueue: Unrecognized option '--cpu-list'.",
    ),
    (
        "rxtxcpu --format pcap lo",
        "rxtxcpu: --format needs --write.",
    ),
    ("rxtxcpu --ring 1K lo", "rxtxcpu: --ring is from 1M to 2G."),
    (
        "rxtxcpu -l 0 --rotate-size 1M -w - lo",
        "rxtxcpu: Standard output is not rotated.",
    ),
    (
        "rxcpu --xdp lo",
        "rxcpu: --xdp takes what each receive queue has received: use it as rxqueue --xdp.",
    ),
    (
        "rxtxqueue --xdp lo",
        "rxtxqueue: --xdp takes what each receive queue has received: use it as rxqueue --xdp.",
    ),
    (
        "rxqueue --xdp=mode=generic,promisc=on lo",
        "rxqueue: --xdp has no option promisc: use -p.",
    ),
    (
        "rxtxcpu --rotate-size 1 -w x lo",
        "rxtxcpu: --rotate-size is at least 4096 bytes.",
    ),
];

#[test]
fn wrong_line_is_refused_in_known_words() {
    let lab = Lab::new();
    for (line, expected) in REFUSED {
        let (name, rest) = line.split_once(' ').unwrap();
        let refused = run(&mut lab.tool(name, rest)).exits(2);
        assert!(refused.out.is_empty(), "{line}: {}", refused.out);
        let usage = format!("Usage: {name} [--help]");
        let _ = refused.says(&[&format!("{expected}\n"), &usage]);
    }
    let files = std::fs::read_dir(lab.dir()).unwrap().count();
    assert_eq!(files, 1, "the programs have created files");
}

#[test]
fn stdout_is_for_a_single_stream() {
    if crate::lab::cpus().len() < 2 {
        return testkit::skip("several streams need two CPUs");
    }
    let refused = run(&mut Lab::new().tool("rxtxcpu", "-w -")).exits(2);
    assert!(refused.out.is_empty());
    let _ = refused.says(&[
        "rxtxcpu: Write file '-' (stdout) is only permitted when capturing on a single cpu.\n",
        "Usage: rxtxcpu [--help]",
    ]);
}

#[test]
fn every_name_has_help_with_its_own_list() {
    let lab = Lab::new();
    for invocation in NAMES {
        for option in ["-h", "--help"] {
            let help = run(&mut lab.tool(invocation.program, option)).exits(0);
            assert!(help.err.is_empty(), "{}", help.err);
            let list = format!("--{}-list", invocation.subject.word());
            for word in ["Usage: ", invocation.program, "Options:", &list, "--help"] {
                assert!(help.out.contains(word), "{word}: {}", help.out);
            }
        }
        let version = run(&mut lab.tool(invocation.program, "-V")).exits(0);
        let expected = format!(
            "{} version {}",
            invocation.program,
            env!("CARGO_PKG_VERSION")
        );
        assert!(version.out.starts_with(&expected), "{}", version.out);
    }
}

#[test]
fn later_option_replaces_an_earlier_one() {
    let refused = run(&mut Lab::new().tool("rxtxcpu", "-c x -c y")).exits(2);
    let _ = refused.says(&["Invalid count 'y'."]);
}
