//! Checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP signed-note).

use crate::key::{Key, PublicKey};
use crate::tree::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The head of a tree: this log had this many records, and this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
}

/// Why a note is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not written as checkpoints are.
    #[error("not a checkpoint")]
    Form,
    /// Of another log.
    #[error("a checkpoint of another log")]
    Origin,
    /// Not signed by the key whose turn it was.
    #[error("not signed by the log's key")]
    Signature,
}

/// The length of a signature line's last word: four bytes of key and 64 of signature, in base64.
const SIGNATURE: usize = 92;

impl Checkpoint {
    /// What is signed.
    pub(crate) fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &Key) -> String {
        let body = self.body();
        let signature = key.sign(body.as_bytes());
        note(&body, &self.origin, &key.public(), &signature)
    }

    /// Reads the note of a log of this name. Whoever calls must check the signature next, with
    /// [`Checkpoint::open`]; this is for finding out whose turn it was.
    pub(crate) fn peek(text: &str, origin: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        if lines.next() != Some(origin) {
            return Err(NoteError::Origin);
        }
        let size = lines.next().and_then(|l| l.parse().ok()).ok_or(NoteError::Form)?;
        let root = lines.next().and_then(|l| STANDARD.decode(l).ok());
        let root = root.and_then(|r| Hash::try_from(r).ok()).ok_or(NoteError::Form)?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Whether this is the beginning of a note, but not all of one: what a writer leaves that was
    /// interrupted. A whole note with a damaged byte is none.
    pub(crate) fn is_begun(text: &str, origin: &str) -> bool {
        let longest = "\u{2014} ".len() + origin.len() + 1 + SIGNATURE;
        let last = text.rsplit('\n').next().unwrap_or_default();
        let mut whole = text.strip_suffix(last).unwrap_or_default().lines().enumerate();
        let root = |line: &str| STANDARD.decode(line).is_ok_and(|root| root.len() == 32);
        let good = |(at, line): (usize, &str)| match at {
            0 => line == origin,
            1 => line.parse::<u64>().is_ok(),
            2 => root(line),
            3 => line.is_empty(),
            _ => false,
        };
        last.len() <= longest && whole.all(good)
    }

    /// Reads a note and checks its one signature. Only the exact text that [`Checkpoint::sign`]
    /// writes is accepted.
    ///
    /// # Errors
    /// It is of another form, log or key.
    pub fn open(text: &str, origin: &str, key: &PublicKey) -> Result<Self, NoteError> {
        let checkpoint = Self::peek(text, origin)?;
        let body = checkpoint.body();
        let signed = text.lines().nth(4).and_then(|l| l.rsplit(' ').next());
        let signed = signed
            .and_then(|s| STANDARD.decode(s).ok())
            .ok_or(NoteError::Form)?;
        let signature = signed.get(4..).and_then(|s| <[u8; 64]>::try_from(s).ok());
        let signature = signature.ok_or(NoteError::Form)?;
        if text != note(&body, origin, key, &signature) || !key.verifies(body.as_bytes(), &signature) {
            return Err(NoteError::Signature);
        }
        Ok(checkpoint)
    }
}

/// A text of whole lines as a signed note.
pub(crate) fn sign_text(text: &str, name: &str, key: &Key) -> String {
    note(text, name, &key.public(), &key.sign(text.as_bytes()))
}

/// The text of a note with one signature, of this key.
pub(crate) fn open_text<'a>(signed: &'a str, name: &str, key: &PublicKey) -> Result<&'a str, NoteError> {
    let at = signed.rfind("\n\n").ok_or(NoteError::Form)? + 1;
    let (text, line) = signed.split_at_checked(at).ok_or(NoteError::Form)?;
    let signature = line
        .trim_end()
        .rsplit(' ')
        .next()
        .and_then(|word| STANDARD.decode(word).ok());
    let signature = signature.and_then(|s| <[u8; 64]>::try_from(s.get(4..)?).ok());
    let signature = signature.ok_or(NoteError::Form)?;
    if signed == note(text, name, key, &signature) && key.verifies(text.as_bytes(), &signature) {
        Ok(text)
    } else {
        Err(NoteError::Signature)
    }
}

fn note(body: &str, origin: &str, key: &PublicKey, signature: &[u8; 64]) -> String {
    let mut signed = key.id(origin).to_vec();
    signed.extend_from_slice(signature);
    format!("{body}\n\u{2014} {origin} {}\n", STANDARD.encode(signed))
}
