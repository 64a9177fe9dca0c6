//! The log: what was run, provably.
//!
//! A log that its writer can rewrite proves nothing, and one whose damage shows only after a clean
//! end proves nothing about a crash. So every record is a leaf of an RFC 6962 Merkle tree, the tree's
//! head is signed again and again while the log grows, and the key that signed is forgotten: whoever
//! takes the writer over later cannot sign what lies before. Records are written first and synced
//! before anything waits for them is let go. Format: docs/log.md.
//!
//! # Invariants
//!
//! * A record that was acknowledged by [`Writer::commit`] is on the disk.
//! * A checkpoint never covers a record that is not on the disk.
//! * Readers believe nothing: every length is bounded, and what is not canonical is refused.

#![forbid(unsafe_code)]

mod account;
mod ask;
mod chain;
mod check;
mod client;
mod clock;
mod continued;
mod entry;
mod erase;
mod finish;
mod index;
mod inspect;
mod journald;
mod key;
mod layout;
mod note;
mod pack;
mod proof;
mod read;
mod receipt;
mod record;
mod service;
mod session;
mod telling;
mod tree;
mod verify;
mod wire;
mod witness;
mod writer;

pub use account::{ACCOUNT, Account, identity, index_folder, session_folder};
pub use ask::{Question, ask};
pub use chain::{ChainError, MakeError, prove_event, verify_event};
pub use client::{Batch, Client, Summary};
pub use clock::Clock;
pub use entry::{Entry, Memory, Recorder, RecorderError, Ticket};
pub use erase::{EraseError, erase};
pub use inspect::{
    InspectError, Known, State, inspect_index, inspect_session, is_running, last_note, sessions, settle,
};
pub use journald::SystemJournal;
pub use key::{Key, PublicKey};
pub use note::{Checkpoint, NoteError};
pub use proof::{Proof, ProofError, ProveError, prove};
pub use read::{ReadError, Records};
pub use receipt::{open_receipt, sign_receipt};
pub use record::{BLIND, Kind, MAX_RECORD, Record, RecordError, Value};
pub use service::{Pace, Service, decline};
pub use session::{Session, new_session_id, write_session};
pub use telling::Telling;
pub use tree::{Frontier, Hash, leaf};
pub use verify::{Remembered, Report, VerifyError, heads_in, verify};
pub use witness::{Cosigned, Submission, Witness, WitnessError, submission, witness_key};
pub use writer::{WriteError, Writer};
