//! Why a request does not get the credential it asks for. Each such request is refused as a whole.

use fumehood_http::Denial;

/// Why. The names are those of secrets; no value is ever in one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A placeholder on its way to a host that the credential is not for (A41).
    #[error("the credential {0} is not for {1}")]
    Host(String, String),
    /// Anybody on the way could read it.
    #[error("the credential {0} is not sent without TLS")]
    Clear(String),
    /// The binding names methods.
    #[error("the credential {0} is not for the method {1}")]
    Method(String, String),
    /// The binding names paths, and this is not one of them (A40).
    #[error("the credential {0} is not for this path")]
    Path(String),
    /// The binding names places.
    #[error("the credential {0} may not stand in {1}")]
    Place(String, String),
    /// Somebody's else account at a host that the user's credential is for (A42).
    #[error(
        "{0} carries a credential that is not of this session, to a host that one of this session is for"
    )]
    Foreign(String),
    /// One of an earlier session.
    #[error("{0} carries a placeholder that no secret of this session stands behind")]
    Stale(String),
    /// What a server gives back would be the head itself (CVE-2003-1567 and the like).
    #[error("TRACE gives credentials back and is not sent to a host that one is for")]
    Trace,
    /// Too long to be read as a whole, as the places of its credential ask for.
    #[error("the body is longer than {0} bytes, in which credentials are put in place")]
    Body(usize),
    /// At a token endpoint, and no renewal of the login that it is for.
    #[error("of the login {0} nothing but its renewal is asked for from inside")]
    Renewal(String),
    /// Not signed.
    #[error("the signature for AWS cannot be made: {0}")]
    Aws(&'static str),
}

impl Denied {
    /// The secret it is about.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Denied::Host(name, _)
            | Denied::Clear(name)
            | Denied::Method(name, _)
            | Denied::Path(name)
            | Denied::Place(name, _) => Some(name),
            _ => None,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Denied::Renewal(_) => "log in outside the sandbox, then run again".to_owned(),
            // Where a login's tokens go is its preset's to say.
            _ if self.secret().is_some_and(|name| name.starts_with("login:")) => String::new(),
            Denied::Host(name, host) => format!("add \"{host}\" to `for` of [secret.{name}]"),
            Denied::Method(name, method) => format!("add \"{method}\" to `methods` of [secret.{name}]"),
            Denied::Path(name) => format!("add the path to `paths` of [secret.{name}]"),
            Denied::Place(name, place) => format!("add \"{place}\" to `place` of [secret.{name}]"),
            Denied::Stale(_) => "ask for the secret with --secret NAME, or log in again".to_owned(),
            Denied::Foreign(_) => {
                "use the placeholder in the environment; other accounts at this host are not used from here"
                    .to_owned()
            }
            Denied::Clear(_) | Denied::Trace | Denied::Body(_) | Denied::Aws(_) => String::new(),
        }
    }

    /// The answer inside.
    #[must_use]
    pub fn denial(&self) -> Denial {
        let mut denial = Denial::new(403, self.to_string()).remedy(self.remedy());
        denial.rule = self
            .secret()
            .map_or_else(String::new, |name| format!("secret.{name}"));
        denial
    }
}
