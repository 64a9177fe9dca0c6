//! Credentials in a body: a text under a key of JSON, a value of a form.

use super::{MAX_BODY, Vault};
use crate::binding::Seen;
use crate::denied::Denied;
use fumehood_http::{Length, RequestHead};
use serde_json::Value;
use zeroize::Zeroizing;

/// What can be read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
}

impl Kind {
    /// By its media type; none for what is not read, or is compressed.
    pub(super) fn of(head: &RequestHead) -> Option<Kind> {
        let types: Vec<&[u8]> = head.fields.values("content-type").collect();
        let [one] = types.as_slice() else {
            return None;
        };
        if head.body == Length::Empty || head.fields.values("content-encoding").next().is_some() {
            return None;
        }
        let text = String::from_utf8_lossy(one).to_ascii_lowercase();
        match text.split(';').next().unwrap_or_default().trim() {
            "application/x-www-form-urlencoded" => Some(Kind::Form),
            "application/json" => Some(Kind::Json),
            json if json.starts_with("application/") && json.ends_with("+json") => Some(Kind::Json),
            _ => None,
        }
    }
}

impl Vault {
    /// Puts credentials into a body that is here as a whole, and sets its length.
    pub(super) fn in_body(
        &self,
        head: &mut RequestHead,
        body: &mut Vec<u8>,
        used: &mut Vec<usize>,
    ) -> Result<(), Denied> {
        if body.len() > MAX_BODY {
            return Err(Denied::Body(MAX_BODY));
        }
        let placed = match Kind::of(head) {
            Some(Kind::Json) => self.in_json(head, body, used)?,
            Some(Kind::Form) => self.in_form(head, body, used)?,
            None => None,
        };
        if let Some(placed) = placed {
            *body = placed.to_vec();
        }
        if head.body != Length::Empty {
            head.body = Length::Known(body.len() as u64);
        }
        Ok(())
    }

    fn in_form(
        &self,
        head: &RequestHead,
        body: &[u8],
        used: &mut Vec<usize>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Denied> {
        let Ok(text) = std::str::from_utf8(body) else {
            return Ok(None);
        };
        let before = used.len();
        let placed = self.in_pairs(text, head, |key| Seen::Form(key), used)?;
        Ok((used.len() > before).then(|| Zeroizing::new(placed.into_bytes())))
    }

    /// A placeholder counts where it is the whole of a text under a key that its credential may stand under.
    /// Within longer texts they stay as they are: a conversation may speak of a placeholder.
    fn in_json(
        &self,
        head: &RequestHead,
        body: &[u8],
        used: &mut Vec<usize>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Denied> {
        if self.finder.find(body).is_empty() {
            return Ok(None);
        }
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Ok(None);
        };
        let mut places = Vec::new();
        self.walk(head, "", &value, &mut places);
        let mut out = Zeroizing::new(body.to_vec());
        let before = used.len();
        while let Some(number) = places.first().copied() {
            let count = places.iter().filter(|n| **n == number).count();
            places.retain(|n| *n != number);
            *out = self.quoted(number, count, &out)?;
            used.push(number);
        }
        Ok((used.len() > before).then_some(out))
    }

    /// Replaces a placeholder wherever it is a whole text, if that is so often as it may be. More means that
    /// it is a key, under another key, or under one that stands there twice.
    fn quoted(&self, number: usize, count: usize, body: &[u8]) -> Result<Vec<u8>, Denied> {
        let credential = &self.credentials[number];
        let written = format!("\"{}\"", credential.placeholder.text());
        let real = Value::from(String::from_utf8_lossy(credential.secret.expose())).to_string();
        let mut out = Vec::with_capacity(body.len() + real.len());
        let (mut rest, mut seen) = (body, 0);
        while let Some(at) = memchr::memmem::find(rest, written.as_bytes()) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(real.as_bytes());
            rest = &rest[at + written.len()..];
            seen += 1;
        }
        out.extend_from_slice(rest);
        let name = || credential.name.clone();
        (seen == count)
            .then_some(out)
            .ok_or_else(|| Denied::Place(name(), "another place in the JSON".to_owned()))
    }

    /// The credentials whose placeholder is a text under a key where it may be, as often as it is.
    fn walk(&self, head: &RequestHead, key: &str, value: &Value, places: &mut Vec<usize>) {
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| self.walk(head, key, value, places)),
            Value::Array(list) => list.iter().for_each(|value| self.walk(head, key, value, places)),
            Value::String(text) => {
                let number = self
                    .credentials
                    .iter()
                    .rposition(|c| c.placeholder.text() == text);
                let may = |n: &usize| {
                    let credential = &self.credentials[*n];
                    credential
                        .binding
                        .check(&credential.name, head, Seen::Json(key))
                        .is_ok()
                };
                places.extend(number.filter(may));
            }
            _ => {}
        }
    }
}
