//! Tests of `hpcap-diag decode` with a module that gcc makes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod printed;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap_diag::decode::decode;
use support::{healthy, pack};

/// The lines of the faults are marked, and found by these marks.
const SOURCE: &str = "\
static inline __attribute__((always_inline)) int deeper(volatile int *p)
{
	return *p; /* the fault */
}
__attribute__((noinline, section(\".init.text\"))) int hpcap_start(volatile int *p)
{
	return *p + 1; /* the start */
}
__attribute__((noinline)) int hpcap_padding(volatile int *p)
{
	return p[1] - p[2] + p[3];
}
__attribute__((noinline)) int hpcap_poll(volatile int *p)
{
	p[7] = 1;
	return deeper(p) * 3; /* the caller */
}
";

/// Runs a program of the compiler.
fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let ended = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    String::from_utf8(ended.stdout).unwrap()
}

/// What a program makes of a file, on its standard output.
fn run_binary(program: &str, file: &Path) -> Vec<u8> {
    let mut command = Command::new(program);
    // The kernel reads only xz with this check, so that modules have it.
    let options: &[&str] = match program {
        "xz" => &["--check=crc32", "--lzma2=dict=1MiB"],
        _ => &[],
    };
    let ended = command.args(options).arg("-c").arg(file).output().unwrap();
    assert!(ended.status.success(), "{program}");
    ended.stdout
}

/// A folder with `hpcap.ko`.
struct Built {
    dir: tempfile::TempDir,
}

impl Built {
    fn new(source: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("extra")).unwrap();
        fs::write(dir.path().join("poll.c"), source).unwrap();
        let built = Self { dir };
        run(
            "gcc",
            &["-g", "-O1", "-fno-pie", "-c", "poll.c", "-o", "poll.o"],
            built.path(),
        );
        let link = ["-r", "--build-id=sha1", "poll.o", "-o", "extra/hpcap.ko"];
        run("ld", &link, built.path());
        built
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.path().to_owned()]
    }

    /// Size of a function.
    fn size(&self, function: &str) -> u64 {
        let symbols = run("nm", &["-S", "extra/hpcap.ko"], self.path());
        let line = symbols
            .lines()
            .find(|line| line.ends_with(&format!(" {function}")))
            .unwrap();
        u64::from_str_radix(line.split(' ').nth(1).unwrap(), 16).unwrap()
    }

    fn build_id(&self) -> String {
        let notes = run("readelf", &["-n", "extra/hpcap.ko"], self.path());
        notes
            .split("Build ID: ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    }

    /// Returns what each byte of `function` is decoded to.
    fn decoded(&self, function: &str, line: &str) -> Vec<String> {
        let size = self.size(function);
        let at = |offset: u64| {
            let log = format!(
                "{line}{function}+{offset:#x}/{size:#x} [hpcap {}]",
                self.build_id()
            );
            let decoded = decode(&log, &self.folders());
            assert_eq!((decoded.found, decoded.decoded), (1, 1), "{}", decoded.text);
            decoded.text
        };
        (0..size).map(at).collect()
    }
}

/// Compares what a log is decoded to with the snapshot `name`.
#[track_caller]
fn assert_decoded(name: &str, text: &str) {
    let mut settings = printed::settings();
    settings.add_filter("0x[0-9a-f]+", "[NUMBER]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Number of the line of `SOURCE` that contains `mark`.
fn line_of(mark: &str) -> usize {
    SOURCE.lines().position(|line| line.contains(mark)).unwrap() + 1
}

#[test]
fn inlined_function_is_named_with_its_caller() {
    let texts = Built::new(SOURCE).decoded("hpcap_poll", "RIP: 0010:");
    let inner = format!("poll.c:{} in deeper, inlined into\n", line_of("the fault"));
    let outer = format!("poll.c:{} in hpcap_poll\n", line_of("the caller"));
    let is_whole = |text: &&String| text.contains(&inner) && text.contains(&outer);
    assert!(texts.iter().any(|text| is_whole(&text)), "{texts:#?}");
}

#[test]
fn compressed_module_is_read() {
    let built = Built::new(SOURCE);
    let plain = built.path().join("extra/hpcap.ko");
    let size = built.size("hpcap_poll");
    let log = format!(
        "RIP: 0010:hpcap_poll+0x1/{size:#x} [hpcap {}]",
        built.build_id()
    );
    let expected = decode(&log, &built.folders());
    assert_eq!(expected.decoded, 1, "{}", expected.text);
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst"), ("xz", "xz")] {
        if Command::new(program).arg("--version").output().is_err() {
            testkit::skip(&format!("{program} is not installed"));
            continue;
        }
        let file = plain.with_extension(format!("ko.{ending}"));
        let bytes = run_binary(program, &plain);
        fs::write(&file, &bytes).unwrap();
        let hidden = built.path().join("hidden");
        fs::rename(&plain, &hidden).unwrap();
        let decoded = decode(&log, &built.folders());
        assert_eq!(decoded.text, expected.text, "{program}");
        // A file that is cut is named, and does no harm.
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let cut = decode(&log, &built.folders());
        assert_eq!((cut.found, cut.decoded), (1, 0), "{}", cut.text);
        let said = format!("extra/hpcap.ko.{ending}: cannot be read: ");
        assert!(cut.text.contains(&said), "{}", cut.text);
        fs::remove_file(&file).unwrap();
        fs::rename(&hidden, &plain).unwrap();
    }
}

/// Functions of both sections start at address 0.
#[test]
fn functions_of_other_sections_are_told_apart() {
    let built = Built::new(SOURCE);
    let line = format!("poll.c:{} in hpcap_start\n", line_of("the start"));
    let of_start = built.decoded("hpcap_start", "RIP: 0010:");
    assert!(
        of_start.iter().any(|text| text.contains(&line)),
        "{of_start:#?}"
    );
    let of_padding = built.decoded("hpcap_padding", "RIP: 0010:");
    assert!(
        of_padding
            .iter()
            .all(|text| text.contains("in hpcap_padding\n")),
        "{of_padding:#?}"
    );
}

/// A return address belongs to the call before it.
#[test]
fn call_traces_name_the_call() {
    let built = Built::new(SOURCE);
    let exact = built.decoded("hpcap_poll", "RIP: 0010:");
    let trace = built.decoded("hpcap_poll", " ? ");
    let places = |text: &String| text.split_once('\n').unwrap().1.to_owned();
    for offset in 1..exact.len() {
        assert_eq!(places(&trace[offset]), places(&exact[offset - 1]));
    }
}

#[test]
fn other_build_is_refused_by_its_id() {
    let built = Built::new(SOURCE);
    let (size, wanted) = (built.size("hpcap_poll"), "0".repeat(40));
    let log = format!("RIP: 0010:hpcap_poll+0x1/{size:#x} [hpcap {wanted}]");
    let decoded = decode(&log, &built.folders());
    assert_eq!((decoded.found, decoded.decoded), (1, 0));
    assert!(decoded.text.contains(&built.build_id()), "{}", decoded.text);
    assert_decoded("other_build_id", &decoded.text);
}

#[test]
fn other_build_is_refused_by_its_functions() {
    let built = Built::new(SOURCE);
    for (name, place) in [
        ("function_of_another_size", "hpcap_poll+0x1/0x9999"),
        ("missing_function", "hpcap_gone+0x1/0x20"),
    ] {
        let decoded = decode(&format!("{place} [hpcap]"), &built.folders());
        assert_decoded(name, &decoded.text);
    }
}

#[test]
fn stripped_module_is_named() {
    let built = Built::new(SOURCE);
    run("strip", &["--strip-debug", "extra/hpcap.ko"], built.path());
    let decoded = decode("hpcap_poll+0x1/0x20 [hpcap]", &built.folders());
    assert_decoded("stripped_module", &decoded.text);
}

#[test]
fn missing_module_says_where_it_was_searched() {
    let dir = tempfile::tempdir().unwrap();
    let folders = vec![dir.path().to_owned()];
    let decoded = decode("hpcap_read+0x1/0x20 [hpcap_netdev]", &folders);
    assert_decoded("missing_module", &decoded.text);
}

#[test]
fn damaged_modules_are_no_panic() {
    let built = Built::new(SOURCE);
    let path = built.path().join("extra/hpcap.ko");
    let good = fs::read(&path).unwrap();
    let log = format!("hpcap_poll+0x1/{:#x} [hpcap]", built.size("hpcap_poll"));
    for n in 0..400 {
        let mut bad = good.clone();
        let at = (n * 7919) % bad.len();
        bad[at..].iter_mut().take(4).for_each(|byte| *byte ^= 0xff);
        bad.truncate(good.len() - (n % 3) * n);
        fs::write(&path, bad).unwrap();
        assert_eq!(decode(&log, &built.folders()).found, 1);
    }
}

/// Lines of a log may hold anything that somebody made the kernel print.
#[test]
fn lines_of_the_log_cannot_control_a_terminal() {
    let decoded = decode(
        "BUG: \x1b]0;x\x07 hpcap_poll+0x1/0x20 [hpcap]",
        &[PathBuf::from("/nowhere")],
    );
    assert_decoded("control_characters", &decoded.text);
}

/// The kernel prints build ids in call traces only.
#[test]
fn build_id_of_a_call_trace_holds_for_all_lines() {
    let built = Built::new(SOURCE);
    let (size, wanted) = (built.size("hpcap_poll"), "0".repeat(40));
    let log = format!(
        "RIP: 0010:hpcap_poll+0x1/{size:#x} [hpcap]\n hpcap_poll+0x2/{size:#x} [hpcap {wanted}]"
    );
    let decoded = decode(&log, &built.folders());
    assert_eq!((decoded.found, decoded.decoded), (2, 0), "{}", decoded.text);
}

#[test]
fn places_outside_of_a_function_are_refused() {
    let built = Built::new(SOURCE);
    let size = built.size("hpcap_poll");
    let log = format!("hpcap_poll+0xffffffffffffffff/{size:#x} [hpcap]");
    let decoded = decode(&log, &built.folders());
    assert_decoded("place_outside_of_its_function", &decoded.text);
}

#[test]
fn log_of_a_collection_is_decoded() {
    let built = Built::new(SOURCE);
    let size = built.size("hpcap_poll");
    let mut bundle = healthy();
    let log = format!("Oops: 0002\nRIP: 0010:hpcap_poll+0x1/{size:#x} [hpcap]\n");
    bundle.insert("kernel-log", log.into_bytes());
    let tarball = built.path().join("probe.tar.gz");
    pack(&bundle, &tarball, |_| {});
    let ended = Command::new(env!("CARGO_BIN_EXE_hpcap-diag"))
        .arg("decode")
        .arg(&tarball)
        .arg("--symbols")
        .arg(built.path())
        .output()
        .unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(
        ended.status.success() && text.starts_with("Oops: 0002\nRIP: 0010:hpcap_poll"),
        "{text}"
    );
    assert!(text.contains("in hpcap_poll\n"), "{text}");
}

#[test]
fn log_without_our_modules_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "BUG: kernel NULL pointer\n other+0x1/0x20 [ixgbe]\n").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_hpcap-diag"));
    let ended = program.arg("decode").arg(&log).output().unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0));
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_decoded("log_without_our_modules", &errors);
}
