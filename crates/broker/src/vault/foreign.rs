//! Credentials that are not the session's. At a host that one of the session is for they would open another
//! account: a way out for whatever the session can read (A42).

use super::Vault;
use super::head::{basic, credentials, decoded};
use crate::denied::Denied;
use crate::sigv4;
use fumehood_http::{Field, RequestHead};

/// Fields in which credentials travel besides `Authorization` and `Cookie`.
const FIELDS: &[&str] = &[
    "api-key",
    "apikey",
    "authentication",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-auth-key",
    "x-auth-token",
    "x-authorization",
    "x-functions-key",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-ms-authorization-auxiliary",
    "x-shopify-access-token",
    "x-vault-token",
    "private-token",
    "job-token",
    "deploy-token",
    "dd-api-key",
    "dd-application-key",
];

/// Keys of a query, likewise; signed URLs among them.
const KEYS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "client_secret",
    "key",
    "oauth_token",
    "password",
    "private_token",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// Cookies by which a network in front of a host tells its visitors apart; they name no account.
const COOKIES: &[&str] = &[
    "__cf_bm",
    "__cflb",
    "_cfuvid",
    "cf_clearance",
    "AWSALB",
    "AWSALBCORS",
];

impl Vault {
    /// Refuses a head that carries a credential which is not the session's: at a bound host any, elsewhere
    /// placeholders that no secret stands behind, which would only fail there.
    pub(super) fn refuse_foreign(&self, head: &RequestHead, bound: bool) -> Result<(), Denied> {
        for field in head.fields.iter() {
            let texts = texts(field);
            let foreign = || Denied::Foreign(format!("the header {}", field.name.to_ascii_lowercase()));
            self.judge(&texts, bound).map_err(|stale| {
                if stale {
                    Denied::Stale(field.name.to_ascii_lowercase())
                } else {
                    foreign()
                }
            })?;
        }
        let query = head.target.split_once('?').map_or("", |(_, q)| q);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = String::from_utf8_lossy(&decoded(key)).to_ascii_lowercase();
            if KEYS.contains(&key.as_str()) {
                let named = || format!("the query key {key}");
                let texts = vec![decoded(value)];
                self.judge(&texts, bound).map_err(|stale| {
                    if stale {
                        Denied::Stale(named())
                    } else {
                        Denied::Foreign(named())
                    }
                })?;
            }
        }
        Ok(())
    }

    /// One of these texts must be a placeholder of this session. The error says whether it is a placeholder
    /// of another one.
    fn judge(&self, texts: &[Vec<u8>], bound: bool) -> Result<(), bool> {
        if texts.is_empty() || texts.iter().any(|t| self.is_ours(t)) {
            return Ok(());
        }
        let made = |t: &Vec<u8>| std::str::from_utf8(t).is_ok_and(|t| self.minter.made(t));
        match texts.iter().any(made) {
            true => Err(true),
            false if bound => Err(false),
            false => Ok(()),
        }
    }

    fn is_ours(&self, text: &[u8]) -> bool {
        self.shown
            .iter()
            .any(|(shown, _)| shown.text().as_bytes() == text)
    }
}

/// The texts in a field of which one is its credential; none where it carries none.
fn texts(field: &Field) -> Vec<Vec<u8>> {
    if field.is("authorization") {
        return authorization(field);
    }
    if field.is("cookie") {
        return cookies(&field.value);
    }
    if FIELDS.iter().any(|name| field.is(name)) {
        return vec![field.value.clone()];
    }
    Vec::new()
}

fn authorization(field: &Field) -> Vec<Vec<u8>> {
    if let Some(pair) = basic(field) {
        return pair.splitn(2, |b| *b == b':').map(<[u8]>::to_vec).collect();
    }
    if let Some(key_id) = credentials(field, sigv4::SCHEME).and_then(sigv4::key_id) {
        return vec![key_id.as_bytes().to_vec()];
    }
    // `Bearer x`, `token x`, `x`.
    let whole = field.value.trim_ascii();
    let after = whole
        .iter()
        .position(|b| *b == b' ')
        .map_or(whole, |at| &whole[at + 1..]);
    vec![whole.to_vec(), after.trim_ascii().to_vec()]
}

/// All but those that name no account. If one is a placeholder, the others still are not: each counts.
fn cookies(value: &[u8]) -> Vec<Vec<u8>> {
    let pairs = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let accounts: Vec<&[u8]> = pairs.filter(|p| !p.is_empty() && !names_nobody(p)).collect();
    match accounts.as_slice() {
        [] => Vec::new(),
        [one] => vec![one.splitn(2, |b| *b == b'=').nth(1).unwrap_or_default().to_vec()],
        // More than one: the whole is no placeholder.
        _ => vec![value.to_vec()],
    }
}

/// Whether a cookie, `name=value…`, is one of those that name no account.
pub(crate) fn names_nobody(pair: &[u8]) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
    COOKIES.iter().any(|c| name.eq_ignore_ascii_case(c.as_bytes()))
}
