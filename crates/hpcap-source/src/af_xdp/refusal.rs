//! What failed while a capture was opened, why, and what to do about it.

use std::io;

use hpcap::privilege::af_xdp_advice;
use hpcap::{Error, Kind};
use hpcap_host::Interface;

use super::super::af_packet::program_name;
use super::bpf::{self, Place};
use super::program;
use super::socket::Delivery;

/// A step of opening a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Loading the program into the kernel.
    Load,
    /// Opening a socket, with memory and rings.
    Open,
    /// Switching on busy polling.
    BusyPoll,
    /// Binding the socket of the queue with this number.
    Bind(u32),
    /// Binding a socket for frames of this length, which need several chunks.
    LongFrames(u32),
    /// Handing the socket of the queue with this number to the program.
    Serve(u32),
    /// Attaching the program to the interface.
    Attach,
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) error: io::Error,
}

impl Failure {
    pub(super) fn new(step: Step, error: io::Error) -> Self {
        Self { step, error }
    }

    /// Returns whether another mode or delivery can succeed.
    pub(super) fn is_about_mode(&self, delivery: Delivery) -> bool {
        let errno = self.error.raw_os_error().unwrap_or(0);
        let gone = matches!(errno, libc::ENODEV | libc::ENXIO | libc::ENETDOWN);
        match self.step {
            Step::Bind(_) | Step::LongFrames(_) => delivery == Delivery::ZeroCopy && !gone,
            Step::Attach => {
                !gone
                    && !matches!(
                        errno,
                        libc::EPERM | libc::EACCES | libc::EBUSY | libc::EEXIST
                    )
            }
            _ => false,
        }
    }

    /// Turns it into an error for people.
    pub(super) fn explain(self, interface: &Interface, place: Place) -> Error {
        let name = &interface.name;
        let errno = self.error.raw_os_error().unwrap_or(0);
        let tried = match self.step {
            Step::Load => format!("load the XDP program that captures {name}"),
            Step::Open => format!("open an AF_XDP socket to capture {name}"),
            Step::BusyPoll => format!("switch on busy polling for {name}"),
            Step::Bind(queue) | Step::Serve(queue) => format!("capture queue {queue} of {name}"),
            Step::LongFrames(bytes) => format!("capture frames of up to {bytes} bytes from {name}"),
            Step::Attach => match place {
                Place::Driver => format!("attach the XDP program to the driver of {name}"),
                Place::Stack => format!("attach the XDP program to {name}"),
            },
        };
        let because =
            |kind, why: &str, advice: String| Error::new(kind, tried.clone(), why).advise(advice);
        let other_way = format!("-i {name} captures it through AF_PACKET");
        match (self.step, errno) {
            (Step::Load | Step::Open | Step::Attach, libc::EPERM | libc::EACCES) => {
                Error::io(tried, self.error).advise(af_xdp_advice(&program_name()))
            }
            (Step::Load, libc::ENOSYS) | (Step::Open, libc::EAFNOSUPPORT) => because(
                Kind::Io,
                "this kernel was built without it (CONFIG_BPF_SYSCALL, CONFIG_XDP_SOCKETS)",
                other_way,
            ),
            (Step::Open, libc::ENOBUFS) => because(
                Kind::Full,
                "the memory for its frames is more than this process may lock",
                "raise the limit (ulimit -l unlimited, LimitMEMLOCK=infinity in a unit), or take \
                 less: frames=2048"
                    .into(),
            ),
            (Step::Open, libc::ENOMEM) => {
                Error::io(tried, self.error).advise("give it less memory: frames=2048, for example")
            }
            (Step::Bind(_) | Step::Serve(_), libc::EBUSY) => because(
                Kind::Busy,
                "another AF_XDP socket has this queue",
                "end the other program, or capture other queues: af_xdp:IF:QUEUES".into(),
            ),
            (Step::LongFrames(_), _) => because(
                Kind::Io,
                "they do not fit a piece of its memory, and this kernel or driver cannot spread a \
                 frame over several",
                format!(
                    "lower the MTU, use a kernel from 6.6 on, or capture with AF_PACKET: -i {name}"
                ),
            ),
            (Step::Bind(_), libc::EOPNOTSUPP) => because(
                Kind::Io,
                "its driver has no zero-copy",
                "leave out zerocopy=on; the kernel then copies the frames".into(),
            ),
            (Step::Attach, libc::EBUSY | libc::EEXIST) => {
                let now = Interface::by_index(interface.index).ok().flatten();
                match now.and_then(|now| now.xdp_program) {
                    Some(id) => Self::program_is_there(interface, id),
                    None => Error::io(tried, self.error)
                        .advise("another program was attached to it at the same time; try again"),
                }
            }
            (Step::Attach, libc::EOPNOTSUPP) if place == Place::Driver => because(
                Kind::Io,
                "the driver has no XDP",
                format!(
                    "leave out mode=native: the program then runs in the network stack; or {other_way}"
                ),
            ),
            (Step::Attach, libc::EINVAL | libc::ERANGE | libc::E2BIG) if place == Place::Driver => {
                Error::io(tried, self.error).advise(format!(
                    "drivers refuse a program when the MTU is long, when LRO or GRO in the NIC is \
                     on, or when too few queues are free (dmesg has more); {other_way}"
                ))
            }
            (Step::Attach, libc::EINVAL) => Error::io(tried, self.error)
                .advise(format!("it takes a kernel from 5.9 on; {other_way}")),
            _ => Error::io(tried, self.error).advise(other_way),
        }
    }

