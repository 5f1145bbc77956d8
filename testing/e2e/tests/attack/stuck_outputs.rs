//! Attack: outputs that cannot be written, and outputs that nobody reads. The capture continues.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use hpcap::Reason;
use hpcap_e2e::attack::attack;
use hpcap_e2e::daemon::{frames, status};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::random::Random;
use hpcap_e2e::recording::{files, generated};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::wait::wait_until;

/// An output that accepts no bytes.
#[derive(Debug)]
struct Nowhere {
    kind: &'static str,
    /// The read end of a full pipe that nobody reads. It stays open as long as the program runs.
    _reader: Option<OwnedFd>,
}

impl Nowhere {
    fn any(random: &mut Random) -> (Self, Stdio) {
        let (kind, reader, output) = match random.below(3) {
            0 => {
                let full = File::options().write(true).open("/dev/full").unwrap();
                ("full disk", None, full.into())
            }
            1 => {
                let (_, writer) = nix::unistd::pipe().unwrap();
                ("dead reader", None, writer)
            }
            _ => {
                let (reader, writer) = nix::unistd::pipe().unwrap();
                fill(&writer);
                ("full pipe", Some(reader), writer)
            }
        };
        let nowhere = Self {
            kind,
            _reader: reader,
        };
        (nowhere, output.into())
    }
}

/// Writes into a pipe until the pipe accepts not one more byte.
fn fill(pipe: &OwnedFd) {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(pipe, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(pipe, b"x").is_ok() {}
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

/// A program whose outputs accept no bytes. Dropping it kills the program.
struct Unheard {
    child: Child,
    outputs: [&'static str; 2],
    _nowhere: [Nowhere; 2],
}

impl Unheard {
    fn start(command: &mut Command, random: &mut Random) -> Self {
        let (out, stdout) = Nowhere::any(random);
        let (err, stderr) = Nowhere::any(random);
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Self {
            child: child.spawn().unwrap(),
            outputs: [out.kind, err.kind],
            _nowhere: [out, err],
        }
    }

    /// Sends SIGTERM and waits for the end of the program. The test fails if the program does not
    /// end within the time limit of `wait_until`. Returns the exit code.
    fn terminate(&mut self) -> Option<i32> {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        let mut code = None;
        wait_until(
            &format!("the end after SIGTERM, {:?}", self.outputs),
            || match self.child.try_wait().unwrap() {
                Some(status) => {
                    code = status.code();
                    true
                }
                None => false,
            },
        );
        code
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn blocked_outputs_stop_no_capture() {
    let lab = Lab::new();
    attack("stuck outputs", |number, random| {
        let folder = format!("raw{number}");
        let json: &[&str] = if random.below(2) == 0 {
            &["--json"]
        } else {
            &[]
        };
        let mut daemon = Unheard::start(
            lab.tool("hpcapd").args(json).args([
                "--ring",
                "4M",
                "gen:size=imix,rate=100M,late=delay",
            ]),
            random,
        );
        wait_until("the socket", || lab.socket("hpcap0").exists());
        let mut recorder = Unheard::start(
            lab.tool("hpcapdd").args(json).args([
                "--progress",
                "--rotate-size",
                "2M",
                "hpcap0",
                &folder,
            ]),
            random,
        );
        // Both programs also report losses. A listener that holds the ring causes some.
        let holder = lab.listener(&["hpcap0", "--contract=lossless:1s", "--after=never"]);
        wait_until("losses in the ledger", || {
            frames(&status(&lab, "hpcap0")["ledger"], Reason::RingFull) > 0
        });
        drop(holder);
        let what = format!("{json:?} {:?} {:?}", daemon.outputs, recorder.outputs);
        assert_eq!(recorder.terminate(), Some(0), "recorder, {what}");
        let stored = generated(&files(&lab.path(&folder)));
        assert!(stored.frames > 0, "{what}");
        assert_eq!(
            (stored.damaged, stored.missing),
            (0, stored.lost_between),
            "{what}"
        );
        assert_eq!(daemon.terminate(), Some(0), "daemon, {what}");
        std::fs::remove_dir_all(lab.path(&folder)).unwrap();
    });
}
