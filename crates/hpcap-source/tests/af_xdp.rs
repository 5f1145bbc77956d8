//! Tests of captures by AF_XDP on veth pairs: every byte, every frame, every loss.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use hpcap_source::generator::verify;
use hpcap_source::{Source, State};
use testkit::frames::special_frames;
use testkit::network::{
    FrameSender, create_veth_pair, create_veth_pair_with_queues, in_namespace, ip,
};
use testkit::source::{
    Harvested, harvest_until, open, open_af_xdp_or_skip, send_generated, try_open,
};

/// Runs `test` in a namespace with a veth pair, where the kernel has AF_XDP.
fn with_veth(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        if open_af_xdp_or_skip("af_xdp:rx,mode=native").is_some() {
            test();
        }
    });
}

/// Returns a frame of `bytes` bytes that differs from those of other lengths.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..bytes).map(|n| (n * 7 + bytes) as u8).collect();
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// Sends `frames` and checks that `source` captures these frames and no others, in the order of their times.
fn round_trip(sender: &FrameSender, source: &mut dyn Source, frames: &[Vec<u8>], what: &str) {
    let got = testkit::source::round_trip(sender, source, frames, what);
    assert!(got.times.is_sorted(), "{what}: times go back");
}

/// Generates frames of a sequence, and sends them.
struct Sequence {
    source: Box<dyn Source>,
    sent: u64,
}

impl Sequence {
    fn new(spec: &str) -> Self {
        Self {
            source: open(spec),
            sent: 0,
        }
    }

    /// Sends `bursts` times 256 frames.
    fn send(&mut self, sender: &FrameSender, bursts: usize) {
        for _ in 0..bursts {
            for frame in self.source.harvest().unwrap().frames.iter() {
                sender.send(frame.data());
                self.sent += 1;
            }
        }
    }
}

#[test]
fn every_length_arrives_byte_for_byte() {
    with_veth(|| {
        let sender = FrameSender::new("snd");
        let frames: Vec<_> = (60..=1514).map(frame).collect();
        for options in [
            "",
            ",mode=generic",
            ",time=poll",
            ",frames=256",
            ",busy_poll=on",
        ] {
            let mut source = open(&format!("af_xdp:rx{options}"));
            assert_eq!(source.description().link_type, 1);
            round_trip(&sender, source.as_mut(), &frames, options);
            round_trip(&sender, source.as_mut(), &special_frames(), options);
        }
    });
}

#[test]
fn long_frames_are_put_together() {
    with_veth(|| {
        let sender = FrameSender::new("snd");
        // A chunk of 4096 bytes holds 3840 bytes of a frame.
        let frames: Vec<_> = [3839, 3840, 3841, 7679, 7680, 7681, 9013, 9014]
            .into_iter()
            .cycle()
            .take(1000)
            .map(frame)
            .collect();
        let mut source = open("af_xdp:rx");
        round_trip(&sender, source.as_mut(), &frames, "jumbo");
    });
}

#[test]
fn start_says_how_frames_arrive() {
    with_veth(|| {
        for (source, words) in [
            (
                "af_xdp:rx",
                [
                    "rx is captured by AF_XDP, 1 queue, native mode",
                    "no zero-copy",
                ],
            ),
            (
                "af_xdp:rx,mode=generic",
                ["generic mode (in the network stack),", "the kernel copies,"],
            ),
            (
                "af_xdp:lo",
                [
                    "generic mode (in the network stack; no native mode",
                    "stack",
                ],
            ),
        ] {
            let text = open(source).next_event().unwrap().display("rx").to_string();
            for word in words {
                assert!(text.contains(word), "{source}: {text}");
            }
        }
    });
}

#[test]
fn every_dropped_frame_is_counted() {
    with_veth(|| {
        let sender = FrameSender::new("snd");
        for options in ["", ",mode=generic"] {
            let mut source = open(&format!("af_xdp:rx,frames=1024{options}"));
            let mut sequence = Sequence::new("gen:size=imix");
            sequence.send(&sender, 80);
            let mut got = Harvested::default();
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() as u64 + g.missed >= sequence.sent
            });
            assert_eq!(got.frames.len() as u64 + got.missed, sequence.sent);
            assert_eq!(got.frames.len(), 1024);
            assert!(
                got.all_numbers().into_iter().eq(0..1024),
                "the first ones, whole"
            );
            // The capture continues after the losses.
            round_trip(&sender, source.as_mut(), &special_frames(), "afterwards");
        }
    });
}

