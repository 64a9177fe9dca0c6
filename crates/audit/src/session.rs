//! The log of one session, beside the account's index: what the writer's process does.

use crate::account::{Account, session_folder};
use crate::clock::Clock;
use crate::entry::Entry;
use crate::journald::SystemJournal;
use crate::key::Key;
use crate::note::Checkpoint;
use crate::record::{Kind, Value};
use crate::service::{Pace, Service};
use crate::writer::{WriteError, Writer};
use fumehood_effect::{Digest, SessionId};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The session that is recorded.
#[derive(Clone, Debug)]
pub struct Session {
    /// The folder of all logs of the account.
    pub root: PathBuf,
    /// The session's name, which no other has had.
    pub id: SessionId,
    /// When it began.
    pub begun: Clock,
    /// Its first record.
    pub start: Entry,
}

/// A name for a new session: when it began (UTC), and random digits. Names sort by time.
///
/// # Errors
/// The kernel gave no random numbers.
pub fn new_session_id() -> Result<SessionId, WriteError> {
    let [a, b, ..] = crate::key::random().map_err(WriteError::Key)?;
    let name = format!("{}-{a:02x}{b:02x}", Clock::now().compact());
    name.parse()
        .map_err(|_| WriteError::Key(rustix::io::Errno::INVAL))
}

/// How often a session's head goes into the account's index while it grows.
const INDEXED_AFTER: Duration = Duration::from_secs(60);

/// Writes a session's log until nobody can record any more; `sender` is the writer's end of
/// [`crate::Client::pair`]. The index has its key, signed and on the disk, before anything of it is signed, and
/// its last head at the end; the system journal gets each head of the index.
///
/// # Errors
/// The log or the index cannot be written; those who record were told.
pub fn write_session(
    session: &Session,
    sender: OwnedFd,
    journal: Option<&SystemJournal>,
) -> Result<Checkpoint, WriteError> {
    let begun = begin(session);
    let writer = match begun {
        Ok(writer) => writer,
        Err(error) => {
            crate::service::refuse(&sender, &error);
            return Err(error);
        }
    };
    let mut indexed = Instant::now();
    let at_head = |head: &Checkpoint, _: &str| {
        if indexed.elapsed() >= INDEXED_AFTER {
            indexed = Instant::now();
            // The session's own log has it; the index says it again with the next one.
            let _later = index(session, Kind::SessionCheckpoint, head, journal);
        }
    };
    // Both wait for one sync where a run is over before its first head is due.
    let before_first = || {
        let mut account = Account::open(&session.root)?;
        account.commit()?;
        announce(&account, journal);
        Ok(())
    };
    // A log that has ended is in the index as such.
    let at_end = |head: &Checkpoint| index(session, Kind::SessionEnd, head, journal);
    Service::new(writer, sender, Pace::default()).run(before_first, at_head, at_end)
}

fn begin(session: &Session) -> Result<Writer, WriteError> {
    let mut account = Account::open(&session.root)?;
    let key = Key::generate().map_err(WriteError::Key)?;
    let origin = format!("{}/{}", account.origin(), session.id);
    let folder = session_folder(&session.root, session.id.as_str());
    let public = Value::Bytes(key.public().as_bytes().to_vec());
    let mut writer = Writer::create(&folder, &origin, key)?;
    let id = Value::Text(session.id.to_string());
    let fields = BTreeMap::from([("key".to_owned(), public), ("session".to_owned(), id)]);
    account.announce(Kind::SessionStart, fields)?;
    drop(account);
    let begun = session.begun.nanos();
    writer.append_at(begun, session.start.kind, None, session.start.fields.clone())?;
    writer.flush()?;
    Ok(writer)
}

fn announce(account: &Account, journal: Option<&SystemJournal>) {
    if let Some(journal) = journal {
        journal.tell(account.note());
    }
}

fn index(
    session: &Session,
    kind: Kind,
    head: &Checkpoint,
    journal: Option<&SystemJournal>,
) -> Result<(), WriteError> {
    let fields = BTreeMap::from([
        ("session".to_owned(), Value::Text(session.id.to_string())),
        ("size".to_owned(), Value::Number(head.size)),
        ("root".to_owned(), Value::Digest(Digest::from_bytes(head.root))),
    ]);
    let mut account = Account::open(&session.root)?;
    account.record(kind, fields)?;
    announce(&account, journal);
    Ok(())
}
