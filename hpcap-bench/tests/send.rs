//! Tests of `hpcap-bench send` over a veth pair: its counts agree with the frames that arrive.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use hpcap_source::generator::verify;
use hpcap_source::{Source, SourceSpec};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use testkit::captures::real_captures;
use testkit::frames::special_frames;
use testkit::network::{create_veth_pair, in_namespace, ip};
use testkit::process::Process;
use testkit::source::{Harvested, harvest_until, read_frames};
use testkit::wait::wait_until;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpcap-bench"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Sends the frames of `spec`, expects success, and returns the reported outcome.
fn send(spec: &str) -> Value {
    let output = run(&["send", spec, "--to", "snd", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{spec}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn open(spec: &str) -> Box<dyn Source> {
    spec.parse::<SourceSpec>().unwrap().open().unwrap()
}

/// Writes a nanosecond pcap file.
fn write_pcap(path: &Path, link_type: u32, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, link_type] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for frame in frames {
        for word in [1_000_000_000, 0, frame.len() as u32, frame.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(frame);
    }
    std::fs::write(path, file).unwrap();
}

#[test]
fn every_generated_frame_arrives_or_is_counted() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx");
        let sender = std::thread::spawn(|| send("gen:size=imix,rate=200M,count=30000,vlan=5"));
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.len() as u64 + g.missed >= 30_000
        });
        let said = sender.join().unwrap();
        assert_eq!(said["sent"]["frames"], 30_000);
        assert_eq!(said["not_sent"]["late"]["frames"], 0);
        assert_eq!(got.frames.len() as u64 + got.missed, 30_000);
        let stamps: Vec<_> = got
            .frames
            .iter()
            .map(|(data, _)| verify(data).expect("every byte as it was sent"))
            .collect();
        assert!(stamps.is_sorted_by(|a, b| a.seq < b.seq));
        if got.missed == 0 {
            let bytes: usize = got.frames.iter().map(|(data, _)| data.len()).sum();
            assert_eq!(said["sent"]["bytes"], bytes);
        }
    });
}

#[test]
fn sigusr1_tells_what_was_sent_so_far() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 1500);
        let spec = "gen:size=60,rate=1M,late=delay";
        let mut sending = Process::spawn(&mut command(&["send", spec, "--to", "snd", "--json"]));
        wait_until("it has sent frames", || {
            let sent = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            let line = sent
                .lines()
                .find_map(|line| line.trim().strip_prefix("snd:"));
            line.unwrap().split_whitespace().nth(9) != Some("0")
        });
        sending.signal(Signal::SIGUSR1);
        sending.wait_for("sent ");
        let told: Value = serde_json::from_str(&sending.interrupt().exits(0).out).unwrap();
        assert_eq!(told["stopped"], true);
    });
}

#[test]
fn signal_ends_the_wait_for_a_writer() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 1500);
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let source = format!("pcap:{}", pipe.display());
        for end in [Signal::SIGINT, Signal::SIGTERM] {
            let sending = Process::spawn(&mut command(&["send", &source, "--to", "snd"]));
            wait_until("it handles the signal", || sending.catches(end));
            sending.signal(end);
            assert!(sending.wait().exits(0).out.contains("stopped by a signal"));
        }
    });
}

#[test]
fn capture_files_arrive_byte_for_byte() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own.pcap");
        write_pcap(&own, 1, &special_frames());
        let mut source = open("af_packet:rx");
        for path in real_captures(&["pcap", "pcapng"]).into_iter().chain([own]) {
            let said = send(&format!("pcap:{}", path.display()));
            // The kernel drops these frames on receipt: a VLAN tag with too little behind it.
            let cut_tag =
                |f: &[u8]| f.len() < 20 && matches!(f.get(12..14), Some([0x81, 0] | [0x88, 0xa8]));
            let sent: Vec<_> = read_frames(&path)
                .into_iter()
                .filter(|f| (14..=9018).contains(&f.len()))
                .collect();
            assert_eq!(said["sent"]["frames"], sent.len(), "{}", path.display());
            let sent: Vec<_> = sent.into_iter().filter(|f| !cut_tag(f)).collect();
            let mut got = Harvested::default();
            harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= sent.len());
            assert!(
                got.frames.iter().map(|(data, _)| data).eq(&sent),
                "{}",
                path.display()
            );
        }
    });
}

