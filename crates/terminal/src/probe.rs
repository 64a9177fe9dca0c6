//! Asking the user's terminal what it is, before the program starts.

use crate::input::InputFilter;
use crate::options::{Options, Rgb};
use crate::parser::{Parser, Sequence, Sink};

/// One round of questions to the real terminal and its answers.
///
/// Optional. The caller writes [`Probe::QUESTIONS`], reads until
/// [`Probe::feed`] says that all is answered or some 100 ms have passed, and
/// takes the result. Not to be used where `TERM` is `dumb` or `linux`.
#[derive(Debug)]
pub struct Probe {
    parser: Parser,
    found: Found,
    filter: InputFilter,
    typed: Vec<u8>,
}

impl Default for Probe {
    fn default() -> Self {
        let (parser, found, filter) = (Parser::default(), Found::default(), InputFilter::new(u16::MAX));
        Self {
            parser,
            found,
            filter,
            typed: Vec::new(),
        }
    }
}

impl Probe {
    /// Cursor position, text and background colour, keyboard protocol, and last
    /// the one question that every terminal answers.
    pub const QUESTIONS: &'static [u8] = b"\x1b[6n\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[?u\x1b[c";

    /// Takes what the terminal sent; true when all has been answered.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.parser.advance(&mut self.found, bytes);
        self.filter.feed(bytes, &mut self.typed);
        self.found.complete
    }

    /// What was found, and what the user typed meanwhile, for [`crate::Relay::input`].
    #[must_use]
    pub fn finish(mut self) -> (Options, Vec<u8>) {
        self.filter.timeout(&mut self.typed);
        (self.found.options, self.typed)
    }
}

#[derive(Debug, Default)]
struct Found {
    options: Options,
    complete: bool,
}

impl Sink for Found {
    fn ascii(&mut self, run: &[u8]) -> usize {
        run.len()
    }

    fn character(&mut self, _: char) {}

    fn control(&mut self, _: u8) {}

    fn escape(&mut self, _: &Sequence) {}

    fn csi(&mut self, sequence: &Sequence) {
        match (sequence.private, sequence.last) {
            (0, b'R') => self.options.origin_row = sequence.params.get(0).checked_sub(1),
            (b'?', b'u') => self.options.kitty_keyboard = true,
            (b'?', b'c') => self.complete = true,
            _ => {}
        }
    }

    fn osc(&mut self, payload: &[u8], _: bool) {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        match text.split_once(';') {
            Some(("10", color)) => set(&mut self.options.foreground, color),
            Some(("11", color)) => set(&mut self.options.background, color),
            _ => {}
        }
    }

    fn dcs(&mut self, _: &[u8]) {}

    fn wants_break(&self) -> bool {
        false
    }
}

fn set(slot: &mut Rgb, color: &str) {
    if let Some(color) = parse_color(color) {
        *slot = color;
    }
}

/// `rgb:r/g/b` or `rgba:r/g/b/a` with one to four hexadecimal digits each (XParseColor).
fn parse_color(text: &str) -> Option<Rgb> {
    let (_, channels) = text.split_once(':')?;
    let mut channels = channels.split('/').map(|digits| {
        let value = u32::from_str_radix(digits, 16).ok()?;
        let most = 16_u32.pow(u32::try_from(digits.len()).ok().filter(|len| *len <= 4)?) - 1;
        u8::try_from(value * 255 / most).ok()
    });
    let mut channel = || channels.next()?;
    Some(Rgb(channel()?, channel()?, channel()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_typing_is_kept() {
        let mut probe = Probe::default();
        assert!(!probe.feed(b"l\x1b[7;1R\x1b]10;rgb:ffff/ffff/ffff\x1b\\\x1b]11;rgb:12"));
        assert!(!probe.feed(b"12/3434/5656\x07s"));
        assert!(probe.feed(b"\x1b[?0u\x1b[?62;4c\x1b"));
        let (options, typed) = probe.finish();
        assert_eq!(typed, b"ls\x1b");
        assert_eq!(options.origin_row, Some(6));
        assert_eq!(options.background, Rgb(0x12, 0x34, 0x56));
        assert_eq!(options.foreground, Rgb(255, 255, 255));
        assert!(options.kitty_keyboard);
    }

    #[test]
    fn a_silent_terminal_leaves_the_defaults() {
        let (options, typed) = Probe::default().finish();
        assert_eq!(
            (options.origin_row, options.kitty_keyboard, typed),
            (None, false, Vec::new())
        );
    }

    #[test]
    fn colors_of_any_precision_are_read() {
        assert_eq!(parse_color("rgb:f/8/0"), Some(Rgb(255, 136, 0)));
        assert_eq!(parse_color("rgba:ffff/0000/0000/ffff"), Some(Rgb(255, 0, 0)));
        for nonsense in [
            "",
            "rgb:",
            "rgb://",
            "rgb:1/2",
            "rgb:12345/0/0",
            "rgb:+1/0/0/",
            "red",
        ] {
            assert_ne!(parse_color(nonsense), Some(Rgb(255, 0, 0)), "{nonsense}");
        }
    }
}
