//! The answer to a request that is denied: who reads it is an agent or a person, and both must see what to do.

use crate::encoding::{Malformed, Reader, Writer};
use crate::field::{Field, Fields};
use crate::head::{Length, ResponseHead};

/// Why a request was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// 403 for policy, 400 and 421 for requests that are none, 502 and 504 for servers.
    pub status: u16,
    /// What is wrong.
    pub reason: String,
    /// The rule that decided, empty where none did.
    pub rule: String,
    /// How to ask, or what to change.
    pub remedy: String,
}

const TAG: u8 = 3;

impl Denial {
    /// A denial of the gateway's own, which no rule decided.
    #[must_use]
    pub fn new(status: u16, reason: impl Into<String>) -> Denial {
        Denial {
            status,
            reason: reason.into(),
            rule: String::new(),
            remedy: String::new(),
        }
    }

    /// With a remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Denial {
        self.remedy = remedy.into();
        self
    }

    /// For another process.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(TAG);
        for byte in self.status.to_be_bytes() {
            to.byte(byte);
        }
        for text in [&self.reason, &self.rule, &self.remedy] {
            to.bytes(text.as_bytes());
        }
        to.end()
    }

    /// Reads what [`Denial::encode`] wrote.
    ///
    /// # Errors
    /// It is no denial.
    pub fn decode(bytes: &[u8]) -> Result<Denial, Malformed> {
        let mut from = Reader::new(TAG, bytes)?;
        let status = u16::from_be_bytes([from.byte()?, from.byte()?]);
        let denial = Denial {
            status,
            reason: from.text()?,
            rule: from.text()?,
            remedy: from.text()?,
        };
        from.end()?;
        (400..600).contains(&status).then_some(denial).ok_or(Malformed)
    }

    /// `{"error":"denied by fumehood","reason":…,"rule":…,"how_to_ask":…}` and a newline.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let said = |text: &String| (!text.is_empty()).then(|| serde_json::Value::from(text.as_str()));
        let error = if self.status == 403 {
            "denied by fumehood"
        } else {
            "not sent by fumehood"
        };
        let mut object = serde_json::Map::new();
        object.insert("error".into(), error.into());
        object.insert("reason".into(), self.reason.as_str().into());
        object.extend(said(&self.rule).map(|rule| ("rule".into(), rule)));
        object.extend(said(&self.remedy).map(|words| ("how_to_ask".into(), words)));
        let mut text = serde_json::Value::Object(object).to_string();
        text.push('\n');
        text.into_bytes()
    }

    /// The head that goes with [`Denial::body`]. A page of this origin is not to be kept, and `Via` says
    /// that the answer is not the server's.
    #[must_use]
    pub fn head(&self, body: usize) -> ResponseHead {
        let mut fields = Fields::default();
        for (name, value) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("via", "1.1 fumehood"),
        ] {
            fields.set(Field {
                name: name.to_owned(),
                value: value.as_bytes().to_vec(),
            });
        }
        ResponseHead {
            status: self.status,
            fields,
            body: Length::Known(body as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_json_whatever_it_names() {
        let denial = Denial {
            status: 403,
            reason: "no rule allows \"x\"\n".into(),
            rule: String::new(),
            remedy: "fumehood run --allow x".into(),
        };
        assert_eq!(Denial::decode(&denial.encode()), Ok(denial.clone()));
        let read: serde_json::Value = serde_json::from_slice(&denial.body()).unwrap();
        assert_eq!(read["reason"], "no rule allows \"x\"\n");
        assert_eq!(read["how_to_ask"], "fumehood run --allow x");
        assert!(read.get("rule").is_none());
    }
}
