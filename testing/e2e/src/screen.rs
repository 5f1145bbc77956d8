//! A program on a terminal: keys go in, and what a terminal shows comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{Pid, ttyname};
use testkit::process::run;
use testkit::wait::{wait_until, wait_until_ok};

/// A program that runs on a terminal of its own.
pub struct Screen {
    child: Child,
    /// The end of the terminal that a user sees; `None` after [`hang_up`](Self::hang_up).
    user: Option<File>,
    /// The end that the program has, kept open so that its settings can be read after the program.
    program: Option<OwnedFd>,
    shown: Arc<Mutex<vt100::Parser>>,
    /// The thread that reads what the program writes, and what ends the thread.
    reader: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Whether the reader has come to [`LAST`].
    read_all: Arc<AtomicBool>,
}

/// What [`Screen::wait`] writes behind the output of a program that has ended: the control character ENQ, which changes
/// nothing on a screen, and which no program of ours writes.
const LAST: u8 = 0x05;

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Screen {
    /// Starts `command` on a terminal of `columns` and `rows`. With `controls`, the terminal controls
    /// the program, as that of a login does: its end is a SIGHUP.
    #[must_use]
    pub fn start(command: &Command, (columns, rows): (u16, u16), controls: bool) -> Self {
        let (user, slave) = open_terminal();
        set_size(&slave, (columns, rows));
        let mut session = Command::new("setsid");
        if controls {
            session.arg("--ctty");
        }
        session.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = session
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(vt100::Parser::new(
            count(rows),
            count(columns),
            0,
        )));
        let (mut output, parser) = (user.try_clone().unwrap(), Arc::clone(&shown));
        let stop: Arc<AtomicBool> = Arc::default();
        let read_all: Arc<AtomicBool> = Arc::default();
        let (stopped, last) = (Arc::clone(&stop), Arc::clone(&read_all));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let mut ready = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
                if !matches!(poll(&mut ready, 20_u8), Ok(1)) {
                    continue;
                }
                match output.read(&mut bytes) {
                    Ok(count) if count > 0 => {
                        parser.lock().unwrap().process(&bytes[..count]);
                        if bytes[..count].contains(&LAST) {
                            last.store(true, Ordering::Release);
                        }
                    }
                    _ => return,
                }
            }
        });
        Self {
            child,
            user: Some(user),
            program: Some(slave),
            shown,
            reader: Some(reader),
            stop,
            read_all,
        }
    }

    /// Returns what the terminal shows.
    #[must_use]
    pub fn text(&self) -> String {
        self.shown.lock().unwrap().screen().contents()
    }

    /// Returns whether the program has the second screen of the terminal, without a shell's lines.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.shown.lock().unwrap().screen().alternate_screen()
    }

    /// Returns whether the cursor is hidden.
    #[must_use]
    pub fn is_cursor_hidden(&self) -> bool {
        self.shown.lock().unwrap().screen().hide_cursor()
    }

    /// Returns whether the terminal echoes what is typed, as it does for a shell.
    #[must_use]
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(self.program.as_ref().unwrap()).unwrap();
        settings
            .local_flags
            .contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    /// Sets the terminal up as a shell does that takes it back.
    pub fn reset(&self) {
        stty(self.program.as_ref().unwrap(), &["sane"]);
    }

    /// Waits until the terminal shows `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until_ok(|| {
            let shown = self.text();
            let found = shown.contains(text).then_some(());
            found.ok_or_else(|| format!("{text:?} on\n{shown}"))
        });
    }

    /// Types `keys`, and waits until the terminal shows `text` because of them.
    ///
    /// # Panics
    /// Panics if the terminal shows `text` already: then a test would look at a screen that may change at any moment.
    #[track_caller]
    pub fn press_for(&mut self, keys: &str, text: &str) {
        let before = self.text();
        assert!(
            !before.contains(text),
            "{text:?} is there before {keys:?}:\n{before}"
        );
        self.press(keys);
        self.wait_for(text);
    }

    /// Types `keys`.
    pub fn press(&mut self, keys: &str) {
        self.user
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, (columns, rows): (u16, u16)) {
        self.shown
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(count(rows), count(columns));
        set_size(self.program.as_ref().unwrap(), (columns, rows));
    }

    /// The number of the program's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Takes the terminal away, as the end of an ssh connection does.
    pub fn hang_up(&mut self) {
        self.program = None;
        self.stop_reading();
        self.user = None;
    }

    /// Stops taking what the program writes, as a terminal does after Ctrl-S.
    pub fn stop_reading(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Waits for the end of the program, and until the terminal shows all that the program has written, unless nobody
    /// reads that any more.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the end of the program", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        if let (Some(program), Some(_)) = (&self.program, &self.reader) {
            let written = nix::unistd::write(program, &[LAST]);
            assert_eq!(written, Ok(1), "writing to the terminal");
            wait_until("the last output of the program", || {
                self.read_all.load(Ordering::Acquire)
            });
        }
        ended.unwrap()
    }
}

/// Opens both ends of a new terminal. No other process inherits them, not even one that another test
/// starts at this moment: it would keep the terminal from going away.
fn open_terminal() -> (File, OwnedFd) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let user = posix_openpt(flags).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname_r(&user).unwrap();
    let program = open(name.as_str(), flags, Mode::empty()).unwrap();
    (File::from(OwnedFd::from(user)), program)
}

fn set_size(program: &OwnedFd, (columns, rows): (u16, u16)) {
    let (columns, rows) = (columns.to_string(), rows.to_string());
    stty(program, &["rows", &rows, "columns", &columns]);
}

fn stty(program: &OwnedFd, settings: &[&str]) {
    let name = ttyname(program).unwrap();
    let _ = run(Command::new("stty").arg("-F").arg(name).args(settings)).exits(0);
}

/// Lines or columns of a terminal, which has some.
fn count(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stop.store(true, Ordering::Relaxed);
    }
}
