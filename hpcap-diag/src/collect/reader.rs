//! A thread that reads sources, each within a limit of time and of size.
//!
//! A source can block for ever: a file on a dead file server, a daemon that does not answer. The caller stops
//! waiting at the deadline, leaves the thread behind and goes on with a new one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::open::Content;

/// Threads that may be left behind. Each of them may hold the bytes of one source.
const MOST_STUCK: usize = 8;

/// Why a source could not be read, in words.
pub type Unreadable = String;

type Job = Box<dyn FnOnce() + Send>;

/// Reads sources one after another.
#[derive(Debug)]
pub struct Reader {
    jobs: Option<Sender<Job>>,
    stuck: usize,
    end: Instant,
    scale: f64,
}

impl Reader {
    /// Creates a reader that waits for no source after `end`, and for each `scale` times as long as its limit says.
    #[must_use]
    pub fn new(end: Instant, scale: f64) -> Self {
        Self {
            jobs: None,
            stuck: 0,
            end,
            scale,
        }
    }

    /// Time that is left for all sources together.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Runs `read` in the thread, and waits for at most `limit`.
    ///
    /// # Errors
    /// The error of `read`, or that it took longer than its limit.
    pub fn read<F>(&mut self, limit: Duration, read: F) -> Result<Content, Unreadable>
    where
        F: FnOnce() -> Result<Content, Unreadable> + Send + 'static,
    {
        self.ask(limit, read)?
    }

    /// As [`read`](Self::read), for an answer of any kind.
    ///
    /// # Errors
    /// Returns an error if `ask` took longer than its limit.
    pub fn ask<T, F>(&mut self, limit: Duration, ask: F) -> Result<T, Unreadable>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let wait = limit.mul_f64(self.scale).min(self.left());
        if wait.is_zero() {
            return Err("the time for the whole collection was over".to_owned());
        }
        if self.stuck >= MOST_STUCK {
            return Err(format!("{MOST_STUCK} sources before it did not answer"));
        }
        let (answer, answered) = sync_channel(1);
        let job = Box::new(move || {
            let _ = answer.send(ask());
        });
        self.send(job)?;
        match answered.recv_timeout(wait) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => {
                self.jobs = None;
                Err("reading it failed inside hpcap-diag".to_owned())
            }
            Err(RecvTimeoutError::Timeout) => {
                self.jobs = None;
                self.stuck += 1;
                Err(format!(
                    "it did not answer within {:.1} s",
                    wait.as_secs_f64()
                ))
            }
        }
    }

    /// As [`ask`](Self::ask), for several answers at the same time and with one limit for all of them:
    /// one that does not come delays no other. The answers are in the order of `asks`.
    pub fn ask_side_by_side<T, F>(
        &mut self,
        limit: Duration,
        asks: Vec<F>,
    ) -> Vec<Result<T, Unreadable>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let wait = limit.mul_f64(self.scale).min(self.left());
        let end = Instant::now() + wait;
        let silent = format!("it did not answer within {:.1} s", wait.as_secs_f64());
        let (answer, answers) = channel();
        let mut results: Vec<Result<T, Unreadable>> = Vec::new();
        for (number, ask) in asks.into_iter().enumerate() {
            let answer = answer.clone();
            let started = std::thread::Builder::new()
                .name("reader".to_owned())
                // After the end, nobody waits for the answer.
                .spawn(move || drop(answer.send((number, ask()))));
            results.push(Err(match started {
                Ok(_) => silent.clone(),
                Err(e) => format!("no thread could be started: {e}"),
            }));
        }
        // The last thread that ends closes the channel.
        drop(answer);
        while let Ok((number, answer)) =
            answers.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            results[number] = Ok(answer);
        }
        results
    }

    fn send(&mut self, job: Job) -> Result<(), Unreadable> {
        let job = match &self.jobs {
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(refused) => refused.0,
            },
            None => job,
        };
        let (jobs, waiting) = channel();
        let _ = jobs.send(job);
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || work(&waiting))
            .map_err(|e| format!("no thread could be started: {e}"))?;
        self.jobs = Some(jobs);
        Ok(())
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn reader_goes_on_after_a_stuck_source() {
        let mut reader = Reader::new(hour(), 1.0);
        let (release, held) = channel::<()>();
        let stuck = reader.ask(Duration::from_millis(20), move || {
            let _ = held.recv();
        });
        assert!(stuck.unwrap_err().contains("did not answer"));
        let next = reader.ask(Duration::from_secs(3600), || 7);
        assert_eq!(next, Ok(7));
        drop(release);
    }

    #[test]
    fn reader_gives_up_after_many_stuck_sources() {
        let mut reader = Reader::new(hour(), 1.0);
        let mut held = Vec::new();
        for _ in 0..MOST_STUCK {
            let (release, wait) = channel::<()>();
            held.push(release);
            let stuck = reader.ask(Duration::from_millis(1), move || {
                let _ = wait.recv();
            });
            assert!(stuck.is_err());
        }
        assert!(reader.ask(Duration::from_secs(3600), || 7).is_err());
    }

    #[test]
    fn answers_come_side_by_side_in_order() {
        let mut reader = Reader::new(hour(), 1.0);
        let (release, held) = channel::<()>();
        let mut held = Some(held);
        let asks = (0..2 * MOST_STUCK).map(|number| {
            // The first one waits for the end of the test.
            let held = held.take();
            move || {
                let _ = held.map(|held| held.recv());
                number
            }
        });
        let asks = asks.collect();
        let answers = reader.ask_side_by_side(Duration::from_secs(2), asks);
        assert!(answers[0].as_ref().unwrap_err().contains("did not answer"));
        for (number, answer) in answers.iter().enumerate().skip(1) {
            assert_eq!(*answer, Ok(number));
        }
        // A source that does not answer takes no time from other sources.
        assert_eq!(reader.ask(Duration::from_secs(3600), || 7), Ok(7));
        drop(release);
    }

    #[test]
    fn reader_has_no_time_after_its_end() {
        let mut reader = Reader::new(Instant::now(), 1.0);
        let error = reader.ask(Duration::from_secs(9), || 7).unwrap_err();
        assert!(error.contains("whole collection"), "{error}");
    }

    #[test]
    fn panicking_source_is_unreadable() {
        let mut reader = Reader::new(hour(), 1.0);
        let wait = Duration::from_secs(3600);
        let failed = reader.ask(wait, || -> u8 { panic!("a test") });
        assert!(failed.is_err());
        assert_eq!(reader.ask(wait, || 7), Ok(7));
    }
}
