//! `hpcap-diag trace` of what it cannot see whole: queueing disciplines, other network namespaces, a kernel that refuses
//! to filter.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hpcap_e2e::lab::Lab;
use hpcap_e2e::tracing::{
    can_trace_or_skips, dropped_by_interface, drops_at, question, repeat_until_whole, start,
    summary,
};
use serde_json::Value;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::packets::ethernet;
use testkit::process::{Process, events, run};
use testkit::skip;
use testkit::wait::wait_until;

#[test]
fn drop_by_a_queueing_discipline_names_it() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        create_veth_pair("trsnd7", "trrcv7", 1500);
        // A thousand bytes a second, and room for some frames that wait.
        let shaper = "qdisc add dev trsnd7 root tbf rate 8kbit burst 1600 limit 3000";
        let done = run(Command::new("tc").args(shaper.split(' ')));
        if done.code() != Some(0) {
            return skip(&format!("this kernel refuses tbf: {}", done.err.trim()));
        }
        let dropped = || {
            let list = run(Command::new("tc").args(["-s", "-j", "qdisc", "show", "dev", "trsnd7"]));
            let list: Value = serde_json::from_str(&list.out).unwrap();
            list[0]["drops"].as_u64().unwrap()
        };
        let mut expected = 0;
        let out = repeat_until_whole(|| {
            let trace = start(&lab, "trsnd7", &["--buffer", "4M"]);
            let before = dropped();
            let sender = FrameSender::visible("trsnd7");
            let sent = (0..40).filter(|_| sender.try_send(&[0xff; 1000]).is_ok());
            assert!(sent.count() < 40);
            expected = dropped() - before;
            trace.interrupt().exits(0).out
        });
        let all = summary(&out);
        let by_shaper = drops_at(&all, "trsnd7", |reason, function| {
            reason.starts_with("QDISC") && function.ends_with("(qdisc tbf)")
        });
        assert!(expected > 30, "{expected}");
        assert_eq!(by_shaper, expected, "{all}");
    });
}

#[test]
fn frame_is_followed_into_another_namespace() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        create_veth_pair("trsnd8", "trrcv8", 1500);
        let elsewhere = Process::spawn(Command::new("unshare").args(["--net", "sleep", "1h"]));
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        let pid = elsewhere.pid().to_string();
        wait_until("another namespace", || {
            namespace(&pid) != namespace("thread-self")
        });
        ip(&format!("link set trrcv8 netns {pid}"));
        let mut up = Command::new("nsenter");
        up.args([
            "--net", "--target", &pid, "ip", "link", "set", "trrcv8", "up",
        ]);
        run(&mut up).exits(0);
        let out = repeat_until_whole(|| {
            let mut trace = start(&lab, "trsnd8", &["--frames", "3", "--buffer", "4M"]);
            let sender = FrameSender::visible("trsnd8");
            wait_until("three journeys are seen", || {
                sender.send(&question());
                !trace.is_running()
            });
            trace.wait().exits(0).out
        });
        let all = summary(&out);
        let missing = all["missing"].to_string();
        assert!(
            missing.contains("trsnd8 leads to trrcv8 in another network namespace"),
            "{missing}"
        );
        // The record of the backlog has the interface there.
        for frame in events(&out).filter(|event| event["event"] == "frame") {
            let taken = frame["steps"].as_array().unwrap();
            let backlog = taken.iter().find(|step| step["step"] == "backlog");
            assert_eq!(backlog.unwrap()["interface"], "trrcv8", "{frame}");
        }
        drop(elsewhere);
    });
}

/// Lets `command` run where the kernel refuses filters of perf events, as a container's rules (seccomp) may.
fn refuse_filters(command: &mut Command) {
    // _IOW('$', 6, char *)
    const SET_FILTER: u32 = 0x4008_2406;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let refusal = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EINVAL).unwrap();
    let rules = [
        // The number of the system call, then the lower half of its second argument.
        step(load, 0, 0, 0),
        step(equal, 0, 3, u32::try_from(libc::SYS_ioctl).unwrap()),
        step(load, 0, 0, 24),
        step(equal, 0, 1, SET_FILTER),
        step(end, 0, 0, refusal),
        step(end, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: between fork and exec only prctl(2) is called, and the kernel copies the rules, which the closure owns.
    unsafe {
        command.pre_exec(move || {
            let mut rules = rules;
            let program = libc::sock_fprog {
                len: 6,
                filter: rules.as_mut_ptr(),
            };
            nix::sys::prctl::set_no_new_privs()?;
            let set = libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            );
            match set {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

#[test]
fn trace_without_filters_has_the_same_drops() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        create_veth_pair("trsnd9", "trrcv9", 1500);
        create_veth_pair("trsnd10", "trrcv10", 1500);
        let out = repeat_until_whole(|| {
            let mut command = lab.tool("hpcap-diag");
            command.args(["trace", "1h", "--json", "--buffer", "4M"]);
            command.args(["--interface", "trrcv9"]);
            refuse_filters(&mut command);
            let mut trace = Process::spawn(&mut command);
            trace.wait_for("tracing for");
            let before = dropped_by_interface("trrcv9");
            let [wanted, other] = ["trsnd9", "trsnd10"].map(FrameSender::visible);
            for _ in 0..20 {
                wanted.send(&ethernet(0x88b5, &[0; 50]));
                other.send(&ethernet(0x88b5, &[0; 50]));
            }
            wait_until("the kernel has dropped all frames", || {
                dropped_by_interface("trrcv9") >= before + 20
            });
            trace.interrupt().exits(0).out
        });
        let all = summary(&out);
        let missing = all["missing"].to_string();
        assert!(missing.contains("refuses to filter records"), "{missing}");
        assert_eq!(drops_at(&all, "trrcv9", |_, _| true), 20, "{all}");
        assert_eq!(drops_at(&all, "trrcv10", |_, _| true), 0, "{all}");
        let waits = &all["interfaces"]["trrcv9"]["times"]["backlog"]["count"];
        assert_eq!(waits, 20, "{all}");
    });
}
