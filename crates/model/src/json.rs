//! JSON (RFC 8259) in pieces: each key and each scalar is told with the keys above it, strings up to a bound.

/// How deep objects and arrays may lie within each other.
const DEEPEST: usize = 128;
/// How many bytes of a string are kept. Every word of a table and every host is shorter.
pub(crate) const KEPT: usize = 512;
/// The longest key.
const LONGEST_KEY: usize = 256;

/// Why a body cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("the body is not JSON")]
    Syntax,
    /// Not UTF-8, or an escape of half a character.
    #[error("the body's text is not Unicode")]
    Text,
    /// Deeper than [`DEEPEST`].
    #[error("the body's values lie more than {DEEPEST} deep")]
    Deep,
    /// A key longer than [`LONGEST_KEY`].
    #[error("a key of the body is longer than {LONGEST_KEY} bytes")]
    Key,
    /// Not ended.
    #[error("the body ends within a value")]
    Cut,
}

/// A scalar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// A string, and whether that is all of it.
    Text(&'a str, bool),
    /// A number, as written.
    Number(&'a str),
    /// `true`, `false`, `null`.
    Word(&'a str),
}

/// Who listens. `path` holds the keys above, arrays left out.
pub(crate) trait Listen {
    /// A key within the object at `path`.
    fn key(&mut self, path: &[String], key: &str);
    /// A scalar; the last of `path` is its own key.
    fn scalar(&mut self, path: &[String], scalar: &Scalar<'_>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Object,
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value must come; in an array just begun its end may.
    Value {
        or_end: bool,
    },
    /// A key must come; in an object just begun its end may.
    Key {
        or_end: bool,
    },
    Colon,
    /// `,` or an end.
    After,
    Text {
        is_key: bool,
    },
    Escape {
        is_key: bool,
    },
    Hex {
        is_key: bool,
        left: u8,
    },
    Bare,
    Done,
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    levels: Vec<Level>,
    /// For each level that is an object the key in hand; arrays add none.
    path: Vec<String>,
    /// Bytes of the string, number or word in hand.
    held: Vec<u8>,
    whole: bool,
    unit: u16,
    high: Option<u16>,
    /// Bytes still to come of a UTF-8 sequence are checked when the string ends.
    tail: Utf8,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            state: State::Value { or_end: false },
            levels: Vec::new(),
            path: Vec::new(),
            held: Vec::new(),
            whole: true,
            unit: 0,
            high: None,
            tail: Utf8::default(),
        }
    }
}

impl Reader {
    /// Reads some bytes more.
    pub(crate) fn feed(&mut self, bytes: &[u8], to: &mut impl Listen) -> Result<(), Unreadable> {
        bytes.iter().try_for_each(|byte| self.byte(*byte, to))
    }

    /// There are no more.
    pub(crate) fn end(&mut self, to: &mut impl Listen) -> Result<(), Unreadable> {
        if self.state == State::Bare {
            self.bare_ended(to)?;
        }
        if self.state == State::Done {
            Ok(())
        } else {
            Err(Unreadable::Cut)
        }
    }

    fn byte(&mut self, byte: u8, to: &mut impl Listen) -> Result<(), Unreadable> {
        match self.state {
            State::Text { is_key } => return self.in_text(byte, is_key, to),
            State::Escape { is_key } => return self.escaped(byte, is_key),
            State::Hex { is_key, left } => return self.hex(byte, is_key, left),
            State::Bare if is_bare(byte) => return self.keep(byte),
            State::Bare => self.bare_ended(to)?,
            _ => {}
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        self.structure(byte)
    }

    fn structure(&mut self, byte: u8) -> Result<(), Unreadable> {
        match (self.state, byte) {
            (State::Value { .. }, b'{') => self.open(Level::Object),
            (State::Value { .. }, b'[') => self.open(Level::Array),
            (State::Value { .. }, b'"') => self.begin_text(false),
            (State::Value { or_end: true }, b']') => self.close(Level::Array),
            (State::Value { .. }, b) if is_bare(b) => {
                self.held.clear();
                self.whole = true;
                self.state = State::Bare;
                self.keep(b)
            }
            (State::Key { .. }, b'"') => self.begin_text(true),
            (State::Key { or_end: true }, b'}') => self.close(Level::Object),
            (State::Colon, b':') => self.go(State::Value { or_end: false }),
            (State::After, b',') => match self.levels.last() {
                Some(Level::Object) => self.go(State::Key { or_end: false }),
                _ => self.go(State::Value { or_end: false }),
            },
            (State::After, b'}') => self.close(Level::Object),
            (State::After, b']') => self.close(Level::Array),
            _ => Err(Unreadable::Syntax),
        }
    }

    fn go(&mut self, state: State) -> Result<(), Unreadable> {
        self.state = state;
        Ok(())
    }

    fn open(&mut self, level: Level) -> Result<(), Unreadable> {
        if self.levels.len() >= DEEPEST {
            return Err(Unreadable::Deep);
        }
        self.levels.push(level);
        match level {
            Level::Object => {
                self.path.push(String::new());
                self.go(State::Key { or_end: true })
            }
            Level::Array => self.go(State::Value { or_end: true }),
        }
    }

    fn close(&mut self, level: Level) -> Result<(), Unreadable> {
        if self.levels.pop() != Some(level) {
            return Err(Unreadable::Syntax);
        }
        if level == Level::Object {
            self.path.pop();
        }
        self.value_ended();
        Ok(())
    }

    fn value_ended(&mut self) {
        self.state = if self.levels.is_empty() {
            State::Done
        } else {
            State::After
        };
    }

    fn begin_text(&mut self, is_key: bool) -> Result<(), Unreadable> {
        self.held.clear();
        self.whole = true;
        self.tail = Utf8::default();
        self.go(State::Text { is_key })
    }

    fn keep(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.held.len() < KEPT {
            self.held.push(byte);
        } else if self.state == State::Bare {
            return Err(Unreadable::Syntax); // no number is so long
        } else {
            self.whole = false;
        }
        Ok(())
    }

    fn in_text(&mut self, byte: u8, is_key: bool, to: &mut impl Listen) -> Result<(), Unreadable> {
        if self.high.is_some() && byte != b'\\' {
            return Err(Unreadable::Text);
        }
        match byte {
            b'"' => self.text_ended(is_key, to),
            b'\\' if self.tail.is_whole() => self.go(State::Escape { is_key }),
            0..0x20 => Err(Unreadable::Syntax),
            byte => {
                self.tail.feed(byte)?;
                self.keep(byte)
            }
        }
    }

    fn text_ended(&mut self, is_key: bool, to: &mut impl Listen) -> Result<(), Unreadable> {
        if !self.tail.is_whole() {
            return Err(Unreadable::Text);
        }
        // Cut at the bound a character may be half there.
        let text = String::from_utf8_lossy(&self.held).into_owned();
        if is_key {
            if !self.whole || text.len() > LONGEST_KEY {
                return Err(Unreadable::Key);
            }
            let above = self.path.len() - 1;
            to.key(&self.path[..above], &text);
            self.path[above] = text;
            return self.go(State::Colon);
        }
        to.scalar(&self.path, &Scalar::Text(&text, self.whole));
        self.value_ended();
        Ok(())
    }

    fn escaped(&mut self, byte: u8, is_key: bool) -> Result<(), Unreadable> {
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.unit = 0;
                return self.go(State::Hex { is_key, left: 4 });
            }
            _ => return Err(Unreadable::Syntax),
        };
        if self.high.is_some() {
            return Err(Unreadable::Text);
        }
        self.keep(plain)?;
        self.go(State::Text { is_key })
    }

    fn hex(&mut self, byte: u8, is_key: bool, left: u8) -> Result<(), Unreadable> {
        let digit = char::from(byte).to_digit(16).ok_or(Unreadable::Syntax)?;
        self.unit = self.unit << 4 | digit as u16;
        if left > 1 {
            return self.go(State::Hex {
                is_key,
                left: left - 1,
            });
        }
        self.unit_ended()?;
        self.go(State::Text { is_key })
    }

    /// A UTF-16 unit: a character, or half of one.
    fn unit_ended(&mut self) -> Result<(), Unreadable> {
        let units = match (self.high.take(), self.unit) {
            (None, high @ 0xd800..0xdc00) => {
                self.high = Some(high);
                return Ok(());
            }
            (Some(high), low) => vec![high, low],
            (None, unit) => vec![unit],
        };
        let text = String::from_utf16(&units).map_err(|_| Unreadable::Text)?;
        text.bytes().try_for_each(|b| self.keep(b))
    }

    fn bare_ended(&mut self, to: &mut impl Listen) -> Result<(), Unreadable> {
        let text = std::str::from_utf8(&self.held)
            .map_err(|_| Unreadable::Text)?
            .to_owned();
        match text.as_str() {
            "true" | "false" | "null" => to.scalar(&self.path, &Scalar::Word(&text)),
            number if is_number(number) => to.scalar(&self.path, &Scalar::Number(&text)),
            _ => return Err(Unreadable::Syntax),
        }
        self.value_ended();
        Ok(())
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// RFC 8259 §6.
fn is_number(text: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let plain = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    plain
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// UTF-8, byte by byte (RFC 3629 §4).
#[derive(Clone, Copy, Debug, Default)]
struct Utf8 {
    left: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    fn is_whole(self) -> bool {
        self.left == 0
    }

    fn feed(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.left > 0 {
            if !(self.low..=self.high).contains(&byte) {
                return Err(Unreadable::Text);
            }
            *self = Utf8 {
                left: self.left - 1,
                low: 0x80,
                high: 0xbf,
            };
            return Ok(());
        }
        let (left, low, high) = match byte {
            0..0x80 => (0, 0, 0),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return Err(Unreadable::Text),
        };
        *self = Utf8 { left, low, high };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[derive(Default)]
    struct All(Vec<String>);

    impl Listen for All {
        fn key(&mut self, path: &[String], key: &str) {
            self.0.push(format!("{}/{key}:", path.join("/")));
        }
        fn scalar(&mut self, path: &[String], scalar: &Scalar<'_>) {
            self.0.push(format!("{}={scalar:?}", path.join("/")));
        }
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<String>, Unreadable> {
        let (mut reader, mut all) = (Reader::default(), All::default());
        pieces.iter().try_for_each(|p| reader.feed(p, &mut all))?;
        reader.end(&mut all).map(|()| all.0)
    }

    #[test]
    fn keys_and_scalars_are_told_with_their_path() {
        let text = br#"{"a":[{"b":"x\u00e4\n"},2],"c":{"d":true}}"#;
        let expected = [
            "/a:",
            "a/b:",
            "a/b=Text(\"x\u{e4}\\n\", true)",
            "a=Number(\"2\")",
            "/c:",
            "c/d:",
            "c/d=Word(\"true\")",
        ];
        let got = read(&[text]).unwrap();
        assert_eq!(got[0], expected[0]);
        assert_eq!(got[2], "a/b=Text(\"x\u{e4}\\n\", true)");
        assert_eq!(got.len(), expected.len());
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&single), read(&[text]));
    }

    #[test]
    fn long_strings_are_cut_and_long_keys_refused() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        assert!(read(&[long.as_bytes()]).unwrap()[1].ends_with("x\", false)"));
        let key = format!("{{\"{}\":1}}", "k".repeat(300));
        assert_eq!(read(&[key.as_bytes()]), Err(Unreadable::Key));
        let deep = "[".repeat(200);
        assert_eq!(read(&[deep.as_bytes()]), Err(Unreadable::Deep));
    }

    #[test]
    fn what_is_read_in_two_ways_elsewhere_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\":1",
            "{\"a\":1}x",
            "{} {}",
            "{'a':1}",
            "{a:1}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "01",
            "+1",
            "1.",
            ".5",
            "NaN",
            "Infinity",
            "0x1",
            "tru",
            "\"\t\"",
            "\"\\x41\"",
            "{\"a\" 1}",
            "{\"a\"::1}",
            "[1 2]",
            "[}",
            "\u{feff}{}",
            "/**/{}",
            "\"\\ud800\"",
            "\"\\ud800x\"",
            "\"\\ud800\\n\"",
            "\"\\udc00\"",
        ] {
            assert!(read(&[text.as_bytes()]).is_err(), "{text:?}");
        }
        for bytes in [
            &b"\"\xff\""[..],
            b"\"\xc0\xaf\"",
            b"\"\xed\xa0\x80\"",
            b"\"\xe4\"",
            b"\"\xe4\\n\"",
        ] {
            assert_eq!(read(&[bytes]), Err(Unreadable::Text), "{bytes:?}");
        }
    }

    proptest! {
        /// Another parser agrees on what is JSON, and on each string in it.
        #[test]
        fn another_parser_agrees(
            parts in proptest::collection::vec(
                "(\\{|\\}|\\[|\\]|:|,|\"a\"|\"\\\\u00e4\"|\"\\\\ud83d\\\\ude00\"|\"ä\"|1|-0.5e3|true|null| |\\\\|\")", 0..14),
            cut in 0..40usize,
        ) {
            let text = parts.concat();
            let (one, two) = text.as_bytes().split_at(cut.min(text.len()));
            let ours = read(&[one, two]);
            let other = serde_json::from_str::<Value>(&text);
            prop_assert_eq!(ours.is_ok(), other.is_ok(), "{}: {:?} {:?}", text, ours, other);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&bytes]);
        }
    }
}
