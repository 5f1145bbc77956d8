//! Tests of frames that are sent on one end of a veth pair and captured on the other, byte for
//! byte.

use std::time::Duration;

use hpcap_source::State;
use hpcap_source::generator::verify;
use testkit::captures::real_captures;
use testkit::frames::special_frames;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::source::{Harvested, harvest_until, open, read_frames, round_trip, send_generated};

#[test]
fn special_frames_arrive_byte_for_byte() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut source = open("af_packet:rx");
        assert_eq!(source.description().link_type, 1);
        round_trip(&sender, source.as_mut(), &special_frames(), "received");
        // The same frames are captured on their way out, where tags are still in place.
        let sender = FrameSender::visible("snd");
        let mut source = open("af_packet:snd,direction=out");
        round_trip(&sender, source.as_mut(), &special_frames(), "sent");
    });
}

/// Returns whether the frame has a VLAN tag with too little behind it. The kernel drops such a
/// frame on receipt, before any capture gets it.
fn is_cut_tag(frame: &[u8]) -> bool {
    matches!(frame.get(12..14), Some([0x81, 0] | [0x88, 0xa8])) && frame.len() < 20
}

#[test]
fn every_test_capture_arrives_byte_for_byte() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut source = open("af_packet:rx");
        for path in real_captures(&["pcap", "pcapng"]) {
            let (frames, odd): (Vec<_>, Vec<_>) = read_frames(&path)
                .into_iter()
                .partition(|f| (14..=9014).contains(&f.len()) && !is_cut_tag(f));
            if !odd.is_empty() {
                println!(
                    "{}: {} frames that cannot be sent",
                    path.display(),
                    odd.len()
                );
            }
            round_trip(
                &sender,
                source.as_mut(),
                &frames,
                &path.display().to_string(),
            );
        }
    });
}

#[test]
fn direction_selects_frames() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let (tx, rx) = (FrameSender::visible("snd"), FrameSender::visible("rx"));
        let frame = |n: u8| {
            let mut frame = vec![n; 60];
            frame[12..14].copy_from_slice(&[0x88, 0xb5]);
            frame
        };
        for (direction, wanted) in [
            ("in", vec![1, 3]),
            ("out", vec![2, 3]),
            ("both", vec![1, 2, 3, 3]),
        ] {
            let mut source = open(&format!("af_packet:rx,direction={direction}"));
            tx.send(&frame(1));
            rx.send(&frame(2));
            // The last frame is sent in both directions, so that its arrival shows that all have
            // arrived.
            tx.send(&frame(3));
            rx.send(&frame(3));
            let mut got = Harvested::default();
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() >= wanted.len()
            });
            let numbers: Vec<_> = got.frames.iter().map(|(data, _)| data[0]).collect();
            assert_eq!(numbers, wanted, "{direction}");
        }
    });
}

#[test]
fn loopback_gives_every_frame_once() {
    in_namespace(|| {
        ip("link set lo up");
        let mut source = open("af_packet:lo");
        assert_eq!(source.description().link_type, 1);
        let sender = FrameSender::visible("lo");
        // The longest payloads have lengths that do not fit into 16 bits.
        let frames: Vec<Vec<u8>> = [46, 1500, 9000, 65_521, 65_522, 65_536]
            .into_iter()
            .map(|payload| [vec![0; 12], vec![0x88, 0xb5], vec![payload as u8; payload]].concat())
            .collect();
        round_trip(&sender, source.as_mut(), &frames, "lo");
    });
}

#[test]
fn every_frame_without_room_is_counted() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut source = open("af_packet:rx,block=128K,blocks=2");
        let mut generated = open("gen:size=imix,count=20000");
        let mut sent = 0;
        loop {
            let harvest = generated.harvest().unwrap();
            for frame in harvest.frames.iter() {
                sender.send(frame.data());
                sent += 1;
            }
            if harvest.state == State::Ended {
                break;
            }
        }
        assert_eq!(sent, 20_000);
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.len() as u64 + g.missed >= sent
        });
        assert_eq!(got.frames.len() as u64 + got.missed, sent);
        assert!(got.missed > 10_000, "{} missed", got.missed);
        for (n, (data, _)) in got.frames.iter().enumerate() {
            assert_eq!(
                verify(data).map(|s| s.seq),
                Some(n as u64),
                "the first ones, whole"
            );
        }
        // The capture continues after the losses.
        round_trip(
            &sender,
            source.as_mut(),
            &special_frames(),
            "after the flood",
        );
    });
}

