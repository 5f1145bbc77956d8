//! The printing thread of a program.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::output::Output;
use super::{Dropped, Item, Level, Message, Messages, Stream};
use crate::error::{Context, Result};

/// Capacity of the queue, in messages.
const QUEUE: usize = 1024;

/// Interval at which a stream that takes nothing is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// Longest sleep of the thread when there is nothing to print.
const IDLE: Duration = Duration::from_secs(1);

/// How long a program that ends waits for a stream that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a program that ends waits for its streams in total.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(5);

/// Returns the line that reports the number of dropped messages of a stream.
type Notice = Box<dyn Fn(Stream, u64) -> String + Send>;

/// Prints the messages of a program. The program calls [`Printer::finish`] at its end.
#[derive(Debug)]
pub struct Printer {
    messages: Messages,
    stop: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Printer {
    /// Starts the thread for this process's standard output and standard error. `notice` formats
    /// the line that reports how many messages of a stream were dropped.
    ///
    /// # Errors
    /// Fails when the system cannot create another thread or descriptor.
    pub fn start(notice: impl Fn(Stream, u64) -> String + Send + 'static) -> Result<Self> {
        let copy = |fd: std::os::fd::BorrowedFd<'_>| {
            fd.try_clone_to_owned()
                .map(Output::of)
                .context(|| "prepare to print")
        };
        let output = copy(std::io::stdout().as_fd())?;
        let errors = copy(std::io::stderr().as_fd())?;
        Self::to(output, errors, Box::new(notice))
    }

    fn to(output: Output, errors: Output, notice: Notice) -> Result<Self> {
        let (queue, items) = sync_channel(QUEUE);
        let (end, ended) = mpsc::channel();
        let messages = Messages {
            queue,
            dropped: Arc::default(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            items,
            dropped: Arc::clone(&messages.dropped),
            stop: Arc::clone(&stop),
            output,
            errors,
            progress_shown: false,
            notice,
        };
        std::thread::Builder::new()
            .name("printer".into())
            .spawn(move || {
                work.run();
                let _ = end.send(());
            })
            .context(|| "start the printing thread")?;
        Ok(Self {
            messages,
            stop,
            ended,
        })
    }

    /// The sending end of the queue.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Prints the queued messages and stops the thread. A stream that takes nothing delays this by
    /// about one second.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.messages.queue.try_send(Item::Wake);
        // This is longer than the limits of the thread. If a write blocks nevertheless, the thread
        // is abandoned.
        let _ = self.ended.recv_timeout(PATIENCE_IN_ALL + PATIENCE);
    }
}

/// The state of the printing thread.
struct Work {
    items: Receiver<Item>,
    dropped: Arc<Dropped>,
    stop: Arc<AtomicBool>,
    output: Output,
    errors: Output,
    /// Whether the last line on the terminal is a progress line without newline.
    progress_shown: bool,
    notice: Notice,
}

