//! Proofs one after the other: from the account's first key, which is all that one needs to know, over
//! keys that took over, to one record of one session.

use crate::account::{ACCOUNT, identity, index_folder, session_folder};
use crate::inspect::{InspectError, index_records};
use crate::key::PublicKey;
use crate::note::NoteError;
use crate::proof::{Proof, ProofError, ProveError, prove};
use crate::record::{Kind, Record, Value};
use crate::writer::WriteError;
use std::collections::BTreeMap;
use std::path::Path;

/// Between two proofs of a chain.
pub(crate) const BETWEEN: &str = "\n---\n\n";
/// The most proofs of a chain: a key a minute for a week.
const LONGEST: usize = 10_080;

/// Why a chain does not prove.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// One of its proofs does not.
    #[error("proof {at}: {error}")]
    Proof {
        /// Which, from 1.
        at: usize,
        /// Why.
        error: ProofError,
    },
    /// A proof is of a log whose key nothing before it names.
    #[error("proof {0} is of a log whose key nothing before it names")]
    Unknown(usize),
    /// A receipt is not signed by the key that the proofs after it lead to.
    #[error("not signed by this account: {0}")]
    Receipt(NoteError),
    /// Nothing is proved.
    #[error("not a proof, or not a receipt")]
    Empty,
}

/// A chain that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The index or the session's log does not prove it.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The index does not verify.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The index cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The index does not know the session.
    #[error("no session of this account has this name")]
    Unknown,
}

/// Proves a record of a session, or of the index ([`ACCOUNT`]); the text needs the account's first public key and nothing else.
///
/// # Errors
/// The index or the session's log does not verify, or has no such record under a signed head.
pub fn prove_event(root: &Path, session: &str, sequence: u64) -> Result<String, MakeError> {
    let (origin, first) = identity(root).ok_or(MakeError::Unknown)?;
    if session == ACCOUNT {
        let chain = prove(&index_folder(root), &origin, first, sequence)?;
        return Ok(joined(&chain));
    }
    let started = index_records(root)?.into_iter().find(|record| {
        record.kind == Kind::SessionStart && text(record, "session").is_some_and(|id| id == session)
    });
    let started = started.ok_or(MakeError::Unknown)?;
    let key = key(&started).ok_or(MakeError::Unknown)?;
    let mut chain = prove(&index_folder(root), &origin, first, started.sequence)?;
    let own = format!("{origin}/{session}");
    chain.extend(prove(&session_folder(root, session), &own, key, sequence)?);
    Ok(joined(&chain))
}

fn joined(chain: &[Proof]) -> String {
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    texts.join(BETWEEN)
}

/// The record that a chain proves, and the name of its log, given the account's name and first key.
///
/// # Errors
/// It does not.
pub fn verify_event(text: &str, origin: &str, first: &PublicKey) -> Result<(String, Record), ChainError> {
    verify_chain(text, origin, first).map(|(_, proved)| proved)
}

/// The newest key of each log that a chain proves, by its name, and the record that it ends with.
type Chain = (BTreeMap<String, PublicKey>, (String, Record));

pub(crate) fn verify_chain(text: &str, origin: &str, first: &PublicKey) -> Result<Chain, ChainError> {
    let mut keys = BTreeMap::from([(origin.to_owned(), *first)]);
    let mut last = None;
    for (at, part) in text.split(BETWEEN).take(LONGEST).enumerate() {
        let wrong = |error| ChainError::Proof { at: at + 1, error };
        let proof = Proof::parse(part).map_err(wrong)?;
        let log = proof.origin().to_owned();
        let known = keys.get(&log).ok_or(ChainError::Unknown(at + 1))?;
        let record = proof.verify(&log, known).map_err(wrong)?;
        match (record.kind, key(&record)) {
            (Kind::KeyNext, Some(key)) => drop(keys.insert(log.clone(), key)),
            // Only the index names sessions.
            (Kind::SessionStart, Some(key)) if log == origin => {
                let id = self::text(&record, "session").unwrap_or_default();
                keys.insert(format!("{origin}/{id}"), key);
            }
            _ => {}
        }
        last = Some((log, record));
    }
    Ok((keys, last.ok_or(ChainError::Empty)?))
}

fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    match record.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

pub(crate) fn key(record: &Record) -> Option<PublicKey> {
    match record.fields.get("key") {
        Some(Value::Bytes(bytes)) => Some(PublicKey::from_bytes(bytes.as_slice().try_into().ok()?)),
        _ => None,
    }
}
