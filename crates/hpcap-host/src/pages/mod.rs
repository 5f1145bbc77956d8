//! The memory pages under a ring: the choice of their size, and files made of them.
//!
//! Hugepages make recording faster, because the disk's driver needs one descriptor for 2 MiB of the ring in place of 512.
//! They must be reserved before, so the default takes them only if enough are free.
//!
//! ```
//! use hpcap_host::pages::{ORDINARY, Pages, choose_pages};
//!
//! # fn main() -> hpcap_base::Result<()> {
//! let pages: Pages = "ordinary".parse()?;
//! assert_eq!(choose_pages(pages, 64 << 20)?, (ORDINARY, None));
//!
//! // No machine has that many: the error says how to reserve them.
//! let error = choose_pages(Pages::Huge1G, 1 << 50).unwrap_err();
//! assert!(error.to_string().contains("hpcapctl hugepages reserve"));
//! assert!("3M".parse::<Pages>().is_err());
//! # Ok(())
//! # }
//! ```

mod file;

use hpcap_base::units::Bytes;
use hpcap_base::{Error, Kind, Result};

use crate::Tree;
use crate::hugepages::HugePool;

pub use file::{anonymous, seal};

/// Size of an ordinary page in bytes.
pub const ORDINARY: u64 = 4 << 10;
/// Size of the smaller hugepages in bytes.
pub const HUGE_2M: u64 = 2 << 20;
/// Size of the larger hugepages in bytes.
pub const HUGE_1G: u64 = 1 << 30;

/// The choice of memory pages for a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pages {
    /// The largest hugepages of which enough are free; ordinary pages if there are not enough of any.
    #[default]
    Auto,
    /// Ordinary pages.
    Ordinary,
    /// Hugepages of 2 MiB; an error when there are not enough.
    Huge2M,
    /// Hugepages of 1 GiB; an error when there are not enough.
    Huge1G,
}

impl std::str::FromStr for Pages {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "ordinary" => Ok(Self::Ordinary),
            "2M" => Ok(Self::Huge2M),
            "1G" => Ok(Self::Huge1G),
            _ => Err(Error::usage(
                format!("pages {text:?}"),
                "expected ordinary, 2M, 1G or auto",
            )),
        }
    }
}

/// Returns the number of free hugepages of `page_bytes`.
fn free_hugepages(page_bytes: u64) -> u64 {
    HugePool::read(&Tree::machine(), page_bytes, None).map_or(0, |pool| pool.available())
}

/// Returns the command that makes `bytes` of memory free in hugepages called `name`.
fn reserving(bytes: u64, name: &str) -> String {
    let mib = bytes.div_ceil(1 << 20);
    format!("hpcapctl hugepages reserve {mib}M --pages {name}")
}

/// Chooses the page size for a ring in bytes; the text tells the user about the choice, if
/// necessary.
///
/// # Errors
/// Returns [`Kind::Full`] when there are not enough hugepages of the requested size, with the
/// command that reserves them; [`Kind::Usage`] for a ring size that is not a multiple of the page
/// size.
pub fn choose_pages(pages: Pages, ring_bytes: u64) -> Result<(u64, Option<String>)> {
    let enough =
        |page: u64| ring_bytes.is_multiple_of(page) && free_hugepages(page) >= ring_bytes / page;
    let promised = |page: u64, name: &str| {
        let tried = format!("make a ring of {} in {name} hugepages", Bytes(ring_bytes));
        let needed = ring_bytes / page;
        if !ring_bytes.is_multiple_of(page) {
            return Err(Error::new(
                Kind::Usage,
                tried,
                format!("{ring_bytes} bytes are not a multiple of {name}"),
            ));
        }
        if !enough(page) {
            let free = free_hugepages(page);
            return Err(Error::new(
                Kind::Full,
                tried,
                format!("{needed} are needed and {free} are free"),
            )
            .advise(format!(
                "reserve them: {}, or use --pages auto",
                reserving(ring_bytes, name)
            )));
        }
        Ok((page, None))
    };
    match pages {
        Pages::Huge1G => promised(HUGE_1G, "1G"),
        Pages::Huge2M => promised(HUGE_2M, "2M"),
        Pages::Ordinary => Ok((ORDINARY, None)),
        Pages::Auto if enough(HUGE_1G) => Ok((HUGE_1G, None)),
        Pages::Auto if enough(HUGE_2M) => Ok((HUGE_2M, None)),
        Pages::Auto => {
            // Each 2 MiB of a direct write then need one descriptor instead of 512, so storing is
            // faster.
            let note = format!(
                "the ring of {} is in ordinary pages: {} free hugepages of 2M, {} of 1G\n  \
                 hugepages make recording to disk faster: {}",
                Bytes(ring_bytes),
                free_hugepages(HUGE_2M),
                free_hugepages(HUGE_1G),
                reserving(ring_bytes, "2M")
            );
            Ok((ORDINARY, Some(note)))
        }
    }
}
