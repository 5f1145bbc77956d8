//! A shell in the guest on this terminal.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::thread;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::MachineError;
use super::running::Guest;
use super::session::command;

/// Keys go to the guest as they are typed, until this is dropped.
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
    /// Runs a shell on this terminal until it ends; returns its exit code.
    ///
    /// # Errors
    /// [`MachineError::Host`] when standard input is no terminal; the error of the machine.
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
                // Without keys the shell still ends by itself or by the machine's limit.
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

/// Reads keys until `stop` is closed.
fn hand_keys_on(stop: &impl AsFd, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // Read past the library's buffer, which poll knows nothing of.
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

/// Columns and rows.
fn size_of_terminal() -> (u16, u16) {
    let mut size = libc::winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the structure is what this request fills, and outlives the call.
    unsafe { libc::ioctl(0, libc::TIOCGWINSZ, &raw mut size) };
    match (size.ws_col, size.ws_row) {
        // One that does not know its size.
        (0, _) | (_, 0) => (80, 24),
        known => known,
    }
}
