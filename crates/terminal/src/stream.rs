//! For a terminal that the program shares with others (`… | less`, only standard error a terminal):
//! no screen of its own, just text made safe to pass on.

use crate::glyph;
use crate::parser::{Parser, Sequence, Sink};
use crate::sgr;
use crate::style::Style;

/// Text with colours in, the same out; everything else that could act on the terminal is dropped.
///
/// What passes: printable characters, new line, carriage return, tab, backspace, and colours and
/// weights, written anew. What does not: every other control function, hyperlinks, titles, bells,
/// cursor movement, and characters without ink (see the crate's README).
#[derive(Debug, Default)]
pub struct Stream {
    parser: Parser,
    text: Text,
}

impl Stream {
    /// What to write to the terminal for a piece of the program's output.
    pub fn output(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.parser.advance(&mut self.text, bytes);
        std::mem::take(&mut self.text.out)
    }

    /// Leaves the terminal with its default colours.
    pub fn finish(&mut self) -> Vec<u8> {
        self.text.style = Style::PLAIN;
        self.text.catch_up();
        std::mem::take(&mut self.text.out)
    }
}

#[derive(Debug)]
struct Text {
    out: Vec<u8>,
    style: Style,
    written: Style,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            out: Vec::new(),
            style: Style::PLAIN,
            written: Style::PLAIN,
        }
    }
}

impl Text {
    fn catch_up(&mut self) {
        sgr::write_change(self.written, self.style, &mut self.out);
        self.written = self.style;
    }
}

impl Sink for Text {
    fn ascii(&mut self, run: &[u8]) -> usize {
        self.catch_up();
        self.out.extend_from_slice(run);
        run.len()
    }

    fn character(&mut self, c: char) {
        if !glyph::is_dropped(c) {
            self.catch_up();
            self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn control(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\r' | b'\t' | 8) {
            self.catch_up();
            self.out.push(byte);
        }
    }

    fn escape(&mut self, _sequence: &Sequence) {}

    fn csi(&mut self, sequence: &Sequence) {
        if sequence.last == b'm' && sequence.private == 0 && sequence.intermediate == 0 {
            sgr::apply(&mut self.style, &sequence.params);
        }
    }

    fn osc(&mut self, _payload: &[u8], _ended_by_bell: bool) {}

    fn dcs(&mut self, _payload: &[u8]) {}

    fn wants_break(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_colours_pass_and_nothing_else() {
        let mut stream = Stream::default();
        let hostile = b"a\x1b]52;c;Zm9v\x07\x1b[31mred\x1b[0m\x1b[2J\x1b[5n\x1b]0;title\x1b\\\x07\x9b5n\n\x1b[10;10Hb\x1bP$qm\x1b\\";
        assert_eq!(
            stream.output(hostile),
            "a\x1b[31mred\x1b[m\u{fffd}5n\nb".as_bytes()
        );
    }

    #[test]
    fn colours_end_with_the_stream() {
        let mut stream = Stream::default();
        assert_eq!(stream.output(b"\x1b[7;38;5;9mx"), b"\x1b[7;38;5;9mx");
        assert_eq!(stream.finish(), b"\x1b[m");
    }

    proptest! {
        #[test]
        fn only_colours_are_ever_sequences(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut stream = Stream::default();
            let mut out: Vec<u8> = pieces.iter().flat_map(|p| stream.output(p)).collect();
            out.extend(stream.finish());
            let text = String::from_utf8(out).unwrap();
            let mut rest = text.as_str();
            while let Some(at) = rest.find(|c: char| c.is_control() && !"\n\r\t\x08".contains(c)) {
                let tail = rest[at..].strip_prefix("\x1b[").expect("only CSI");
                let end = tail.find(|c: char| !"0123456789;:".contains(c)).expect("ended");
                prop_assert!(tail[end..].starts_with('m'));
                rest = &tail[end + 1..];
            }
        }
    }
}