#[test]
fn frames_for_others_need_promiscuous_mode() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let flags = || {
            let mut ip = std::process::Command::new("ip");
            let output = ip.args(["-d", "link", "show", "rx"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let on = open("af_packet:rx");
        assert!(flags().contains("promiscuity 1"), "{}", flags());
        drop(on);
        let _off = open("af_packet:rx,promisc=off");
        assert!(flags().contains("promiscuity 0"), "{}", flags());
    });
}

#[test]
fn fanout_spreads_flows_over_its_members() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut members = [open("af_packet:rx,fanout=7"), open("af_packet:rx,fanout=7")];
        let mut generated = open("gen:count=256,flows=256");
        for frame in generated.harvest().unwrap().frames.iter() {
            sender.send(frame.data());
        }
        let mut seqs = Vec::new();
        for member in &mut members {
            let mut got = Harvested::default();
            harvest_until(member.as_mut(), &mut got, |g| g.frames.len() > 60);
            // The remaining frames come with the next block that the kernel hands over.
            for _ in 0..3 {
                member.wait(Duration::from_millis(30)).unwrap();
                for frame in member.harvest().unwrap().frames.iter() {
                    got.frames.push((frame.data().to_vec(), frame.len));
                }
            }
            seqs.extend(got.generated_numbers());
        }
        seqs.sort_unstable();
        assert!(seqs.into_iter().eq(0..256));
    });
}

/// A loss is reported before the first frame that was captured after it, although older frames
/// still wait in the kernel's ring.
#[test]
fn loss_stands_where_the_kernel_lost() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let sender = FrameSender::new("snd");
        let mut source = open("af_packet:rx,block=128K,blocks=3");
        let mut generated = open("gen:size=imix,count=200000");
        let mut send = |bursts: usize| {
            for _ in 0..bursts {
                for frame in generated.harvest().unwrap().frames.iter() {
                    sender.send(frame.data());
                }
            }
        };
        let (mut got, mut sent) = (Harvested::default(), 0);
        // Each step sends more than the ring holds, or less, and then takes a part of the frames.
        for (bursts, take) in [
            (10, 1),
            (3, 200),
            (20, 1),
            (1, 700),
            (10, 400),
            (2, 1),
            (1, 1),
        ] {
            send(bursts);
            sent += 256 * bursts as u64;
            let before = got.frames.len();
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() >= before + take || g.frames.len() as u64 + g.missed >= sent
            });
        }
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.len() as u64 + g.missed >= sent
        });
        let mut next = 0;
        for (n, (data, _)) in got.frames.iter().enumerate() {
            let seq = verify(data).unwrap().seq;
            let told: u64 = got.gaps.iter().filter(|p| p.0 == n).map(|p| p.1).sum();
            assert_eq!(seq - next, told, "before frame {n}");
            next = seq + 1;
        }
        assert!(got.gaps.len() > 2, "{:?}", got.gaps);
    });
}

#[test]
fn closed_source_lends_what_had_arrived() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 1500);
        let sender = FrameSender::new("snd");
        for delay in ["1ms", "1s"] {
            let mut source = open(&format!("af_packet:rx,delay={delay}"));
            send_generated(&sender, 0, 200);
            assert!(source.close().unwrap());
            send_generated(&sender, 200, 250);
            let mut numbers = Vec::new();
            loop {
                let harvest = source.harvest().unwrap();
                let stamps = harvest.frames.iter().filter_map(|f| verify(f.data()));
                numbers.extend(stamps.map(|stamp| stamp.seq));
                match harvest.state {
                    State::Busy => {}
                    State::Idle => source.wait(Duration::from_millis(50)).unwrap(),
                    State::Ended => break,
                }
            }
            assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "{delay}");
        }
    });
}
