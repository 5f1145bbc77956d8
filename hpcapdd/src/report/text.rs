//! Renders events as lines of text.

use std::fmt::Write as _;

use hpcap::units::{Bytes, Si};
use hpcap::visible::visible_lines;
use hpcap::{Count, Ledger, QueueName, Reason};

use crate::report::event::{Event, FileComplete, Progress, SourceLoss, Start, Summary};

/// Renders an event for a person. The text can have several lines. It begins with the name of `queue` if the event
/// belongs to one of several queues that are recorded.
#[must_use]
pub fn text(event: &Event, queue: Option<QueueName>) -> String {
    let text = plain_text(event);
    let text = match (queue, text.strip_prefix("hpcapdd: ")) {
        (None, _) => text,
        // This line names its queue itself.
        _ if matches!(event, Event::Start(_)) => text,
        (Some(queue), None) => format!("{queue}: {text}"),
        (Some(queue), Some(warning)) => format!("hpcapdd: {queue}: {warning}"),
    };
    visible_lines(&text).into_owned()
}

fn plain_text(event: &Event) -> String {
    match event {
        Event::Start(start) => start_text(start),
        Event::Progress(progress) => progress_text(progress),
        Event::FileComplete(file) => file_text(file),
        Event::FileDeleted(file) => format!(
            "file deleted: {} ({}) because of --{}",
            file.path.display(),
            Bytes(file.bytes),
            file.because_of
        ),
        Event::Loss(SourceLoss { source, loss }) => match source {
            Some(source) => format!("hpcapdd: {source}: {loss}"),
            None => format!("hpcapdd: {loss}"),
        },
        Event::Warning { message } => format!("hpcapdd: {message}"),
        Event::FinishingBehind(behind) => format!(
            "hpcapdd: finishing files (fsync, compression) takes longer than writing them: {} files \
             wait\n  no new file is begun until one of them is finished; meanwhile the ring holds \
             the frames, and what it cannot hold is counted as ring_full\n  use longer files \
             (--rotate-size), zst in place of gz, or a faster disk",
            behind.files
        ),
        Event::FinishingCaughtUp(done) => format!(
            "hpcapdd: all files are finished again after {:.1} s; writing paused {} times",
            done.seconds, done.pauses
        ),
        Event::Source(source) => format!("{}: {}", source.source, terms(&source.ledger)),
        Event::Summary(summary) => summary_text(summary),
        Event::Total(total) => format!("all queues: {}", summary_text(total)),
    }
}

fn start_text(s: &Start) -> String {
    let from = match &s.queue {
        Some(queue) => format!("{queue} ({})", s.source),
        None => s.source.clone(),
    };
    let how = match s.mode {
        "blocks" => "whole blocks",
        "records" => "frame by frame",
        _ => "discarding",
    };
    format!(
        "recording {from} to {}, {how}; ring {} in pages of {}",
        s.destination,
        Bytes(s.ring_bytes),
        Bytes(s.page_bytes)
    )
}

fn file_text(f: &FileComplete) -> String {
    format!(
        "file complete: {} ({}, {} frames, {:.1} s)",
        f.path.display(),
        Bytes(f.bytes),
        f.frames.frames,
        f.seconds
    )
}

fn progress_text(p: &Progress) -> String {
    let mut line = format!(
        "{:.0} s  wire {}pps {}b/s  stored {}pps {}B/s  ring {:.0} %  ",
        p.seconds,
        Si(p.frames_per_second),
        Si(p.bits_per_second),
        Si(p.stored_frames_per_second),
        Si(p.stored_bytes_per_second),
        p.lag * 100.0
    );
    let lost = p.ledger.lost();
    if lost.is_zero() {
        line.push_str("nothing lost");
    } else {
        let _ = write!(
            line,
            "lost {:.0}/s now, in all {}",
            p.lost_frames_per_second,
            losses(&p.ledger)
        );
    }
    line
}

/// Lists the losses, such as `12 ring_full, 3 nic_missed`.
fn losses(ledger: &Ledger) -> String {
    let parts: Vec<String> = ledger
        .iter()
        .filter(|(reason, count)| reason.is_loss() && !count.is_zero())
        .map(|(reason, count)| format!("{} {reason}", count.frames))
        .collect();
    parts.join(", ")
}

