//! The published state, and its page, which all clients share.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;

use super::Published;

/// The published state, shared between the sampling thread and the server.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    published: Arc<Mutex<Published>>,
    page: Arc<Mutex<Option<Page>>>,
}

/// The page of a sample. However many clients ask, each sample has one page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    samples: u64,
    /// Random word that the style sheet of the page has, and that its headers name.
    pub(super) nonce: String,
    pub(super) html: Bytes,
}

impl Shared {
    /// Replaces the published state.
    pub fn set(&self, published: Published) {
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = published;
    }

    /// Returns the published state.
    #[must_use]
    pub fn get(&self) -> Published {
        let published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.clone()
    }

    /// Returns the page of the newest sample.
    pub(super) fn page(&self) -> Page {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let published = self.get();
        if let Some(page) = page
            .as_ref()
            .filter(|page| page.samples == published.samples)
        {
            return page.clone();
        }
        let nonce = nonce();
        let new = Page {
            samples: published.samples,
            html: Bytes::from(published.page(&nonce)),
            nonce,
        };
        *page = Some(new.clone());
        new
    }
}

/// Returns a random word that cannot be guessed.
fn nonce() -> String {
    let mut bytes = [0; 16];
    // Without random bytes no style sheet has the word, and the page is plain.
    if getrandom::fill(&mut bytes).is_err() {
        return "none".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
