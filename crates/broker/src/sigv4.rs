//! AWS Signature Version 4 ("Create a signed AWS API request", AWS IAM user guide): a request that was signed
//! inside with a placeholder is signed again over the very head that leaves.

#[cfg(test)]
mod tests;

use crate::mac::hmac_sha256;
use fumehood_http::{Field, Length, RequestHead};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The scheme of `Authorization`.
pub(crate) const SCHEME: &str = "AWS4-HMAC-SHA256";
/// What is not escaped in a canonical URI or query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Services whose paths are keys of objects: escaped once, and not normalised.
const OBJECT_STORES: &[&str] = &["s3", "s3-outposts", "s3-object-lambda", "s3express"];
/// The hash of the body, if the client sends it.
const BODY_HASH: &str = "x-amz-content-sha256";

/// What a client's `Authorization` says, apart from the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) key_id: String,
    /// Date, region, service.
    scope: [String; 3],
    /// In lower case, sorted.
    signed: Vec<String>,
}

/// The field's value of a request that is signed so.
pub(crate) fn authorization(head: &RequestHead) -> Option<&[u8]> {
    let field = head.fields.iter().find(|f| f.is("authorization"))?;
    let (scheme, rest) = field.value.split_at_checked(SCHEME.len())?;
    (scheme == SCHEME.as_bytes()).then_some(rest)
}

/// The key id in what follows the scheme.
pub(crate) fn key_id(rest: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(rest).ok()?;
    let credential = text
        .split(',')
        .find_map(|p| p.trim().strip_prefix("Credential="))?;
    credential.split('/').next()
}

/// Whether the body must be hashed here, because the client did not say its hash.
pub(crate) fn wants_body(head: &RequestHead) -> bool {
    authorization(head).is_some()
        && head.body != Length::Empty
        && head.fields.values(BODY_HASH).next().is_none()
}

impl Authorization {
    /// Takes apart what follows the scheme.
    pub(crate) fn parse(rest: &[u8]) -> Option<Authorization> {
        let text = std::str::from_utf8(rest).ok()?;
        let part = |name: &str| {
            let mut parts = text.split(',').filter_map(|p| p.trim().strip_prefix(name));
            let one = parts.next();
            one.filter(|_| parts.next().is_none())
        };
        let credential: Vec<&str> = part("Credential=")?.split('/').collect();
        let [key_id, date, region, service, "aws4_request"] = credential[..] else {
            return None;
        };
        part("Signature=")?;
        let signed: Vec<String> = part("SignedHeaders=")?.split(';').map(str::to_owned).collect();
        let plain = |s: &String| !s.is_empty() && !s.bytes().any(|b| b.is_ascii_uppercase());
        let dated = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
        (dated && signed.iter().all(plain) && signed.is_sorted()).then(|| Authorization {
            key_id: key_id.to_owned(),
            scope: [date, region, service].map(str::to_owned),
            signed,
        })
    }
}

/// Signs a head in the manner in which it was signed before, with another key; `body` where its hash is not
/// given. All fields must be in their last form.
///
/// # Errors
/// In words: what cannot be signed here.
pub(crate) fn sign(
    head: &mut RequestHead,
    from: &Authorization,
    key_id: &str,
    secret_key: &[u8],
    body: Option<&[u8]>,
) -> Result<(), &'static str> {
    let date = one_value(head, "x-amz-date").ok_or("it has no x-amz-date")?;
    if !date.starts_with(&from.scope[0]) {
        return Err("x-amz-date is of another day than the signature's scope");
    }
    let canonical = canonical_request(head, from, body)?;
    let [day, region, service] = &from.scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("{SCHEME}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let signature = hex(&hmac_sha256(
        &*signing_key(secret_key, &from.scope),
        to_sign.as_bytes(),
    ));
    let value = format!(
        "{SCHEME} Credential={key_id}/{scope}, SignedHeaders={}, Signature={signature}",
        from.signed.join(";")
    );
    let field = Field::new(b"authorization", value.as_bytes());
    head.fields
        .set(field.map_err(|_| "the key id holds a control character")?);
    Ok(())
}

fn signing_key(secret_key: &[u8], scope: &[String; 3]) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new([b"AWS4", secret_key].concat());
    let [day, region, service] = scope;
    let mut key = Zeroizing::new(hmac_sha256(&first, day.as_bytes()));
    for part in [region.as_str(), service, "aws4_request"] {
        key = Zeroizing::new(hmac_sha256(&*key, part.as_bytes()));
    }
    key
}

fn canonical_request(
    head: &RequestHead,
    from: &Authorization,
    body: Option<&[u8]>,
) -> Result<String, &'static str> {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let mut fields = String::new();
    for name in &from.signed {
        let value = field_value(head, name).ok_or("a field that was signed is not there any more")?;
        fields.push_str(&format!("{name}:{value}\n"));
    }
    Ok(format!(
        "{}\n{}\n{}\n{fields}\n{}\n{}",
        head.method,
        canonical_path(path, &from.scope[2]),
        canonical_query(query),
        from.signed.join(";"),
        body_hash(head, body)?,
    ))
}

fn body_hash(head: &RequestHead, body: Option<&[u8]>) -> Result<String, &'static str> {
    match (one_value(head, BODY_HASH), body, head.body) {
        (Some(said), ..) if said.starts_with("STREAMING-AWS4") => {
            Err("its chunks are signed one by one; let the client send a whole or unsigned body")
        }
        // What is said is what is signed: a body that is another is refused by AWS itself.
        (Some(said), ..) => Ok(said),
        (None, Some(body), _) => Ok(hex(&Sha256::digest(body))),
        (None, None, Length::Empty) => Ok(hex(&Sha256::digest(b""))),
        (None, None, _) => Err("its body is not here as a whole"),
    }
}

/// Fields of one name joined, spaces drawn together.
fn field_value(head: &RequestHead, name: &str) -> Option<String> {
    match (name, head.body) {
        ("host", _) => return Some(head.authority()),
        ("content-length", Length::Known(length)) => return Some(length.to_string()),
        ("content-length", Length::Empty) => return Some("0".to_owned()),
        _ => {}
    }
    let values: Vec<String> = head.fields.values(name).map(trimmed).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn trimmed(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let words: Vec<&str> = text.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

fn one_value(head: &RequestHead, name: &str) -> Option<String> {
    let mut values = head.fields.values(name);
    let one = values.next().map(trimmed);
    one.filter(|_| values.next().is_none())
}

fn canonical_path(path: &str, service: &str) -> String {
    if OBJECT_STORES.contains(&service) {
        let plain: Vec<u8> = percent_decode(path.as_bytes()).collect();
        return escaped_path(&plain);
    }
    // Normalised (RFC 3986 §5.2.4, and empty segments left out), then escaped once more.
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    escaped_path(format!("/{}{end}", segments.join("/")).as_bytes())
}

fn escaped_path(path: &[u8]) -> String {
    const PATH: &AsciiSet = &ESCAPED.remove(b'/');
    percent_encode(path, PATH).to_string()
}

fn canonical_query(query: &str) -> String {
    let escaped = |text: &str| {
        let plain: Vec<u8> = percent_decode(text.as_bytes()).collect();
        percent_encode(&plain, ESCAPED).to_string()
    };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (escaped(key), escaped(value))
    };
    let mut pairs: Vec<(String, String)> = query.split('&').filter(|p| !p.is_empty()).map(pair).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join("&")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