/// Writes a ledger as a sum, such as `100 on the wire = 90 captured + 10 ring_full`.
fn terms(ledger: &Ledger) -> String {
    let mut text = format!(
        "{} on the wire = {} captured",
        ledger.on_the_wire().frames,
        ledger[Reason::Captured].frames
    );
    for reason in &Reason::ledger()[1..] {
        let count = ledger[*reason];
        if !count.is_zero() {
            let _ = write!(text, " + {} {reason}", count.frames);
        }
    }
    text
}

fn summary_text(s: &Summary) -> String {
    let rate = |n: f64| if s.seconds > 0.0 { n / s.seconds } else { 0.0 };
    let stored = Count::new(s.stored.frames, s.stored.frame_bytes);
    let mut text = format!(
        "ended ({}): {} frames, {} in {} file{}, {:.1} s\n  stored   {}pps  {}b/s on the wire  {}B/s; ring at most {:.0} % full",
        s.ended_by,
        s.stored.frames,
        Bytes(s.stored_bytes),
        s.files,
        if s.files == 1 { "" } else { "s" },
        s.seconds,
        Si(rate(to_f64(stored.frames))),
        Si(rate(wire_bits(stored))),
        Si(rate(to_f64(s.stored_bytes))),
        s.lag_peak * 100.0,
    );
    let _ = write!(text, "\n  ledger   {}", terms(&s.ledger));
    for reason in [Reason::Overrun, Reason::Storage] {
        let lost = s.ledger[reason];
        if !lost.is_zero() {
            let _ = write!(
                text,
                "\n  of the captured frames this recorder lost {} ({reason})",
                lost.frames
            );
        }
    }
    for (n, what) in [
        (
            s.frames_cut,
            "were longer than 65535 bytes, and are stored cut",
        ),
        (
            s.times_adjusted,
            "had a time that a record cannot hold, and are stored with another",
        ),
    ] {
        if n > 0 {
            let _ = write!(text, "\n  {n} of the frames {what}");
        }
    }
    text
}

/// Bits that the frames take on an Ethernet link. Preamble, FCS and gap add 24 bytes to each frame.
#[must_use]
pub fn wire_bits(count: Count) -> f64 {
    8.0 * (to_f64(count.bytes) + 24.0 * to_f64(count.frames))
}

fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::event::{EndedBy, Frames};

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger[Reason::Captured] = Count::new(90, 5400);
        ledger[Reason::RingFull] = Count::new(10, 600);
        ledger
    }

    #[test]
    fn progress_line_names_losses() {
        let mut progress = Progress {
            seconds: 3.0,
            frames_per_second: 14_880_000.0,
            bits_per_second: 1e10,
            stored_frames_per_second: 14_800_000.0,
            stored_bytes_per_second: 1.2e9,
            lost_frames_per_second: 4.0,
            lag: 0.031,
            ..Progress::default()
        };
        assert_eq!(
            progress_text(&progress),
            "3 s  wire 14.9 Mpps 10.0 Gb/s  stored 14.8 Mpps 1.20 GB/s  ring 3 %  nothing lost"
        );
        progress.ledger = ledger();
        assert!(progress_text(&progress).ends_with("lost 4/s now, in all 10 ring_full"));
    }

    #[test]
    fn summary_omits_zero_terms() {
        let mut summary = Summary {
            ended_by: EndedBy::Signal,
            stored: Frames {
                frames: 90,
                frame_bytes: 5400,
            },
            stored_bytes: 6480,
            files: 1,
            seconds: 2.0,
            lag_peak: 0.5,
            ledger: ledger(),
            frames_cut: 0,
            times_adjusted: 0,
        };
        let text = summary_text(&summary);
        assert!(
            text.contains("90 frames, 6.33 KiB in 1 file, 2.0 s"),
            "{text}"
        );
        assert!(
            text.contains("100 on the wire = 90 captured + 10 ring_full"),
            "{text}"
        );
        assert!(!text.contains("this recorder lost"), "{text}");
        summary.ledger[Reason::Storage] = Count::new(4, 240);
        assert!(summary_text(&summary).contains("this recorder lost 4 (storage)"));
    }

    #[test]
    fn frame_of_60_bytes_takes_672_bits() {
        assert!((wire_bits(Count::new(1, 60)) - 672.0).abs() < f64::EPSILON);
    }
}
