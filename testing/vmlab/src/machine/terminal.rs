//! A shell in the guest that uses this program's terminal.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::thread;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::MachineError;
use super::running::Guest;
use super::session::command;

/// Raw mode of the terminal, in which each key is passed to the guest at once. Dropping it restores
/// the previous mode.
struct Raw {
    before: Termios,
}

impl Raw {
    fn set() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

impl Guest {
    /// Runs a shell on this terminal until the shell ends. Returns its exit code.
    ///
    /// # Errors
    /// [`MachineError::Host`] if standard input is not a terminal, or the error of the machine.
    pub fn shell(&self) -> Result<i32, MachineError> {
        let mut shell = command(vec!["/bin/sh".to_owned(), "-i".to_owned()]);
        let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
        shell.env.push(("TERM".to_owned(), term));
        shell.env.push(("PS1".to_owned(), "guest# ".to_owned()));
        shell.terminal = Some(size_of_terminal());
        let raw = Raw::set();
        let raw = raw.map_err(|e| MachineError::host(format!("a shell needs a terminal: {e}")))?;
        let running = self.start(&shell)?;
        let ended = thread::scope(|scope| {
            let (stop, stopped) = io::pipe().map_err(|e| MachineError::host(e.to_string()))?;
            let id = running.id();
            scope.spawn(move || {
                // Without keys, the shell still ends by itself or at the machine's time limit.
                let _ = hand_keys_on(&stop, |keys| self.input(id, keys));
            });
            let ended = running.follow(None, &mut io::stdout(), &mut io::stderr());
            drop(stopped);
            ended
        });
        drop(raw);
        ended
    }
}

/// Passes keys on until `stop` is closed.
fn hand_keys_on(stop: &impl AsFd, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // The keys are read without the library's buffer, which poll does not know.
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut keys = [0; 1024];
    loop {
        let mut polled = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut polled, PollTimeout::NONE)?;
        if polled[1].any().unwrap_or(true) {
            return Ok(());
        }
        match stdin.read(&mut keys)? {
            0 => return Ok(()),
            n => to(&keys[..n])?,
        }
    }
}

/// Returns the numbers of columns and rows of the terminal.
fn size_of_terminal() -> (u16, u16) {
    let mut size = libc::winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: this request fills exactly this structure, which outlives the call.
    unsafe { libc::ioctl(0, libc::TIOCGWINSZ, &raw mut size) };
    match (size.ws_col, size.ws_row) {
        // This terminal does not know its size.
        (0, _) | (_, 0) => (80, 24),
        known => known,
    }
}
