//! Ed25519 keys (RFC 8032). A session's keys live in the memory of its writer alone; a key that has
//! signed its successor is dropped, and its memory with it is wiped.

use crate::record::BLIND;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A key that signs. It cannot be printed, copied or written.
pub struct Key(SigningKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

impl Key {
    /// A new one, from the kernel's random numbers.
    ///
    /// # Errors
    /// The kernel gave none.
    pub fn generate() -> Result<Self, rustix::io::Errno> {
        let mut seed = random()?;
        let key = SigningKey::from_bytes(&seed);
        seed.fill(0);
        Ok(Self(key))
    }

    /// The key of the account, which outlives its process: its 32 bytes, from a file of its own.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(crate) fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// 32 bytes from the kernel.
pub(crate) fn random() -> Result<[u8; 32], rustix::io::Errno> {
    let mut bytes = [0u8; 32];
    match getrandom(&mut bytes, GetRandomFlags::empty())? {
        32 => Ok(bytes),
        _ => Err(rustix::io::Errno::IO),
    }
}

/// Blinds of records: nobody can guess one, also who knows all others. The secret they come from is
/// never stored.
pub(crate) struct Blinds {
    secret: [u8; 32],
    next: u64,
}

impl Blinds {
    pub(crate) fn new() -> Result<Self, rustix::io::Errno> {
        let secret = random()?;
        Ok(Self { secret, next: 0 })
    }

    /// The next one: the first half of SHA-256 of secret and number.
    pub(crate) fn next(&mut self) -> [u8; BLIND] {
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(self.next.to_be_bytes());
        self.next += 1;
        let hash = <[u8; 32]>::from(hash.finalize());
        std::array::from_fn(|at| hash[at])
    }
}

impl fmt::Debug for Blinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blinds({})", self.next)
    }
}

/// A key that verifies. Prints as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// The signature type of Ed25519 in signed notes (C2SP signed-note).
const ED25519: u8 = 1;

impl PublicKey {
    /// From its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's identity in signed notes: the first four bytes of SHA-256 of name, newline, type, key.
    #[must_use]
    pub fn id(&self, name: &str) -> [u8; 4] {
        self.id_of(name, ED25519)
    }

    /// As [`PublicKey::id`], for another kind of signature with the same keys.
    pub(crate) fn id_of(&self, name: &str, kind: u8) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        hash.update([b'\n', kind]);
        hash.update(self.0);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        [a, b, c, d]
    }

    /// The verifier key of C2SP signed-note, `name+id+key`, which other tools take.
    #[must_use]
    pub fn verifier(&self, name: &str) -> String {
        self.verifier_of(name, ED25519)
    }

    pub(crate) fn verifier_of(&self, name: &str, kind: u8) -> String {
        let id: String = self
            .id_of(name, kind)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let mut key = vec![kind];
        key.extend_from_slice(&self.0);
        format!("{name}+{id}+{}", STANDARD.encode(key))
    }

    /// Reads what [`PublicKey::verifier`] writes: name and key.
    #[must_use]
    pub fn from_verifier(text: &str) -> Option<(String, Self)> {
        Self::from_verifier_of(text, ED25519)
    }

    pub(crate) fn from_verifier_of(text: &str, kind: u8) -> Option<(String, Self)> {
        let (name, rest) = text.split_once('+')?;
        let (_, encoded) = rest.split_once('+')?;
        let key = STANDARD.decode(encoded).ok()?;
        let key = Self::from_bytes(key.strip_prefix(&[kind])?.try_into().ok()?);
        (key.verifier_of(name, kind) == text).then(|| (name.to_owned(), key))
    }

    pub(crate) fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = base64::DecodeSliceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        let got = STANDARD.decode_slice(text, &mut bytes)?;
        if got == bytes.len() {
            Ok(Self(bytes))
        } else {
            Err(base64::DecodeError::InvalidLength(got).into())
        }
    }
}
