//! Producers and listeners with another version of the protocol, and peers that do not speak the
//! protocol at all.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use hpcap::abi::{self, hpcap_attach};
use hpcap::{Error, Kind, Reason};
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_ipc::connection::Connection;
use hpcap_ipc::socket::Socket;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept, bind, listen, send,
    socket,
};
use testkit::process::run;
use testkit::wait::wait_until;

const OTHER: u32 = abi::HPCAP_ABI_VERSION + 41;

fn message(op: u32) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op,
        ..hpcap_attach::zeroed()
    }
}

/// Serves one client at `path`: receives its request and gives `answer`, or nothing.
fn serve_once(path: &Path, answer: Option<hpcap_attach>) -> std::thread::JoinHandle<()> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&socket, Backlog::new(1).unwrap()).unwrap();
    std::thread::spawn(move || {
        let client = accept(socket.as_raw_fd()).unwrap();
        // SAFETY: the kernel has just opened this descriptor, and no other code knows it.
        let client = Socket::from(unsafe { OwnedFd::from_raw_fd(client) });
        let _ = client.receive();
        if let Some(answer) = answer {
            client.send(&answer, &[]).unwrap();
        }
    })
}

#[test]
fn client_names_both_abi_versions() {
    let theirs = format!("ABI version {OTHER}");
    let ours = format!("version {}", abi::HPCAP_ABI_VERSION);
    let other_version = hpcap_attach {
        abi_version: OTHER,
        ..message(0)
    };
    let other_magic = hpcap_attach {
        magic: 1,
        ..message(0)
    };
    for (answer, words) in [
        (
            Some(other_version),
            &[theirs.as_str(), ours.as_str(), "same release"][..],
        ),
        (Some(other_magic), &["not a producer's"]),
        (Some(message(0)), &["0 file descriptors"]),
        (None, &["ended before it answered"]),
    ] {
        for (tool, args) in [
            ("hpcapdd", &["hpcap0", "null"][..]),
            ("hpcapctl", &["status", "hpcap0"]),
        ] {
            let lab = Lab::new();
            std::fs::create_dir(lab.run_dir()).unwrap();
            let server = serve_once(&lab.socket("hpcap0"), answer);
            let _ = run(lab.tool(tool).args(args)).exits(1).says(words);
            server.join().unwrap();
        }
    }
}

fn refused(lab: &Lab, request: &hpcap_attach) -> Error {
    let connection = Connection::to(&lab.socket("hpcap0")).unwrap();
    connection.ask("try", request).map(drop).unwrap_err()
}

#[test]
fn daemon_answers_invalid_requests() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:rate=10kpps,late=delay"]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);

    let version = refused(
        &lab,
        &hpcap_attach {
            abi_version: OTHER,
            ..message(abi::HPCAP_OP_OBSERVE)
        },
    );
    assert_eq!(version.kind(), Kind::Version);
    let text = version.to_string();
    for word in [
        format!("ABI version {OTHER}"),
        format!("this producer version {}", abi::HPCAP_ABI_VERSION),
    ] {
        assert!(text.contains(&word), "{text}");
    }
    for (request, word) in [
        (message(99), "operation 99"),
        (
            hpcap_attach {
                magic: 5,
                ..message(1)
            },
            "not one",
        ),
        (message(abi::HPCAP_OP_ATTACH), "start 0"),
        (
            hpcap_attach {
                start: abi::HPCAP_START_NEWEST,
                contract: 9,
                ..message(abi::HPCAP_OP_ATTACH)
            },
            "contract 9",
        ),
        (
            hpcap_attach {
                id: 12345,
                ..message(abi::HPCAP_OP_KILL)
            },
            "no such listener",
        ),
    ] {
        let error = refused(&lab, &request).to_string();
        assert!(error.contains(word), "{error}");
    }
    // The lengths are less than a message, more than a message, and zero.
    for bytes in [&[0_u8; 10][..], &[0x48; 100_000], &[]] {
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        let address = UnixAddr::new(&lab.socket("hpcap0")).unwrap();
        nix::sys::socket::connect(socket.as_raw_fd(), &address).unwrap();
        let _ = send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL);
    }
    // Many clients connect at once, send nothing and stay connected.
    let silent: Vec<_> = (0..100)
        .map(|_| Connection::to(&lab.socket("hpcap0")).unwrap())
        .collect();
    let before = frames(&daemon.status("hpcap0")["ledger"], Reason::Captured);
    wait_until("capturing goes on", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::Captured) > before
    });
    drop(silent);
    assert_eq!(daemon.listeners("hpcap0").len(), 1);
    let _ = daemon.stop().exits(0);
    let _ = recorder.wait().exits(1).says(&["was stopped"]);
}
