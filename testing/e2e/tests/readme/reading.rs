//! The jobs that read a recording.

use crate::job::{Job, has_line};

pub(crate) fn finds_what_was_lost(job: Job) {
    job.record_sample(100);
    let _ = job.finish().exits(0);
    job.record_losses();
    let done = job.finish().exits(3);
    let pattern = "missing in [0-9]+ gaps?: .*nic_missed";
    assert!(has_line(&done.out, pattern), "{}{}", done.out, done.err);
}

pub(crate) fn cuts_a_minute(mut job: Job) {
    job.record_sample(300);
    job.convert();
    let first = job.sh("tcpdump -nn -tt -c 1 -r all.pcap 2>/dev/null");
    let first: u64 = first.split('.').next().unwrap().parse().unwrap();
    let start = job.sh(&format!("date -d @{} +%Y-%m-%dT%H:%M:%S", first + 1));
    job.require_and_replace("2026-11-20T06:17", start.trim());
    job.require_and_replace("1m", "3s");
    let _ = job.finish().exits(0);
    let frames = job.frames("minute.pcapng", "");
    assert!((1..200).contains(&frames), "{frames} of 300 frames");
}

pub(crate) fn gets_one_flow(job: Job) {
    job.record_sample(100);
    let _ = job.finish().exits(0);
    assert_ne!(job.frames("flow.pcapng", "host 192.0.2.7 and port 443"), 0);
    assert_eq!(job.frames("flow.pcapng", "not host 192.0.2.7"), 0);
}

pub(crate) fn reads_comments(job: Job) {
    job.record_losses();
    let _ = job.sh("raw2pcap -q data -o all.pcapng");
    let done = job.finish().exits(0);
    assert!(done.out.contains("nic_missed"), "{}", done.out);
}
