//! Attack: damaged files. Readers report the damage and never crash, and a repair makes nothing
//! worse.

use std::fs;

use hpcap_e2e::attack::attack;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::random::Random;
use hpcap_e2e::recording::{content, files};
use testkit::process::{Finished, run};

/// Damages `bytes` at a random place, in one of the ways in which files break. Returns a
/// description of the damage.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.index(bytes.len());
    let magnitude = random.below(16);
    let length = 1 + random.index(1 << magnitude);
    let end = (at + length).min(bytes.len());
    match random.below(7) {
        0 => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        1 => {
            bytes[at..end].fill_with(|| random.next_u64().to_le_bytes()[0]);
            format!("noise in {at}..{end}")
        }
        2 => {
            bytes[at..end].fill(0);
            format!("zeros in {at}..{end}")
        }
        3 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        4 => {
            bytes.drain(at..end);
            format!("without {at}..{end}")
        }
        5 => {
            let copy = bytes[at..end].to_vec();
            let to = random.index(bytes.len());
            bytes.splice(to..to, copy);
            format!("{at}..{end} again at {to}")
        }
        _ => {
            // The header is wrong: lengths and times of any size.
            let number = random.next_u64() >> random.below(64);
            let end = (at + 8).min(bytes.len());
            bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            format!("{number:#x} at {at}")
        }
    }
}

/// Fails the test unless the program ended by itself, with a documented exit code, and did not
/// panic.
fn is_orderly(done: Finished, what: &str) -> Finished {
    assert!(
        matches!(done.code(), Some(0 | 1)),
        "{what}: {:?} {}",
        done.code(),
        done.err
    );
    done.says(&[])
}

#[test]
fn mutated_files_break_no_tool() {
    let lab = Lab::new();
    let source = "gen:size=imix,count=3000";
    let _ = run(lab
        .tool("hpcapdd")
        .args(["--quiet", "--ring", "1M", "--source", source, "raw"]))
    .exits(0);
    let original = files(&lab.path("raw")).remove(0);
    let sound = fs::read(&original).unwrap();
    let frames = content(&original).frames.len();
    attack("mutated files", |number, random| {
        let mut bytes = sound.clone();
        let mut what = format!("round {number}");
        for _ in 0..=random.below(4) {
            if !bytes.is_empty() {
                what += &format!(", {}", mutate(&mut bytes, random));
            }
        }
        let file = lab.path("1700000000_hpcap0_0.raw");
        fs::write(&file, &bytes).unwrap();
        let name = file.to_str().unwrap();
        let tool = |tool: &str, args: &[&str]| run(lab.tool(tool).args(args).arg(name));
        is_orderly(tool("checkraw", &["--quiet"]), &what);
        is_orderly(
            tool("raw2pcap", &["-q", "--force", "-o", "o.pcapng"]),
            &what,
        );
        assert_eq!(fs::read(&file).unwrap(), bytes, "{what}: readers wrote");
        // A file that cannot be repaired stays as it is. A repaired file has no damage left, and it
        // has no more frames than before, apart from those in repeated byte ranges.
        let repaired = is_orderly(tool("checkraw", &["--quiet", "--repair"]), &what);
        if repaired.code() == Some(0) {
            let _ = tool("checkraw", &["--quiet"]).exits(0);
            let after = content(&file);
            assert!(after.damage.is_empty(), "{what}: {:?}", after.damage);
            assert!(after.frames.len() <= 2 * 4 * frames, "{what}");
        } else {
            assert_eq!(
                fs::read(&file).unwrap(),
                bytes,
                "{what}: refused, yet written"
            );
        }
        for left in fs::read_dir(lab.dir()).unwrap() {
            let left = left.unwrap().path();
            if left.is_file() {
                fs::remove_file(left).unwrap();
            }
        }
    });
}
