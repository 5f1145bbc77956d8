//! The rule that says which stream a frame belongs to, as the kernel applies it.

use std::ffi::c_int;

use hpcap_sys::filter::Instruction;

use super::super::classic::{give, give_loaded, load_fact, skip_if_equal, subtract};

/// `PACKET_FANOUT_CBPF` of linux/if_packet.h: a program chooses the socket.
const FANOUT_PROGRAM: u16 = 6;
/// `PACKET_FANOUT_CPU`: the number of the CPU chooses the socket.
const FANOUT_CPU: u16 = 2;

/// What decides which stream a frame belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Stream N has the frames that CPU N handles.
    Cpu,
    /// Stream N has the frames that arrived on receive queue N, or leave through transmit queue N.
    /// An interface that does not note the queue of received frames gives them to stream 0.
    Queue,
    /// Stream N has the frames that a CPU of NUMA node N handles.
    Node {
        /// The node of each CPU, by the number of the CPU.
        nodes: Vec<u32>,
    },
}

impl Rule {
    /// The type of the fanout group.
    pub(super) fn fanout(&self) -> u16 {
        match self {
            Self::Cpu => FANOUT_CPU,
            Self::Queue | Self::Node { .. } => FANOUT_PROGRAM,
        }
    }

    /// The program that returns the number of the stream; `None` where the kernel needs none.
    ///
    /// It is a classic program rather than an eBPF program, because any program may load it that may
    /// open packet sockets: it needs neither CAP_BPF nor the system call bpf(2).
    pub(super) fn program(&self) -> Option<Vec<Instruction>> {
        match self {
            Self::Cpu => None,
            Self::Queue => Some(vec![
                load_fact(libc::SKF_AD_PKTTYPE),
                skip_if_equal(libc::PACKET_OUTGOING.into(), 4, 0),
                // The kernel notes receive queue N as N + 1, and 0 if the driver does not tell.
                load_fact(libc::SKF_AD_QUEUE),
                skip_if_equal(0, 1, 0),
                subtract(1),
                give_loaded(),
                load_fact(libc::SKF_AD_QUEUE),
                give_loaded(),
            ]),
            Self::Node { nodes } => Some(node_program(nodes)),
        }
    }
}

/// Largest number of CPUs that the program below can tell apart; it has two instructions for each.
const CPUS_MAX: usize = 2000;

/// Compares the number of the CPU with that of each CPU outside node 0.
fn node_program(nodes: &[u32]) -> Vec<Instruction> {
    let cpu: c_int = libc::SKF_AD_CPU;
    let mut program = vec![load_fact(cpu)];
    for (number, node) in (0..).zip(nodes.iter().take(CPUS_MAX)) {
        if *node != 0 {
            program.extend([skip_if_equal(number, 0, 1), give(*node)]);
        }
    }
    program.push(give(0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program on the facts of a frame, as the kernel would.
    fn run(program: &[Instruction], fact: impl Fn(c_int) -> u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let is = |expected: Instruction| expected.code == instruction.code;
            if is(load_fact(0)) {
                loaded = fact(instruction.k.cast_signed() - libc::SKF_AD_OFF);
            } else if is(skip_if_equal(0, 0, 0)) {
                let skip = if loaded == instruction.k {
                    instruction.jt
                } else {
                    instruction.jf
                };
                at += usize::from(skip);
            } else if is(subtract(0)) {
                loaded = loaded.wrapping_sub(instruction.k);
            } else if is(give_loaded()) {
                return loaded;
            } else {
                assert!(is(give(0)), "{instruction:?}");
                return instruction.k;
            }
        }
    }

    #[test]
    fn queue_of_a_frame_is_its_stream() {
        let program = Rule::Queue.program().unwrap();
        let stream = |kind: u8, mapping: u32| {
            run(&program, |fact| match fact {
                libc::SKF_AD_PKTTYPE => kind.into(),
                libc::SKF_AD_QUEUE => mapping,
                other => panic!("fact {other}"),
            })
        };
        for (kind, mapping, expected) in [
            (libc::PACKET_OUTGOING, 0, 0),
            (libc::PACKET_OUTGOING, 3, 3),
            (libc::PACKET_HOST, 0, 0),
            (libc::PACKET_HOST, 1, 0),
            (libc::PACKET_HOST, 4, 3),
            (libc::PACKET_OTHERHOST, 2, 1),
        ] {
            assert_eq!(stream(kind, mapping), expected, "{kind} {mapping}");
        }
    }

    #[test]
    fn node_of_a_cpu_is_its_stream() {
        let nodes = vec![0, 1, 0, 1, 2];
        let program = Rule::Node {
            nodes: nodes.clone(),
        }
        .program()
        .unwrap();
        for (cpu, node) in (0..).zip(nodes) {
            assert_eq!(run(&program, |_| cpu), node);
        }
        assert_eq!(run(&program, |_| 9), 0);
    }
}
