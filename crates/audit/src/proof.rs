//! A stand-alone proof that a record is in a log: the record, its path, and the signed head.

use crate::key::PublicKey;
use crate::layout::WIDTH;
use crate::note::{Checkpoint, NoteError};
use crate::read::{ReadError, bundle_at};
use crate::record::{Record, RecordError};
use crate::tree::{Hash, climb, leaf, path, root_of};
use crate::verify::{Signed, Verified, VerifyError, verify_tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// A tree of 2^63 leaves has paths of this length.
const LONGEST_PATH: usize = 63;
const BEGIN: &str = "fumehood proof 1";

/// A proof, as text for others to keep (docs/log.md §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    record: Vec<u8>,
    index: u64,
    path: Vec<Hash>,
    checkpoint: String,
}

/// Why a proof does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not written as proofs are.
    #[error("not a proof")]
    Form,
    /// The record in it is not one.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The head in it is not the log's.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The path does not lead from the record to the head.
    #[error("the record is not in the signed tree")]
    NotIn,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The log does not verify.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No signed head covers it.
    #[error("there are {0} signed records, and this is none of them")]
    NotSigned(u64),
}

/// Verifies a log and proves one of its records under the last signed head. The proofs before it, if
/// any, lead from the log's first key to the one that signed that head.
///
/// # Errors
/// The log does not verify, or the record is not under a signed head.
pub fn prove(folder: &Path, origin: &str, first: PublicKey, index: u64) -> Result<Vec<Proof>, ProveError> {
    let verified = verify_tree(folder, origin, first, &[])?;
    let none = || ProveError::NotSigned(verified.report.signed);
    let last = verified.keys.last().filter(|last| index < last.size);
    let last = last.ok_or_else(none)?;
    let mut chain = Vec::new();
    // Where the head itself names a successor, that key has signed nothing yet.
    for signed in verified.keys.iter().take(verified.keys.len() - 1) {
        if let Some(successor) = signed.successor {
            chain.push(prove_under(folder, &verified, signed, successor)?.ok_or_else(none)?);
        }
    }
    chain.push(prove_under(folder, &verified, last, index)?.ok_or_else(none)?);
    Ok(chain)
}

/// The path of a record to a head that may be older than the tree is now.
fn prove_under(
    folder: &Path,
    verified: &Verified,
    head: &Signed,
    index: u64,
) -> Result<Option<Proof>, ReadError> {
    let width = WIDTH as u64;
    let now = verified.report.signed;
    let leaves_of = |bundle: u64| -> Result<Vec<Vec<u8>>, ReadError> {
        let mut frames = bundle_at(folder, now, bundle)?;
        frames.truncate(usize::try_from(head.size - bundle * width).unwrap_or(WIDTH));
        Ok(frames)
    };
    let hashes = |frames: &[Vec<u8>]| -> Vec<Hash> { frames.iter().map(|frame| leaf(frame)).collect() };
    let (bundle, last) = (index / width, (head.size - 1) / width);
    let frames = leaves_of(bundle)?;
    let within = usize::try_from(index % width).unwrap_or_default();
    let mut whole = path(&hashes(&frames), within);
    let mut roots = verified.roots.clone();
    // The head's last bundle may have grown since.
    roots.truncate(usize::try_from(last).unwrap_or(usize::MAX));
    roots.push(root_of(&hashes(&leaves_of(last)?)));
    whole.extend(path(&roots, usize::try_from(bundle).unwrap_or_default()));
    Ok(frames.into_iter().nth(within).map(|record| Proof {
        record,
        index,
        path: whole,
        checkpoint: head.note.clone(),
    }))
}

impl Proof {
    /// Reads a proof's text.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut lines = head.lines();
        if lines.next() != Some(BEGIN) {
            return Err(ProofError::Form);
        }
        let index = lines
            .next()
            .and_then(|l| l.parse().ok())
            .ok_or(ProofError::Form)?;
        let record = lines
            .next()
            .and_then(|l| STANDARD.decode(l).ok())
            .ok_or(ProofError::Form)?;
        let hash = |line: &str| STANDARD.decode(line).ok().and_then(|h| Hash::try_from(h).ok());
        let path: Option<Vec<Hash>> = lines.take(LONGEST_PATH + 1).map(hash).collect();
        let path = path.filter(|p| p.len() <= LONGEST_PATH).ok_or(ProofError::Form)?;
        let proof = Self {
            record,
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        };
        // One spelling only.
        if proof.to_string() == text {
            Ok(proof)
        } else {
            Err(ProofError::Form)
        }
    }

    /// The name of the log whose head is in it; nothing is verified.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.checkpoint.lines().next().unwrap_or_default()
    }

    /// The record, if this proves that the log of this name and key contains it. Nothing else is needed.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, origin: &str, key: &PublicKey) -> Result<Record, ProofError> {
        let head = Checkpoint::open(&self.checkpoint, origin, key)?;
        if climb(self.index, head.size, leaf(&self.record), &self.path) != Some(head.root) {
            return Err(ProofError::NotIn);
        }
        let record = Record::decode(&self.record)?;
        if record.sequence == self.index {
            Ok(record)
        } else {
            Err(ProofError::NotIn)
        }
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{BEGIN}\n{}\n{}", self.index, STANDARD.encode(&self.record))?;
        self.path
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
