//! Logins: their tokens are credentials that are renewed, and written back.

use super::{Vault, body};
use crate::binding::Binding;
use crate::denied::Denied;
use crate::login::{Part, Renewed, Tokens, name, rewrite};
use crate::placeholder::Placeholder;
use fumehood_destination::{Destination, RequestPath};
use fumehood_http::RequestHead;
use fumehood_monitor::Channel;
use fumehood_policy::glob::GlobSet;
use fumehood_policy::preset::Login;
use fumehood_policy::value::Port;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// One login of the session.
#[derive(Debug)]
pub(super) struct Held {
    login: Login,
    path: PathBuf,
    bindings: Vec<(Part, Arc<Binding>)>,
}

impl Held {
    fn credential(&self, part: Part) -> String {
        format!("login:{}:{}", name(&self.login), part.field())
    }

    fn binding(&self, part: Part) -> Option<Arc<Binding>> {
        let found = self.bindings.iter().find(|(p, _)| *p == part);
        found.map(|(_, binding)| Arc::clone(binding))
    }

    fn issues(&self, to: &Destination) -> bool {
        let is = |h: &fumehood_policy::value::HostPort| {
            h.host.matches(&to.host) && h.port.map_or(443, Port::get) == to.port.get()
        };
        self.login.issuers.iter().any(is)
    }
}

impl Vault {
    /// Renewed logins are written back by whoever reads this.
    pub fn kept_by(&mut self, keeps: Channel) {
        self.keeps = Some(keeps);
    }

    /// The descriptor of whoever that is.
    #[must_use]
    pub fn keeper(&self) -> Option<BorrowedFd<'_>> {
        self.keeps.as_ref().map(AsFd::as_fd)
    }

    /// Adds a login; gives the file that a program inside finds in its place.
    pub(crate) fn log_in(&mut self, login: Login, path: PathBuf, tokens: Tokens) -> Vec<u8> {
        let parts = [Part::Access, Part::Refresh, Part::Identity];
        let bindings = parts.map(|part| (part, Arc::new(part.binding(&login))));
        let held = Held {
            login,
            path,
            bindings: bindings.to_vec(),
        };
        let shown = tokens.shown();
        let placeholders = self.take(&held, tokens);
        let inside = shown.inside(&held.login, placeholders.iter().map(|(p, t)| (*p, t.text())));
        self.logins.push(held);
        inside
    }

    fn take(&mut self, held: &Held, tokens: Tokens) -> Vec<(Part, Placeholder)> {
        let mut out = Vec::new();
        for (part, secret) in tokens.found {
            if let Some(binding) = held.binding(part) {
                out.push((part, self.put(held.credential(part), secret, binding)));
            }
        }
        self.renew();
        out
    }

    /// The credential of which an issuer's field is a new value.
    pub(super) fn of_login(&self, login: usize, field: &str) -> Option<(String, Arc<Binding>)> {
        let held = self.logins.get(login)?;
        let part = [Part::Access, Part::Refresh, Part::Identity];
        let part = part.into_iter().find(|part| part.field() == field)?;
        Some((held.credential(part), held.binding(part)?))
    }

    /// Each placeholder once. For an earlier one the credential of its name counts: a request that is on its way while
    /// a login is renewed goes with the new token.
    pub(super) fn standing(&self) -> Vec<(Placeholder, usize)> {
        let mut all: Vec<(Placeholder, usize)> = Vec::new();
        for credential in self.credentials.iter().chain(&self.retired) {
            let now = self.credentials.iter().position(|c| c.name == credential.name);
            if let Some(now) = now.filter(|_| all.iter().all(|(p, _)| *p != credential.placeholder)) {
                all.push((credential.placeholder.clone(), now));
            }
        }
        all
    }

    /// A request to a token endpoint renews the login, or is refused. The file is read again before: its user, or
    /// another session, may have renewed it meanwhile.
    pub(super) fn renewal(
        &self,
        head: &RequestHead,
        request: Option<&mut Vec<u8>>,
    ) -> Result<Option<usize>, Denied> {
        let Some(at) = self.logins.iter().position(|held| held.issues(&head.destination)) else {
            return Ok(None);
        };
        let held = &self.logins[at];
        if !is_path(&held.login, &head.target) {
            return Ok(None); // where else its tokens may go there, their bindings say
        }
        let refused = || Denied::Renewal(name(&held.login));
        let is_json = match body::Kind::of(head) {
            Some(body::Kind::Json) => true,
            Some(body::Kind::Form) => false,
            None => return Err(refused()),
        };
        let request = request.filter(|_| head.method == "POST").ok_or_else(refused)?;
        let credential = held.credential(Part::Refresh);
        let mut all = self.credentials.iter().chain(&self.retired);
        let ours = |text: &str| all.any(|c| c.name == credential && c.placeholder.text() == text);
        let current = self.credentials.iter().find(|c| c.name == credential);
        let current = current.ok_or_else(refused)?.placeholder.text();
        *request = rewrite(request, is_json, ours, current).ok_or_else(refused)?;
        Ok(Some(at))
    }

    /// Before a renewal: what stands in the file now, where that is newer.
    pub(crate) fn look_again(&mut self, head: &RequestHead) {
        let Some(at) = self.logins.iter().position(|held| held.issues(&head.destination)) else {
            return;
        };
        let held = self.logins.swap_remove(at);
        let text = std::fs::read(&held.path).map(Zeroizing::new).unwrap_or_default();
        let refresh = held.credential(Part::Refresh);
        let differs = |tokens: &Tokens| {
            let of_file = tokens.found.iter().find(|(part, _)| *part == Part::Refresh);
            let ours = self.secret(&refresh);
            of_file
                .zip(ours)
                .is_some_and(|((_, a), b)| a.expose() != b.expose())
        };
        if let Some(tokens) = Tokens::read(&held.login, &text).filter(differs) {
            let _placeholders = self.take(&held, tokens);
        }
        self.logins.push(held);
        let last = self.logins.len() - 1;
        self.logins.swap(at, last);
    }

    /// Has the tokens of a login written to its file, as they are now.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) fn write_back(&self, login: usize, expires_in: Option<u64>) -> Result<(), String> {
        let (Some(held), Some(keeps)) = (self.logins.get(login), &self.keeps) else {
            return Ok(());
        };
        let value = |part| {
            let text = self.secret(&held.credential(part))?.expose();
            Some(Zeroizing::new(std::str::from_utf8(text).ok()?.to_owned()))
        };
        let renewed = Renewed {
            login,
            access: value(Part::Access),
            refresh: value(Part::Refresh),
            identity: value(Part::Identity),
            expires_in,
        };
        renewed
            .send(keeps)
            .map_err(|why| format!("{}: {why}", name(&held.login)))
    }
}

fn is_path(login: &Login, target: &str) -> bool {
    let set = GlobSet::new([login.path.glob().clone()]);
    let Ok(path) = RequestPath::parse(target.as_bytes()) else {
        return true; // what cannot be told is judged
    };
    let end = path
        .segments()
        .fold(set.root(), |cursor, segment| cursor.enter(segment));
    end.is_match()
}
