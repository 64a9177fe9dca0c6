//! HMAC-SHA-256 (RFC 2104) and PBKDF2 with it (RFC 8018), of which SCRAM needs one block.

use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// Both halves of an HMAC with a key: made once, used many times.
struct Keyed {
    inner: Sha256,
    outer: Sha256,
}

impl Keyed {
    fn new(key: &[u8]) -> Keyed {
        let mut block = [0u8; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let with = |pad: u8| Sha256::new().chain_update(block.map(|b| b ^ pad));
        Keyed {
            inner: with(0x36),
            outer: with(0x5c),
        }
    }

    fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let inner = parts
            .iter()
            .fold(self.inner.clone(), |hash, part| hash.chain_update(part));
        self.outer
            .clone()
            .chain_update(inner.finalize())
            .finalize()
            .into()
    }
}

/// The code of a message under a key.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    Keyed::new(key).of(&[message])
}

/// PBKDF2-HMAC-SHA-256, its first block.
pub(crate) fn stretch(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let keyed = Keyed::new(password);
    let mut last = keyed.of(&[salt, &1u32.to_be_bytes()]);
    let mut all = last;
    for _ in 1..rounds {
        last = keyed.of(&[&last]);
        all.iter_mut().zip(last).for_each(|(to, b)| *to ^= b);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 32]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// RFC 4231 case 2; RFC 7914 §11 for PBKDF2-HMAC-SHA-256 (its first 32 bytes).
    #[test]
    fn published_vectors() {
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(stretch(b"passwd", b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
        assert_eq!(
            hex(stretch(b"Password", b"NaCl", 80_000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        );
    }
}
