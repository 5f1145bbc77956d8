//! `hpcapctl selftest` with a program that others wrote, on a queue of the kernel module.

use hpcap_e2e::vm::{Vm, Wanted};

vm_tests!(
    frames_of_the_kernels_generator_are_captured: Wanted::PLAIN,
);

/// Sets up the packet generator of Linux for `IF MAC SIZE FRAMES PPS`, runs it, and prints its result
/// (docs/hpcapctl.md).
const SEND: &str = r#"pg=/proc/net/pktgen
echo rem_device_all >$pg/kpktgend_0
echo "add_device $1" >$pg/kpktgend_0
for line in "dst_mac $2" "pkt_size $3" "count $4" "ratep $5"; do echo "$line" >"$pg/$1"; done
echo start >$pg/pgctrl
cat "$pg/$1"
"#;

fn frames_of_the_kernels_generator_are_captured(vm: &Vm) {
    std::fs::write(vm.out("send.sh"), SEND).unwrap();
    vm.sh("modprobe -a veth pktgen; ip link add send type veth peer name wire");
    vm.sh("for i in send wire; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i arp off up; done");
    vm.sh("modprobe hpcap ring_bytes=64M; modprobe hpcap_netdev interfaces=wire:0");
    let selftest = |rest: &str| {
        format!(
            "hpcapctl selftest --only wire --capture hpcap0 --sender pktgen --frames 5000 --pps 2000 --dir /tmp \
            --send 'sh /out/send.sh send '$(cat /sys/class/net/wire/address)' {{size}} {{frames}} {{pps}}{rest}'"
        )
    };
    let said = vm.sh(&selftest(""));
    for size in [60, 1514] {
        let found = format!(
            "5000 frames of {size} bytes sent, 5000 on the wire, 5000 captured: 5000 frames in 1 sound file"
        );
        assert!(said.contains(&found), "{said}");
    }
    // Without the line with the result, the generator may still be sending.
    let said = vm.attempt(
        &selftest(" | grep -v Result"),
        std::time::Duration::from_secs(300),
    );
    let said = (
        said.code,
        String::from_utf8_lossy(&said.stdout).into_owned(),
    );
    assert_eq!(said.0, 1, "{}", said.1);
    assert!(
        said.1.contains("does not say how many frames it has sent"),
        "{}",
        said.1
    );
    vm.sh("modprobe -r hpcap_netdev hpcap");
}
