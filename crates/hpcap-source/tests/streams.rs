//! Tests of streams: each frame is in the stream of the CPU, queue or node that handled it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hpcap_host::process::run_on_cpu;
use hpcap_host::{Cpus, Tree};
use hpcap_source::af_packet::streams::{Rule, Stream, Streams, StreamsSpec};
use hpcap_source::af_packet::{AfPacketSpec, Direction};
use testkit::network::{FrameSender, in_namespace, ip};
use testkit::tap::Tap;
use testkit::wait::wait_until;

fn spec(interface: &str, rule: Rule, streams: u32) -> StreamsSpec {
    StreamsSpec {
        capture: AfPacketSpec {
            block_bytes: 128 << 10,
            blocks: 8,
            ..AfPacketSpec::new(interface)
        },
        rule,
        streams,
        wanted: (0..streams).collect(),
        filter: Vec::new(),
        caplen: 0,
    }
}

/// Number of streams for every CPU of this machine.
fn cpus() -> u32 {
    let cpus = Cpus::read(&Tree::machine());
    cpus.all.last().unwrap().number + 1
}

fn send_on_loopback(cpu: u32, datagrams: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            run_on_cpu(cpu as usize).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = socket.local_addr().unwrap();
            for _ in 0..datagrams {
                socket.send_to(b"to this stream", to).unwrap();
            }
        });
    });
}

/// Frames of each stream: received and sent.
type Counts = BTreeMap<u32, (usize, usize)>;

/// Waits until all streams together have `total` frames, and stops them. Returns what they have.
fn collect(streams: &mut Streams, total: usize) -> Counts {
    let (stop, _other) = UnixStream::pair().unwrap();
    let mut counts: Counts = streams
        .streams
        .iter()
        .map(|s| (s.number(), (0, 0)))
        .collect();
    let sum = |counts: &Counts| counts.values().map(|(rx, tx)| rx + tx).sum::<usize>();
    let mut take = |counts: &mut Counts| {
        for stream in &mut streams.streams {
            let count = counts.get_mut(&stream.number()).unwrap();
            for frame in stream.harvest().unwrap().frames() {
                match frame.outgoing {
                    true => count.1 += 1,
                    false => count.0 += 1,
                }
            }
            stream.wait(Duration::ZERO, Some(stop.as_fd())).unwrap();
        }
    };
    wait_until("all frames are in their streams", || {
        take(&mut counts);
        sum(&counts) >= total
    });
    for stream in &mut streams.streams {
        stream.close_intake().unwrap();
    }
    wait_until("the streams are drained", || {
        for stream in &mut streams.streams {
            let more = stream.harvest().unwrap();
            assert!(more.is_empty(), "more than {total} frames");
            stream.wait(Duration::ZERO, Some(stop.as_fd())).unwrap();
        }
        streams.streams.iter().all(Stream::is_drained)
    });
    assert!(streams.streams.iter().all(|stream| stream.lost() == 0));
    counts
}

#[test]
fn frames_are_in_the_stream_of_their_cpu() {
    in_namespace(|| {
        ip("link set lo up");
        for cpu in Cpus::read(&Tree::machine()).all {
            let mut streams = Streams::open(&spec("lo", Rule::Cpu, cpus())).unwrap();
            send_on_loopback(cpu.number, 3);
            for (number, count) in collect(&mut streams, 6) {
                let expected = if number == cpu.number { (3, 3) } else { (0, 0) };
                assert_eq!(count, expected, "stream {number}");
            }
        }
    });
}

#[test]
fn capture_of_all_interfaces_is_spread() {
    in_namespace(|| {
        ip("link set lo up");
        let mut streams = Streams::open(&spec("any", Rule::Cpu, cpus())).unwrap();
        send_on_loopback(0, 3);
        assert_eq!(collect(&mut streams, 6)[&0], (3, 3));
    });
}

