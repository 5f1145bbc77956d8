//! Traces of known frames on a veth pair, for the tests of `hpcap-diag trace`.

use serde_json::Value;
use testkit::network::{create_veth_pair, ip};
use testkit::packets::{ethernet, ipv4, udp};
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

use crate::lab::Lab;

/// A port that no program has.
pub const CLOSED: u16 = 4243;

/// Whether this kernel lets a process trace; skips the test otherwise.
#[must_use]
pub fn can_trace_or_skips(lab: &Lab) -> bool {
    if !is_root_or_skips("tracepoints of the kernel") {
        return false;
    }
    let done = run(lab.tool("hpcap-diag").args(["trace", "100ms", "--json"]));
    if done.code() != Some(0) {
        skip(&format!("this kernel cannot trace: {}", done.err.trim()));
    }
    done.code() == Some(0)
}

/// A veth pair whose receiving end `name` has the address 198.51.100.1.
pub fn veth(sender: &str, name: &str) {
    create_veth_pair(sender, name, 1500);
    ip(&format!("link set {name} address 02:00:00:00:00:01"));
    ip(&format!("addr add 198.51.100.1/24 dev {name}"));
    ip(&format!(
        "neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev {name}"
    ));
}

/// A frame with a datagram for `port` of that address.
#[must_use]
pub fn frame(port: u16) -> Vec<u8> {
    let mut packet = ipv4(17, &udp(4000, port, b"hello, trace"));
    packet[12..16].copy_from_slice(&[198, 51, 100, 2]);
    packet[16..20].copy_from_slice(&[198, 51, 100, 1]);
    packet[10..12].fill(0);
    let words = packet[..20]
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    // The kernel does not check a datagram without a checksum.
    packet[26..28].fill(0);
    let mut frame = ethernet(0x0800, &packet);
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame
}

/// A frame that asks for the hardware address of another machine (ARP). The kernel frees it in the softirq that receives
/// it, with a record. A datagram for a program would do less well: since Linux 6.18, whether the kernel reports its end
/// depends on the CPU that the program runs on.
#[must_use]
pub fn question() -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend([2, 0, 0, 0, 0, 2, 198, 51, 100, 2]);
    arp.extend([0, 0, 0, 0, 0, 0, 203, 0, 113, 7]);
    arp.resize(46, 0);
    let mut frame = ethernet(0x0806, &arp);
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame
}

/// Starts a trace of `name` that goes on until it is interrupted, and returns when it runs.
#[must_use]
pub fn start(lab: &Lab, name: &str, more: &[&str]) -> Process {
    let mut command = lab.tool("hpcap-diag");
    command
        .args(["trace", "1h", "--json", "--interface", name])
        .args(more);
    let mut trace = Process::spawn(&mut command);
    trace.wait_for("tracing for");
    trace
}

/// Repeats `trace` until it has lost no record, and returns what it has printed. On a machine that is busy with other
/// frames, records are lost, and steps with them.
#[must_use]
pub fn repeat_until_whole(mut trace: impl FnMut() -> String) -> String {
    let mut out = String::new();
    wait_until("a trace loses no record", || {
        out = trace();
        summary(&out)["lost"] == 0
    });
    out
}

/// Frames that no protocol of the kernel wanted, as the interface counts them.
#[must_use]
pub fn dropped_by_interface(name: &str) -> u64 {
    let links: Value = serde_json::from_str(&ip(&format!("-s -j link show dev {name}"))).unwrap();
    links[0]["stats64"]["rx"]["dropped"].as_u64().unwrap()
}

/// The last line of a trace: all numbers.
#[must_use]
pub fn summary(out: &str) -> Value {
    events(out).next_back().unwrap()
}

/// The kinds of drops at an interface.
pub fn kinds_at<'a>(all: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let kinds = all["drops"].as_array().unwrap().iter();
    kinds.filter(move |kind| kind["interface"] == name)
}

/// The number of drops at an interface whose reason and function are the wanted ones.
#[must_use]
pub fn drops_at(all: &Value, name: &str, is_wanted: impl Fn(&str, &str) -> bool) -> u64 {
    let text = |value: &'_ Value| value.as_str().unwrap().to_owned();
    kinds_at(all, name)
        .filter(|kind| is_wanted(&text(&kind["reason"]), &text(&kind["function"])))
        .map(|kind| kind["drops"].as_u64().unwrap())
        .sum()
}

/// Frames that an interface has sent, which its driver has then given to the network stack of the other end.
#[must_use]
pub fn sent_by_interface(name: &str) -> u64 {
    let links: Value = serde_json::from_str(&ip(&format!("-s -j link show dev {name}"))).unwrap();
    links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}
