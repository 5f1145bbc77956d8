//! Sends the frames of a source out of an interface and counts them exactly: a frame counts as
//! sent when the interface's driver has taken it.

mod copies;
mod outcome;
mod requests;
mod socket;

use std::time::{Duration, Instant};

use hpcap::{Count, Error, Kind, Result, cancellable};
use hpcap_host::Interface;
use hpcap_source::generator::Late;
use hpcap_source::{Frame, Source, SourceSpec, State};

use copies::Copies;
pub use copies::{COPY_DISTANCE, CopySettings};
pub use outcome::{NotSent, Outcome};
pub use requests::Requests;
use socket::{Refusal, Socket};

/// Length of an Ethernet header, and so of the shortest frame that can be sent.
const FRAME_BYTES_MIN: usize = 14;
/// Longest wait before a signal is noticed.
const NOTICE: Duration = Duration::from_millis(100);
/// Time without a sent frame after which a message reports it.
const STUCK: Duration = Duration::from_secs(1);
/// Time without a sent frame after which sending fails.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Sends the frames of `source` on the interface `to` until the source ends or `requests` ask for
/// a stop, with copies among them if asked.
/// `outcome` always has the counts so far, also after an error; `say` gets messages for the user.
///
/// # Errors
/// Errors of the source; [`Kind::NotFound`] for an unknown interface, [`Kind::Permission`] without
/// CAP_NET_RAW, [`Kind::Usage`] if the frames are not Ethernet frames, [`Kind::Timeout`] if the
/// interface takes nothing for ten seconds, [`Kind::Io`] if it goes down or is removed.
pub fn send(
    source: &SourceSpec,
    to: &str,
    copies: Option<CopySettings>,
    requests: &Requests,
    outcome: &mut Outcome,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let source = &delay_late_frames(source.clone());
    outcome.source = source.to_string();
    outcome.interface = to.to_string();
    // Opening a FIFO waits until somebody writes it.
    let spec = source.clone();
    let opened = cancellable::run(|_| requests.has_stop(), move || spec.open())?;
    let Some(mut frames) = opened else {
        outcome.stopped = true;
        return Ok(());
    };
    let interface = Interface::required(to)?;
    if interface.is_any() {
        return Err(Error::usage(
            "send to any",
            "frames are sent on one interface: name it",
        ));
    }
    for (what, link_type) in [
        (outcome.source.as_str(), frames.description().link_type),
        (to, interface.link_type()?),
    ] {
        if link_type != hpcap::pcapfile::LINK_TYPE_ETHERNET {
            return Err(Error::usage(
                format!("send {} to {to}", outcome.source),
                format!("{what} has link type {link_type}; only Ethernet frames can be sent"),
            ));
        }
    }
    outcome.mtu = interface.mtu;
    let mut transmitter = Transmitter {
        socket: Socket::open(&interface)?,
        interface,
        copies: copies.map(Copies::new),
        requests,
        start: Instant::now(),
        outcome,
        say,
    };
    let result = transmitter.send_all(frames.as_mut());
    transmitter.note_time();
    outcome.stopped = requests.has_stop();
    result
}

/// Makes a generator delay late frames instead of missing them, unless its specification decides.
fn delay_late_frames(mut source: SourceSpec) -> SourceSpec {
    if let SourceSpec::Generator(spec) = &mut source
        && spec.rate.is_some()
    {
        spec.late.get_or_insert(Late::Delay);
    }
    source
}

struct Transmitter<'a> {
    socket: Socket,
    interface: Interface,
    copies: Option<Copies>,
    requests: &'a Requests,
    start: Instant,
    outcome: &'a mut Outcome,
    say: &'a mut dyn FnMut(&str),
}

