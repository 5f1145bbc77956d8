//! Tests of alternative names of interfaces, of `any`, and of hardware timestamps.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_host::Interface;
use hpcap_source::{Source, SourceSpec};
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::source::{Harvested, harvest_until};

fn open(spec: &str) -> Box<dyn Source> {
    spec.parse::<SourceSpec>().unwrap().open().unwrap()
}

/// Sends `frames` on `interface` and returns the frames that arrive at `source`.
fn received(source: &mut dyn Source, interface: &str, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let sender = FrameSender::new(interface);
    for frame in frames {
        sender.send(frame);
    }
    let mut got = Harvested::default();
    harvest_until(source, &mut got, |g| g.frames.len() >= frames.len());
    assert_eq!((got.missed, got.damaged), (0, 0));
    for (data, len) in &got.frames {
        assert_eq!(data.len(), *len as usize);
    }
    got.frames.into_iter().map(|(data, _)| data).collect()
}

/// Returns a frame of 60 bytes with an EtherType for experiments.
fn frame() -> Vec<u8> {
    let mut frame: Vec<u8> = (0..60).collect();
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

#[test]
fn interface_is_found_by_its_other_name() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let name = "a-name-that-is-longer-than-the-kernels-own";
        ip(&format!("link property add dev rx altname {name}"));
        let mut source = open(&format!("af_packet:{name}"));
        assert_eq!(received(source.as_mut(), "snd", &[frame()]), [frame()]);
        assert!(Interface::list().unwrap().contains(name));
    });
}

#[test]
fn any_has_the_frames_of_every_interface() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        ip("link add name snd2 type veth peer name rx2");
        ip("link set snd2 up");
        ip("link set rx2 up");
        let mut source = open("af_packet:any,direction=in");
        assert_eq!(source.description().link_type, 276);
        assert_eq!(source.description().interface, "any");
        for (sender, receiver) in [("snd", "rx"), ("snd2", "rx2")] {
            let got = received(source.as_mut(), sender, &[frame()]);
            let index = Interface::required(receiver).unwrap().index;
            let (header, payload) = got[0].split_at(20);
            assert_eq!(header[..4], [0x88, 0xb5, 0, 0]);
            assert_eq!(header[4..8], index.to_be_bytes());
            // Hardware type Ethernet, packet type broadcast, and the sender's address of six bytes.
            assert_eq!(header[8..12], [0, 1, 1, 6]);
            assert_eq!(header[12..18], frame()[6..12]);
            assert_eq!(payload, &frame()[14..]);
        }
    });
}

#[test]
fn any_keeps_vlan_tags() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let mut source = open("af_packet:any,direction=in");
        let mut tagged = frame();
        tagged.splice(12..12, [0x81, 0, 0, 100]);
        let got = received(source.as_mut(), "snd", std::slice::from_ref(&tagged));
        assert_eq!(got[0][..2], [0x81, 0]);
        assert_eq!(got[0][20..], tagged[14..]);
    });
}

#[test]
fn any_has_loopback_frames_once() {
    in_namespace(|| {
        ip("link set lo up");
        let mut source = open("af_packet:any");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        for n in 0..3_u8 {
            socket.send_to(&[n; 10], to).unwrap();
        }
        let mut got = Harvested::default();
        harvest_until(source.as_mut(), &mut got, |g| {
            g.frames.iter().any(|(data, _)| data.ends_with(&[2; 10]))
        });
        let sent: Vec<u8> = got
            .frames
            .iter()
            .map(|(data, _)| data[data.len() - 1])
            .collect();
        assert_eq!(sent, [0, 1, 2]);
    });
}

#[test]
fn hardware_time_is_refused_with_the_offer() {
    in_namespace(|| {
        create_veth_pair("snd", "rx", 9000);
        let spec: SourceSpec = "af_packet:rx,time=hardware".parse().unwrap();
        let error = spec.open().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), hpcap::Kind::Usage);
        let text = error.to_string();
        assert!(
            text.contains("time=hardware") && text.contains("no clock"),
            "{text}"
        );
    });
}
