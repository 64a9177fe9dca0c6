//! A writer for the few JSON documents that we print; there is no reader.

use std::fmt::Write;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, in this order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A text.
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => write_text(f, text),
            Self::List(items) => write_all(f, ['[', ']'], items, |f, item| write!(f, "{item}")),
            Self::Object(entries) => write_all(f, ['{', '}'], entries, |f, (key, value)| {
                write_text(f, key)?;
                write!(f, ":{value}")
            }),
        }
    }
}

fn write_all<T>(
    f: &mut std::fmt::Formatter<'_>,
    [open, close]: [char; 2],
    items: &[T],
    each: impl Fn(&mut std::fmt::Formatter<'_>, &T) -> std::fmt::Result,
) -> std::fmt::Result {
    f.write_char(open)?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_char(',')?;
        }
        each(f, item)?;
    }
    f.write_char(close)
}

/// RFC 8259 §7. What acts on a terminal or cannot be seen is written as `\u`, so that the
/// document is as safe to print as it is to parse.
fn write_text(f: &mut std::fmt::Formatter<'_>, text: &str) -> std::fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            c if crate::escape::acts_or_hides(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents() {
        let json = Json::Object(vec![
            (
                "a",
                Json::List(vec![Json::Null, Json::Bool(true), Json::Number(7)]),
            ),
            ("b", Json::text("q\"\\\n\u{1b}\u{e0061}é")),
        ]);
        insta::assert_snapshot!(json.to_string(), @r#"{"a":[null,true,7],"b":"q\"\\\n\u001b\udb40\udc61é"}"#);
        assert_eq!(Json::List(vec![]).to_string(), "[]");
    }

    proptest! {
        #[test]
        fn a_text_stays_one_line_between_quotes(text: String) {
            let json = Json::text(&text).to_string();
            prop_assert!(!json.chars().any(crate::escape::acts_or_hides));
            let inner = &json[1..json.len() - 1];
            let unescaped = inner.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!unescaped.contains('"'));
        }
    }
}