impl Transmitter<'_> {
    fn is_stopped(&self) -> bool {
        self.requests.has_stop()
    }

    fn note_time(&mut self) {
        self.outcome.seconds = self.start.elapsed().as_secs_f64();
    }

    fn tell_if_asked(&mut self) {
        if self.requests.take_statistics() {
            self.note_time();
            (self.say)(&self.outcome.to_string());
        }
    }

    fn send_all(&mut self, source: &mut dyn Source) -> Result<()> {
        while !self.is_stopped() {
            let harvest = source.harvest()?;
            for (_, count) in harvest.lost {
                self.outcome.not_sent.late += *count;
            }
            let state = harvest.state;
            self.send_with_copies(harvest.frames)?;
            while let Some(event) = source.next_event() {
                let interface = source.description().interface;
                (self.say)(&event.display(&interface).to_string());
            }
            self.tell_if_asked();
            match state {
                State::Busy => {}
                State::Idle => source.wait(NOTICE)?,
                State::Ended => break,
            }
        }
        Ok(())
    }

    /// Sends `frames`, with copies among them if asked.
    fn send_with_copies(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        let Some(mut copies) = self.copies.take() else {
            return self.send_batch(frames, &[]);
        };
        let outgoing = copies.add(frames);
        let result = self.send_batch(&outgoing.frames, &outgoing.is_copy);
        self.copies = Some(copies);
        result
    }

    /// Sends all of `frames`, or as many as possible before a stop. `is_copy` says which of them are
    /// copies; it is empty if none is.
    fn send_batch(&mut self, frames: &[Frame<'_>], is_copy: &[bool]) -> Result<()> {
        let mut next = 0;
        let mut stuck: Option<Stuck> = None;
        while next < frames.len() && !self.is_stopped() {
            if frames[next].data().len() < FRAME_BYTES_MIN {
                self.outcome.not_sent.too_short += one(&frames[next]);
                next += 1;
                continue;
            }
            // One call sends the frames before the next one that is too short.
            let rest = &frames[next..];
            let run = rest
                .iter()
                .position(|f| f.data().len() < FRAME_BYTES_MIN)
                .unwrap_or(rest.len());
            match self.socket.send(&rest[..run]) {
                Ok(sent) => {
                    for (n, frame) in rest[..sent].iter().enumerate() {
                        self.outcome.sent += one(frame);
                        if is_copy.get(next + n) == Some(&true) {
                            self.outcome.copies += one(frame);
                        }
                        if frame.data().len() < frame.len as usize {
                            self.outcome.cut += one(frame);
                        }
                    }
                    next += sent;
                    stuck = None;
                }
                Err(Refusal::TooLong) => {
                    self.outcome.not_sent.too_long += one(&frames[next]);
                    next += 1;
                }
                Err(Refusal::NoRoom) => {
                    self.tell_if_asked();
                    self.outcome.retries += 1;
                    let since = stuck.get_or_insert_with(Stuck::new);
                    since.back_off(&self.interface, self.say)?;
                }
                Err(Refusal::Interrupted) => {}
                Err(Refusal::Failed(error)) => {
                    let name = &self.interface.name;
                    return Err(Error::io(format!("send to {name}"), error)
                        .advise(format!("see: ip link show {name}")));
                }
            }
        }
        Ok(())
    }
}

/// Counts one frame, with the bytes that are sent.
fn one(frame: &Frame<'_>) -> Count {
    Count::new(1, frame.data().len() as u64)
}

/// An interface that has no room.
struct Stuck {
    since: Instant,
    tries: u32,
    said: bool,
}

impl Stuck {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            tries: 0,
            said: false,
        }
    }

    /// Waits a little for room. Reports an interface that has taken nothing for [`STUCK`], and
    /// fails after [`GIVE_UP`].
    fn back_off(&mut self, interface: &Interface, say: &mut dyn FnMut(&str)) -> Result<()> {
        self.tries += 1;
        if self.tries < 100 {
            std::thread::yield_now();
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(100));
        let elapsed = self.since.elapsed();
        if elapsed < STUCK || (self.said && elapsed < GIVE_UP) {
            return Ok(());
        }
        let why = match Interface::by_index(interface.index)? {
            Some(now) if !now.is_up() => "it is down",
            Some(now) if !now.is_running() => "nobody is at the other end of the link",
            _ => "the driver is busy",
        };
        if elapsed >= GIVE_UP {
            return Err(Error::new(
                Kind::Timeout,
                format!("send to {}", interface.name),
                format!("it has taken no frame for {} s: {why}", GIVE_UP.as_secs()),
            )
            .advise(format!("see: ip link show {}", interface.name)));
        }
        self.said = true;
        say(&format!(
            "{} takes no frames: {why}; waiting",
            interface.name
        ));
        Ok(())
    }
}
