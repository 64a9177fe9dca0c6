//! An answer as a browser's form sends it (URL Standard, application/x-www-form-urlencoded).

use crate::door::MAX_BODY;
use percent_encoding::percent_decode_str;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Let it happen, once.
    Allow,
    /// Refuse it, perhaps with a sentence to the agent.
    Deny(Option<String>),
    /// Stop the session.
    Freeze,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What only the page knows.
    pub token: String,
    /// Of which session.
    pub session: String,
    /// The hold's number; none of a session that is stopped.
    pub id: u64,
    /// The content that was shown, 64 hexadecimal digits.
    pub card: String,
    /// The four characters that were typed.
    pub code: String,
    /// What is to be done.
    pub deed: Deed,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Of it.
    #[error("the form is longer than {MAX_BODY} bytes")]
    TooLong,
    /// Of its bytes.
    #[error("the form is no text")]
    NoText,
    /// Of a name.
    #[error("the form says a thing twice, or one that the page does not")]
    Names,
    /// Of the answer.
    #[error("the form says neither allow nor deny, or not of which hold")]
    NoAnswer,
}

const NAMES: [&str; 7] = ["token", "session", "id", "card", "code", "do", "words"];

impl Form {
    /// Reads one. What is said twice counts as nothing: two readers could take another one each.
    ///
    /// # Errors
    /// It is none.
    pub fn read(body: &[u8]) -> Result<Form, FormError> {
        if body.len() > MAX_BODY {
            return Err(FormError::TooLong);
        }
        let text = std::str::from_utf8(body).map_err(|_| FormError::NoText)?;
        let mut values: [Option<String>; NAMES.len()] = Default::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let at = NAMES
                .iter()
                .position(|known| *known == name)
                .ok_or(FormError::Names)?;
            if values[at].replace(value).is_some() {
                return Err(FormError::Names);
            }
        }
        let [token, session, id, card, code, deed, words] = values;
        let words = words.map(|w| w.trim().to_owned()).filter(|w| !w.is_empty());
        let deed = match deed.as_deref() {
            Some("allow") => Deed::Allow,
            Some("deny") => Deed::Deny(words),
            Some("freeze") => Deed::Freeze,
            _ => return Err(FormError::NoAnswer),
        };
        let id = match (id, &deed) {
            (None, Deed::Freeze) => 0,
            (id, _) => id.and_then(|id| id.parse().ok()).ok_or(FormError::NoAnswer)?,
        };
        Ok(Form {
            token: token.unwrap_or_default(),
            session: session.unwrap_or_default(),
            id,
            card: card.unwrap_or_default(),
            code: code.unwrap_or_default().trim().to_owned(),
            deed,
        })
    }
}

fn decoded(text: &str) -> Result<String, FormError> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text)
        .decode_utf8()
        .map_err(|_| FormError::NoText)?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_is_read() {
        let form =
            Form::read(b"token=t&session=s-1&id=3&card=ab&code=+k7wq+&do=deny&words=not%20this%2C+please")
                .unwrap();
        let expected = Form {
            token: "t".to_owned(),
            session: "s-1".to_owned(),
            id: 3,
            card: "ab".to_owned(),
            code: "k7wq".to_owned(),
            deed: Deed::Deny(Some("not this, please".to_owned())),
        };
        assert_eq!(form, expected);
        assert_eq!(Form::read(b"do=freeze&session=s").unwrap().deed, Deed::Freeze);
    }

    #[test]
    fn what_is_ambiguous_is_no_answer() {
        for (body, why) in [
            (&b"id=3&do=allow&do=deny"[..], FormError::Names),
            (b"id=3&id=4&do=allow", FormError::Names),
            (b"id=3&do=allow&more=1", FormError::Names),
            (b"id=3&do=maybe", FormError::NoAnswer),
            (b"id=-3&do=allow", FormError::NoAnswer),
            (b"do=allow", FormError::NoAnswer),
            (b"", FormError::NoAnswer),
            (b"id=3&do=allow&words=%ff", FormError::NoText),
            (b"\xff", FormError::NoText),
        ] {
            assert_eq!(Form::read(body), Err(why), "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(Form::read(&[b'a'; MAX_BODY + 1]), Err(FormError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = Form::read(&body);
        }
    }
}
