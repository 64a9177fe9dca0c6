//! Tokens that a host mints while the session runs (OAuth, STS and the like): what comes back in such a field
//! of JSON becomes a credential of the session, and a placeholder goes inside in its place.

use crate::secret::LONGEST;
use zeroize::Zeroizing;

/// Fields that hold a token, and what their value is good for is decided by who asked (RFC 6749 §5.1, OpenID
/// Connect Core §3.1.3.3, RFC 8628, AWS STS, and what forges, registries and the agents' own issuers say).
const FIELDS: &[&str] = &[
    "access_token",
    "accessToken",
    "AccessKeyId",
    "api_key",
    "apiKey",
    "auth_token",
    "authToken",
    "client_secret",
    "clientSecret",
    "id_token",
    "idToken",
    "jwt",
    "private_key",
    "raw_key",
    "refresh_token",
    "refreshToken",
    "secret_access_key",
    "secretAccessKey",
    "SecretAccessKey",
    "session_token",
    "sessionToken",
    "SessionToken",
    "token",
];
/// Shorter texts under these names are words ("token": "max_tokens"), not tokens.
const SHORTEST_TOKEN: usize = 16;
/// The longest of [`FIELDS`].
const LONGEST_NAME: usize = 24;

/// What must be done with the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Bytes that are no token, as they came.
    Plain(Vec<u8>),
    /// A token: the field and its value. Where its notation was longer, blanks follow the closing quote.
    Token {
        field: String,
        value: Zeroizing<Vec<u8>>,
    },
}

/// A token longer than any: it cannot be adopted, so nothing of it may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer holds a token of more than {LONGEST} bytes")]
pub struct TooLong;

/// Reads JSON as it streams by. What is no JSON has no such fields.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Bytes of the current text, as written; of names no more than tell them apart.
    text: Zeroizing<Vec<u8>>,
    /// The last byte was a backslash that means the next.
    escaped: bool,
    /// The field whose value comes next.
    field: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between texts.
    #[default]
    Outside,
    /// In a text that could be a field's name.
    Text,
    /// After a text: a colon makes it a name.
    After,
    /// After the name of a token's field and its colon.
    Colon,
    /// In a token.
    Token,
}

impl Scanner {
    /// The next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Found>, TooLong> {
        let mut out = Vec::new();
        let mut plain = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.state == State::Token {
                if let Some((found, longer)) = self.in_token(*byte)? {
                    out.push(Found::Plain(std::mem::take(&mut plain)));
                    out.push(found);
                    plain.push(b'"');
                    plain.extend(std::iter::repeat_n(b' ', longer));
                }
            } else {
                plain.push(*byte);
                self.step(*byte);
            }
        }
        out.push(Found::Plain(plain));
        Ok(out)
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, b'"') if !self.escaped => State::After,
            (State::Text, _) => {
                self.escaped = byte == b'\\' && !self.escaped;
                if self.text.len() <= LONGEST_NAME {
                    self.text.push(byte);
                }
                State::Text
            }
            (State::After | State::Colon, b' ' | b'\t' | b'\n' | b'\r') => self.state,
            (State::After, b':') => self.named(),
            (State::Colon, b'"') => self.begin(State::Token),
            (_, b'"') => self.begin(State::Text),
            _ => State::Outside,
        };
    }

    fn begin(&mut self, state: State) -> State {
        self.text.clear();
        self.escaped = false;
        state
    }

    fn named(&mut self) -> State {
        let name = std::str::from_utf8(&self.text).unwrap_or_default();
        self.field = FIELDS.contains(&name).then(|| name.to_owned());
        if self.field.is_some() {
            State::Colon
        } else {
            State::Outside
        }
    }

    /// At the end of a token it, and by how much its notation was longer than it is.
    fn in_token(&mut self, byte: u8) -> Result<Option<(Found, usize)>, TooLong> {
        if byte != b'"' || self.escaped {
            self.escaped = byte == b'\\' && !self.escaped;
            self.text.push(byte);
            return if self.text.len() > LONGEST {
                Err(TooLong)
            } else {
                Ok(None)
            };
        }
        self.state = State::Outside;
        let written = std::mem::take(&mut self.text);
        let quoted = Zeroizing::new([b"\"", written.as_slice(), b"\""].concat());
        let value: Option<String> = serde_json::from_slice(&quoted).ok();
        let is_token = |v: &String| v.len() >= SHORTEST_TOKEN && v.bytes().all(|b| b.is_ascii_graphic());
        Ok(Some(match value.filter(is_token) {
            Some(value) => {
                let longer = written.len() - value.len();
                let field = self.field.take().unwrap_or_default();
                let value = Zeroizing::new(value.into_bytes());
                (Found::Token { field, value }, longer)
            }
            None => (Found::Plain(written.to_vec()), 0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text with `<field>` for each token.
    fn scanned(pieces: &[&[u8]]) -> Result<String, TooLong> {
        let mut scanner = Scanner::default();
        let mut out = String::new();
        for piece in pieces {
            for found in scanner.push(piece)? {
                out.push_str(&match found {
                    Found::Plain(bytes) => String::from_utf8(bytes).unwrap(),
                    Found::Token { field, value } => format!("<{field} {}>", value.len()),
                });
            }
        }
        Ok(out)
    }

    fn of(text: &str) -> String {
        scanned(&[text.as_bytes()]).unwrap()
    }

    #[test]
    fn tokens_wherever_they_stand() {
        let token = "gho_16C7e42F292c6912E7710c8";
        let text = format!(
            r#"{{"a": {{"access_token" : "{token}","expires_in":8}}, "list":[{{"token":"{token}"}}], "name": "token"}}"#
        );
        let expected = r#"{"a": {"access_token" : "<access_token 27>","expires_in":8}, "list":[{"token":"<token 27>"}], "name": "token"}"#;
        assert_eq!(of(&text), expected);
        assert_eq!(
            of(r#"{"id_token":"aaaaaaaaaaaaaaaa\/\u0061"}"#),
            r#"{"id_token":"<id_token 18>"      }"#
        );
    }

    #[test]
    fn other_text_is_as_it_was() {
        for text in [
            r#"{"token":"short","tokens":"sixteen characters long"}"#,
            r#"{"say":"\"access_token\":\"aaaaaaaaaaaaaaaaaaaa\""}"#,
            r#"{"access_token":null,"x":"aaaaaaaaaaaaaaaaaaaaaaa"}"#,
            r#"{"token":"a sentence with more than sixteen"}"#,
            r#"["access_token","aaaaaaaaaaaaaaaaaaaaaaa"]"#,
            "no JSON at all: token",
        ] {
            assert_eq!(of(text), text);
        }
    }

    #[test]
    fn a_token_without_end_does_not_pass() {
        let mut scanner = Scanner::default();
        let found = scanner.push(b"{\"token\":\"aaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        assert_eq!(found, [Found::Plain(b"{\"token\":\"".to_vec())]);
        assert_eq!(scanner.push(&[b'a'; LONGEST + 1]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same(parts in proptest::collection::vec(prop::sample::select(vec!["{", "\"token\"", ":", " ", "\"aaaaaaaaaaaaaaaa\"", "\\", "\"", ",", "x", "\"a\\\"bcdefghijklmnopq\""]), 0..12), at in 0usize..200) {
            let text = parts.concat();
            let at = at.min(text.len());
            let bytes = text.as_bytes();
            prop_assert_eq!(scanned(&[&bytes[..at], &bytes[at..]]), scanned(&[bytes]));
        }
    }
}
