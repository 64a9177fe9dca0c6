//! All credentials of a session, and the one way by which they get into a request.

mod aws;
mod body;
mod foreign;
mod head;
#[cfg(test)]
mod tests;

use crate::binding::Binding;
use crate::denied::Denied;
use crate::placeholder::{Minter, Placeholder};
use crate::redact::{Finder, Forbidden};
use crate::secret::Secret;
use fumehood_destination::Destination;
use fumehood_http::{Field, RequestHead};
use std::sync::Arc;

/// A secret, what stands for it inside, and where it may go.
#[derive(Debug)]
pub struct Credential {
    /// The variable under which programs look for it.
    pub name: String,
    /// Its value.
    pub secret: Secret,
    /// What stands for it.
    pub placeholder: Placeholder,
    /// Where it may go.
    pub binding: Binding,
}

/// The credentials of a session.
#[derive(Debug)]
pub struct Vault {
    minter: Minter,
    credentials: Vec<Credential>,
    /// Finds placeholders; the numbers are those of `credentials`.
    finder: Finder,
    forbidden: Arc<Forbidden>,
}

/// What was put into a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The names of the secrets, each once, sorted.
    pub names: Vec<String>,
}

/// The longest body into which credentials are put, or that is signed as a whole.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

impl Vault {
    /// Without any credential yet.
    #[must_use]
    pub fn new(minter: Minter) -> Vault {
        Vault {
            minter,
            credentials: Vec::new(),
            finder: Finder::new(std::iter::empty()),
            forbidden: Arc::new(Forbidden::new(std::iter::empty())),
        }
    }

    /// Adds credentials, and gives back what stands for each, in their order. One of the same name takes the
    /// place of an earlier one for requests; the earlier value still may not come back.
    pub fn add(&mut self, added: impl IntoIterator<Item = (String, Secret, Binding)>) -> Vec<Placeholder> {
        let mut placeholders = Vec::new();
        for (name, secret, binding) in added {
            let placeholder = self.minter.placeholder(&name, &secret);
            placeholders.push(placeholder.clone());
            self.credentials.push(Credential {
                name,
                secret,
                placeholder,
                binding,
            });
        }
        // Later ones are found first.
        self.finder = Finder::new(self.credentials.iter().map(|c| c.placeholder.text().as_bytes()));
        self.forbidden = Arc::new(Forbidden::new(
            self.credentials.iter().map(|c| (&c.secret, &c.placeholder)),
        ));
        placeholders
    }

    /// What may not come back, from any host.
    #[must_use]
    pub fn forbidden(&self) -> Arc<Forbidden> {
        Arc::clone(&self.forbidden)
    }

    /// Whether a credential is for this host: then it is not tunnelled to, and no other account is used there.
    #[must_use]
    pub fn is_bound(&self, destination: &Destination) -> bool {
        self.credentials.iter().any(|c| c.binding.covers(destination))
    }

    /// Whether the body must be here as a whole, at most [`MAX_BODY`], before [`Vault::substitute`].
    #[must_use]
    pub fn wants_body(&self, head: &RequestHead) -> bool {
        let bound = |c: &&Credential| c.binding.covers(&head.destination);
        let kind = body::Kind::of(head);
        (kind.is_some()
            && self
                .credentials
                .iter()
                .filter(bound)
                .any(|c| c.binding.has_body_place()))
            || crate::sigv4::wants_body(head)
    }

    /// Puts credentials in place of placeholders, just before the head is serialised; `body` where it was
    /// asked for.
    ///
    /// # Errors
    /// The request is not to be sent: a placeholder stands where its credential may not go, or another
    /// account's credential where only the session's may.
    pub fn substitute(&self, head: &mut RequestHead, body: Option<&mut Vec<u8>>) -> Result<Used, Denied> {
        let bound = self.is_bound(&head.destination);
        self.refuse_foreign(head, bound)?;
        if bound && head.method == "TRACE" {
            return Err(Denied::Trace);
        }
        let mut used: Vec<usize> = Vec::new();
        let signed = crate::sigv4::authorization(head).is_some();
        let body = match body {
            Some(body) => {
                self.in_body(head, body, &mut used)?;
                Some(body.as_slice())
            }
            None => None,
        };
        if signed {
            self.sign(head, body, &mut used)?;
        }
        self.in_target(head, &mut used)?;
        self.in_fields(head, &mut used)?;
        if bound {
            readable_answer(head, !used.is_empty());
        }
        let mut names: Vec<String> = used.iter().map(|n| self.credentials[*n].name.clone()).collect();
        names.sort();
        names.dedup();
        Ok(Used { names })
    }
}

/// The answer comes back in the one coding that is read, and as a whole: by ranges a secret that a server
/// reflects could be fetched in pieces.
fn readable_answer(head: &mut RequestHead, used: bool) {
    if let Ok(identity) = Field::new(b"accept-encoding", b"identity") {
        head.fields.set(identity);
    }
    for compression in ["sec-websocket-extensions", "grpc-accept-encoding"] {
        head.fields.remove(compression);
    }
    if used {
        head.fields.remove("range");
        head.fields.remove("if-range");
    }
}
