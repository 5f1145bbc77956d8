//! Compares every structure, field and constant of the Rust mirror with the C headers.

#![expect(clippy::cast_lossless, reason = "the constants have different types")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use hpcap_sys::abi::*;

/// A structure: name, size, alignment, fields.
type Structure = (
    &'static str,
    usize,
    usize,
    &'static [(&'static str, usize, usize)],
);

macro_rules! structures {
    ($($name:ident),* $(,)?) => {
        [$((
            stringify!($name),
            size_of::<$name>(),
            align_of::<$name>(),
            $name::FIELDS,
        )),*]
    };
}

macro_rules! constants {
    ($($name:ident),* $(,)?) => { [$((stringify!($name), $name as u64)),*] };
}

fn structures() -> Vec<Structure> {
    structures!(
        hpcap_record,
        hpcap_tag,
        hpcap_file_header,
        hpcap_gap,
        hpcap_ledger_tag,
        hpcap_altered,
        hpcap_moment,
        hpcap_block,
        hpcap_listener,
        hpcap_queue,
        hpcap_slot,
        hpcap_attach,
        hpcap_set_ring,
    )
    .into()
}

/// Structures of `kmod/core/` that have another name in Rust.
fn core_structures() -> Vec<Structure> {
    macro_rules! named {
        ($($c:literal: $name:ty),* $(,)?) => {
            vec![$(($c, size_of::<$name>(), align_of::<$name>(), <$name>::FIELDS)),*]
        };
    }
    named!(
        "hpcap_frame": hpcap_sys::Frame<'static>,
        "hpcap_insn": hpcap_sys::filter::Instruction,
        "hpcap_dedup_settings": hpcap_sys::dedup::Settings,
        "hpcap_advrx_desc": hpcap_sys::advrx::Descriptor,
    )
}

/// Constants of `kmod/core/` that have another name in Rust.
fn core_constants() -> Vec<(&'static str, u64)> {
    use hpcap_sys::{BATCH, dedup, filter};
    vec![
        ("HPCAP_BATCH", BATCH as u64),
        ("HPCAP_FILTER_MAX", filter::INSTRUCTIONS_MAX as u64),
        ("HPCAP_DEDUP_AUTO", dedup::AUTO.into()),
        ("HPCAP_DEDUP_DROP", dedup::DROP.into()),
        ("HPCAP_DEDUP_MARK", dedup::MARK.into()),
    ]
}

fn constants() -> Vec<(&'static str, u64)> {
    constants!(
        HPCAP_ABI_VERSION,
        HPCAP_QUEUE_MAGIC,
        HPCAP_SLOT_MAGIC,
        HPCAP_TAG_MAGIC,
        HPCAP_ATTACH_MAGIC,
        HPCAP_SLOTS,
        HPCAP_SLOT_BYTES,
        HPCAP_RECORD_BYTES,
        HPCAP_CAPLEN_MAX,
        HPCAP_RECORD_BYTES_MAX,
        HPCAP_FILE_BYTES_MAX,
        HPCAP_BLOCK_BYTES,
        HPCAP_RING_BYTES_MIN,
        HPCAP_CAPTURED,
        HPCAP_DUPLICATE,
        HPCAP_FILTERED,
        HPCAP_NO_LISTENER,
        HPCAP_RING_FULL,
        HPCAP_NIC_MISSED,
        HPCAP_NIC_ERROR,
        HPCAP_LEDGER_REASONS,
        HPCAP_OVERRUN,
        HPCAP_STORAGE,
        HPCAP_REASONS,
        HPCAP_TAG_VERSION,
        HPCAP_TAG_FILE_HEADER,
        HPCAP_TAG_GAP,
        HPCAP_TAG_LEDGER,
        HPCAP_TAG_DUPLICATE,
        HPCAP_TAG_ALTERED,
        HPCAP_TAG_SENT,
        HPCAP_FILE_DIRECTIONS,
        HPCAP_GAP_OPEN,
        HPCAP_RECORDING_ID_BYTES,
        HPCAP_FILE_HEADER_BYTES_MIN,
        HPCAP_QUEUE_RUNNING,
        HPCAP_QUEUE_ENDED,
        HPCAP_QUEUE_FAILED,
        HPCAP_QUEUE_STOPPED,
        HPCAP_QUEUE_PLAIN,
        HPCAP_QUEUE_LOOK_BACK,
        HPCAP_QUEUE_DIRECTIONS,
        HPCAP_LOSSLESS,
        HPCAP_LOSSY,
        HPCAP_START_FILE,
        HPCAP_START_NEWEST,
        HPCAP_START_OLDEST,
        HPCAP_SLOT_FREE,
        HPCAP_SLOT_STARTING,
        HPCAP_SLOT_ACTIVE,
        HPCAP_SLOT_KILLED,
        HPCAP_SLOT_FINISHED,
        HPCAP_NO_BLOCK,
        HPCAP_OP_OBSERVE,
        HPCAP_OP_ATTACH,
        HPCAP_OP_KILL,
        HPCAP_OP_DEDUP,
        HPCAP_OP_WAKEUP,
        HPCAP_MMAP_QUEUE,
        HPCAP_MMAP_SLOT,
        HPCAP_MMAP_RING,
        HPCAP_IOC_MAGIC,
        HPCAP_IOC_REQUEST,
        HPCAP_IOC_WAIT,
        HPCAP_IOC_RING_FD,
        HPCAP_IOC_SET_RING,
    )
    .into()
}