/// A loss is reported before the first frame that was captured after it, although older frames
/// still wait in the receive ring.
#[test]
fn loss_stands_where_frames_are_missing() {
    with_veth(|| {
        let sender = FrameSender::new("snd");
        let mut source = open("af_xdp:rx,frames=512");
        let mut sequence = Sequence::new("gen:size=imix");
        let mut got = Harvested::default();
        for (bursts, take) in [
            (10, 1),
            (3, 200),
            (20, 1),
            (1, 300),
            (10, 400),
            (2, 1),
            (1, 1),
        ] {
            sequence.send(&sender, bursts);
            let (before, sent) = (got.frames.len(), sequence.sent);
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() >= before + take || g.frames.len() as u64 + g.missed >= sent
            });
        }
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.len() as u64 + g.missed >= sequence.sent
        });
        let mut next = 0;
        for (n, seq) in got.all_numbers().into_iter().enumerate() {
            let told: u64 = got.gaps.iter().filter(|p| p.0 == n).map(|p| p.1).sum();
            assert_eq!(seq - next, told, "before frame {n}");
            next = seq + 1;
        }
        assert!(got.gaps.len() > 2, "{:?}", got.gaps);
    });
}

/// Frames come from another thread, slower, as fast or faster than they are taken.
#[test]
fn ledger_is_exact_at_every_rate() {
    with_veth(|| {
        for (rate, pause_us) in [
            ("20kpps", 0),
            ("100kpps", 0),
            ("100Mpps", 0),
            ("100Mpps", 5000),
        ] {
            let mut source = open("af_xdp:rx,frames=1024");
            // A thread starts in the namespace of the thread that starts it.
            let sending = std::thread::spawn(move || {
                let sender = FrameSender::new("snd");
                let spec = format!("gen:size=60-1514,rate={rate},late=delay,count=20000");
                let mut generated = open(&spec);
                loop {
                    let harvest = generated.harvest().unwrap();
                    for frame in harvest.frames.iter() {
                        sender.send(frame.data());
                    }
                    match harvest.state {
                        hpcap_source::State::Ended => return,
                        hpcap_source::State::Busy => {}
                        hpcap_source::State::Idle => {
                            generated.wait(std::time::Duration::from_millis(5)).unwrap();
                        }
                    }
                }
            });
            let mut got = Harvested::default();
            harvest_until(source.as_mut(), &mut got, |g| {
                std::thread::sleep(std::time::Duration::from_micros(pause_us));
                g.frames.len() as u64 + g.missed >= 20_000
            });
            sending.join().unwrap();
            assert_eq!(got.frames.len() as u64 + got.missed, 20_000, "{rate}");
            assert_eq!(got.damaged, 0);
            let seqs = got.all_numbers();
            assert!(
                seqs.is_sorted_by(|a, b| a < b),
                "{rate}: in order, none twice"
            );
            let sum = |gaps: &[(usize, u64)]| gaps.iter().map(|gap| gap.1).sum::<u64>();
            assert_eq!(sum(&got.gaps), got.missed);
        }
    });
}

#[test]
fn queues_arrive_together() {
    in_namespace(|| {
        create_veth_pair_with_queues(4);
        let Some(mut source) = open_af_xdp_or_skip("af_xdp:rx,mode=native") else {
            return;
        };
        let start = source.next_event().unwrap().display("rx").to_string();
        assert!(start.contains("4 queues"), "{start}");
        // The kernel spreads the flows over the queues.
        let sender = FrameSender::visible("snd");
        let mut sequence = Sequence::new("gen:size=60,flows=256");
        let mut got = Harvested::default();
        for _ in 0..20 {
            sequence.send(&sender, 1);
            harvest_until(source.as_mut(), &mut got, |g| {
                g.frames.len() as u64 + g.missed >= sequence.sent
            });
        }
        assert_eq!(got.missed, 0);
        let mut all = got.all_numbers();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..sequence.sent));
        // Frames on a queue that is not captured go on to the network stack.
        drop(source);
        let mut stack = open("af_packet:rx,direction=in");
        let (mut passed, mut taken) = (Harvested::default(), Harvested::default());
        let mut one = open("af_xdp:rx:1");
        sequence.send(&sender, 1);
        harvest_until(one.as_mut(), &mut taken, |g| !g.frames.is_empty());
        harvest_until(stack.as_mut(), &mut passed, |g| {
            for frame in one.harvest().unwrap().frames.iter() {
                taken.frames.push((frame.data().to_vec(), frame.len));
            }
            g.frames.len() + taken.frames.len() >= 256
        });
        assert!(taken.frames.len() < 200 && passed.frames.len() < 256);
        assert_eq!(taken.missed, 0);
    });
}

