//! Tests of the ring against a simple model: a list of all frames that the ring took, and for each
//! listener the index of the next frame that it must get. For every random sequence of steps,
//! listeners read what was pushed, in order, and the frames that they do not read are accounted
//! for.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::time::Duration;

use harness::{Attached, Bench, Seen, Shape, content};
use hpcap::listener::TOLD_LOSSES;
use hpcap::{Contract, Count, Kind, Ledger, Reason, Start};
use proptest::prelude::*;

/// A step of a random test.
#[derive(Debug, Clone)]
enum Step {
    /// Pushes this many frames of this many bytes.
    Push { frames: u8, bytes: usize },
    /// The NIC loses this many frames.
    Lose(u8),
    /// This many ms pass, with a service in each.
    Pass(u8),
    /// A listener attaches.
    Attach { contract: u8, start: u8 },
    /// One of the listeners detaches.
    Detach(u8),
    /// One of the listeners reads this many records, and acknowledges them or not.
    Read { who: u8, records: u16, ack: bool },
    /// One of the listeners requests a file.
    File(u8),
    /// One of the listeners is killed.
    Kill(u8),
    /// One of the listeners finishes.
    Finish(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        4 => 0..200usize,
        4 => 1000..1600usize,
        1 => 8000..9100usize,
        1 => 60_000..=65_535usize,
    ];
    prop_oneof![
        12 => (1..40u8, size).prop_map(|(frames, bytes)| Step::Push { frames, bytes }),
        2 => any::<u8>().prop_map(Step::Lose),
        6 => (1..20u8).prop_map(Step::Pass),
        2 => (0..3u8, 0..3u8).prop_map(|(contract, start)| Step::Attach { contract, start }),
        1 => any::<u8>().prop_map(Step::Detach),
        10 => (any::<u8>(), 1..400u16, any::<bool>())
            .prop_map(|(who, records, ack)| Step::Read { who, records, ack }),
        1 => any::<u8>().prop_map(Step::File),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => any::<u8>().prop_map(Step::Finish),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        // 512 KiB and 1 MiB divide 4 GiB; the others do not.
        prop_oneof![
            Just(512u64 << 10),
            Just(516 << 10),
            Just(776 << 10),
            Just(1 << 20)
        ],
        1..4u64,
        prop_oneof![
            Just(0u64),
            ((1u64 << 32) - (2 << 20))..(1 << 32),
            ((1u64 << 40) - (2 << 20))..(1 << 40)
        ],
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(ring_bytes, file_blocks, start_off, plain, look_back)| Shape {
                ring_bytes,
                file_blocks,
                start_off,
                plain,
                look_back,
            },
        )
}

/// A frame that the ring took.
#[derive(Debug, Clone, Copy)]
struct Taken {
    number: u64,
    bytes: usize,
}

/// A listener, with the model's state for it.
#[derive(Debug)]
struct Reader {
    attached: Attached,
    contract: Contract,
    /// Index in the list of taken frames of the next frame that it must get.
    next: usize,
    missed: Count,
    /// All frames that the listener read, that gaps reported to it, or that it missed.
    told: Ledger,
    /// Whether gaps report every loss since its start, because there was a listener all the time.
    whole: bool,
    /// The number of taken frames and the ledger at the time of its end.
    end: Option<(usize, Ledger)>,
    killed: bool,
}

impl Reader {
    fn may_be_overrun(&self) -> bool {
        self.contract != Contract::Lossless || self.killed
    }
}

/// The model and the ring, which take the same steps.
struct Run {
    bench: Bench,
    shape: Shape,
    taken: Vec<Taken>,
    /// Number of frames offered so far; each frame's number is the value before it.
    offered: u64,
    ledger: Ledger,
    readers: Vec<Reader>,
}

impl Run {
    fn new(shape: Shape) -> Self {
        Self {
            bench: Bench::new(shape),
            shape,
            taken: Vec::new(),
            offered: 0,
            ledger: Ledger::default(),
            readers: Vec::new(),
        }
    }

    fn listened(&self) -> bool {
        self.shape.look_back || self.readers.iter().any(|r| r.end.is_none())
    }

    fn account(&mut self, reason: Reason, count: Count) {
        self.bench.producer.account(reason, count);
        self.ledger[reason] += count;
    }

