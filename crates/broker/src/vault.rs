//! All credentials of a session, and the one way by which they get into a request.

mod aws;
mod body;
mod foreign;
mod head;
mod login;
#[cfg(test)]
mod tests;

use crate::binding::Binding;
use crate::denied::Denied;
use crate::placeholder::{Minter, Placeholder};
use crate::redact::{Finder, Forbidden, forbidden};
use crate::secret::Secret;
use fumehood_destination::Destination;
use fumehood_http::{Field, RequestHead};
use fumehood_monitor::Channel;
use std::sync::Arc;
use zeroize::Zeroizing;

pub(crate) use foreign::names_nobody;
pub(crate) use head::ESCAPED;
use login::Held;

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
    pub binding: Arc<Binding>,
}

/// The credentials of a session.
#[derive(Debug)]
pub struct Vault {
    minter: Minter,
    credentials: Vec<Credential>,
    /// Values that were replaced by newer ones: they open nothing any more, or might, and still may not come
    /// back. Of each name the last few.
    retired: Vec<Credential>,
    logins: Vec<Held>,
    /// Writes renewed logins back.
    keeps: Option<Channel>,
    /// Finds placeholders; its numbers are places in `shown`.
    finder: Finder,
    /// Each placeholder, current or earlier, and the credential that counts for it.
    shown: Vec<(Placeholder, usize)>,
    forbidden: Arc<Forbidden>,
}

/// Earlier values of one name that are still kept from coming back.
const MOST_RETIRED: usize = 8;
/// Credentials of a session, minted ones included.
const MOST_CREDENTIALS: usize = 512;

/// What was put into a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The names of the secrets, each once, sorted.
    pub names: Vec<String>,
    /// The login that this request has renewed.
    pub renews: Option<usize>,
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
            retired: Vec::new(),
            logins: Vec::new(),
            keeps: None,
            finder: Finder::new(std::iter::empty()),
            shown: Vec::new(),
            forbidden: Arc::new(Forbidden::new(std::iter::empty())),
        }
    }

    /// Adds credentials, and gives back what stands for each, in their order. One of the same name takes the
    /// place of an earlier one for requests; the earlier value still may not come back.
    pub fn add(&mut self, added: impl IntoIterator<Item = (String, Secret, Binding)>) -> Vec<Placeholder> {
        let put =
            |(name, secret, binding): (String, Secret, Binding)| self.put(name, secret, Arc::new(binding));
        let placeholders = added.into_iter().map(put).collect();
        self.renew();
        placeholders
    }

    fn put(&mut self, name: String, secret: Secret, binding: Arc<Binding>) -> Placeholder {
        let placeholder = self.minter.placeholder(&name, &secret);
        if let Some(at) = self.credentials.iter().position(|c| c.name == name) {
            self.retired.push(self.credentials.remove(at));
        }
        let of_name = |c: &Credential| c.name == name;
        if self.retired.iter().filter(|c| of_name(c)).count() > MOST_RETIRED
            && let Some(oldest) = self.retired.iter().position(of_name)
        {
            self.retired.remove(oldest);
        }
        self.credentials.push(Credential {
            name,
            secret,
            placeholder: placeholder.clone(),
            binding,
        });
        placeholder
    }

    fn renew(&mut self) {
        self.shown = self.standing();
        self.finder = Finder::new(self.shown.iter().map(|(p, _)| p.text().as_bytes()));
        let all = self.credentials.iter().chain(&self.retired);
        self.forbidden = Arc::new(forbidden(all.map(|c| (&c.secret, &c.placeholder))));
    }

    /// Makes a token that came back a credential: a new value of the login that is being renewed, else one of its
    /// own, for the hosts of those that are for the host it came from. Gives its name and what stands for it.
    pub fn adopt(
        &mut self,
        from: &Destination,
        field: &str,
        secret: Secret,
        renews: Option<usize>,
    ) -> (String, Placeholder) {
        let (name, binding) = match renews.and_then(|login| self.of_login(login, field)) {
            Some(known) => known,
            None => self.minted(from, field),
        };
        if self.credentials.len() >= MOST_CREDENTIALS
            && let Some(oldest) = self.credentials.iter().position(|c| c.binding.is_minted())
        {
            self.credentials.remove(oldest);
        }
        let placeholder = self.put(name.clone(), secret, binding);
        self.renew();
        (name, placeholder)
    }

    fn minted(&self, from: &Destination, field: &str) -> (String, Arc<Binding>) {
        let bound = || self.credentials.iter().filter(|c| c.binding.covers(from));
        let first = bound().next().map_or("minted", |c| &c.name);
        let name = format!("{}.{field}", first.split('.').next().unwrap_or_default());
        // Several of one kind may be in use at once: each has a name of its own.
        let taken = self
            .credentials
            .iter()
            .filter(|c| c.name.starts_with(&name))
            .count();
        let name = format!("{name}.{}", taken + 1);
        (
            name,
            Arc::new(Binding::minted(bound().map(|c| &*c.binding), field)),
        )
    }

    /// A credential's value, to be written back where it came from.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.credentials
            .iter()
            .find(|c| c.name == name)
            .map(|c| &c.secret)
    }

    /// What may not come back, from any host.
    #[must_use]
    pub fn forbidden(&self) -> Arc<Forbidden> {
        Arc::clone(&self.forbidden)
    }

    /// All values, earlier ones too, each with what stands for it.
    pub(crate) fn shown(&self) -> Vec<(Zeroizing<Vec<u8>>, Vec<u8>)> {
        let all = self.credentials.iter().chain(&self.retired);
        let one = |c: &Credential| {
            let real = Zeroizing::new(c.secret.expose().to_vec());
            (real, c.placeholder.text().as_bytes().to_vec())
        };
        all.map(one).collect()
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
    pub fn substitute(&self, head: &mut RequestHead, mut body: Option<&mut Vec<u8>>) -> Result<Used, Denied> {
        let bound = self.is_bound(&head.destination);
        self.refuse_foreign(head, bound)?;
        if bound && head.method == "TRACE" {
            return Err(Denied::Trace);
        }
        let renews = self.renewal(head, body.as_deref_mut())?;
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
        Ok(Used { names, renews })
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
