//! What the user has chosen: which queue, in which order, in which units. Keys change it, and drawing
//! reads it.

pub mod keys;
mod kill;
mod run;
mod signals;
mod terminal;

use crate::collect::report::{ListenerReport, QueueReport, Report};

pub use run::run;

/// What the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Screen {
    /// All queues, their listeners, the history of one, and events.
    #[default]
    Overview,
    /// Everything of one queue.
    Detail,
    /// Every term, and the keys.
    Help,
}

/// The list that keys act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The queues.
    #[default]
    Queues,
    /// The listeners.
    Listeners,
}

/// The order of the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// By the rate on the wire, the highest first.
    Rate,
    /// By the frames that are lost now, the most first.
    Loss,
    /// By all lost frames, the most first.
    TotalLoss,
    /// By the fill of the ring, the fullest first.
    Ring,
}

impl Sort {
    /// The next order.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Name => Self::Rate,
            Self::Rate => Self::Loss,
            Self::Loss => Self::TotalLoss,
            Self::TotalLoss => Self::Ring,
            Self::Ring => Self::Name,
        }
    }
}

/// The units of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Units {
    /// Bits a second on the wire.
    #[default]
    Bits,
    /// Bytes a second on the wire.
    Bytes,
    /// Frames a second.
    Frames,
}

impl Units {
    /// The next units.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Bits => Self::Bytes,
            Self::Bytes => Self::Frames,
            Self::Frames => Self::Bits,
        }
    }
}

/// The time that graphs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Span {
    /// A minute.
    Minute,
    /// Ten minutes.
    TenMinutes,
    /// An hour. It is the first that is shown: the last hour of a probe matters more than the last
    /// second.
    #[default]
    Hour,
}

impl Span {
    /// The next span.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Minute => Self::TenMinutes,
            Self::TenMinutes => Self::Hour,
            Self::Hour => Self::Minute,
        }
    }

    /// The span in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::Hour => 3600,
        }
    }
}

/// A row of the list of listeners: a queue and one of its listeners.
pub type ListenerRow<'a> = (&'a QueueReport, &'a ListenerReport);

/// A listener that the user may be about to kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// Name of its queue.
    pub queue: String,
    /// Its number.
    pub id: u64,
    /// Name of its program.
    pub program: String,
    /// Its process.
    pub pid: u32,
}

/// The state of the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct App {
    /// The screen.
    pub screen: Screen,
    /// The list that keys act on.
    pub focus: Focus,
    /// Name of the queue that keys act on, and whose history is shown.
    pub selected_queue: Option<String>,
    /// Queue and number of the listener that keys act on.
    pub selected_listener: Option<(String, u64)>,
    /// The order of the queues.
    pub sort: Sort,
    /// Whether the order is reversed.
    pub reverse: bool,
    /// The units of traffic.
    pub units: Units,
    /// The time that graphs show.
    pub span: Span,
    /// Whether the screen stands still.
    pub paused: bool,
    /// First line of the help that is shown.
    pub scroll: u16,
    /// The listener that is killed if the user confirms it.
    pub victim: Option<Victim>,
    /// The message at the bottom of the screen.
    pub message: Option<String>,
}

impl App {
    /// Returns the queues in the order that the user has chosen.
    #[must_use]
    pub fn sorted<'a>(&self, report: &'a Report) -> Vec<&'a QueueReport> {
        let mut queues: Vec<&QueueReport> = report.queues.iter().collect();
        let rate = |queue: &QueueReport, lost: bool| {
            queue.rates.as_ref().map_or(-1.0, |rates| match lost {
                true => rates.lost.frames_per_second,
                false => rates.on_the_wire.bits_per_second,
            })
        };
        // The sort is stable, so that equal queues stay in the order of their names.
        match self.sort {
            Sort::Name => {}
            Sort::Rate => queues.sort_by(|a, b| rate(b, false).total_cmp(&rate(a, false))),
            Sort::Loss => queues.sort_by(|a, b| rate(b, true).total_cmp(&rate(a, true))),
            Sort::TotalLoss => {
                queues.sort_by_key(|queue| std::cmp::Reverse(queue.losses.total.frames));
            }
            Sort::Ring => queues.sort_by(|a, b| b.ring_fill.total_cmp(&a.ring_fill)),
        }
        if self.reverse {
            queues.reverse();
        }
        queues
    }

    /// Returns the listeners, those that fill most of their ring first; on the screen of one queue, only
    /// its listeners.
    #[must_use]
    pub fn listeners<'a>(&self, report: &'a Report) -> Vec<ListenerRow<'a>> {
        let only = (self.screen == Screen::Detail).then_some(self.selected_queue.as_deref());
        let is_shown = |queue: &&QueueReport| match only {
            Some(name) => Some(queue.queue.as_str()) == name,
            None => true,
        };
        let mut all: Vec<ListenerRow<'_>> = report
            .queues
            .iter()
            .filter(is_shown)
            .flat_map(|queue| {
                queue
                    .listeners
                    .iter()
                    .map(move |listener| (queue, listener))
            })
            .collect();
        let key = |l: &ListenerReport| (l.holds_ring, l.ring_share);
        all.sort_by(|(_, a), (_, b)| {
            let ((a_holds, a_share), (b_holds, b_share)) = (key(a), key(b));
            b_holds.cmp(&a_holds).then(b_share.total_cmp(&a_share))
        });
        all
    }

    /// Returns whether keys act on the listener.
    #[must_use]
    pub fn is_selected(&self, (queue, listener): &ListenerRow<'_>) -> bool {
        self.selected_listener
            .as_ref()
            .is_some_and(|(name, id)| *name == queue.queue && *id == listener.id)
    }

    /// Returns the queue that keys act on.
    #[must_use]
    pub fn selected<'a>(&self, report: &'a Report) -> Option<&'a QueueReport> {
        let name = self.selected_queue.as_deref()?;
        report.queues.iter().find(|queue| queue.queue == name)
    }

    /// Selects what is there if the selected queue or listener is gone: of the queues, one that loses
    /// frames.
    pub fn follow(&mut self, report: &Report) {
        if self.selected(report).is_none() {
            let sorted = self.sorted(report);
            let losing = sorted.iter().find(|queue| queue.losses.losing);
            let first = losing.or(sorted.first());
            self.selected_queue = first.map(|queue| queue.queue.clone());
            if self.screen == Screen::Detail && self.selected_queue.is_none() {
                self.screen = Screen::Overview;
            }
        }
        let listeners = self.listeners(report);
        if !listeners.iter().any(|row| self.is_selected(row)) {
            self.selected_listener = listeners
                .first()
                .map(|(queue, listener)| (queue.queue.clone(), listener.id));
        }
        if listeners.is_empty() {
            self.focus = Focus::Queues;
        }
    }
}