    /// The error for an interface that has the XDP program number `id` already.
    pub(super) fn program_is_there(interface: &Interface, id: u32) -> Error {
        let name = &interface.name;
        // Asking for the name takes more privileges than capturing.
        let called = bpf::program_name(id).ok();
        let tried = format!("capture {name} through AF_XDP");
        if called.as_deref() == Some(program::NAME) {
            return Error::new(
                Kind::Busy,
                tried,
                format!("another capture of hpcap takes its frames already (XDP program {id})"),
            )
            .advise(format!(
                "share one capture instead: hpcapd af_xdp:{name}, and read its queue with hpcapdd"
            ));
        }
        let called = match called.as_deref() {
            None => String::new(),
            Some("") => " without a name".to_owned(),
            Some(called) => format!(" called {called:?}"),
        };
        Error::new(
            Kind::Busy,
            tried,
            format!("XDP program {id}{called} is attached to it already"),
        )
        .advise(format!(
            "bpftool prog show id {id} says whose it is; end its owner, or detach it with \
             ip link set dev {name} xdp off; -i {name} captures with AF_PACKET what it passes on"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::af_xdp::program::{Program, Unserved};
    use crate::af_xdp::{AfXdp, AfXdpSpec};
    use std::os::fd::AsFd;
    use testkit::network::{create_veth_pair, in_namespace};

    fn refused(step: Step, errno: i32) -> String {
        let failure = Failure {
            step,
            error: io::Error::from_raw_os_error(errno),
        };
        let mut interface = Interface::any();
        interface.name = "eth0".into();
        failure.explain(&interface, Place::Driver).to_string()
    }

    #[test]
    fn refusals_advise_the_user() {
        for (step, errno, words) in [
            (Step::Load, libc::EPERM, ["CAP_BPF", "AmbientCapabilities"]),
            (Step::Load, libc::ENOSYS, ["CONFIG_BPF_SYSCALL", "-i eth0"]),
            (Step::Open, libc::ENOBUFS, ["ulimit -l", "frames=2048"]),
            (Step::Open, libc::ENOMEM, ["memory", "frames=2048"]),
            (
                Step::Bind(3),
                libc::EBUSY,
                ["queue 3 of eth0", "another AF_XDP socket"],
            ),
            (
                Step::LongFrames(9018),
                libc::EINVAL,
                ["9018 bytes", "lower the MTU"],
            ),
            (Step::Attach, libc::EOPNOTSUPP, ["no XDP", "mode=native"]),
            (Step::Attach, libc::ERANGE, ["MTU", "AF_PACKET"]),
        ] {
            let text = refused(step, errno);
            for word in words {
                assert!(text.contains(word), "{step:?}: {text}");
            }
        }
    }

    #[test]
    fn foreign_program_is_named() {
        in_namespace(|| {
            create_veth_pair("snd", "rx", 1500);
            let interface = Interface::required("rx").unwrap();
            // A program that passes everything.
            let code = [0x2_0000_00b7, 0x95];
            let attach = |program: &std::os::fd::OwnedFd| {
                bpf::attach(program.as_fd(), interface.index, Place::Driver)
            };
            let foreign = bpf::load("firewall", &code);
            let Ok(_link) = foreign.and_then(|program| attach(&program)) else {
                testkit::skip("this kernel attaches no XDP programs");
                return;
            };
            let error = AfXdp::open(&AfXdpSpec::new("rx")).err().unwrap();
            assert_eq!(error.kind(), Kind::Busy);
            let text = error.to_string();
            for word in [
                "\"firewall\" is attached",
                "bpftool",
                "ip link set dev rx xdp off",
            ] {
                assert!(text.contains(word), "{text}");
            }
            // A program that is attached in the same moment is named by the kernel's refusal.
            let ours = Program::load(1, None, Unserved::Pass).unwrap();
            let error = ours.attach(interface.index, Place::Driver).unwrap_err();
            let failure = Failure {
                step: Step::Attach,
                error,
            };
            assert!(!failure.is_about_mode(Delivery::Copy));
            let text = failure.explain(&interface, Place::Driver).to_string();
            assert!(text.contains("firewall"), "{text}");
        });
    }
}
