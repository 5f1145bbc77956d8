//! Running as a service of systemd.
//!
//! The service manager passes the address of a socket in `NOTIFY_SOCKET`, and the program sends what
//! it has to say as datagrams: that it is ready, what it does, that it stops, and, while its poll
//! threads work, that the watchdog may wait on (sd_notify(3)). Without these variables, all functions
//! do nothing, so a program need not know who started it.
//!
//! [`Signals`] are the requests that anybody makes with kill(1): to stop, to read the configuration anew.
//! [`stop_flag`] is for programs that can only be asked to stop, and [`Terminal`] says whether a SIGHUP came
//! because the terminal has gone away. [`is_journal`] says whether lines that a program prints may begin with their level.
//!
//! ```
//! use hpcap_service::{Service, Terminal};
//!
//! // Nothing is sent, because no service manager has started this example.
//! let mut service = Service::from_environment();
//! service.set_ready("capturing hpcap0");
//! service.watch(&[Some(1)]);
//! service.set_stopping("the last blocks are written");
//! assert!(!Terminal::none().is_gone());
//! ```

#![warn(clippy::cast_possible_truncation)]

mod journal;
mod notify;
mod service;
mod signals;
mod stop;
mod terminal;
mod watchdog;

pub use journal::is_journal;
pub use service::{Part, Service};
pub use signals::{Signals, is_ignored};
pub use stop::{let_signals_end, stop_flag};
pub use terminal::Terminal;
