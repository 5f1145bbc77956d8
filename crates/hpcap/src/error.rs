//! Errors that say what was tried, on what, why it failed and what to do about it.

use std::fmt;

use crate::visible::visible_lines;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of failure it is: programs decide by it, people read the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller asked for something that makes no sense (exit code 2 in the tools).
    Usage,
    /// The thing named does not exist.
    NotFound,
    /// The operating system refuses; the advice names the capability or the group.
    Permission,
    /// Two sides speak different versions of the ABI or of the format.
    Version,
    /// The data are not what the format says.
    Format,
    /// Somebody else holds it.
    Busy,
    /// There is no room: disk, memory, hugepages, slots.
    Full,
    /// The listener was killed from outside.
    Killed,
    /// A lossy listener was overtaken by the producer.
    Overrun,
    /// The producer is gone.
    Gone,
    /// It took longer than was allowed.
    Timeout,
    /// Any other failure of the operating system.
    Io,
}

/// What was tried, on what, why it failed, what to do.
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
    /// A failure of kind `kind` while doing `tried` ("open /tmp/x.raw"), because of `why`.
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

    /// A failure of the operating system while doing `tried`; the kind follows from it.
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
        let (kind, advice) = match source.raw_os_error() {
            Some(libc::EMFILE) => (
                Kind::Full,
                Some("raise the limit of open files of this process (ulimit -n, LimitNOFILE=)"),
            ),
            Some(libc::ENFILE) => (
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

    /// A mistake in what the user asked for: `what` is the thing, `why` what is allowed.
    #[must_use]
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, why)
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds what the reader can do about it, where nothing is said of that yet.
    #[must_use]
    pub fn or_advise(mut self, advice: &str) -> Self {
        self.advice.get_or_insert_with(|| advice.to_owned());
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why it failed and, on further lines, what to do: for whoever knows what was tried.
    #[must_use]
    pub fn why_and_advice(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}\n{advice}", self.why),
            None => self.why.clone(),
        }
    }

    /// The operating system's error number, where it was one.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        self.source.as_ref().and_then(std::io::Error::raw_os_error)
    }

    /// Whether nothing has failed: a stream that does not block has nothing to read now.
    #[must_use]
    pub fn would_block(&self) -> bool {
        let is = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
        self.source.as_ref().is_some_and(is)
    }

    /// The exit code of a tool that ends with this error: 2 for usage, 1 for the rest.
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
        // Names of files and words of peers come from others: nothing in them reaches a terminal.
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

/// `.context("open /tmp/x")` on the results of the standard library and of nix.
pub trait Context<T> {
    /// Names what was tried, lazily.
    ///
    /// # Errors
    /// The original failure, with the context.
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::io(tried(), e))
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context<S: Into<String>>(self, tried: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::io(tried(), e.into()))
    }
}