    fn push(&mut self, bytes: usize) {
        let number = self.offered;
        self.offered += 1;
        let count = Count::new(1, bytes as u64);
        let listened = self.listened();
        if self.bench.push(&content(number, bytes), number + 1, 0) {
            if listened {
                self.ledger[Reason::Captured] += count;
                self.taken.push(Taken { number, bytes });
            } else {
                self.ledger[Reason::NoListener] += count;
            }
            return;
        }
        // A finished listener holds back the part of the ring that it has not acknowledged.
        let holds = |r: &Reader| !r.killed && r.contract != Contract::Lossy;
        assert!(
            self.readers.iter().any(holds),
            "the ring is full, and nobody holds it back"
        );
        self.account(Reason::RingFull, count);
    }

    fn attach(&mut self, contract: u8, start: u8) {
        let contract = match contract {
            0 => Contract::Lossless,
            1 => Contract::LosslessFor(Duration::from_millis(3)),
            _ => Contract::Lossy,
        };
        let start = match start {
            0 => Start::File,
            1 => Start::Newest,
            _ => Start::Oldest,
        };
        // The limit keeps slots free; another test covers the case that all are taken.
        if self.readers.len() >= 8 {
            return;
        }
        let Some(attached) = self.bench.attach(contract, start) else {
            return;
        };
        let listener = self.bench.producer_listener(attached.slot);
        // The producer's count of the frames before the listener's start must agree with the model.
        let next = usize::try_from(listener.start_frames).unwrap();
        assert!(next <= self.taken.len());
        if start == Start::Newest {
            assert_eq!(next, self.taken.len());
        }
        self.readers.push(Reader {
            attached,
            contract,
            next,
            missed: Count::default(),
            told: Ledger::default(),
            whole: start != Start::Oldest || self.shape.look_back,
            end: None,
            killed: false,
        });
    }