#[test]
fn direction_is_chosen_by_the_kernel() {
    in_namespace(|| {
        ip("link set lo up");
        for (direction, expected) in [(Direction::In, (5, 0)), (Direction::Out, (0, 5))] {
            let mut spec = spec("lo", Rule::Cpu, cpus());
            spec.capture.direction = direction;
            let mut streams = Streams::open(&spec).unwrap();
            send_on_loopback(0, 5);
            assert_eq!(collect(&mut streams, 5)[&0], expected);
        }
    });
}

#[test]
fn unwanted_streams_keep_the_numbers_right() {
    in_namespace(|| {
        ip("link set lo up");
        let last = cpus() - 1;
        let mut spec = spec("lo", Rule::Cpu, cpus());
        spec.wanted = [last].into();
        let mut streams = Streams::open(&spec).unwrap();
        send_on_loopback(0, 4);
        send_on_loopback(last, 2);
        let expected = if last == 0 { (6, 6) } else { (2, 2) };
        let counts = collect(&mut streams, expected.0 + expected.1);
        assert_eq!(counts, Counts::from([(last, expected)]));
    });
}

#[test]
fn numbers_survive_an_interface_that_goes_down() {
    in_namespace(|| {
        ip("link set lo up");
        let mut streams = Streams::open(&spec("lo", Rule::Cpu, cpus())).unwrap();
        ip("link set lo down");
        ip("link set lo up");
        let last = cpus() - 1;
        send_on_loopback(last, 3);
        assert_eq!(collect(&mut streams, 6)[&last], (3, 3));
    });
}

#[test]
fn received_frames_are_in_the_stream_of_their_queue() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 4) else {
            return;
        };
        let mut streams = Streams::open(&spec("tap0", Rule::Queue, 4)).unwrap();
        for queue in 0..4 {
            for _ in 0..=queue {
                tap.receive(queue, &[0x55; 60]);
            }
        }
        let expected = (0..4).map(|queue| (queue, (queue as usize + 1, 0)));
        assert_eq!(collect(&mut streams, 10), expected.collect());
    });
}

#[test]
fn sent_frames_are_in_the_stream_of_their_queue() {
    in_namespace(|| {
        let Some(tap) = Tap::create("tap0", 4) else {
            return;
        };
        let sender = FrameSender::visible("tap0");
        let mut streams = Streams::open(&spec("tap0", Rule::Queue, 4)).unwrap();
        for n in 0..40 {
            sender.send(&[n; 60]);
        }
        let counts = collect(&mut streams, 40);
        for (queue, (_, sent)) in counts {
            let through = std::iter::from_fn(|| tap.take_sent(queue as usize)).count();
            assert_eq!(sent, through, "queue {queue}");
        }
    });
}

#[test]
fn frames_are_in_the_stream_of_their_node() {
    in_namespace(|| {
        ip("link set lo up");
        // Node numbers need not be those of this machine: the rule has the node of each CPU.
        let nodes: Vec<u32> = (0..cpus()).map(|cpu| cpu % 2).collect();
        let last = cpus() - 1;
        let rule = Rule::Node {
            nodes: nodes.clone(),
        };
        let mut streams = Streams::open(&spec("lo", rule, 2)).unwrap();
        send_on_loopback(last, 3);
        let counts = collect(&mut streams, 6);
        assert_eq!(counts[&nodes[last as usize]], (3, 3));
        assert_eq!(counts.values().map(|(rx, _)| rx).sum::<usize>(), 3);
    });
}

#[test]
fn interface_that_is_down_is_refused() {
    in_namespace(|| {
        let error = Streams::open(&spec("lo", Rule::Cpu, 1)).unwrap_err();
        assert!(error.to_string().contains("ip link set lo up"), "{error}");
    });
}

#[test]
fn group_of_many_members_is_complete() {
    in_namespace(|| {
        ip("link set lo up");
        let mut spec = spec("lo", Rule::Cpu, 300);
        spec.wanted = [0].into();
        let mut streams = Streams::open(&spec).unwrap();
        send_on_loopback(0, 2);
        assert_eq!(collect(&mut streams, 4)[&0], (2, 2));
    });
}
