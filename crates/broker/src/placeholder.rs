//! What stands inside in place of a secret.

mod jwt;
mod kinds;

use crate::mac::hmac_sha256;
use crate::secret::Secret;
use kinds::{ALPHABETS, PREFIXES};
use std::fmt;
use zeroize::Zeroizing;

/// A text of the length and shape of a secret, worth nothing. It says nothing of the secret but its length,
/// the kind its first characters name, and the alphabet it is written in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Placeholder(String);

impl Placeholder {
    /// The text, as programs inside see it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Placeholder({})", self.0)
    }
}

/// Makes placeholders, and tells its own from any other text, also those of earlier sessions that a program
/// kept in a file. Whoever lacks the key can neither guess one nor make one.
pub struct Minter(Zeroizing<[u8; 32]>);

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Minter")
    }
}

/// Characters that are not free but computed from the others, by which a placeholder is recognised.
const CHECK: usize = 6;
/// With fewer free characters the check would leave too few others: such ones are known by their text only.
const FEWEST_FREE: usize = 16;

impl Minter {
    /// With the key of this account, or of one session.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Minter {
        Minter(Zeroizing::new(key))
    }

    /// The placeholder of a secret: always the same for the same name and shape, so that one which a program
    /// kept is still good in the next session.
    #[must_use]
    pub fn placeholder(&self, name: &str, secret: &Secret) -> Placeholder {
        // A secret is UTF-8, as its type says; were it not, nothing of it would be kept.
        let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
        match jwt::shape(text) {
            Some(shape) => Placeholder(jwt::fill(&shape, |n| self.signature(name, n))),
            None => Placeholder(self.plain(name, text, secret.expose().len())),
        }
    }

    /// Whether a text was made with this key.
    #[must_use]
    pub fn made(&self, text: &str) -> bool {
        if let Some((head, signature)) = text.rsplit_once('.').filter(|(head, _)| jwt::is_ours(head)) {
            return !head.is_empty() && self.checked(signature.as_bytes(), ANY);
        }
        let kept = prefix(text).len();
        let free = &text.as_bytes()[kept..];
        ALPHABETS.iter().any(|alphabet| self.checked(free, alphabet))
    }

    fn plain(&self, name: &str, text: &str, length: usize) -> String {
        let kept = prefix(text);
        let alphabet = alphabet(&text.as_bytes()[kept.len()..]);
        let mut out = kept.to_owned();
        out.push_str(&self.free(name, alphabet, length - kept.len()));
        out
    }

    fn signature(&self, name: &str, length: usize) -> String {
        self.free(name, ANY, length)
    }

    /// Characters of an alphabet drawn from the key, the last of them the check over the first.
    fn free(&self, name: &str, alphabet: &[u8], length: usize) -> String {
        let body = if length < FEWEST_FREE {
            length
        } else {
            length - CHECK
        };
        let mut out = self.draw(&[b"body", name.as_bytes(), &length.to_be_bytes()], alphabet, body);
        if body < length {
            let check = self.draw(&[b"check", &out], alphabet, CHECK);
            out.extend(check);
        }
        out.into_iter().map(char::from).collect()
    }

    fn checked(&self, free: &[u8], alphabet: &[u8]) -> bool {
        if free.len() < FEWEST_FREE || !free.iter().all(|b| alphabet.contains(b)) {
            return false;
        }
        let (body, check) = free.split_at(free.len() - CHECK);
        self.draw(&[b"check", body], alphabet, CHECK) == check
    }

    /// HMAC-SHA-256 in counter mode (NIST SP 800-108), mapped to an alphabet without bias.
    fn draw(&self, label: &[&[u8]], alphabet: &[u8], length: usize) -> Vec<u8> {
        let most = 256 - 256 % alphabet.len();
        let mut out = Vec::with_capacity(length);
        let mut counter = 0u32;
        while out.len() < length {
            let block = self.block(counter, label);
            let fair = block.iter().map(|b| usize::from(*b)).filter(|b| *b < most);
            out.extend(
                fair.map(|b| alphabet[b % alphabet.len()])
                    .take(length - out.len()),
            );
            counter += 1;
        }
        out
    }

    fn block(&self, counter: u32, label: &[&[u8]]) -> [u8; 32] {
        let mut message = counter.to_be_bytes().to_vec();
        for part in label {
            message.extend((part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        hmac_sha256(&*self.0, &message)
    }
}

/// Letters and digits: what any place takes unescaped.
const ANY: &[u8] = ALPHABETS[ALPHABETS.len() - 1];

/// The kept beginning.
fn prefix(text: &str) -> &'static str {
    let fits = PREFIXES.iter().filter(|p| text.starts_with(**p));
    fits.max_by_key(|p| p.len()).copied().unwrap_or_default()
}

fn alphabet(free: &[u8]) -> &'static [u8] {
    let holds = |a: &&&[u8]| free.iter().all(|b| a.contains(b));
    ALPHABETS.iter().find(holds).copied().unwrap_or(ANY)
}

#[cfg(test)]
mod tests;
