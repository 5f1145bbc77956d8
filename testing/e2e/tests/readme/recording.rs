//! The jobs that record.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap_e2e::lab::binary;
use nix::unistd::{Group, User};
use testkit::skip;
use testkit::wait::wait_until;

use crate::job::{Job, files_below, has_line, wait_for_line};

/// Sizes in bytes of the parts of a pcap file.
const PCAP_FILE_HEADER: u64 = 24;
const PCAP_FRAME_HEADER: u64 = 16;

pub(crate) fn rotates_and_keeps_ten_files(mut job: Job) {
    job.require_and_replace("1m", "300ms");
    let recorder = job.start();
    wait_for_line(&recorder, "file deleted: .*keep-files");
    let _ = recorder.interrupt().exits(0);
    // The last file was still being written when the ten files before it were counted.
    let count = job.count_files(".raw");
    assert!((10..=11).contains(&count), "{count} files");
}

pub(crate) fn records_only_port_53(job: Job) {
    let recorder = job.start();
    job.wait_for_stored_frames();
    let _ = recorder.interrupt().exits(0);
    job.convert();
    assert_ne!(job.frames("all.pcap", "port 53"), 0);
    assert_eq!(job.frames("all.pcap", "not port 53"), 0);
    let frames = job.frames("all.pcap", "");
    let bytes = fs::metadata(job.path("all.pcap")).unwrap().len();
    assert_eq!(bytes, PCAP_FILE_HEADER + frames * (PCAP_FRAME_HEADER + 128));
}

pub(crate) fn compresses_pcapng_on_the_hour(mut job: Job) {
    job.require_and_replace("1h", "1s");
    let recorder = job.start();
    wait_until("two compressed files", || {
        job.count_files(".pcapng.zst") >= 2
    });
    let _ = recorder.interrupt().exits(0);
    let files = files_below(&job.data(), ".zst");
    let _ = job.sh(&format!(
        "zstd -dcq {} >one.pcapng",
        files.last().unwrap().display()
    ));
    assert_ne!(job.frames("one.pcapng", ""), 0);
}

pub(crate) fn records_two_interfaces(job: Job) {
    let recorder = job.start();
    wait_until("ten frames", || job.frames("both.pcapng.part", "") >= 10);
    let _ = recorder.interrupt().exits(0);
    for interface in ["eth0", "eth1"] {
        let frames = job.sh(&format!(
            "tshark -r both.pcapng -Y 'frame.interface_name == {interface}' 2>/dev/null"
        ));
        assert_ne!(frames, "", "no frame of {interface}");
    }
}

pub(crate) fn writes_one_pcapng_file(job: Job) {
    let recorder = job.start();
    wait_until("ten frames", || job.frames("out.pcapng.part", "") >= 10);
    let _ = recorder.interrupt().exits(0);
    assert_ne!(job.frames("out.pcapng", ""), 0);
}

pub(crate) fn shows_rates(job: Job) {
    let recorder = job.start();
    wait_for_line(&recorder, "^2 s .*pps");
    let _ = recorder.interrupt().exits(0);
}

pub(crate) fn stops_after_bytes(mut job: Job) {
    job.require_and_replace("1GB", "20KB");
    let _ = job.finish().exits(0);
    job.convert();
    let bytes = fs::metadata(job.path("all.pcap")).unwrap().len();
    assert!((15_000..=30_000).contains(&bytes), "{bytes} bytes");
}

pub(crate) fn shows_live_traffic(mut job: Job) {
    job.require_and_replace("wireshark -k -i -", "tshark -i - -c 20");
    let done = job.finish().exits(0);
    assert!(has_line(&done.out, "UDP"), "{}", done.out);
}

pub(crate) fn counts_frames_of_each_cpu(job: Job) {
    let capture = job.start();
    let frames = || -> u64 {
        let files = files_below(&job.path(""), ".pcap");
        files
            .iter()
            .map(|file| job.frames(&file.display().to_string(), ""))
            .sum()
    };
    wait_until("ten frames", || frames() >= 10);
    let ended = capture.interrupt().exits(0);
    let stored = frames();
    let total = format!("^{stored} packets captured total");
    assert!(has_line(&ended.out, &total), "{stored}: {}", ended.out);
}

pub(crate) fn captures_without_root(mut job: Job) {
    let bin = job.path("bin");
    fs::create_dir(&bin).unwrap();
    let tools = binary("hpcapdd").parent().unwrap().to_owned();
    job.require_and_replace("target/release/", &format!("{}/", tools.display()));
    job.require_and_replace("/usr/local/bin/", &format!("{}/", bin.display()));
    if Group::from_name("hpcap").unwrap().is_none() {
        job.require_and_replace("-g hpcap", "-g nogroup");
    }
    let _ = job.finish().exits(0);
    let_nobody_write(&job);
    let group = fs::metadata(bin.join("hpcapdd")).unwrap().gid();
    let (program, data) = (bin.join("hpcapdd"), job.data());
    let (program, data) = (program.display(), data.display());
    let as_nobody = |group: u32, line: &str| {
        format!("exec setpriv --reuid=nobody --regid={group} --clear-groups sh -c '{line}'")
    };
    job.command = as_nobody(group, &format!("{program} -i eth0 -w {data} -c 10"));
    let _ = job.finish().exits(0);
    assert!(job.count_files(".raw") >= 1);
    // Other users cannot start the program. Their shell tries it, because setpriv still has root's privileges.
    job.command = as_nobody(1, &format!("{program} --version"));
    let _ = job.finish().exits(126);
}

pub(crate) fn runs_as_a_service(mut job: Job) {
    assert_eq!(job.command, "systemctl enable --now hpcapdd@eth0");
    let hpcapdd = binary("hpcapdd").display().to_string();
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/hpcapdd@.service");
    let unit = fs::read_to_string(source)
        .unwrap()
        .replace("/usr/local/bin/hpcapdd", &hpcapdd);
    let copy = job.path("hpcapdd@eth0.service");
    fs::write(&copy, &unit).unwrap();
    verify(&copy);
    // No service manager runs here, so the test runs the unit's line with the user and the capability of the unit.
    let line = setting(&unit, "ExecStart=");
    let options = setting(&unit, "Environment=\"OPTIONS=");
    let line = line.replace("%i", "eth0").replace("%I", "eth0");
    let line = line.replace("$OPTIONS", options.trim_end_matches('"'));
    job.command = format!(
        "exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=-all,+net_raw \
         --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw {line}"
    );
    let data = job.data().display().to_string();
    job.require_and_replace("/var/lib/hpcap/eth0", &data);
    job.require_and_replace("5%%", "1M");
    let_nobody_write(&job);
    let recorder = job.start();
    job.wait_for_stored_frames();
    let _ = recorder.interrupt().exits(0);
    assert!(job.count_files(".raw") >= 1);
}

/// Returns the rest of the line of a unit that begins with `start`.
fn setting<'a>(unit: &'a str, start: &str) -> &'a str {
    let mut lines = unit.lines().filter_map(|line| line.strip_prefix(start));
    lines
        .next()
        .unwrap_or_else(|| panic!("the unit has no {start}"))
}

/// Fails the test if systemd refuses the unit.
fn verify(unit: &PathBuf) {
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(unit)
        .output();
    let Ok(verified) = verified else {
        return skip("verifying the unit takes systemd-analyze");
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{said}");
}

/// Lets the user nobody reach the folder of the job, and write the recording.
fn let_nobody_write(job: &Job) {
    fs::set_permissions(job.path("."), Permissions::from_mode(0o755)).unwrap();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    chown(job.data(), Some(nobody.uid.as_raw()), None).unwrap();
}
