//! Times of frames.

use hpcap_e2e::recording::contents;
use hpcap_e2e::vm::{Vm, Wanted, scaled};

vm_tests!(
    every_frame_has_a_time_of_its_own: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=4M"),
    frames_of_several_processors_are_in_the_order_of_their_times: Wanted::PLAIN.cpus(4),
);

/// Programs on four processors send over one interface, whose frames each processor receives by itself.
fn frames_of_several_processors_are_in_the_order_of_their_times(vm: &Vm) {
    vm.sh("modprobe veth
        ip netns add peer
        ip link add wire type veth peer name send netns peer
        ip link set wire up; ip -n peer link set send up
        ip addr add 10.9.0.1/24 dev wire; ip -n peer addr add 10.9.0.2/24 dev send
        ip -n peer neigh add 10.9.0.1 lladdr $(cat /sys/class/net/wire/address) dev send");
    vm.sh("modprobe hpcap ring_bytes=16M; modprobe hpcap_netdev interfaces=wire:0");
    let recorder = vm.recorder("hpcap0", "raw");
    let frames = scaled(4_000);
    let senders: Vec<_> = (0..4)
        .map(|cpu| {
            vm.background(&format!(
                "ip netns exec peer taskset -c {cpu} bash -c \
                 'exec 3>/dev/udp/10.9.0.1/9; for i in $(seq {frames}); do echo $i >&3 || true; done'"
            ))
        })
        .collect();
    for sender in senders {
        sender.finish();
    }
    vm.end_recorder(recorder, "raw");
    let content = contents(&vm.out("raw"));
    assert_eq!((content.lost, content.damage.len()), (0, 0));
    let times: Vec<_> = content.frames.iter().map(|f| (f.sec, f.nsec)).collect();
    assert!(times.len() as u64 > 2 * frames, "{} frames", times.len());
    let backwards = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert_eq!(backwards, 0, "of {} frames", times.len());
    vm.sh("modprobe -r hpcap_netdev hpcap");
}

/// The 82599 stamps no frame, and the poll thread reads the clock once for each batch. The test prints how far the times
/// are from those at which the frames were due, which includes how punctually a busy host sends them.
fn every_frame_has_a_time_of_its_own(vm: &Vm) {
    const APART_NS: i64 = 50_000;
    let recorder = vm.recorder("hpcap0", "raw");
    let frames = scaled(20_000);
    vm.traffic(0, &format!("gen:size=imix,rate=20kpps,count={frames}"));
    vm.end_recorder(recorder, "raw");
    let content = contents(&vm.out("raw"));
    assert_eq!(content.damage.len(), 0);
    let times: Vec<_> = content
        .frames
        .iter()
        .map(|f| i64::from(f.sec) * 1_000_000_000 + i64::from(f.nsec))
        .collect();
    assert!(times.len() as u64 > frames / 2, "{} frames", times.len());
    let alike = times.windows(2).filter(|pair| pair[1] <= pair[0]).count();

    let due = (0..).map(|n| n * APART_NS);
    let mut late: Vec<_> = times
        .iter()
        .zip(due)
        .map(|(time, due)| time - due)
        .collect();
    late.sort_unstable();
    let median = late[late.len() / 2];
    let mut off: Vec<_> = late.iter().map(|late| late.abs_diff(median)).collect();
    off.sort_unstable();
    let part = |percent: usize| off[off.len() * percent / 101] / 1000;
    println!(
        "{alike} of {} frames are not later than the frame before; off by {} us (p50), {} us (p90), {} us (p99)",
        times.len(),
        part(50),
        part(90),
        part(99)
    );
    assert_eq!(alike, 0, "of {} frames", times.len());
}
