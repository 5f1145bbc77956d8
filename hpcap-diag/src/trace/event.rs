//! The tracepoints that a frame passes, and what their records say.

use std::sync::Arc;

use super::format::Format;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// The interface raised an interrupt.
    Interrupt,
    /// The handler of the interrupt returned.
    InterruptEnd,
    /// Somebody asked for a softirq.
    SoftirqRaise,
    /// A softirq began.
    SoftirqEntry,
    /// A poll of an interface ended.
    NapiPoll,
    /// A driver handed a frame to GRO.
    Gro,
    /// A frame was put into the backlog of a CPU.
    Backlog,
    /// The network stack began to handle a frame.
    Receive,
    /// A program got the frame.
    Copy,
    /// The frame was freed, and nobody missed it.
    Consume,
    /// The frame was dropped.
    Drop,
    /// A frame was given to a queueing discipline, or straight to the driver.
    Queue,
    /// The driver got a frame to send.
    StartSend,
    /// The driver had taken the frame, or had not.
    Sent,
}

impl Point {
    /// The field of a record that has the interface, where records have one.
    #[must_use]
    pub fn device_field(self) -> &'static str {
        match self {
            Self::NapiPoll => "dev_name",
            _ => "name",
        }
    }
}

/// A tracepoint: its group, its name, and what it means.
pub const TRACEPOINTS: [(&str, &str, Point); 14] = [
    ("irq", "irq_handler_entry", Point::Interrupt),
    ("irq", "irq_handler_exit", Point::InterruptEnd),
    ("irq", "softirq_raise", Point::SoftirqRaise),
    ("irq", "softirq_entry", Point::SoftirqEntry),
    ("napi", "napi_poll", Point::NapiPoll),
    ("net", "napi_gro_receive_entry", Point::Gro),
    ("net", "netif_rx_entry", Point::Backlog),
    ("net", "netif_receive_skb", Point::Receive),
    ("skb", "skb_copy_datagram_iovec", Point::Copy),
    ("skb", "consume_skb", Point::Consume),
    ("skb", "kfree_skb", Point::Drop),
    ("net", "net_dev_queue", Point::Queue),
    ("net", "net_dev_start_xmit", Point::StartSend),
    ("net", "net_dev_xmit", Point::Sent),
];

/// What a journey or a number lacks without a tracepoint.
#[must_use]
pub fn loss_without(point: Point) -> &'static str {
    match point {
        Point::Interrupt | Point::InterruptEnd => {
            "the time from an interrupt to its softirq is unknown"
        }
        Point::SoftirqRaise => "the wait for softirqs is unknown",
        Point::SoftirqEntry => "the time from a softirq to a frame is unknown",
        Point::NapiPoll => "polls of interfaces are not counted",
        Point::Gro => "journeys begin after GRO",
        Point::Backlog => "the wait in the backlog of a CPU is unknown",
        Point::Receive => "received frames are not seen",
        Point::Copy => "the time until a program got a frame is unknown",
        Point::Consume => "the ends of journeys without a drop are unknown",
        Point::Drop => "drops are not seen",
        Point::Queue => "the time in queueing disciplines is unknown",
        Point::StartSend | Point::Sent => "the time in drivers that send is unknown",
    }
}

/// The number of the softirq that receives.
pub const NET_RX: u64 = 3;

/// A record of a tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, on the monotonic clock.
    pub time_ns: u64,
    /// On which CPU.
    pub cpu: u32,
    /// What happened.
    pub point: Point,
    /// The address of the frame in the kernel; 0 without a frame.
    pub frame: u64,
    /// Bytes of the frame; 0 if they are not known.
    pub len: u64,
    /// The interface, or the name of an interrupt.
    pub device: Option<Arc<str>>,
    /// The number of a softirq, the frames of a poll, what a driver returned, the reason of a drop.
    pub value: u64,
    /// Where a frame was dropped; of a poll, how many frames it could have.
    pub place: u64,
}

/// A tracepoint of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracepoint {
    /// What it means.
    pub point: Point,
    /// Its records.
    pub format: Format,
}

impl Tracepoint {
    /// Reads a record; `None` if it has no such fields, or is of another softirq than the one that receives.
    #[must_use]
    pub fn read(
        &self,
        record: &[u8],
        time_ns: u64,
        cpu: u32,
        mut name: impl FnMut(&str) -> Arc<str>,
    ) -> Option<Event> {
        let number = |field: &str| self.format.number(record, field);
        let value = match self.point {
            Point::SoftirqRaise | Point::SoftirqEntry => {
                Some(number("vec")?).filter(|vec| *vec == NET_RX)?
            }
            Point::NapiPoll => number("work")?,
            Point::Sent => number("rc")?,
            Point::Drop => number("reason").unwrap_or(0),
            _ => 0,
        };
        let place = match self.point {
            Point::Drop => number("location").unwrap_or(0),
            Point::NapiPoll => number("budget").unwrap_or(0),
            _ => 0,
        };
        let has_frame = !matches!(
            self.point,
            Point::Interrupt
                | Point::InterruptEnd
                | Point::SoftirqRaise
                | Point::SoftirqEntry
                | Point::NapiPoll
        );
        Some(Event {
            time_ns,
            cpu,
            point: self.point,
            frame: if has_frame { number("skbaddr")? } else { 0 },
            len: number("len").unwrap_or(0),
            device: self
                .format
                .text(record, self.point.device_field())
                .map(&mut name),
            value,
            place,
        })
    }
}
