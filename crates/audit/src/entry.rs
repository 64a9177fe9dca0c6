//! What others ask to be recorded, before it has a place in the log, and whom they ask.

use crate::clock::Clock;
use crate::record::{Kind, Record, RecordError, Value};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Names a record towards the writer before its sequence number is known: what happens next names
/// it as its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The session's first record, its command: nobody who records gives a ticket of this number.
    pub const START: Self = Self(1 << 63);
}

/// A record to be.
///
/// No secret is ever in one: credentials are named, bodies are digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) kind: Kind,
    pub(crate) cause: Option<Ticket>,
    pub(crate) fields: BTreeMap<String, Value>,
    time: u64,
}

impl Entry {
    /// Of this kind, without fields. It happens now.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            time: Clock::now().nanos(),
            cause: None,
            fields: BTreeMap::new(),
        }
    }

    /// What led to it.
    #[must_use]
    pub const fn caused_by(mut self, cause: Ticket) -> Self {
        self.cause = Some(cause);
        self
    }

    /// A field. The names that each kind has are in docs/log.md §6.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// A field that is a text.
    #[must_use]
    pub fn text(self, name: &str, text: impl ToString) -> Self {
        self.with(name, Value::Text(text.to_string()))
    }

    /// A field that is a count.
    #[must_use]
    pub fn number(self, name: &str, number: u64) -> Self {
        self.with(name, Value::Number(number))
    }

    /// A field that is bytes of someone else's choice: arguments, paths.
    #[must_use]
    pub fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, Value::Bytes(bytes.to_vec()))
    }

    /// A field that says yes or no.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Self {
        self.with(name, Value::Flag(flag))
    }

    /// A field that is a digest.
    #[must_use]
    pub fn digest(self, name: &str, digest: fumehood_effect::Digest) -> Self {
        self.with(name, Value::Digest(digest))
    }

    /// As the record that travels to the writer: the ticket stands where the sequence number will.
    pub(crate) fn into_record(self, ticket: Ticket) -> Record {
        Record {
            sequence: ticket.0,
            time: self.time,
            cause: self.cause.map(|ticket| ticket.0),
            blind: Default::default(),
            kind: self.kind,
            fields: self.fields,
        }
    }
}

/// Why something is not recorded. What must be recorded must then not happen.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Too long, or with too many fields.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The writer is gone.
    #[error("the log's writer is gone")]
    Lost,
    /// The writer could not write.
    #[error("{0}")]
    Failed(String),
    /// The writer did not answer in time.
    #[error("the log's writer did not answer")]
    Silent,
    /// The system did not do it.
    #[error("{doing}: {errno}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        errno: rustix::io::Errno,
    },
}

/// Whom one asks to record.
pub trait Recorder: Send + Sync {
    /// Records; returns before it is on the disk. Waits only where the writer is behind.
    ///
    /// # Errors
    /// The writer is gone, or the entry cannot be.
    fn record(&self, entry: Entry) -> Result<Ticket, RecorderError>;

    /// Records, and returns when it is on the disk under a signed head: for what is released or
    /// decided next. Waits for the disk.
    ///
    /// # Errors
    /// It is not on the disk, and must be taken not to be.
    fn record_durably(&self, entry: Entry) -> Result<Ticket, RecorderError>;
}

/// Keeps entries in memory, in order, with whether they were to be durable: for tests of who records.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<(Entry, bool)>>);

impl Memory {
    /// What was recorded until now: kind, fields, whether durably.
    #[must_use]
    pub fn entries(&self) -> Vec<(Kind, BTreeMap<String, Value>, bool)> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |(e, durable): &(Entry, bool)| (e.kind, e.fields.clone(), *durable);
        entries.iter().map(shown).collect()
    }

    fn keep(&self, entry: Entry, durable: bool) -> Ticket {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push((entry, durable));
        Ticket(entries.len() as u64 - 1)
    }
}

impl Recorder for Memory {
    fn record(&self, entry: Entry) -> Result<Ticket, RecorderError> {
        Ok(self.keep(entry, false))
    }

    fn record_durably(&self, entry: Entry) -> Result<Ticket, RecorderError> {
        Ok(self.keep(entry, true))
    }
}
