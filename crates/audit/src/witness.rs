//! Witnesses (C2SP tlog-witness, tlog-cosignature): others who keep the account's last head, countersign it with the
//! time, and take no head afterwards that does not contain it. Whoever rewrites or rolls back the whole state directory
//! cannot take back what a witness saw.
//!
//! Here are the texts that go back and forth; whoever calls brings them there.

use crate::account::{identity, index_folder};
use crate::finish::replace;
use crate::inspect::InspectError;
use crate::key::{Key, PublicKey};
use crate::note::Checkpoint;
use crate::read::{ReadError, Records, Source};
use crate::tree::{Hash, consistency, leaf};
use crate::verify::{Remembered, VerifyError, verify_tree};
use crate::writer::WriteError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fumehood_effect::Digest;
use std::path::Path;

/// The type of a cosignature's key in signed notes (C2SP tlog-cosignature).
const COSIGNATURE: u8 = 4;
/// The key that heads for witnesses are signed with. It stays the same, since a witness is told of it once; what it proves
/// to a witness is only whose log this is.
const KEY: &str = "witness.key";

/// A witness: where it is asked, its name, and the key that it countersigns with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    url: String,
    name: String,
    key: PublicKey,
}

/// A head that a witness countersigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The head.
    pub head: Remembered,
    /// When the witness saw it, by its own clock: seconds since 1970.
    pub time: u64,
}

/// A head on its way to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The body of the request `add-checkpoint`.
    pub request: String,
    /// How many records the head covers.
    pub size: u64,
    note: String,
}

/// Why there is nothing to submit, or what came back is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The index is not good.
    #[error("the account's index: {0}")]
    Verify(#[from] VerifyError),
    /// There is no index.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The index cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something cannot be kept.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The witness saw more than there is.
    #[error("rolled back: the witness saw {seen} records of the account's index, {there} are there")]
    RolledBack {
        /// How many it saw.
        seen: u64,
        /// How many there are.
        there: u64,
    },
    /// Not signed by the witness.
    #[error("what came back is not signed by the witness")]
    NotSigned,
}

impl Witness {
    /// From its address and its key (`http://host:port/prefix`, `name+id+key` of C2SP tlog-cosignature), a space between.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (url, verifier) = text.split_once(' ')?;
        let (name, key) = PublicKey::from_verifier_of(verifier.trim(), COSIGNATURE)?;
        let url = url.trim_end_matches('/').to_owned();
        Some(Self { url, name, key })
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The head of a log that this witness countersigned, if the note has such a line.
    #[must_use]
    pub fn open(&self, note: &str, origin: &str) -> Option<Cosigned> {
        let head = Checkpoint::peek(note, origin).ok()?;
        let line = note.lines().find_map(|line| self.line(line))?;
        let signed = STANDARD.decode(line).ok()?;
        let (id, rest) = signed.split_at_checked(4)?;
        let (time, signature) = rest.split_at_checked(8)?;
        let time = u64::from_be_bytes(time.try_into().ok()?);
        let message = format!("cosignature/v1\ntime {time}\n{}", head.body());
        let good = id == self.key.id_of(&self.name, COSIGNATURE)
            && self.key.verifies(message.as_bytes(), signature.try_into().ok()?);
        good.then_some(Cosigned {
            head: Remembered {
                size: head.size,
                root: head.root,
            },
            time,
        })
    }

    fn line<'a>(&self, line: &'a str) -> Option<&'a str> {
        let rest = line.strip_prefix("\u{2014} ")?;
        rest.strip_prefix(self.name.as_str())?.strip_prefix(' ')
    }

    /// Where its last cosignature is kept, in the folder of the index.
    fn file(&self) -> String {
        let name = Digest::of(self.name.as_bytes()).to_string();
        format!("witness.{}", name.get(..16).unwrap_or(&name))
    }

    /// The last head that it countersigned, as kept here: it may have seen more.
    #[must_use]
    pub fn kept(&self, root: &Path) -> Option<Cosigned> {
        let (origin, _) = identity(root)?;
        let note = std::fs::read_to_string(index_folder(root).join(self.file())).ok()?;
        self.open(&note, &origin)
    }

    /// Takes its answer to a submission and keeps it.
    ///
    /// # Errors
    /// The answer is not its cosignature, or cannot be kept.
    pub fn take(&self, root: &Path, submitted: &Submission, answer: &str) -> Result<Cosigned, WitnessError> {
        let (origin, _) = identity(root).ok_or(InspectError::Nothing)?;
        let lines = answer.lines().filter(|line| self.line(line).is_some());
        let note = lines.fold(submitted.note.clone(), |note, line| note + line + "\n");
        let cosigned = self.open(&note, &origin).ok_or(WitnessError::NotSigned)?;
        replace(&index_folder(root), &self.file(), note.as_bytes())?;
        Ok(cosigned)
    }
}

/// Name and key of the account's index as a witness has to be told.
///
/// # Errors
/// There is no index, or no key can be made.
pub fn witness_key(root: &Path) -> Result<(String, PublicKey), WitnessError> {
    let (origin, _) = identity(root).ok_or(InspectError::Nothing)?;
    Ok((origin, key(root)?.public()))
}

fn key(root: &Path) -> Result<Key, WriteError> {
    let folder = index_folder(root);
    let kept = std::fs::read(folder.join(KEY)).ok();
    match kept.map(<[u8; 32]>::try_from) {
        Some(Ok(seed)) => Ok(Key::from_seed(&seed)),
        Some(Err(_)) => Err(WriteError::Changed),
        None => {
            let key = Key::generate().map_err(WriteError::Key)?;
            replace(&folder, KEY, &key.seed())?;
            Ok(key)
        }
    }
}

/// The index's last head for a witness that saw `old` records of it, with the proof that it contains them.
///
/// # Errors
/// The index does not verify, or is shorter than what the witness saw.
pub fn submission(root: &Path, old: u64) -> Result<Submission, WitnessError> {
    let (origin, first) = identity(root).ok_or(InspectError::Nothing)?;
    let folder = index_folder(root);
    let verified = verify_tree(&folder, &origin, first, &[])?;
    let last = verified.keys.last().ok_or(InspectError::Nothing)?;
    let head =
        Checkpoint::peek(&last.note, &origin).map_err(|error| VerifyError::Note { index: 0, error })?;
    if old > head.size {
        let (seen, there) = (old, head.size);
        return Err(WitnessError::RolledBack { seen, there });
    }
    let leaves = leaves(&folder, head.size)?;
    let proof = consistency(&leaves, usize::try_from(old).unwrap_or(usize::MAX));
    let proof = proof.iter().map(|hash| STANDARD.encode(hash) + "\n");
    let note = head.sign(&key(root)?);
    Ok(Submission {
        request: format!("old {old}\n{}\n{note}", proof.collect::<String>()),
        size: head.size,
        note,
    })
}

fn leaves(folder: &Path, size: u64) -> Result<Vec<Hash>, ReadError> {
    let mut leaves = Vec::new();
    for bundle in Source::open(folder, || size)?.from(0, 0) {
        let bundle = bundle?;
        let mut records = Records::new(&bundle.frames);
        leaves.extend(std::iter::from_fn(|| records.frame()).map(leaf));
    }
    leaves.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(leaves)
}

#[cfg(test)]
mod tests;
