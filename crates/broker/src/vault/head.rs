//! Credentials in the target and the fields of a head.

use super::Vault;
use crate::binding::Seen;
use crate::denied::Denied;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fumehood_http::{Field, RequestHead};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use zeroize::Zeroizing;

/// What RFC 3986 §2.3 leaves unreserved, and nothing else, needs no escape in a query or form.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Vault {
    /// Replaces the placeholders in a text; nothing where there are none.
    pub(super) fn replaced(
        &self,
        text: &[u8],
        head: &RequestHead,
        seen: Seen<'_>,
        used: &mut Vec<usize>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Denied> {
        let found = self.finder.find(text);
        let Some((first, _)) = found.first().copied() else {
            return Ok(None);
        };
        let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
        out.extend_from_slice(&text[..first]);
        let mut end = first;
        for (at, number) in found {
            let (shown, number) = &self.shown[number];
            let number = *number;
            let credential = &self.credentials[number];
            credential.binding.check(&credential.name, head, seen)?;
            // Two that overlap: neither is there as a whole.
            let between = text
                .get(end..at)
                .ok_or_else(|| Denied::Stale("a text".to_owned()))?;
            out.extend_from_slice(between);
            out.extend_from_slice(credential.secret.expose());
            end = at + shown.text().len();
            used.push(number);
        }
        out.extend_from_slice(&text[end..]);
        Ok(Some(out))
    }

    pub(super) fn in_fields(&self, head: &mut RequestHead, used: &mut Vec<usize>) -> Result<(), Denied> {
        let mut fields = fumehood_http::Fields::default();
        for field in head.fields.iter() {
            let value = match basic(field) {
                Some(pair) => {
                    let pair = self.replaced(&pair, head, Seen::Basic, used)?;
                    pair.map(|p| Zeroizing::new(format!("Basic {}", STANDARD.encode(&*p)).into_bytes()))
                }
                None => self.replaced(&field.value, head, seen(field), used)?,
            };
            let field = match value {
                // A secret holds no control character, so that the value is still one.
                Some(value) => Field::new(field.name.as_bytes(), &value)
                    .map_err(|_| Denied::Place(field.name.clone(), "a header".to_owned()))?,
                None => field.clone(),
            };
            fields
                .push(field)
                .map_err(|_| Denied::Foreign("the head".to_owned()))?;
        }
        head.fields = fields;
        Ok(())
    }

    pub(super) fn in_target(&self, head: &mut RequestHead, used: &mut Vec<usize>) -> Result<(), Denied> {
        let target = head.target.clone();
        let (path, query) = target
            .split_once('?')
            .map_or((target.as_str(), None), |(p, q)| (p, Some(q)));
        let plain: Vec<u8> = percent_decode(path.as_bytes()).collect();
        self.replaced(&plain, head, Seen::Elsewhere, used)?;
        if let Some(query) = query {
            let query = self.in_pairs(query, head, |key| Seen::Query(key), used)?;
            head.target = format!("{path}?{query}");
        }
        Ok(())
    }

    /// `key=value&…`, as in a query and a form; what holds no placeholder keeps its bytes.
    pub(super) fn in_pairs(
        &self,
        pairs: &str,
        head: &RequestHead,
        seen: impl for<'k> Fn(&'k str) -> Seen<'k>,
        used: &mut Vec<usize>,
    ) -> Result<String, Denied> {
        let mut out: Vec<String> = Vec::new();
        for pair in pairs.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8_lossy(&decoded(key)).into_owned();
            self.replaced(name.as_bytes(), head, Seen::Elsewhere, used)?;
            let value = self.replaced(&decoded(value), head, seen(&name), used)?;
            out.push(value.map_or_else(
                || pair.to_owned(),
                |v| format!("{key}={}", percent_encode(&v, ESCAPED)),
            ));
        }
        Ok(out.join("&"))
    }
}

/// As in forms (WHATWG URL §5.1).
pub(super) fn decoded(text: &str) -> Vec<u8> {
    percent_decode(text.replace('+', " ").as_bytes()).collect()
}

/// User and password, with the colon between.
pub(super) fn basic(field: &Field) -> Option<Zeroizing<Vec<u8>>> {
    let rest = credentials(field, "basic")?;
    STANDARD.decode(rest).ok().map(Zeroizing::new)
}

/// What follows the scheme in `Authorization` (RFC 9110 §11.6.2), if it is this scheme.
pub(super) fn credentials<'f>(field: &'f Field, scheme: &str) -> Option<&'f [u8]> {
    let (name, rest) = field.value.split_at_checked(scheme.len())?;
    let fits = field.is("authorization") && name.eq_ignore_ascii_case(scheme.as_bytes());
    let rest = rest.strip_prefix(b" ").filter(|_| fits)?;
    Some(rest.trim_ascii())
}

fn seen(field: &Field) -> Seen<'_> {
    let bearer = credentials(field, "bearer").is_some_and(|t| !t.contains(&b' '));
    Seen::Field(&field.name, bearer)
}