impl Work {
    fn run(mut self) {
        let mut moved = Instant::now();
        let mut stopped = None;
        loop {
            let idle = self.output.is_empty() && self.errors.is_empty();
            let stopping = self.stop.load(Ordering::Acquire);
            let wait = match (idle, stopping) {
                (true, true) => Duration::ZERO,
                (true, false) => IDLE,
                (false, _) => RETRY,
            };
            match self.items.recv_timeout(wait) {
                Ok(Item::Message(message)) => self.take(message),
                Ok(Item::Wake) => {}
                Err(RecvTimeoutError::Timeout) if stopping && idle => return,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.flush() {
                moved = Instant::now();
            }
            if stopping {
                let since = *stopped.get_or_insert_with(Instant::now);
                let stuck = moved.max(since).elapsed() >= PATIENCE;
                if stuck || since.elapsed() >= PATIENCE_IN_ALL {
                    return;
                }
            }
        }
    }

    fn take(&mut self, message: Message) {
        let mut text = message.text;
        if message.level == Level::Progress {
            // A terminal with a backlog gets no progress line, which would be out of date when
            // printed.
            if self.errors.is_empty() {
                text.insert(0, '\r');
                text.push_str("\x1b[K");
                self.errors.push(text.into_bytes());
                self.progress_shown = true;
            }
            return;
        }
        if std::mem::take(&mut self.progress_shown) {
            self.errors.push(b"\r\x1b[K".to_vec());
        }
        text.push('\n');
        match message.stream {
            Stream::Output => self.output.push(text.into_bytes()),
            Stream::Errors => self.errors.push(text.into_bytes()),
        }
    }

    /// Writes what the streams take, then the numbers of lost lines. Returns whether a stream took
    /// bytes or failed.
    fn flush(&mut self) -> bool {
        let mut moved = false;
        for stream in [Stream::Output, Stream::Errors] {
            let output = match stream {
                Stream::Output => &mut self.output,
                Stream::Errors => &mut self.errors,
            };
            moved |= output.flush();
            output.add_lost(self.dropped.of(stream).swap(0, Ordering::Relaxed));
            if output.can_tell_lost() {
                let lost = output.take_lost();
                output.push(format!("{}\n", (self.notice)(stream, lost)).into_bytes());
                output.flush();
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Creates a printer that writes to two pipes, and returns the reading ends.
    fn printer() -> (Printer, std::io::PipeReader, std::io::PipeReader) {
        let (out, output) = std::io::pipe().unwrap();
        let (err, errors) = std::io::pipe().unwrap();
        let notice = |_, lost| format!("{lost} dropped");
        let printer = Printer::to(
            Output::of(output.into()),
            Output::of(errors.into()),
            Box::new(notice),
        );
        (printer.unwrap(), out, err)
    }

    fn text(mut pipe: std::io::PipeReader) -> String {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn printer_keeps_the_order_of_a_stream() {
        let (printer, out, err) = printer();
        for n in 0..100 {
            printer
                .messages()
                .tell(Level::Info, Stream::Output, n.to_string());
        }
        printer.finish();
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!((text(out), text(err)), (expected, String::new()));
    }

    #[test]
    fn unread_stream_does_not_hold_up_the_other() {
        let (printer, out, mut err) = printer();
        for _ in 0..500 {
            printer
                .messages()
                .tell(Level::Info, Stream::Output, "x".repeat(4000));
        }
        // When the queue is full the message is dropped, so it is sent again until it is read.
        nix::fcntl::fcntl(
            &err,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut buffer = [0; 64];
        while err.read(&mut buffer).is_err() {
            assert!(Instant::now() < deadline, "nothing on standard error");
            printer.messages().warn("heard");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(buffer.starts_with(b"heard\n"));
        drop(out);
    }

    #[test]
    fn printer_reports_what_it_dropped() {
        let (printer, out, err) = printer();
        for _ in 0..20_000 {
            printer
                .messages()
                .tell(Level::Info, Stream::Output, "x".repeat(100));
        }
        let reader = std::thread::spawn(move || text(out));
        printer.finish();
        let text = reader.join().unwrap();
        let told = text.lines().filter(|l| l.starts_with('x')).count();
        let dropped: usize = text
            .lines()
            .filter_map(|l| l.strip_suffix(" dropped")?.parse::<usize>().ok())
            .sum();
        assert_eq!(told + dropped, 20_000, "{told}");
        drop(err);
    }

    #[test]
    fn finish_leaves_an_unread_stream_behind() {
        let (printer, _out, _err) = printer();
        for _ in 0..200 {
            printer
                .messages()
                .tell(Level::Info, Stream::Output, "x".repeat(4000));
        }
        // `finish` must return, or this test hangs.
        printer.finish();
    }

    #[test]
    fn progress_is_erased_by_the_next_message() {
        let (printer, out, err) = printer();
        let tell = |level, text: &str| printer.messages().tell(level, Stream::Errors, text);
        tell(Level::Progress, "1 s");
        tell(Level::Warning, "trouble");
        printer.finish();
        assert_eq!(text(err), "\r1 s\x1b[K\r\x1b[Ktrouble\n");
        drop(out);
    }
}
