//! Tests of the filter machine against libpcap's own.

use std::ffi::c_uint;

use hpcap::filter::{Filter, Instruction};
use hpcap_engine::stages::filter::{INSTRUCTIONS_MAX, Program};
use hpcap_source::Frame;
use proptest::prelude::*;

use testkit::captures::real_captures;
use testkit::source::read_frames;

unsafe extern "C" {
    fn bpf_filter(
        program: *const Instruction,
        packet: *const u8,
        wire_len: c_uint,
        captured_len: c_uint,
    ) -> c_uint;
}

/// Returns the verdict of libpcap's interpreter.
fn libpcap(program: &Program, data: &[u8], len: u32) -> u32 {
    // SAFETY: the program was checked, so it ends and stays inside its memory, which is all that
    // libpcap's interpreter requires; `data` has the number of bytes that the call states.
    unsafe {
        bpf_filter(
            program.instructions().as_ptr(),
            data.as_ptr(),
            len,
            data.len() as c_uint,
        )
    }
}

const fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const RET: u16 = 0x06;
const RET_A: u16 = 0x16;

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..80_u32,
        2 => any::<u32>(),
        1 => Just(u32::MAX),
        1 => (u32::MAX - 8)..=u32::MAX,
        1 => Just(0x8000_0000),
    ]
}

/// An instruction with `left` others behind it.
fn instruction(left: u8) -> impl Strategy<Value = Instruction> {
    let loads = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1];
    let others = [0x00, 0x01, 0x80, 0x81, 0x07, 0x87];
    let words = [0x60, 0x61, 0x02, 0x03];
    let alu = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x90, 0xa0];
    let jumps = [0x10, 0x20, 0x30, 0x40];
    prop_oneof![
        4 => (prop::sample::select(loads.to_vec()), 0..80_u32).prop_map(|(c, k)| insn(c, 0, 0, k)),
        1 => (prop::sample::select(&[0x40, 0x48, 0x50]), number()).prop_map(|(c, k)| insn(c, 0, 0, k)),
        3 => (prop::sample::select(others.to_vec()), number()).prop_map(|(c, k)| insn(c, 0, 0, k)),
        2 => (prop::sample::select(words.to_vec()), 0..16_u32).prop_map(|(c, k)| insn(c, 0, 0, k)),
        4 => (prop::sample::select(alu.to_vec()), any::<bool>(), number()).prop_map(|(op, x, k)| {
            insn(0x04 | op | (u16::from(x) << 3), 0, 0, k.max(1))
        }),
        // Shifts by a constant are below 32: libpcap leaves the result of larger ones to the C
        // compiler.
        1 => (0x60..=0x70_u16, 0..32_u32).prop_map(|(op, k)| insn(0x04 | (op & 0x70), 0, 0, k)),
        1 => prop::sample::select(&[0x6c, 0x7c, 0x84]).prop_map(|c| insn(c, 0, 0, 0)),
        3 => (prop::sample::select(jumps.to_vec()), any::<bool>(), 0..left, 0..left, number()).prop_map(
            |(op, x, jt, jf, k)| insn(0x05 | op | (u16::from(x) << 3), jt, jf, k)
        ),
        1 => (0..u32::from(left)).prop_map(|k| insn(0x05, 0, 0, k)),
        1 => (prop::sample::select(&[RET, RET_A]), number()).prop_map(|(c, k)| insn(c, 0, 0, k)),
    ]
}

/// A program that passes the checks. It writes all memory words before it reads them, because
/// libpcap does not initialise them.
fn program() -> impl Strategy<Value = Vec<Instruction>> {
    (1..60_u8).prop_flat_map(|n| {
        let body: Vec<_> = (0..n).map(|i| instruction(n - i)).collect();
        (body, prop::sample::select(&[RET, RET_A]), number()).prop_map(|(body, ret, k)| {
            let mut program: Vec<_> = (0..16).map(|word| insn(0x02, 0, 0, word)).collect();
            program.extend(body);
            program.push(insn(ret, 0, 0, k));
            program
        })
    })
}

