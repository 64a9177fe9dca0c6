//! From a program's bytes to what a model is given: cleaned, then redacted, then shown in bounds, summed up and kept.
//!
//! Redaction comes after cleaning, since a sequence in the midst of a secret would hide it from anything that looks
//! before; and everything behind it, the store too, sees redacted text only.

use crate::clean::{Cleaner, Counts};
use crate::store::{Handle, Store, Writing};
use crate::summary::{Format, Summariser, Summary};
use crate::window::{Shown, Window};
use fumehood_redact::{Forbidden, Redactor};
use std::io;
use std::sync::Arc;

/// One program's output.
#[derive(Debug)]
pub struct Output {
    cleaner: Cleaner,
    behind: Behind,
}

/// What stands behind the cleaner.
#[derive(Debug)]
struct Behind {
    redactor: Redactor,
    window: Window,
    summary: Option<Summariser>,
    writing: Option<Writing>,
    failed: Option<io::Error>,
}

/// All that is known of an output at its end.
#[derive(Debug)]
pub struct Finished {
    /// What is shown.
    pub shown: Shown,
    /// What was changed in it.
    pub counts: Counts,
    /// Secrets that were found and replaced.
    pub redacted: u64,
    /// Its name in the store; none where nothing is kept.
    pub handle: Option<Handle>,
    /// Whether the store holds all of it.
    pub is_kept_whole: bool,
    /// The summary, where the output was in the format that was expected.
    pub summary: Option<Summary>,
}

impl Output {
    /// In so many bytes, without these secrets.
    #[must_use]
    pub fn new(budget: usize, forbidden: Arc<Forbidden>, format: Option<Format>) -> Output {
        Output {
            cleaner: Cleaner::default(),
            behind: Behind {
                redactor: Redactor::new(forbidden),
                window: Window::new(budget),
                summary: format.map(Summariser::new),
                writing: None,
                failed: None,
            },
        }
    }

    /// Likewise, and kept whole.
    ///
    /// # Errors
    /// The store takes nothing.
    pub fn kept_in(mut self, store: &Store) -> io::Result<Output> {
        self.behind.writing = Some(store.begin()?);
        Ok(self)
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let behind = &mut self.behind;
        self.cleaner.push(bytes, &mut |text| behind.push(text));
    }

    /// Whether the store holds as much as one output may: its maker should be ended.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.behind.writing.as_ref().is_some_and(Writing::is_full)
    }

    /// There is no more.
    ///
    /// # Errors
    /// What should be kept could not be written.
    pub fn finish(self, store: Option<&Store>) -> io::Result<Finished> {
        let mut behind = self.behind;
        let counts = self.cleaner.finish(&mut |text| behind.push(text));
        let rest = behind.redactor.finish();
        behind.pass(&rest);
        if let Some(e) = behind.failed {
            return Err(e);
        }
        let is_kept_whole = behind.writing.as_ref().is_some_and(|w| !w.is_full());
        let handle = match (behind.writing, store) {
            (Some(writing), Some(store)) => Some(store.keep(writing)?),
            _ => None,
        };
        Ok(Finished {
            shown: behind.window.finish(),
            counts,
            redacted: behind.redactor.replaced(),
            is_kept_whole: is_kept_whole && handle.is_some(),
            handle,
            summary: behind.summary.and_then(Summariser::finish),
        })
    }
}

impl Behind {
    fn push(&mut self, text: &[u8]) {
        let text = self.redactor.push(text);
        self.pass(&text);
    }

    fn pass(&mut self, text: &[u8]) {
        self.window.push(text);
        if let Some(summary) = &mut self.summary {
            summary.push(text);
        }
        if let Some(writing) = &mut self.writing
            && self.failed.is_none()
        {
            self.failed = writing.push(text).err();
        }
    }
}
