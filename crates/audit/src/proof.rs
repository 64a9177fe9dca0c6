//! A stand-alone proof that a record is in a log: the record, its path, and the signed head.

use crate::key::PublicKey;
use crate::note::{Checkpoint, NoteError};
use crate::record::{Record, RecordError};
use crate::tree::{Hash, climb, leaf, path};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

/// Proves the record at `index`, which these bytes are, under a signed head of all these leaves.
#[must_use]
pub fn prove(record: &[u8], index: usize, leaves: &[Hash], checkpoint: &str) -> Proof {
    Proof {
        record: record.to_vec(),
        index: index as u64,
        path: path(leaves, index),
        checkpoint: checkpoint.to_owned(),
    }
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
