//! JSON Web Tokens (RFC 7519). Programs decode them for a time of expiry and an account's name before they
//! send them, so a random text in their place would not do.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Claims that are kept: times (RFC 7519 §4.1.4 to §4.1.6), and which account it is, by which the agents'
/// own programs name themselves to their user. None of them lets anybody do anything without a signature.
const CLAIMS: &[&str] = &[
    "exp",
    "iat",
    "nbf",
    "iss",
    "aud",
    "email",
    "https://api.openai.com/auth",
    "https://api.openai.com/profile",
];
/// A claim that says what this is, and by which one is recognised.
const MARK: &str = "fumehood";

/// The lengths of the three parts, and the header and claims that stay.
pub(super) struct Shape {
    header: String,
    claims: Map<String, Value>,
    claims_length: usize,
    signature_length: usize,
}

/// Takes a token apart, if it is one.
pub(super) fn shape(text: &str) -> Option<Shape> {
    let mut parts = text.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let fields: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    fields.contains_key("alg").then_some(())?;
    let all: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let kept = all
        .into_iter()
        .filter(|(name, _)| CLAIMS.contains(&name.as_str()));
    Some(Shape {
        header: header.to_owned(),
        claims: kept.collect(),
        claims_length: claims.len(),
        signature_length: signature.len(),
    })
}

/// A token of the same lengths: the header, the kept claims and a filler, and a signature that verifies
/// nowhere.
pub(super) fn fill(shape: &Shape, free: impl Fn(usize) -> String) -> String {
    let claims = padded(&shape.claims, shape.claims_length);
    let claims = claims.or_else(|| padded(&times_only(&shape.claims), shape.claims_length));
    let claims = claims.or_else(|| padded(&Map::new(), shape.claims_length));
    // No room even for the mark: then it is no token anybody decodes, and filled like any other text.
    let claims = claims.unwrap_or_else(|| free(shape.claims_length));
    format!("{}.{claims}.{}", shape.header, free(shape.signature_length))
}

fn times_only(claims: &Map<String, Value>) -> Map<String, Value> {
    let times = claims.iter().filter(|(_, v)| v.is_number());
    times.map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The claims with a filler that makes them as long, encoded, as asked.
fn padded(claims: &Map<String, Value>, length: usize) -> Option<String> {
    let mut claims = claims.clone();
    claims.insert(MARK.to_owned(), Value::String(String::new()));
    let bare = Value::Object(claims.clone()).to_string().len();
    let filler = (length * 3 / 4).checked_sub(bare)?;
    claims.insert(MARK.to_owned(), Value::String("-".repeat(filler)));
    let encoded = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    (encoded.len() == length).then_some(encoded)
}

/// Whether the first two parts of a token are a placeholder's.
pub(super) fn is_ours(head: &str) -> bool {
    let claims = head
        .split_once('.')
        .and_then(|(_, c)| URL_SAFE_NO_PAD.decode(c).ok());
    let claims: Option<Map<String, Value>> = claims.and_then(|c| serde_json::from_slice(&c).ok());
    claims.is_some_and(|c| c.contains_key(MARK))
}
