//! `rxtxcpu` where processors come and go, and where a NIC spreads flows over its queues.

use std::collections::BTreeMap;

use hpcap_e2e::vm::{Vm, Wanted};
use testkit::pcap;

vm_tests!(
    streams_follow_processors_that_come_and_go: Wanted::PLAIN.cpus(4),
    steer_names_the_queue_that_a_flow_reaches: Wanted::PF,
);

/// A stream belongs to its processor again when the processor is online again.
fn streams_follow_processors_that_come_and_go(vm: &Vm) {
    let set = |cpu: u32, online: u32| {
        vm.sh(&format!(
            "echo {online} >/sys/devices/system/cpu/cpu{cpu}/online"
        ));
    };
    let said = |what: &str| vm.until(&format!("grep -q '{what}' /out/said"));
    // The loopback interface receives every frame that it sends, on the processor that sends it.
    let ping = |cpu: u32| {
        vm.sh(&format!(
            "taskset -c {cpu} busybox ping -A -c 3 -q 127.0.0.1"
        ));
    };
    vm.sh("ip link set lo up");
    set(3, 0);
    let capture = vm.background(
        "echo $$ >/out/pid; exec rxtxcpu --verbose -f icmp lo >/out/summary 2>/out/said",
    );
    vm.until("test $(grep -c 'running on cpu' /out/said) = 3");
    ping(2);
    set(2, 0);
    said("cpu2 went offline: other CPUs handle its packets");
    ping(1);
    set(2, 1);
    said("cpu2 is online again");
    ping(2);
    set(3, 1);
    said("cpu3 came online: its packets are not captured");
    ping(3);
    vm.sh("kill -INT $(cat /out/pid)");
    capture.finish();
    assert_eq!(
        vm.sh("cat /out/summary"),
        "0 packets captured on cpu0.\n\
         12 packets captured on cpu1.\n\
         24 packets captured on cpu2.\n\
         36 packets captured total.\n"
    );
}

/// The software NIC computes the hash by itself, from what the driver has written into its registers.
fn steer_names_the_queue_that_a_flow_reaches(vm: &Vm) {
    const QUEUES: u64 = 4;
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap queues=4");
    vm.up("hpcap0");
    let mut expected: BTreeMap<u64, u64> = (0..QUEUES).map(|queue| (queue, 0)).collect();
    let mut frames = Vec::new();
    for number in 0..12 {
        let (source, host) = ([10, 1, number, 1], [10, 2, 0, 1]);
        let (protocol, name) = [(6, "tcp"), (17, "udp")][usize::from(number % 2)];
        let ports = [1000 + u16::from(number), 443];
        let predicted = vm.sh(&format!(
            "rxtxcpu steer hpcap0 {name} 10.1.{number}.1:{} 10.2.0.1:{}",
            ports[0], ports[1]
        ));
        let line = predicted.lines().find(|line| line.starts_with("queue "));
        let line = line.unwrap_or_else(|| panic!("{predicted}"));
        let queue = line["queue ".len()..].split(',').next().unwrap();
        let queue: u64 = queue.trim().parse().unwrap();
        // Each flow has another number of frames, so that no two of them can be mistaken for each other.
        let count = 1 << number;
        *expected.get_mut(&queue).unwrap() += count;
        let frame = packet(protocol, source, host, ports);
        frames.extend((0..count).map(|_| frame.clone()));
    }
    let used = expected.values().filter(|count| **count > 0).count();
    assert!(used > 1, "{expected:?}");
    let file = pcap::File {
        link_type: pcap::ETHERNET,
        nanoseconds: true,
        frames,
        whole: true,
    };
    std::fs::write(vm.out("flows.pcap"), pcap::to_bytes(&file, true)).unwrap();
    vm.traffic(0, &format!("pcap:{}", vm.out("flows.pcap").display()));
    vm.settle();
    let reached: BTreeMap<u64, u64> = (0..QUEUES)
        .map(|queue| {
            let ledger = vm.ledger(&format!("hpcap_0_{queue}"));
            (queue, ledger.values().sum())
        })
        .collect();
    assert_eq!(reached, expected);
    vm.sh("ip link set hpcap0 down; modprobe -r hpcap_ixgbe hpcap");
}

/// Makes a frame of 60 bytes of TCP or UDP.
fn packet(protocol: u8, source: [u8; 4], host: [u8; 4], ports: [u16; 2]) -> pcap::Frame {
    let mut data = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00];
    data.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, protocol, 0, 0]);
    data.extend(source);
    data.extend(host);
    for port in ports {
        data.extend(port.to_be_bytes());
    }
    data.resize(60, 0);
    if protocol == 17 {
        // The length of the UDP packet.
        data[38..40].copy_from_slice(&26_u16.to_be_bytes());
    } else {
        // The length of the TCP header, in words of four bytes.
        data[46] = 5 << 4;
    }
    pcap::Frame {
        sec: 1,
        nsec: 0,
        len: 60,
        data,
    }
}
