//! What comes back: every byte of it goes through here before it goes inside.

mod coding;
#[cfg(test)]
mod tests;

use crate::adopt::{Found, Scanner, TooLong};
use crate::redact::{Forbidden, Redactor};
use crate::secret::Secret;
use crate::vault::{Vault, names_nobody};
use crate::websocket::{FrameError, Frames};
use coding::{Coding, CodingError};
use fumehood_destination::Destination;
use fumehood_http::{Field, Fields, Length, RequestHead, ResponseHead};
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why an answer does not go inside, or no further.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// In a coding that is not read here, though none was asked for.
    #[error("the answer is compressed as {0}, in which secrets would not be seen")]
    Coding(String),
    /// Compressed, and damaged or out of all proportion.
    #[error(transparent)]
    Compressed(#[from] CodingError),
    /// Not WebSocket, though it was agreed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A token that cannot be adopted.
    #[error(transparent)]
    Token(#[from] TooLong),
}

/// Of an issuer's answer, which is a few hundred bytes and tokens.
const MOST_SAID: usize = 256 * 1024;

/// One answer on its way in.
#[derive(Debug)]
pub struct Answer {
    coding: Option<Coding>,
    /// Where tokens may be minted: JSON of a host that a credential is for.
    scanner: Option<Scanner>,
    /// After an upgrade.
    frames: Option<Frames>,
    redactor: Redactor,
    forbidden: Arc<Forbidden>,
    destination: Destination,
    /// The login that this answer renews.
    renews: Option<usize>,
    /// Of such an answer what went inside: it says how long the token is good.
    said: Option<Vec<u8>>,
    adopted: Vec<Adopted>,
    replaced: u64,
}

/// A token that came back and is now a credential of the session.
#[derive(Debug)]
pub struct Adopted {
    /// Which field of the answer.
    pub field: String,
    /// The name it has here.
    pub name: String,
}

impl Answer {
    /// Begins with the head, which is cleaned in place. `request` is the one that was sent, with its
    /// credentials in it.
    ///
    /// # Errors
    /// It cannot be read, and comes from a host that a credential is for.
    pub fn new(vault: &Vault, request: &RequestHead, head: &mut ResponseHead) -> Result<Answer, Withheld> {
        let bound = vault.is_bound(&request.destination);
        let coding = if bound { coding(request, head)? } else { None };
        let forbidden = vault.forbidden();
        clean(&forbidden, &mut head.fields);
        if bound {
            drop_cookies(&mut head.fields);
        }
        let upgraded = head.status == 101;
        let json = bound && !upgraded && is_json(&head.fields);
        Ok(Answer {
            coding,
            scanner: json.then(Scanner::default),
            frames: (upgraded && !forbidden.is_empty()).then(|| Frames::new(Arc::clone(&forbidden))),
            redactor: Redactor::new(Arc::clone(&forbidden)),
            forbidden,
            destination: request.destination.clone(),
            renews: None,
            said: None,
            adopted: Vec::new(),
            replaced: 0,
        })
    }

    /// An answer to a renewal of this login: its tokens are new values of the login's, in whatever type they come.
    #[must_use]
    pub fn renewing(mut self, login: Option<usize>) -> Answer {
        self.renews = login;
        if login.is_some() {
            self.scanner = Some(Scanner::default());
            self.said = Some(Vec::new());
        }
        self
    }

    /// The next bytes of the body; gives those that go inside.
    ///
    /// # Errors
    /// The answer goes no further: nothing more of it may be passed on.
    pub fn push<'b>(&mut self, vault: &mut Vault, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, Withheld> {
        if let Some(frames) = &mut self.frames {
            return Ok(Cow::Owned(frames.push(bytes)?));
        }
        let plain = match &mut self.coding {
            Some(coding) => Cow::Owned(coding.push(bytes)?),
            None => Cow::Borrowed(bytes),
        };
        if self.scanner.is_some() {
            return self.adopt(vault, &plain).map(Cow::Owned);
        }
        Ok(match plain {
            Cow::Borrowed(bytes) => self.redactor.push(bytes),
            Cow::Owned(bytes) => Cow::Owned(self.redactor.push(&bytes).into_owned()),
        })
    }

    /// The body has ended; gives what was held.
    ///
    /// # Errors
    /// It ended within a compressed stream.
    pub fn finish(&mut self, vault: &mut Vault) -> Result<Vec<u8>, Withheld> {
        let mut out = Vec::new();
        if let Some(coding) = self.coding.take() {
            let rest = coding.finish()?;
            out.extend_from_slice(&self.push(vault, &rest)?);
        }
        out.extend(self.redactor.finish());
        if let Some(said) = &mut self.said {
            said.extend_from_slice(&out);
        }
        Ok(out)
    }

    /// Has a login that was renewed written back, once.
    ///
    /// # Errors
    /// Why it is not.
    pub fn keep(&mut self, vault: &Vault) -> Result<(), String> {
        let (said, Some(login)) = (self.said.take().unwrap_or_default(), self.renews.take()) else {
            return Ok(());
        };
        if self.adopted.is_empty() {
            return Ok(());
        }
        let said: Option<serde_json::Value> = serde_json::from_slice(&said).ok();
        let expires_in = said.and_then(|said| said.get("expires_in")?.as_u64());
        vault.write_back(login, expires_in)
    }

    /// The trailers, cleaned in place.
    pub fn trailers(&self, fields: &mut Fields) {
        clean(&self.forbidden, fields);
    }

    /// Tokens that came back in it so far.
    #[must_use]
    pub fn adopted(&self) -> &[Adopted] {
        &self.adopted
    }

    /// How many secrets were found in the body so far.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced + self.redactor.replaced() + self.frames.as_ref().map_or(0, Frames::replaced)
    }

    fn adopt(&mut self, vault: &mut Vault, bytes: &[u8]) -> Result<Vec<u8>, Withheld> {
        let mut out = Vec::with_capacity(bytes.len());
        let found = self.scanner.as_mut().map_or(Ok(Vec::new()), |s| s.push(bytes))?;
        for found in found {
            match found {
                Found::Plain(bytes) => out.extend_from_slice(&self.redactor.push(&bytes)),
                Found::Token { field, value } => {
                    // One of the session's own that comes back is replaced like anywhere else.
                    let cleaned = self.forbidden.clean(&value).into_owned();
                    if cleaned != *value || !self.take(vault, field, value, &mut out) {
                        out.extend_from_slice(&self.redactor.push(&cleaned));
                    }
                }
            }
        }
        if let Some(said) = self.said.as_mut().filter(|said| said.len() < MOST_SAID) {
            said.extend_from_slice(&out);
        }
        Ok(out)
    }

    /// Makes a token a credential. Whatever of the answer follows is looked at for it too.
    fn take(
        &mut self,
        vault: &mut Vault,
        field: String,
        value: Zeroizing<Vec<u8>>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Ok(secret) = Secret::new(value) else {
            return false;
        };
        out.extend(self.redactor.finish());
        let (name, shown) = vault.adopt(&self.destination, &field, secret, self.renews);
        self.replaced += self.redactor.replaced();
        self.forbidden = vault.forbidden();
        self.redactor = Redactor::new(Arc::clone(&self.forbidden));
        out.extend_from_slice(shown.text().as_bytes());
        self.adopted.push(Adopted { field, name });
        true
    }
}