/// Compiles and runs `program`, which prints lines of `name value`.
fn ask_c(program: &str) -> BTreeMap<String, u64> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("abi.c");
    let binary = dir.path().join("abi");
    std::fs::write(&source, program).unwrap();
    let kmod = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kmod");
    let compiled = Command::new("cc")
        .arg("-I")
        .arg(kmod.join("include/uapi"))
        .arg("-I")
        .arg(kmod.join("core"))
        .args([&source, Path::new("-o"), &binary])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{messages}");
    let output = Command::new(binary).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Compares `structures` and `constants` with the values that the C compiler uses.
fn compare_with_c(headers: &[&str], structures: &[Structure], constants: &[(&str, u64)]) {
    let mut program = String::from("#include <stdio.h>\n#include <stddef.h>\n");
    for header in headers {
        writeln!(program, "#include <{header}>").unwrap();
    }
    program.push_str(
        "#define SAY(name, value) printf(\"%s %llu\\n\", name, (unsigned long long)(value))\n",
    );
    program.push_str("int main(void) {\n");
    let mut expected = BTreeMap::new();
    for (name, size, align, fields) in structures {
        writeln!(program, "SAY(\"{name}\", sizeof(struct {name}));").unwrap();
        writeln!(program, "SAY(\"{name}/align\", _Alignof(struct {name}));").unwrap();
        expected.insert((*name).to_owned(), *size as u64);
        expected.insert(format!("{name}/align"), *align as u64);
        for (field, offset, bytes) in *fields {
            let c = field.trim_start_matches("r#");
            writeln!(
                program,
                "SAY(\"{name}.{c}\", offsetof(struct {name}, {c}));"
            )
            .unwrap();
            writeln!(
                program,
                "SAY(\"{name}.{c}/size\", sizeof(((struct {name} *)0)->{c}));"
            )
            .unwrap();
            expected.insert(format!("{name}.{c}"), *offset as u64);
            expected.insert(format!("{name}.{c}/size"), *bytes as u64);
        }
    }
    for (name, value) in constants {
        writeln!(program, "SAY(\"{name}\", {name});").unwrap();
        expected.insert((*name).to_owned(), *value);
    }
    program.push_str("return 0; }\n");
    assert_eq!(ask_c(&program), expected);
}

#[test]
fn mirror_equals_the_c_header() {
    compare_with_c(&["hpcap.h"], &structures(), &constants());
}

#[test]
fn core_types_equal_their_c_structures() {
    use hpcap_sys::pipeline::Batch;
    let headers = ["pipeline.h", "advrx.h"];
    let mut structures = core_structures();
    // This structure is listed apart, because it has padding and its bytes are never copied out.
    structures.push(("hpcap_pipeline", Batch::BYTES, 8, Batch::FIELDS));
    compare_with_c(&headers, &structures, &core_constants());
}

/// Hidden padding would leak uninitialised bytes when a structure is turned into bytes.
#[test]
fn structures_have_no_padding() {
    for (name, size, _, fields) in structures().into_iter().chain(core_structures()) {
        let mut end = 0;
        for (field, offset, bytes) in fields {
            assert_eq!(*offset, end, "a hole before {name}.{field}");
            end = offset + bytes;
        }
        assert_eq!(end, size, "a hole at the end of {name}");
    }
}

#[test]
fn mirror_has_every_name_of_the_header() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kmod/include/uapi/hpcap.h");
    let header = std::fs::read_to_string(header).unwrap();
    let known: Vec<&str> = constants().iter().map(|(name, _)| *name).collect();
    for line in header.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("struct ")
            && let Some(name) = rest.strip_suffix(" {")
        {
            let found = structures().iter().any(|s| s.0 == name)
                // The type `Count`, which `count_has_two_numbers` checks.
                || name == "hpcap_count";
            assert!(found, "struct {name} is not in crates/hpcap-sys/src/abi.rs");
        }
        let name = line
            .strip_prefix("#define ")
            .unwrap_or(line)
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .next()
            .unwrap_or("");
        let defines = line.starts_with("#define HPCAP_") || line.starts_with("HPCAP_");
        if defines {
            assert!(
                known.contains(&name),
                "{name} is not in crates/hpcap-sys/src/abi.rs, or not tested"
            );
        }
    }
}

#[test]
fn count_has_two_numbers() {
    assert_eq!(size_of::<hpcap_count>(), 16);
    assert_eq!(std::mem::offset_of!(hpcap_count, bytes), 8);
}