fn text(program: &[Instruction], end: &str) -> String {
    let mut text = format!("{}{end}", program.len());
    for i in program {
        text += &format!("{} {} {} {}{end}", i.code, i.jt, i.jf, i.k);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn random_programs_agree_with_libpcap(
        program in program(),
        data in prop::collection::vec(any::<u8>(), 0..100),
        more in prop_oneof![Just(0_u32), 0..2000_u32],
    ) {
        let program = Program::new(program).unwrap();
        let len = data.len() as u32 + more;
        let ours = program.run(&Frame::new(&data, len, 1, 0));
        prop_assert_eq!(ours, libpcap(&program, &data, len));
        let mut batch = [Frame::new(&data, len, 1, 0); 3];
        let (kept, refused) = program.apply(&mut batch);
        prop_assert_eq!(kept, if ours == 0 { 0 } else { 3 });
        let sum = if ours == 0 { (3, 3 * u64::from(len)) } else { (0, 0) };
        prop_assert_eq!((refused.frames, refused.bytes), sum);
    }

    /// A program that passes the checks ends, and reads nothing outside the frame. Its text in
    /// tcpdump's format parses as the same program.
    #[test]
    fn any_instructions_are_refused_or_harmless(
        mut program in program(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u16>(), any::<u8>(), any::<u8>(), number()), 0..3),
        data in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for (at, code, jt, jf, k) in changes {
            let n = program.len();
            program[at.index(n)] = insn(code & 0xff, jt, jf, k);
        }
        let written = text(&program, "\n");
        let parsed = Program::parse(written.as_bytes());
        match Program::new(program.clone()) {
            Ok(checked) => {
                prop_assert_eq!(&parsed.unwrap(), &checked);
                prop_assert_eq!(Program::parse(text(&program, ",").as_bytes()).unwrap(), checked.clone());
                // The vector has exactly these bytes, so a sanitizer would report a read beyond
                // them.
                let _ = checked.run(&Frame::new(&data, data.len() as u32, 1, 0));
            }
            Err(_) => prop_assert!(parsed.is_err()),
        }
    }

    #[test]
    fn any_text_is_refused_or_a_program(
        program in program(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"0123456789 ,\n\t-x\0\xff".as_slice())), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = text(&program, "\n").into_bytes();
        let len = bytes.len();
        for (at, byte) in &changes {
            bytes[at.index(len)] = *byte;
        }
        if !changes.is_empty() {
            bytes.truncate(cut.index(len + 1));
        }
        if let Ok(parsed) = Program::parse(&bytes) {
            prop_assert!(Program::new(parsed.instructions().to_vec()).is_ok());
        } else {
            prop_assert!(!changes.is_empty());
        }
    }
}

#[test]
fn unsafe_programs_are_refused() {
    let accept = insn(RET, 0, 0, 1);
    for (program, why) in [
        (vec![], "empty"),
        (vec![insn(0x20, 0, 0, 0)], "no return at its end"),
        (vec![insn(0x05, 0, 0, 1), accept], "a jump behind the end"),
        (vec![insn(0x05, 0, 0, u32::MAX), accept], "a jump back"),
        (vec![insn(0x15, 1, 0, 0), accept], "a branch behind the end"),
        (vec![insn(0x15, 0, 255, 0), accept], "another"),
        (
            vec![insn(0x60, 0, 0, 16), accept],
            "a load from a word that does not exist",
        ),
        (vec![insn(0x02, 0, 0, 16), accept], "a store to such a word"),
        (vec![insn(0x34, 0, 0, 0), accept], "a division by zero"),
        (vec![insn(0x94, 0, 0, 0), accept], "a remainder by zero"),
        (vec![insn(0xffff, 0, 0, 0), accept], "no instruction"),
        (vec![insn(0xb4, 0, 0, 1), accept], "no operation"),
        (
            vec![insn(0x20, 0, 0, 0xffff_f000), accept],
            "what Linux knows",
        ),
        (vec![accept; INSTRUCTIONS_MAX + 1], "too long"),
    ] {
        assert!(Program::new(program).is_err(), "{why}");
    }
    assert!(Program::new(vec![accept; INSTRUCTIONS_MAX]).is_ok());
    for text in [
        "",
        "0\n",
        "1\n6 0 0\n",
        "2\n6 0 0 1\n",
        "1\n6 0 0 1\n6 0 0 1\n",
        "1\n6 0 0 4294967296\n",
        "1 6 0 0 1\n",
        "4097\n",
    ] {
        assert!(Program::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Program::parse(b"1\n6 0 0 262144").is_ok());
    assert!(Program::parse(b"1,6 0 0 262144,").is_ok());
}

const EXPRESSIONS: [&str; 16] = [
    "tcp",
    "udp or icmp",
    "not ip",
    "arp",
    "ip6",
    "port 53",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[6:2] & 0x1fff != 0",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "greater 500 and less 1400",
    "ether broadcast or ether multicast",
    "vlan and tcp",
    "net 10.0.0.0/8 or net 192.168.0.0/16",
    "src portrange 1024-65535 and not dst port 443",
    "ip6 proto 17 or (ip6 and tcp)",
    "len % 3 = 1 and (ether[0] ^ ether[6]) & 1 = 0",
];

/// tcpdump's expressions are run on the frames of real captures.
#[test]
fn expressions_agree_on_real_frames() {
    let programs: Vec<_> = EXPRESSIONS
        .iter()
        .map(|expression| {
            let filter = Filter::new(expression, 1).unwrap();
            let program = Program::parse(text(filter.program(), "\n").as_bytes()).unwrap();
            assert_eq!(program, Program::of(&filter).unwrap());
            (filter, program)
        })
        .collect();
    let mut matched = [0_u64; EXPRESSIONS.len()];
    let files = real_captures(&["pcap", "pcapng"]);
    for file in &files {
        for frame in read_frames(file).iter().take(20_000) {
            let len = frame.len() as u32;
            for ((filter, program), matched) in programs.iter().zip(&mut matched) {
                let ours = program.run(&Frame::new(frame, len, 1, 0)) != 0;
                assert_eq!(ours, filter.matches(frame, len), "{}", filter.expression());
                *matched += u64::from(ours);
            }
        }
    }
    println!("{} captures: {matched:?}", files.len());
    assert!(
        files.is_empty() || matched.iter().filter(|n| **n > 0).count() > 8,
        "{matched:?}"
    );
}
