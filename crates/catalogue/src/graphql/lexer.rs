//! Tokens (GraphQL specification, section 2.1).

use super::GraphqlError;

/// Documents up to this many bytes are read.
const LONGEST: usize = 256 * 1024;
/// Tokens up to this many.
const MOST_TOKENS: usize = 50_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `!`, `$`, `&`, `(`, `)`, `:`, `=`, `@`, `[`, `]`, `{`, `|`, `}`.
    Mark(char),
    /// `...`
    Spread,
    Name(String),
    /// A number, as written.
    Number(String),
    Text(String),
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, GraphqlError> {
    if text.len() > LONGEST {
        return Err(GraphqlError::TooLarge);
    }
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((token, after)) = next(rest)? {
        all.push(token);
        rest = after;
        if all.len() > MOST_TOKENS {
            return Err(GraphqlError::TooLarge);
        }
    }
    Ok(all)
}

fn next(text: &str) -> Result<Option<(Token, &str)>, GraphqlError> {
    let text = skip(text);
    let Some(first) = text.chars().next() else {
        return Ok(None);
    };
    if let Some(rest) = text.strip_prefix("...") {
        return Ok(Some((Token::Spread, rest)));
    }
    let (token, rest) = match first {
        '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
            (Token::Mark(first), after(text, first))
        }
        '"' => string(text)?,
        'a'..='z' | 'A'..='Z' | '_' => {
            let (name, rest) = split(text, |c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Name(name.to_owned()), rest)
        }
        '0'..='9' | '-' => {
            let (number, rest) = split(text, |c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            (Token::Number(number.to_owned()), rest)
        }
        _ => return Err(GraphqlError::Syntax),
    };
    Ok(Some((token, rest)))
}

/// Past white space, commas, comments and a byte order mark.
fn skip(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{feff}']);
        match text.strip_prefix('#') {
            Some(comment) => text = split(comment, |c| c != '\n' && c != '\r').1,
            None => return text,
        }
    }
}

fn after(text: &str, first: char) -> &str {
    text.get(first.len_utf8()..).unwrap_or_default()
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn string(text: &str) -> Result<(Token, &str), GraphqlError> {
    match text.strip_prefix("\"\"\"") {
        Some(inner) => block(inner),
        None => line(after(text, '"')),
    }
}

/// A block string: raw but for `\"""`.
fn block(inner: &str) -> Result<(Token, &str), GraphqlError> {
    let mut from = 0;
    loop {
        let rest = inner.get(from..).ok_or(GraphqlError::Syntax)?;
        let at = from + rest.find("\"\"\"").ok_or(GraphqlError::Syntax)?;
        let head = inner.get(..at).unwrap_or_default();
        if !head.ends_with('\\') {
            let value = head.replace("\\\"\"\"", "\"\"\"").trim().to_owned();
            return Ok((Token::Text(value), inner.get(at + 3..).unwrap_or_default()));
        }
        from = at + 3;
    }
}

fn line(inner: &str) -> Result<(Token, &str), GraphqlError> {
    let mut value = String::new();
    let mut chars = inner.chars();
    loop {
        match chars.next().ok_or(GraphqlError::Syntax)? {
            '"' => return Ok((Token::Text(value), chars.as_str())),
            '\n' | '\r' => return Err(GraphqlError::Syntax),
            '\\' => value.push(escape(&mut chars)?),
            c => value.push(c),
        }
    }
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<char, GraphqlError> {
    Ok(match chars.next().ok_or(GraphqlError::Syntax)? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let hex: String = chars.by_ref().take(4).collect();
            let code = (hex.len() == 4 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                .then(|| u32::from_str_radix(&hex, 16).ok())
                .flatten();
            // Halves of a pair decide nothing here: no value of a row has one.
            char::from_u32(code.ok_or(GraphqlError::Syntax)?).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => return Err(GraphqlError::Syntax),
    })
}