#[test]
fn sources_share_the_queues_of_an_interface() {
    in_namespace(|| {
        create_veth_pair_with_queues(4);
        let Some(mut low) = open_af_xdp_or_skip("af_xdp:rx:0-1") else {
            return;
        };
        let mut high = open("af_xdp:rx:2-3");
        let refused = |text: &str, word: &str| {
            let error = try_open(text).err().unwrap();
            assert!(error.to_string().contains(word), "{text}: {error}");
        };
        refused("af_xdp:rx:2,pass=off", "the same pass= and time=");
        refused("af_xdp:rx:2", "another AF_XDP socket has this queue");
        refused("af_xdp:rx", "another capture of hpcap");
        let sender = FrameSender::visible("snd");
        let mut sequence = Sequence::new("gen:size=60,flows=256");
        sequence.send(&sender, 4);
        let (mut from_low, mut from_high) = (Harvested::default(), Harvested::default());
        harvest_until(low.as_mut(), &mut from_low, |low| {
            for frame in high.harvest().unwrap().frames.iter() {
                from_high.frames.push((frame.data().to_vec(), frame.len));
            }
            low.frames.len() + from_high.frames.len() >= 1024
        });
        let mut all = [from_low.all_numbers(), from_high.all_numbers()].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1024));
        assert!(!from_low.frames.is_empty() && !from_high.frames.is_empty());
        // The program stays until the last source ends.
        drop(low);
        sequence.send(&sender, 1);
        let before = from_high.frames.len();
        harvest_until(high.as_mut(), &mut from_high, |g| g.frames.len() > before);
        drop(high);
        assert!(!ip("link show rx").contains("xdp"));
    });
}

#[test]
fn frames_of_a_new_queue_are_counted() {
    in_namespace(|| {
        create_veth_pair_with_queues(2);
        let set = |count: &str| {
            let mut ethtool = std::process::Command::new("ethtool");
            let done = ethtool.args(["-L", "rx", "rx", count]).output();
            done.is_ok_and(|output| output.status.success())
        };
        if !set("1") {
            testkit::skip("there is no ethtool here that changes the queues of a veth");
            return;
        }
        let Some(mut source) = open_af_xdp_or_skip("af_xdp:rx,mode=native") else {
            return;
        };
        assert!(set("2"));
        let sender = FrameSender::visible("snd");
        let mut sequence = Sequence::new("gen:size=60,flows=256");
        sequence.send(&sender, 4);
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.len() as u64 + g.missed >= sequence.sent
        });
        assert_eq!(got.frames.len() as u64 + got.missed, sequence.sent);
        assert!(got.missed > 0);
        assert!(
            got.events.concat().contains("more receive queues"),
            "{:?}",
            got.events
        );
    });
}

/// The frames that wait at the end were taken away from the network stack, and so belong to the capture.
#[test]
fn closed_source_lends_what_had_arrived() {
    with_veth(|| {
        let sender = FrameSender::new("snd");
        for options in ["", ",mode=generic", ":0"] {
            let mut source = open(&format!("af_xdp:rx{options}"));
            send_generated(&sender, 0, 200);
            assert!(source.close().unwrap());
            send_generated(&sender, 200, 250);
            let (mut numbers, mut lost) = (Vec::new(), 0);
            loop {
                let harvest = source.harvest().unwrap();
                let stamps = harvest.frames.iter().filter_map(|f| verify(f.data()));
                numbers.extend(stamps.map(|stamp| stamp.seq));
                lost += harvest.lost.iter().map(|lost| lost.1.frames).sum::<u64>();
                match harvest.state {
                    State::Busy => {}
                    State::Idle => source.wait(Duration::from_millis(50)).unwrap(),
                    State::Ended => break,
                }
            }
            assert_eq!((numbers, lost), ((0..200).collect(), 0), "{options}");
        }
    });
}
