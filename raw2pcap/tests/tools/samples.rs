//! Makes files to convert and check, and runs the tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hpcap::pcapfile::Reader;
use hpcap::raw::tag::Tag;
use hpcap::raw::{FileHeader, FileName, Gap, Index, LedgerTag, Placed, RecordingId, Writer};
use hpcap::{Count, Ledger, QueueName, Reason, Timestamp};

pub(crate) const START: u64 = 1_391_723_988;

/// A frame: its time in nanoseconds since 1970, and a number from which its contents are made.
pub(crate) type Frame = (u64, u8);

pub(crate) fn ns(sec: u64, ns: u64) -> u64 {
    (START + sec) * 1_000_000_000 + ns
}

/// Makes an Ethernet frame of 60 bytes with a UDP datagram from port `number`.
pub(crate) fn contents(number: u8) -> Vec<u8> {
    let mut frame = vec![number; 60];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&46_u16.to_be_bytes());
    frame[20..22].fill(0);
    frame[23] = 17;
    frame[34..36].copy_from_slice(&u16::from(number).to_be_bytes());
    frame[38..40].copy_from_slice(&26_u16.to_be_bytes());
    frame
}

/// A file of a queue that is being built.
pub(crate) struct File {
    writer: Writer<Vec<u8>>,
    queue: QueueName,
    start: u64,
    ledger: Ledger,
    last: u64,
    /// Places of the marks of duplicates.
    marks: Vec<usize>,
}

impl File {
    pub(crate) fn new(queue: u32, start: u64, link_type: u32) -> Self {
        Self::of_recording(None, start << 31, queue, start, link_type)
    }

    /// Starts a file of a recording, at `stream_off` in its stream, made by process 1.
    pub(crate) fn of_recording(
        recording: Option<RecordingId>,
        stream_off: u64,
        queue: u32,
        start: u64,
        link_type: u32,
    ) -> Self {
        let queue = QueueName::new(0, queue);
        let mut writer = Writer::new(Vec::new());
        let header = FileHeader {
            stream_off,
            recording,
            producer_pid: 1,
            start: Timestamp::from_ns(start * 1_000_000_000),
            link_type,
            queue: Some(queue),
            interface: format!("veth{}", queue.queue),
            host: "probe".into(),
            clock_source: "engine".into(),
            software: "test".into(),
            block_bytes: 4096,
            ..FileHeader::default()
        };
        assert_eq!(writer.header(&header).unwrap(), Placed::Stored);
        Self {
            writer,
            queue,
            start,
            ledger: Ledger::default(),
            last: 0,
            marks: Vec::new(),
        }
    }

    pub(crate) fn frame(mut self, frame: Frame) -> Self {
        let (time, number) = frame;
        let data = contents(number);
        let placed = self.writer.frame(
            time / 1_000_000_000,
            u32::try_from(time % 1_000_000_000).unwrap(),
            60,
            &data,
        );
        assert_eq!(placed.unwrap(), Placed::Stored);
        self.ledger[Reason::Captured] += Count::new(1, 60);
        self.last = time;
        self
    }

    /// Adds a frame that is marked as a duplicate.
    pub(crate) fn duplicate(mut self, frame: Frame) -> Self {
        self.marks
            .push(usize::try_from(self.writer.offset()).unwrap());
        self.frame(frame)
    }

    pub(crate) fn gap(mut self, reason: Reason, frames: u64) -> Self {
        let mut lost = Ledger::default();
        lost[reason] = Count::new(frames, frames * 60);
        self.ledger += &lost;
        let gap = Gap {
            from: Some(Timestamp::from_ns(self.last)),
            until: Timestamp::from_ns(self.last + 1000),
            open: false,
            lost,
        };
        assert_eq!(self.writer.gap(&gap).unwrap(), Placed::Stored);
        self
    }

    /// Returns the bytes of the file.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let tag = LedgerTag {
            end: Timestamp::from_ns(self.last),
            frames_cut: 0,
            times_adjusted: 0,
            ledger: self.ledger,
        };
        assert_eq!(self.writer.ledger(&tag).unwrap(), Placed::Stored);
        let mut bytes = self.writer.close(4096).unwrap().0;
        let body = Tag::Duplicate.to_body();
        let mut mark = vec![0; 12];
        for length in [8, 10] {
            mark[length..length + 2].copy_from_slice(&(body.len() as u16).to_le_bytes());
        }
        mark.extend(body);
        for at in self.marks.into_iter().rev() {
            bytes.splice(at..at, mark.iter().copied());
        }
        bytes
    }

    /// Stores the file below `base` under its name.
    pub(crate) fn store(self, base: &Path) -> PathBuf {
        let path = FileName::new(self.start, self.queue).path(base);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = self.bytes();
        fs::write(&path, &bytes).unwrap();
        path
    }
}

/// Saves the index beside a file.
pub(crate) fn index(path: &Path) {
    let index = Index::build(fs::File::open(path).unwrap(), 4096).unwrap();
    index.save(path).unwrap();
}

/// Makes a file with `count` frames of a queue from second `from` on, a millisecond apart.
pub(crate) fn many(queue: u32, from: u64, count: u64) -> File {
    (0..count).fold(File::new(queue, START + from, 1), |file, i| {
        file.frame((ns(from, i * 1_000_000), u8::try_from(i % 250).unwrap()))
    })
}

fn run(program: &str, args: &[&str], dir: &Path, stdin: Option<&[u8]>) -> Output {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        // clap wraps the help at this width.
        .env("COLUMNS", "100")
        .stdin(if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
        let bytes = bytes.to_vec();
        std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    }
    child.wait_with_output().unwrap()
}

pub(crate) fn raw2pcap(args: &[&str], dir: &Path) -> Output {
    run(env!("CARGO_BIN_EXE_raw2pcap"), args, dir, None)
}

pub(crate) fn raw2pcap_reading(args: &[&str], dir: &Path, stdin: &[u8]) -> Output {
    run(env!("CARGO_BIN_EXE_raw2pcap"), args, dir, Some(stdin))
}

pub(crate) fn checkraw(args: &[&str], dir: &Path) -> Output {
    run(env!("CARGO_BIN_EXE_checkraw"), args, dir, None)
}

pub(crate) fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

pub(crate) fn stdout(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The names of what is in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Asserts the exit code, and shows the output if it is another.
pub(crate) fn exits(out: &Output, code: i32) {
    assert_eq!(
        out.status.code(),
        Some(code),
        "{}{}",
        stdout(out),
        stderr(out)
    );
}

/// Returns time and number of every frame of a pcap or pcapng file.
pub(crate) fn converted(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = Reader::new(bytes, "result").unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let number = frame.data[0];
        assert_eq!(frame.data, contents(number));
        assert_eq!(frame.len, 60);
        frames.push((frame.sec * 1_000_000_000 + u64::from(frame.nsec), number));
    }
    frames
}

/// Returns time and number of every frame of the file at `path`.
pub(crate) fn converted_file(path: &Path) -> Vec<Frame> {
    converted(&fs::read(path).unwrap())
}
