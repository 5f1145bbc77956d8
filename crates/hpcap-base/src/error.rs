//! Errors that say what was tried, on what, why it failed and what to do.
//!
//! The text is for people; a program decides by the [`Kind`]. The tools exit with 2 for
//! [`Kind::Usage`] and with 1 for every other kind ([`Error::exit_code`]). Text that comes from a peer
//! or a file is made safe to print.
//!
//! ```
//! use hpcap_base::error::{Context, Error, Kind, Result};
//!
//! fn length(path: &str) -> Result<u64> {
//!     let meta = std::fs::metadata(path).context(|| format!("read the length of {path}"))?;
//!     Ok(meta.len())
//! }
//!
//! let e = length("/nonexistent/file").unwrap_err();
//! assert_eq!((e.kind(), e.exit_code()), (Kind::NotFound, 1));
//! assert!(e.to_string().starts_with("cannot read the length of /nonexistent/file: No such file"));
//!
//! let e = Error::usage("--ring 1", "a ring has at least 512 KiB").advise("say --ring 64M");
//! assert_eq!(e.exit_code(), 2);
//! ```

use std::fmt;

use nix::errno::Errno;

use crate::visible::visible_lines;

/// Result of the functions in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error, by which programs decide what to do; the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller asked for something invalid (exit code 2 in the tools).
    Usage,
    /// The named file, queue or listener does not exist.
    NotFound,
    /// The operating system denied access; the advice names the capability or the group.
    Permission,
    /// Two programs use different versions of the ABI or of the format.
    Version,
    /// The data does not conform to its format.
    Format,
    /// Another process uses the file, the queue or the ring.
    Busy,
    /// Space is exhausted: on the disk, in memory, hugepages or slots.
    Full,
    /// Another process killed the listener.
    Killed,
    /// The producer has overtaken a lossy listener.
    Overrun,
    /// The producer has ended.
    Gone,
    /// The operation took longer than its limit.
    Timeout,
    /// Any other error of the operating system.
    Io,
}

/// An error: what was tried, on what, why it failed, and what to do.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    tried: String,
    why: String,
    advice: Option<String>,
    source: Option<std::io::Error>,
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl Error {
    /// Creates an error of kind `kind`: `tried` ("open /tmp/x.raw") failed because of `why`.
    #[must_use]
    pub fn new(kind: Kind, tried: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            tried: tried.into(),
            why: why.into(),
            advice: None,
            source: None,
        }
    }

    /// Creates an error of the operating system while doing `tried`; its kind follows from
    /// `source`.
    #[must_use]
    pub fn io(tried: impl Into<String>, source: std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let kind = match source.kind() {
            E::NotFound => Kind::NotFound,
            E::PermissionDenied => Kind::Permission,
            E::AddrInUse | E::ResourceBusy => Kind::Busy,
            E::StorageFull | E::QuotaExceeded | E::OutOfMemory => Kind::Full,
            E::TimedOut => Kind::Timeout,
            _ => Kind::Io,
        };
        let (kind, advice) = match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE) => (
                Kind::Full,
                Some("raise the limit of open files of this process (ulimit -n, LimitNOFILE=)"),
            ),
            Some(Errno::ENFILE) => (
                Kind::Full,
                Some("raise the machine's limit of open files (sysctl fs.file-max)"),
            ),
            _ => (kind, None),
        };
        Self {
            kind,
            tried: tried.into(),
            why: source.to_string(),
            advice: advice.map(Into::into),
            source: Some(source),
        }
    }

    /// Creates an error about a request of the user: `what` is the rejected thing, `why` says what
    /// is allowed.
    #[must_use]
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, why)
    }

    /// Sets the advice: what the reader can do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds a line to the advice.
    #[must_use]
    pub fn also_advise(self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        let all = match &self.advice {
            Some(first) => format!("{first}\n{advice}"),
            None => advice,
        };
        self.advise(all)
    }

    /// Sets the advice if the error has none yet.
    #[must_use]
    pub fn or_advise(mut self, advice: &str) -> Self {
        self.advice.get_or_insert_with(|| advice.to_owned());
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The reason, followed by the advice on further lines; for a reader who knows what was tried.
    #[must_use]
    pub fn why_and_advice(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}\n{advice}", self.why),
            None => self.why.clone(),
        }
    }

    /// The errno of the operating system; `None` for other errors.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        self.source.as_ref().and_then(std::io::Error::raw_os_error)
    }

    /// Whether the error only says that a non-blocking stream has nothing to read now.
    #[must_use]
    pub fn would_block(&self) -> bool {
        let is = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
        self.source.as_ref().is_some_and(is)
    }

    /// The exit code of a tool that ends with this error: 2 for [`Kind::Usage`], otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.kind == Kind::Usage { 2 } else { 1 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Usage => {}
            _ => f.write_str("cannot ")?,
        }
        // File names and the texts of peers can contain control characters, which must not reach a
        // terminal.
        let (tried, why) = (visible_lines(&self.tried), visible_lines(&self.why));
        write!(f, "{tried}: {why}")?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  {}", visible_lines(advice))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// Adds `.context(|| "open /tmp/x")` to the results of the standard library and of nix.
pub trait Context<T> {
    /// Adds what was tried; `tried` is called only for an error.
    ///
    /// # Errors
    /// Returns the original error, with the context.
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    #[inline]
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::io(tried(), e))
    }
}

impl<T> Context<T> for nix::Result<T> {
    #[inline]
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::io(tried(), e.into()))
    }
}
