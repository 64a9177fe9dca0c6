//! What a browser is sent, and what it may do with it.

use fumehood_http::h1;
use fumehood_http::{Field, Fields, Length, ResponseHead};

/// What every answer says: it is kept nowhere, nothing else may show it or send where it came from, and nothing is
/// loaded that does not come from here (CSP Level 3).
const ALWAYS: [(&str, &str); 7] = [
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// A text of this media type.
    #[must_use]
    pub fn text(status: u16, media: &str, body: &str) -> Answer {
        Answer {
            status,
            fields: vec![("Content-Type", format!("{media}; charset=utf-8"))],
            body: body.as_bytes().to_vec(),
        }
    }

    /// A refusal, as plain text.
    #[must_use]
    pub fn refused(status: u16, why: &str) -> Answer {
        Answer::text(status, "text/plain", &format!("{why}\n"))
    }

    /// To the page, which a browser then asks for by itself.
    #[must_use]
    pub fn to_the_page() -> Answer {
        Answer::text(303, "text/plain", "").with("Location", "/")
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Answer {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self, keep_alive: bool) -> Vec<u8> {
        let mut all = Fields::default();
        let own = self.fields.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(ALWAYS) {
            // They are our own words; one that were none is left out.
            if let Ok(field) = Field::new(name.as_bytes(), value.as_bytes()) {
                let _few = all.push(field);
            }
        }
        let head = ResponseHead {
            status: self.status,
            fields: all,
            body: Length::Known(self.body.len() as u64),
        };
        let mut out = h1::write_response(&head, "GET", false, keep_alive);
        out.extend_from_slice(&self.body);
        out
    }
}
