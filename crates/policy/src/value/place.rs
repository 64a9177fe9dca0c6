use std::fmt;
use std::str::FromStr;

use super::{EnvName, Invalid};

/// Where in a request a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `header`: the value of any header field, or a part of it.
    Header,
    /// `header:NAME`: of this one only; in lower case.
    Field(String),
    /// `bearer`: `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// `basic`: the user's name or the password of `Authorization: Basic …` (RFC 7617).
    Basic,
    /// `query:KEY`: a value in the URL.
    Query(String),
    /// `json:FIELD`: a text in a JSON body, under this key at any depth.
    Json(String),
    /// `form:FIELD`: a value of a form body (`application/x-www-form-urlencoded`).
    Form(String),
    /// `aws:KEY_ID`: signs the request (AWS Signature Version 4); names the secret that holds its key id.
    Aws(EnvName),
}

const KIND: &str = "a place in a request";
const HELP: &str =
    "write header, header:NAME, bearer, basic, query:KEY, json:FIELD, form:FIELD or aws:KEY_ID_SECRET";

impl FromStr for Place {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, KIND, HELP);
        match text.split_once(':') {
            None => match text {
                "header" => Ok(Self::Header),
                "bearer" => Ok(Self::Bearer),
                "basic" => Ok(Self::Basic),
                _ => Err(bad()),
            },
            Some(("header", name)) => field_name(name).map(Self::Field).ok_or_else(bad),
            Some(("query", key)) => key_name(key).map(Self::Query).ok_or_else(bad),
            Some(("json", key)) => key_name(key).map(Self::Json).ok_or_else(bad),
            Some(("form", key)) => key_name(key).map(Self::Form).ok_or_else(bad),
            Some(("aws", name)) => name.parse().map(Self::Aws),
            Some(_) => Err(bad()),
        }
    }
}

/// A token (RFC 9110 §5.6.2).
fn field_name(text: &str) -> Option<String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (!text.is_empty() && text.bytes().all(token)).then(|| text.to_ascii_lowercase())
}

fn key_name(text: &str) -> Option<String> {
    let plain = !text.is_empty() && text.len() <= 200 && !text.contains(char::is_control);
    plain.then(|| text.to_owned())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text: &str| crate::Escaped::from(text).to_string();
        match self {
            Self::Header => f.write_str("header"),
            Self::Field(name) => write!(f, "header:{name}"),
            Self::Bearer => f.write_str("bearer"),
            Self::Basic => f.write_str("basic"),
            Self::Query(key) => write!(f, "query:{}", escaped(key)),
            Self::Json(key) => write!(f, "json:{}", escaped(key)),
            Self::Form(key) => write!(f, "form:{}", escaped(key)),
            Self::Aws(name) => write!(f, "aws:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back() {
        for text in [
            "header",
            "header:x-api-key",
            "bearer",
            "basic",
            "query:key",
            "json:token",
            "form:client_secret",
            "aws:AWS_ACCESS_KEY_ID",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!(
            "header:X-Api-Key".parse(),
            Ok(Place::Field("x-api-key".to_owned()))
        );
    }

    #[test]
    fn what_is_no_place() {
        for text in [
            "",
            "header:",
            "header:a b",
            "cookie",
            "query:",
            "aws:",
            "aws:1",
            "json:a\nb",
            "body",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
