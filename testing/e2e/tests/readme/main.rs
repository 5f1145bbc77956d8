//! The commands of README.md, run as they are written.
//!
//! Each job of the section "How do I" runs on interfaces called eth0 and eth1 in a network namespace of its own,
//! with traffic on them. In its command, a folder of the test replaces /data, tshark replaces Wireshark, and sudo
//! is removed, because the test is root. Some checks replace more, and say so by [`Job::replace`]. Where the README
//! shows the output of a command, the command must print such lines.
//!
//! | module | contents |
//! |---|---|
//! | `document` | what README.md says |
//! | `job` | a job: its folder, its network, its command |
//! | `recording`, `reading` | the checks of the jobs that record, and of those that read a recording |
//! | `shown` | the output that README.md shows |

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod document;
mod job;
mod reading;
mod recording;
mod shown;

use job::Job;

/// Makes a test of each job, and the list of all jobs that have a test.
macro_rules! jobs {
    ($($title:literal => $module:ident::$check:ident,)*) => {
        const JOBS: &[&str] = &[$($title),*];
        $(#[test] fn $check() { Job::check($title, $module::$check); })*
    };
}

jobs! {
    "Rotate every minute, and keep ten files" => recording::rotates_and_keeps_ten_files,
    "Record only port 53, and 128 bytes of each frame" => recording::records_only_port_53,
    "Rotate pcapng on the hour, and compress it" => recording::compresses_pcapng_on_the_hour,
    "Record two interfaces into one file" => recording::records_two_interfaces,
    "Write one pcapng file" => recording::writes_one_pcapng_file,
    "See rates while it records" => recording::shows_rates,
    "Stop after 1 GB" => recording::stops_after_bytes,
    "Look at live traffic in Wireshark" => recording::shows_live_traffic,
    "See which CPU handles which frames" => recording::counts_frames_of_each_cpu,
    "Capture without being root" => recording::captures_without_root,
    "Run it as a service" => recording::runs_as_a_service,
    "Find out what was lost last night" => reading::finds_what_was_lost,
    "Cut a minute out of a recording" => reading::cuts_a_minute,
    "Get one flow out of a recording" => reading::gets_one_flow,
    "Read the comments of frames" => reading::reads_comments,
}

/// README.md has no untested job, and no job is tested that README.md does not have.
#[test]
fn every_job_of_the_readme_has_a_test() {
    let titles: std::collections::BTreeSet<_> =
        document::titles(document::README).into_iter().collect();
    assert_eq!(titles, JOBS.iter().copied().collect());
}

#[test]
fn commands_print_what_the_readme_shows() {
    shown::check();
}