    fn read(&mut self, who: usize, records: u16, ack: bool) {
        let reader = &mut self.readers[who];
        let listener = &mut reader.attached.listener;
        for _ in 0..records {
            match listener.next_record() {
                Ok(None) => break,
                Ok(Some(item)) => match Seen::from(item) {
                    Seen::Frame { ns, len, data } => {
                        let expected = self.taken[reader.next];
                        assert_eq!(ns, (expected.number + 1) * 1_000_000_000);
                        assert_eq!(usize::from(len), expected.bytes);
                        assert!(data == content(expected.number, expected.bytes), "content");
                        reader.next += 1;
                        reader.told[Reason::Captured] += Count::new(1, len.into());
                    }
                    Seen::Gap(gap) => reader.told += &gap.lost,
                    _ => {}
                },
                Err(e) if e.kind() == Kind::Overrun => {
                    assert!(reader.contract != Contract::Lossless || reader.killed);
                    let Ok(skipped) = listener.resync(Start::Newest) else {
                        break;
                    };
                    let missed = skipped[Reason::Overrun];
                    reader.told[Reason::Captured] += missed;
                    for reason in TOLD_LOSSES {
                        reader.told[reason] += skipped[reason];
                    }
                    let frames = usize::try_from(missed.frames).unwrap();
                    let bytes: usize = self.taken[reader.next..reader.next + frames]
                        .iter()
                        .map(|t| t.bytes)
                        .sum();
                    assert_eq!(missed.bytes, bytes as u64);
                    reader.next += frames;
                    reader.missed += missed;
                    assert_eq!(listener.missed(), reader.missed);
                }
                Err(e) => {
                    assert_eq!(e.kind(), Kind::Killed);
                    assert!(reader.killed);
                    return;
                }
            }
        }
        if ack {
            match reader.attached.listener.ack() {
                Ok(()) => {}
                Err(e) if e.kind() == Kind::Overrun => {
                    assert!(reader.may_be_overrun());
                }
                Err(e) => {
                    assert_eq!(e.kind(), Kind::Killed);
                    assert!(reader.killed);
                }
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let pick = |who: u8, n: usize| (n > 0).then(|| usize::from(who) % n);
        let n = self.readers.len();
        match *step {
            Step::Push { frames, bytes } => (0..frames).for_each(|_| self.push(bytes)),
            Step::Lose(frames) => self.account(Reason::NicMissed, Count::new(frames.into(), 0)),
            Step::Pass(ms) => (0..ms).for_each(|_| self.bench.service()),
            Step::Attach { contract, start } => self.attach(contract, start),
            Step::Detach(who) => {
                if let Some(who) = pick(who, n) {
                    let reader = self.readers.remove(who);
                    self.bench.detach(reader.attached);
                }
            }
            Step::Read { who, records, ack } => {
                if let Some(who) = pick(who, n) {
                    self.bench.service();
                    self.read(who, records, ack);
                }
            }
            Step::File(who) => {
                if let Some(who) = pick(who, n) {
                    self.readers[who].attached.listener.request_file();
                }
            }
            Step::Kill(who) => {
                if let Some(who) = pick(who, n) {
                    self.bench.producer.kill(self.readers[who].attached.slot);
                    self.readers[who].killed = true;
                    self.fix_end(who);
                }
            }
            Step::Finish(who) => {
                if let Some(who) = pick(who, n) {
                    self.finish(who);
                }
            }
        }
    }

    fn finish(&mut self, who: usize) {
        self.readers[who].attached.listener.request_end();
        self.bench.service();
        self.fix_end(who);
    }

    /// Notes the end of a reader, which gets no later frame.
    fn fix_end(&mut self, who: usize) {
        let now = (self.taken.len(), self.ledger);
        let reader = &mut self.readers[who];
        let end = reader.attached.listener.end().unwrap();
        reader.end.get_or_insert(now);
        assert_eq!(end.killed, reader.killed);
        assert_eq!(end.at.ledger, reader.end.unwrap().1);
    }

    /// Returns whether the reader was overrun and ended before the next block that it could go on
    /// with.
    fn is_cut_off(reader: &Reader) -> bool {
        reader.may_be_overrun() && reader.attached.listener.available() > 0
    }

    /// Checks that a recording of this reader would have the difference of the ledgers, by reason.
    fn check_sum(reader: &Reader, plain: bool) {
        let end = reader.attached.listener.end().unwrap();
        let start = reader.attached.listener.start().ledger;
        let sum = |reason| start[reason] + reader.told[reason] + end.untold[reason];
        let captured = sum(Reason::Captured);
        assert_eq!(captured, end.at.ledger[Reason::Captured], "{reader:?}");
        if reader.whole && !plain {
            for reason in TOLD_LOSSES {
                assert_eq!(sum(reason), end.at.ledger[reason], "{reason} {reader:?}");
            }
        }
    }

    /// Lets all readers read to their ends, and checks that all counts add up.
    fn settle(&mut self) {
        for who in 0..self.readers.len() {
            self.finish(who);
        }
        for round in 0..200 {
            self.bench.service();
            for who in 0..self.readers.len() {
                self.read(who, u16::MAX, true);
            }
            let done = |r: &Reader| Self::is_cut_off(r) || r.attached.listener.available() == 0;
            if round > 2 && self.readers.iter().all(done) {
                break;
            }
        }
        for reader in self.readers.iter().filter(|r| !Self::is_cut_off(r)) {
            assert_eq!(Some(reader.next), reader.end.map(|(end, _)| end));
            Self::check_sum(reader, self.shape.plain);
        }
        self.bench.service();
        let seen = self.bench.queue.ledger().ledger;
        assert_eq!(seen, self.ledger);
        assert_eq!(
            seen.on_the_wire().frames,
            self.offered + self.ledger[Reason::NicMissed].frames
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn listeners_read_the_pushed_frames(
        shape in shape(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(shape);
        for step in &steps {
            run.step(step);
        }
        run.settle();
    }

    /// With one lossless listener from the first frame on, the frames and gaps that it reads are
    /// all frames that were offered.
    #[test]
    fn frames_and_gaps_add_up_to_all_frames(
        shape in shape().prop_map(|s| Shape { plain: false, ..s }),
        steps in prop::collection::vec(
            prop_oneof![
                4 => (1..60u8, 0..1600usize).prop_map(|(frames, bytes)| Step::Push { frames, bytes }),
                1 => any::<u8>().prop_map(Step::Lose),
                2 => (1..400u16).prop_map(|records| Step::Read { who: 0, records, ack: true }),
                1 => (1..4u8).prop_map(Step::Pass),
            ],
            1..200,
        ),
    ) {
        let mut run = Run::new(shape);
        run.attach(0, 0);
        for step in &steps {
            run.step(step);
        }
        run.settle();
        let reader = &run.readers[0];
        let untold = reader.attached.listener.end().unwrap().untold.lost().frames;
        prop_assert_eq!(reader.told.lost().frames + untold, run.ledger.lost().frames);
        prop_assert_eq!(reader.next as u64, run.ledger[Reason::Captured].frames);
    }
}
