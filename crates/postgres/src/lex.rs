//! The words of SQL, as the server's scanner reads them (PostgreSQL's `scan.l`) while
//! `standard_conforming_strings` is on. What it could read in two ways is not read at all.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or key word that is not quoted, as written.
    Word(&'a str),
    /// A quoted name, quotes included.
    Quoted(&'a str),
    /// A constant in quotes of any kind.
    Text,
    /// A number.
    Number,
    /// `$1`
    Parameter,
    /// Signs of an operator.
    Operator(&'a str),
    /// A sign that stands alone.
    Sign(u8),
}

/// A token and where it begins and ends, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) at: usize,
    pub(crate) end: usize,
}

/// Why text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// A comment or a constant does not end.
    Unended,
    /// A sign that begins nothing.
    Sign,
    /// It is written in a way that readers differ on.
    Ambiguous,
}

const OPERATOR: &[u8] = b"+-*/<>=~!@#%^&|`?";
const ALONE: &[u8] = b"()[],;:.";

const fn begins_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

const fn in_name(b: u8) -> bool {
    begins_name(b) || b.is_ascii_digit() || b == b'$'
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// All tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Spanned<'_>>, Unread> {
    let mut lexer = Lexer { text, at: 0 };
    let mut all = Vec::new();
    while let Some(token) = lexer.next()? {
        all.push(token);
    }
    Ok(all)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        // Text holds no NUL: the protocol ends it there.
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.at < self.text.len() && belongs(self.peek(0)) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Result<Option<Spanned<'a>>, Unread> {
        loop {
            self.skip(is_space);
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') => self.skip(|b| b != b'\n' && b != b'\r'),
                (b'/', b'*') => self.comment()?,
                _ => break,
            }
        }
        let at = self.at;
        if at >= self.text.len() {
            return Ok(None);
        }
        let token = self.token()?;
        Ok(Some(Spanned {
            token,
            at,
            end: self.at,
        }))
    }

    /// Comments are nested.
    fn comment(&mut self) -> Result<(), Unread> {
        let mut depth = 0usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                (b'*', b'/') => {
                    (depth, self.at) = (depth - 1, self.at + 2);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ if self.at >= self.text.len() => return Err(Unread::Unended),
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Unread> {
        let from = self.at;
        let text = self.text;
        let slice = |to: usize| text.get(from..to).ok_or(Unread::Ambiguous);
        match (self.peek(0), self.peek(1)) {
            (b'\'', _) => self.constant(false),
            (b'e' | b'E', b'\'') => {
                self.at += 1;
                self.constant(true)
            }
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'') => {
                self.at += 1;
                self.constant(false)
            }
            // Escapes of its own, and perhaps an escape sign that is chosen behind it.
            (b'u' | b'U', b'&') if matches!(self.peek(2), b'\'' | b'"') => Err(Unread::Ambiguous),
            (b'"', _) => {
                self.at += 1;
                self.until(b'"', false)?;
                Ok(Token::Quoted(slice(self.at)?))
            }
            (b'$', digit) if digit.is_ascii_digit() => {
                self.at += 1;
                self.skip(|b| b.is_ascii_digit());
                // `$1x` is two tokens to some versions and an error to others.
                if in_name(self.peek(0)) {
                    return Err(Unread::Ambiguous);
                }
                Ok(Token::Parameter)
            }
            (b'$', _) => self.dollar(),
            (b, _) if begins_name(b) => {
                self.skip(in_name);
                Ok(Token::Word(slice(self.at)?))
            }
            (b, after) if b.is_ascii_digit() || (b == b'.' && after.is_ascii_digit()) => self.number(),
            (b, _) if ALONE.contains(&b) => {
                self.at += 1;
                if b == b':' && matches!(self.peek(0), b':' | b'=') {
                    self.at += 1;
                    return Ok(Token::Operator(slice(self.at)?));
                }
                Ok(Token::Sign(b))
            }
            (b, _) if OPERATOR.contains(&b) => {
                while OPERATOR.contains(&self.peek(0)) && self.at < self.text.len() {
                    if matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*')) {
                        break;
                    }
                    self.at += 1;
                }
                Ok(Token::Operator(slice(self.at)?))
            }
            _ => Err(Unread::Sign),
        }
    }

    /// Digits, a point, an exponent. Letters right behind a number are an error to some versions and a name to others.
    fn number(&mut self) -> Result<Token<'a>, Unread> {
        self.skip(|b| b.is_ascii_digit());
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            self.skip(|b| b.is_ascii_digit());
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let signed = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + signed).is_ascii_digit() {
                self.at += 1 + signed;
                self.skip(|b| b.is_ascii_digit());
            }
        }
        if in_name(self.peek(0)) {
            return Err(Unread::Ambiguous);
        }
        Ok(Token::Number)
    }

    /// From behind an opening quote to behind the closing one; a doubled quote is one of the text.
    fn until(&mut self, quote: u8, escapes: bool) -> Result<(), Unread> {
        loop {
            if self.at >= self.text.len() {
                return Err(Unread::Unended);
            }
            let here = self.peek(0);
            self.at += 1;
            if here == quote {
                if self.peek(0) != quote {
                    return Ok(());
                }
                self.at += 1;
            } else if escapes && here == b'\\' {
                if self.at >= self.text.len() {
                    return Err(Unread::Unended);
                }
                self.at += 1;
            }
        }
    }

    fn constant(&mut self, escapes: bool) -> Result<Token<'a>, Unread> {
        self.at += 1;
        self.until(b'\'', escapes)?;
        // Behind a line's end a further quote goes on with the same constant, in its way of escaping.
        let mut ahead = 0;
        let mut line = false;
        while is_space(self.peek(ahead)) && self.at + ahead < self.text.len() {
            line |= matches!(self.peek(ahead), b'\n' | b'\r');
            ahead += 1;
        }
        if (line && self.peek(ahead) == b'\'')
            || (self.peek(ahead), self.peek(ahead + 1)) == (b'-', b'-') && escapes
        {
            return Err(Unread::Ambiguous);
        }
        Ok(Token::Text)
    }

    /// `$tag$ … $tag$`
    fn dollar(&mut self) -> Result<Token<'a>, Unread> {
        let from = self.at;
        self.at += 1;
        if begins_name(self.peek(0)) {
            self.skip(|b| in_name(b) && b != b'$');
        }
        if self.peek(0) != b'$' {
            return Err(Unread::Sign);
        }
        self.at += 1;
        let tag = self.text.get(from..self.at).ok_or(Unread::Ambiguous)?;
        let rest = self.text.get(self.at..).ok_or(Unread::Ambiguous)?;
        let end = rest.find(tag).ok_or(Unread::Unended)?;
        self.at += end + tag.len();
        Ok(Token::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Result<Vec<String>, Unread> {
        let all = tokens(text)?;
        Ok(all
            .iter()
            .map(|t| match t.token {
                Token::Text => "'".to_owned(),
                _ => text[t.at..t.end].to_owned(),
            })
            .collect())
    }

    #[test]
    fn as_the_server_reads() {
        for (text, expected) in [
            (
                r"select 'a\'; delete from t; --'",
                vec!["select", "'", ";", "delete", "from", "t", ";"],
            ),
            (r"select E'a\'; x'", vec!["select", "'"]),
            ("select 'it''s'", vec!["select", "'"]),
            ("/* a /* b */ c */ select 1", vec!["select", "1"]),
            ("select $$ ; drop $$, $a$ $$ $a$", vec!["select", "'", ",", "'"]),
            ("select a$b$c", vec!["select", "a$b$c"]),
            ("select \"a\"\"b\"", vec!["select", "\"a\"\"b\""]),
            ("select 1.5e3, .5", vec!["select", "1.5e3", ",", ".5"]),
            ("a::int>=$1", vec!["a", "::", "int", ">=", "$1"]),
            ("a -- x\r b", vec!["a", "b"]),
            ("1+/*c*/2", vec!["1", "+", "2"]),
            ("1--2\n+3", vec!["1", "+", "3"]),
            ("b'1' x'f' n'a'", vec!["'", "'", "'"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_readers_differ_on_is_not_read() {
        for text in [
            "select U&'\\0441'",
            "select U&\"x\" uescape '!'",
            "select E'a'\n'b\\'c'",
            "select 1a",
            "select $1a",
            "select 0x1f",
        ] {
            assert_eq!(words(text), Err(Unread::Ambiguous), "{text}");
        }
        for text in ["'a", "\"a", "/* /* */", "$a$ $b$", r"E'\", "E'a\\'"] {
            assert_eq!(words(text), Err(Unread::Unended), "{text}");
        }
        assert_eq!(words("a \\ b"), Err(Unread::Sign));
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_within(text in "[a-zE'\"$1;/*\\-\\\\ \n]{0,40}") {
            if let Ok(all) = tokens(&text) {
                let mut at = 0;
                for token in all {
                    prop_assert!(token.at >= at && token.end > token.at && token.end <= text.len());
                    at = token.end;
                }
            }
        }

        /// A constant made of anything, written as the manual says, is one token.
        #[test]
        fn a_constant_is_one_token(inner in "\\PC{0,20}") {
            let written = format!("'{}'", inner.replace('\'', "''"));
            prop_assert_eq!(words(&written).unwrap().len(), 1);
            let escaped = format!("E'{}'", inner.replace('\\', "\\\\").replace('\'', "\\'"));
            prop_assert_eq!(words(&escaped).unwrap().len(), 1);
        }
    }
}