/// Every value. Cookies of a bound host that name an account are dropped: they would open it, and are not sent
/// there either.
fn clean(forbidden: &Arc<Forbidden>, fields: &mut Fields) {
    let mut cleaned = Fields::default();
    for field in fields.iter() {
        let value = match forbidden.clean(&field.value) {
            Cow::Borrowed(_) => Ok(field.clone()),
            Cow::Owned(value) => Field::new(field.name.as_bytes(), &value),
        };
        let _kept = value.and_then(|v| cleaned.push(v));
    }
    *fields = cleaned;
}

fn drop_cookies(fields: &mut Fields) {
    let mut kept = Fields::default();
    for field in fields
        .iter()
        .filter(|f| !f.is("set-cookie") || names_nobody(&f.value))
    {
        let _pushed = kept.push(field.clone());
    }
    *fields = kept;
}

fn is_json(fields: &Fields) -> bool {
    let json = |value: &[u8]| {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let kind = text.split(';').next().unwrap_or_default().trim().to_owned();
        kind == "application/json"
            || kind == "text/json"
            || (kind.starts_with("application/") && kind.ends_with("+json"))
    };
    // Several, or none: whatever a client takes it for.
    let mut values = fields.values("content-type").peekable();
    values.peek().is_none() || values.any(json)
}

/// How to read a body; its head then speaks of what is passed on.
fn coding(request: &RequestHead, head: &mut ResponseHead) -> Result<Option<Coding>, Withheld> {
    let codings = head.fields.members("content-encoding");
    let codings: Vec<&String> = codings.iter().filter(|c| *c != "identity").collect();
    let has_body = head.body != Length::Empty && request.method != "HEAD" && head.status != 304;
    let coding = match codings.as_slice() {
        [] => return Ok(None),
        _ if !has_body => return Ok(None),
        [one] => Coding::new(one),
        _ => None,
    };
    let named = || codings.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
    let coding = coding.ok_or_else(|| {
        Withheld::Coding(
            fumehood_policy::Escaped::from(named().as_str())
                .at_most(40)
                .to_string(),
        )
    })?;
    head.fields.remove("content-encoding");
    head.body = Length::Unknown;
    Ok(Some(coding))
}
