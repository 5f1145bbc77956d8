//! The keys, and what they do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, Focus, Screen, Victim};
use crate::collect::report::Report;

/// The keys, for the help and the bottom line of the screen.
pub const KEYS: &[(&str, &str)] = &[
    ("q, Ctrl-C", "quit"),
    ("?, h", "this help; again, or Esc, goes back"),
    (
        "Up, Down, k, j",
        "select another queue or listener; scroll the help",
    ),
    ("Home, End", "select the first or the last"),
    ("Enter", "everything of the selected queue; Esc goes back"),
    ("Tab", "go from the queues to the listeners and back"),
    (
        "s",
        "sort the queues by name, rate, losses now, all losses, or ring",
    ),
    ("r", "reverse the order"),
    ("u", "units of traffic: bits, bytes or frames a second"),
    (
        "t",
        "time that graphs show: an hour, a minute or ten minutes",
    ),
    ("p, Space", "pause the screen; counters go on being read"),
    ("K", "kill the selected listener, after a question"),
    ("Ctrl-Z", "suspend; fg in the shell resumes"),
    ("Ctrl-L", "draw the whole screen anew"),
];

/// What the program must do after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Draw the screen.
    Draw,
    /// Draw the whole screen anew.
    Redraw,
    /// End.
    Quit,
    /// Give the terminal back until the shell resumes the program.
    Suspend,
    /// Kill a listener.
    Kill(Victim),
}

impl App {
    /// Does what `key` asks for, on a screen that shows `report`.
    pub fn press(&mut self, key: KeyEvent, report: &Report) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Draw;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control {
            return match key.code {
                KeyCode::Char('c') => Action::Quit,
                KeyCode::Char('z') => Action::Suspend,
                KeyCode::Char('l') => Action::Redraw,
                _ => Action::Draw,
            };
        }
        self.message = None;
        if let Some(victim) = self.victim.take() {
            return match key.code {
                KeyCode::Char('y' | 'Y') => Action::Kill(victim),
                _ => {
                    self.message = Some("not killed".into());
                    Action::Draw
                }
            };
        }
        if self.screen == Screen::Help {
            return self.press_in_help(key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?' | 'h') => {
                self.screen = Screen::Help;
                self.scroll = 0;
            }
            KeyCode::Esc => self.screen = Screen::Overview,
            KeyCode::Enter => self.enter(),
            KeyCode::Tab | KeyCode::BackTab => self.change_focus(report),
            KeyCode::Up | KeyCode::Char('k') => self.select(report, |at, _| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(report, |at, _| at + 1),
            KeyCode::PageUp => self.select(report, |at, _| at.saturating_sub(10)),
            KeyCode::PageDown => self.select(report, |at, _| at + 10),
            KeyCode::Home => self.select(report, |_, _| 0),
            KeyCode::End => self.select(report, |_, last| last),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('u') => self.units = self.units.next(),
            KeyCode::Char('t') => self.span = self.span.next(),
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('K') => self.ask_to_kill(report),
            _ => {}
        }
        Action::Draw
    }

    fn press_in_help(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::Esc | KeyCode::Enter => {
                self.screen = Screen::Overview;
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            // Drawing limits the line to the end of the help.
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(20),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll = self.scroll.saturating_add(20),
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = u16::MAX,
            _ => {}
        }
        Action::Draw
    }

    fn enter(&mut self) {
        // Enter on a listener shows the queue of that listener.
        if self.focus == Focus::Listeners
            && self.screen == Screen::Overview
            && let Some((queue, _)) = &self.selected_listener
        {
            self.selected_queue = Some(queue.clone());
        }
        if self.selected_queue.is_some() {
            self.screen = Screen::Detail;
        }
    }

    fn change_focus(&mut self, report: &Report) {
        self.focus = match self.focus {
            Focus::Queues if self.listeners(report).is_empty() => {
                self.message = Some("no listener is attached".into());
                Focus::Queues
            }
            Focus::Queues => Focus::Listeners,
            Focus::Listeners => Focus::Queues,
        };
        self.follow(report);
    }

    /// Selects a row: `choose` gets the numbers of the selected row and of the last row, and returns the number of the row to select.
    fn select(&mut self, report: &Report, choose: impl Fn(usize, usize) -> usize) {
        match self.focus {
            Focus::Queues => {
                let sorted = self.sorted(report);
                let name = self.selected_queue.as_deref();
                let at = sorted.iter().position(|q| Some(q.queue.as_str()) == name);
                let last = sorted.len().saturating_sub(1);
                let chosen = sorted.get(choose(at.unwrap_or(0), last).min(last));
                self.selected_queue = chosen.map(|queue| queue.queue.clone());
            }
            Focus::Listeners => {
                let rows = self.listeners(report);
                let at = rows.iter().position(|row| self.is_selected(row));
                let last = rows.len().saturating_sub(1);
                let chosen = rows.get(choose(at.unwrap_or(0), last).min(last));
                self.selected_listener = chosen.map(|(queue, l)| (queue.queue.clone(), l.id));
            }
        }
    }

    fn ask_to_kill(&mut self, report: &Report) {
        if self.focus != Focus::Listeners {
            self.message = Some("Tab selects a listener, K kills it".into());
            return;
        }
        let rows = self.listeners(report);
        let found = rows.iter().find(|row| self.is_selected(row));
        self.victim = found.map(|(queue, listener)| Victim {
            queue: queue.queue.clone(),
            id: listener.id,
            program: listener.program.clone(),
            pid: listener.pid,
        });
    }
}