#[test]
fn unsendable_frames_are_counted_by_reason() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        ip("link set snd mtu 1500");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd.pcap");
        let frames = [0, 13, 14, 60, 1514, 1515, 3000, 60].map(|len| vec![7; len]);
        write_pcap(&path, 1, &frames);
        let mut source = open("af_packet:rx");
        let said = send(&format!("pcap:{}", path.display()));
        assert_eq!(said["not_sent"]["too_short"]["frames"], 2);
        assert_eq!(said["not_sent"]["too_short"]["bytes"], 13);
        assert_eq!(said["not_sent"]["too_long"]["frames"], 2);
        assert_eq!(said["not_sent"]["too_long"]["bytes"], 4515);
        assert_eq!(said["sent"]["frames"], 4);
        assert_eq!(said["sent"]["bytes"], 14 + 60 + 1514 + 60);
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| g.frames.len() >= 4);
        let lens: Vec<_> = got.frames.iter().map(|(data, _)| data.len()).collect();
        assert_eq!(lens, [14, 60, 1514, 60]);
    });
}

#[test]
fn signal_ends_sending_with_the_exact_count() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:rx");
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let mut sender = command(&["send", "gen:rate=5000pps", "--to", "snd", "--json"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut got = Harvested::default();
            harvest_until(source.as_mut(), &mut got, |g| g.frames.len() > 100);
            // SAFETY: kill(2) accesses no memory; this test has not waited for its child yet.
            assert_eq!(unsafe { libc::kill(sender.id().cast_signed(), signal) }, 0);
            assert!(sender.wait().unwrap().success());
            let said: Value = serde_json::from_reader(sender.stdout.take().unwrap()).unwrap();
            assert_eq!(said["stopped"], true);
            let sent = said["sent"]["frames"].as_u64().unwrap();
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() as u64 + g.missed >= sent
            });
            assert_eq!(got.frames.len() as u64 + got.missed, sent);
        }
    });
}

#[test]
fn text_output_is_one_line() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let output = run(&["send", "gen:count=7", "--to", "snd"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.starts_with("sent 7 frames, 420 bytes to snd in "),
            "{text}"
        );
        assert_eq!(output.status.code(), Some(0));
    });
}

#[test]
fn cut_file_is_sent_up_to_the_cut() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.pcap");
        write_pcap(&path, 1, &special_frames());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let output = run(&[
            "send",
            &format!("pcap:{}", path.display()),
            "--to",
            "snd",
            "--json",
        ]);
        assert_eq!(output.status.code(), Some(1));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["sent"]["frames"], special_frames().len() - 1);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            errors.starts_with("hpcap-bench: cannot ") && errors.contains("cut.pcap"),
            "{errors}"
        );
    });
}

#[test]
fn exit_codes_and_messages() {
    let folder = tempfile::tempdir().unwrap();
    let raw_ip = folder.path().join("raw.pcap");
    write_pcap(&raw_ip, 101, &[]);
    let raw_ip = format!("pcap:{}", raw_ip.display());
    for (arguments, code, words) in [
        (&["send"][..], 2, "--to"),
        (
            &["send", "eth0", "--to", "lo"],
            2,
            "hpcap-bench: source \"eth0\"",
        ),
        (&["send", "gen:size=5", "--to", "lo"], 2, "size=5"),
        (&["send", &raw_ip, "--to", "lo"], 2, "link type 101"),
        (
            &["send", "gen:count=1", "--to", "no-such-if"],
            1,
            "\"no-such-if\"",
        ),
        (&["send", "pcap:/no/such", "--to", "lo"], 1, "/no/such"),
        (&["--help"], 0, ""),
        (&["--version"], 0, ""),
    ] {
        let output = run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}

#[test]
fn interface_that_is_down_is_an_error() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        ip("link set snd down");
        let output = run(&["send", "gen:count=7", "--to", "snd"]);
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            errors.contains("send to snd") && errors.contains("ip link show snd"),
            "{errors}"
        );
        assert!(output.stdout.is_empty());
    });
}
