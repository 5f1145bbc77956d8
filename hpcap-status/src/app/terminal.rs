//! The terminal: taken at the start, and given back in the state in which it was, whatever ends the
//! program.

use std::io::{self, Stdout, stdout};
use std::mem::ManuallyDrop;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use hpcap::Result;
use hpcap::error::Context;
use nix::sys::signal::{Signal, raise};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// A terminal in the state that the dashboard needs. Dropping it restores the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    /// This is never dropped: its drop prints an error to standard error, and panics when standard error is gone
    /// together with the terminal.
    pub(super) terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

impl Screen {
    /// Takes the terminal: its second screen, without echo.
    ///
    /// # Errors
    /// Errors of the terminal.
    pub(super) fn take() -> Result<Self> {
        let tried = || "prepare the terminal";
        restore_at_panic();
        take().inspect_err(|_| restore()).context(tried)?;
        let terminal = new_terminal().inspect_err(|_| restore()).context(tried)?;
        Ok(Self { terminal })
    }

    /// Gives the terminal to the shell until the shell resumes the program.
    ///
    /// # Errors
    /// Errors of the terminal.
    pub(super) fn suspend(&mut self) -> Result<()> {
        restore();
        // The program stands here until SIGCONT.
        raise(Signal::SIGTSTP).context(|| "suspend")?;
        self.take_again()
    }

    /// Takes the terminal again, which a shell has had.
    ///
    /// # Errors
    /// Errors of the terminal.
    pub(super) fn take_again(&mut self) -> Result<()> {
        // Raw mode is set only by a program that believes that it is not set.
        let _ = disable_raw_mode();
        take().context(|| "prepare the terminal")?;
        self.redraw()
    }

    /// Forgets what the terminal shows, so that the next drawing is a whole one.
    ///
    /// # Errors
    /// Errors of the terminal.
    pub(super) fn redraw(&mut self) -> Result<()> {
        // The method of ratatui asks the terminal where its cursor is, and some terminals do not answer.
        self.terminal = new_terminal().context(|| "draw the screen anew")?;
        execute!(stdout(), Clear(ClearType::All)).context(|| "clear the terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn new_terminal() -> io::Result<ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>> {
    Terminal::new(CrosstermBackend::new(stdout())).map(ManuallyDrop::new)
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)
}

/// Restores the terminal if it still exists.
fn restore() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Restores the terminal before the message of a panic is printed, whose text would otherwise vanish with the screen.
fn restore_at_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        tell(panic);
    }));
}
