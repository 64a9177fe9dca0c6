//! Answers to a server's question for a password: MD5 (RFC 1321, PostgreSQL's way) and SCRAM-SHA-256 (RFC 5802,
//! RFC 7677). The password is here only while it answers.

use crate::key::{hmac_sha256, stretch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The most rounds that a server may ask for: each is work before the login, and servers use 4096.
const MAX_ROUNDS: u32 = 1_000_000;

/// Why a login is given up. Holds nothing of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No way that is known here.
    #[error("the server asks for a way of logging in that is not known here")]
    Way,
    /// An answer that is none.
    #[error("the server's answer to the login cannot be read")]
    Answer,
    /// The server does not know the password either.
    #[error("the server could not show that it knows the password")]
    Server,
}

/// The answer to a question for MD5: of password, user and the server's salt.
#[must_use]
pub fn md5(user: &str, password: &[u8], salt: [u8; 4]) -> String {
    let inner = hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    format!(
        "md5{}",
        hex(&Md5::new().chain_update(inner).chain_update(salt).finalize())
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// One login by SCRAM-SHA-256, without channel binding.
#[derive(Debug)]
pub struct Scram {
    nonce: String,
    expected: Option<[u8; 32]>,
}

/// No channel binding, no other name: the server takes the user's from the start of the session.
const GS2: &str = "n,,";

impl Scram {
    /// Begins, with random bytes.
    #[must_use]
    pub fn new(random: [u8; 18]) -> Scram {
        Scram {
            nonce: STANDARD.encode(random),
            expected: None,
        }
    }

    /// The first message, in the form of the protocol's `SASLInitialResponse`.
    #[must_use]
    pub fn first(&self) -> Vec<u8> {
        let first = format!("{GS2}{}", self.bare());
        let length = u32::try_from(first.len()).unwrap_or(0).to_be_bytes();
        [b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat()
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Answers the server's first message.
    ///
    /// # Errors
    /// It cannot be read, or asks for more rounds than are worth it.
    pub fn answer(&mut self, server: &[u8], password: &[u8]) -> Result<String, LoginError> {
        let server = std::str::from_utf8(server).map_err(|_| LoginError::Answer)?;
        let mut parts = server.split(',');
        let mut part = |name: &str| {
            parts
                .next()
                .and_then(|p| p.strip_prefix(name))
                .ok_or(LoginError::Answer)
        };
        let nonce = part("r=")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() <= self.nonce.len() {
            return Err(LoginError::Answer);
        }
        let salt = STANDARD.decode(part("s=")?).map_err(|_| LoginError::Answer)?;
        let rounds: u32 = part("i=")?.parse().map_err(|_| LoginError::Answer)?;
        if !(1..=MAX_ROUNDS).contains(&rounds) {
            return Err(LoginError::Answer);
        }
        let salted = Zeroizing::new(stretch(password, &salt, rounds));
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(GS2));
        let signed = format!("{},{server},{without_proof}", self.bare());
        let client = Zeroizing::new(hmac_sha256(&*salted, b"Client Key"));
        let stored: [u8; 32] = Sha256::digest(*client).into();
        let signature = hmac_sha256(&stored, signed.as_bytes());
        let mut proof = [0u8; 32];
        for (to, (a, b)) in proof.iter_mut().zip(client.iter().zip(signature)) {
            *to = a ^ b;
        }
        let key = Zeroizing::new(hmac_sha256(&*salted, b"Server Key"));
        self.expected = Some(hmac_sha256(&*key, signed.as_bytes()));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Reads the server's last message: only one that knows the password can write it.
    ///
    /// # Errors
    /// It is not that.
    pub fn verify(&self, server: &[u8]) -> Result<(), LoginError> {
        let shown = server.strip_prefix(b"v=").ok_or(LoginError::Answer)?;
        let shown = STANDARD.decode(shown).map_err(|_| LoginError::Answer)?;
        match &self.expected {
            Some(expected) if shown == expected => Ok(()),
            _ => Err(LoginError::Server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3, with its nonce and its user left out as PostgreSQL does: computed with PostgreSQL 15's libpq.
    #[test]
    fn scram_of_the_rfc() {
        let mut scram = Scram {
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            expected: None,
        };
        let server =
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let answer = scram.answer(server, b"pencil").unwrap();
        assert!(answer.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
        assert_eq!(scram.verify(b"v=AAAA"), Err(LoginError::Server));
    }

    #[test]
    fn md5_of_the_manual() {
        // concat('md5', md5(concat(md5(concat(password, username)), salt)))
        assert_eq!(md5("app", b"secret-pw", [1, 2, 3, 4]).len(), 35);
        assert_eq!(hex(&Md5::digest(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn what_a_server_says_is_not_believed() {
        let new = || Scram::new([7; 18]);
        let nonce = new().nonce;
        for server in [
            "r=other,s=AAAA,i=4096".to_owned(),
            format!("r={nonce},s=AAAA,i=4096"),
            format!("r={nonce}x,s=!,i=4096"),
            format!("r={nonce}x,s=AAAA,i=0"),
            format!("r={nonce}x,s=AAAA,i=4000000000"),
            format!("r={nonce}x,s=AAAA"),
            String::new(),
        ] {
            assert_eq!(
                new().answer(server.as_bytes(), b"pw"),
                Err(LoginError::Answer),
                "{server}"
            );
        }
        assert_eq!(new().verify(b"e=other-error"), Err(LoginError::Answer));
    }
}
