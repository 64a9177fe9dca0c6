//! Hostile bytes to control functions: the state machine of a VT terminal.
//!
//! After Paul Williams' machine (vt100.net/emu/dec_ansi_parser) with UTF-8 text,
//! and with every buffer bounded: a string that never ends costs no memory.
//! C1 controls in their 8-bit form do not exist here: in a UTF-8 stream a raw
//! 0x80–0x9f is a broken character, and the encoded form is dropped as text.

use crate::params::Params;
use crate::utf8::{Decoded, Utf8};

/// Longest OSC or DCS payload kept. What we understand of them is far shorter.
const LONGEST_STRING: usize = 1024;

/// A CSI sequence or, without parameters, an escape sequence. Zero means absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sequence {
    /// `<`, `=`, `>` or `?` right after the CSI.
    pub(crate) private: u8,
    pub(crate) params: Params,
    pub(crate) intermediate: u8,
    pub(crate) last: u8,
}

/// What the parser finds.
pub(crate) trait Sink {
    /// Printable ASCII, never empty; returns how much of it was taken, at least one byte.
    fn ascii(&mut self, run: &[u8]) -> usize;
    /// Any other character, C1 controls included.
    fn character(&mut self, c: char);
    /// A C0 control other than ESC, CAN, SUB.
    fn control(&mut self, byte: u8);
    /// `ESC intermediate last`.
    fn escape(&mut self, sequence: &Sequence);
    /// `CSI private params intermediate last`.
    fn csi(&mut self, sequence: &Sequence);
    /// An operating system command that was ended properly and was not too long.
    fn osc(&mut self, payload: &[u8], ended_by_bell: bool);
    /// A device control string, likewise, with its parameters still in front.
    fn dcs(&mut self, payload: &[u8]);
    /// Whether the parser has to stop here so that what it found can be worked off.
    fn wants_break(&self) -> bool;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    /// A malformed control sequence, up to its final byte.
    Ignore,
    String(Kind),
    /// ESC inside a string: its end if `\` follows, else the string is void.
    StringEscape(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Osc,
    Dcs,
    /// SOS, PM, APC: read over.
    Other,
}

/// The state between two reads.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    state: State,
    sequence: Sequence,
    string: Vec<u8>,
    too_long: bool,
    utf8: Utf8,
}

impl Parser {
    /// Reads until the end of `bytes` or until the sink wants a break; returns how far it came.
    pub(crate) fn advance(&mut self, sink: &mut impl Sink, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !sink.wants_break() {
            at += self.some(sink, &bytes[at..]);
        }
        at
    }

    fn some(&mut self, sink: &mut impl Sink, bytes: &[u8]) -> usize {
        match self.state {
            State::Ground => return self.ground(sink, bytes),
            State::Escape => self.in_escape(sink, bytes[0]),
            State::Csi => self.in_csi(sink, bytes[0]),
            State::Ignore => self.in_ignored(sink, bytes[0]),
            State::String(kind) => self.in_string(sink, kind, bytes[0]),
            State::StringEscape(kind) => return self.after_string_escape(sink, kind, bytes[0]),
        }
        1
    }

    fn ground(&mut self, sink: &mut impl Sink, bytes: &[u8]) -> usize {
        let byte = bytes[0];
        if self.utf8.is_pending() || byte >= 0x80 {
            return self.text(sink, byte);
        }
        match byte {
            0x20..=0x7e => {
                let end = bytes.iter().position(|b| !(0x20..0x7f).contains(b));
                return sink.ascii(&bytes[..end.unwrap_or(bytes.len())]);
            }
            0x7f => {}
            _ => self.control(sink, byte),
        }
        1
    }

    fn text(&mut self, sink: &mut impl Sink, byte: u8) -> usize {
        match self.utf8.push(byte) {
            Decoded::More => {}
            Decoded::Char(c) => sink.character(c),
            Decoded::Bad { reuse } => {
                sink.character(char::REPLACEMENT_CHARACTER);
                return usize::from(!reuse);
            }
        }
        1
    }

    /// C0 controls work in the middle of a sequence too; ESC, CAN and SUB end it.
    fn control(&mut self, sink: &mut impl Sink, byte: u8) {
        match byte {
            0x1b => {
                self.state = State::Escape;
                self.sequence = Sequence::default();
            }
            0x18 | 0x1a => self.state = State::Ground,
            _ => sink.control(byte),
        }
    }

    fn in_escape(&mut self, sink: &mut impl Sink, byte: u8) {
        match byte {
            0x00..=0x1f => self.control(sink, byte),
            0x20..=0x2f => self.intermediate(byte),
            _ if self.sequence.intermediate != 0 => self.end_escape(sink, byte),
            b'[' => self.state = State::Csi,
            b']' => self.start_string(Kind::Osc),
            b'P' => self.start_string(Kind::Dcs),
            b'X' | b'^' | b'_' => self.start_string(Kind::Other),
            _ => self.end_escape(sink, byte),
        }
    }

    fn end_escape(&mut self, sink: &mut impl Sink, byte: u8) {
        self.state = State::Ground;
        if byte < 0x7f {
            self.sequence.last = byte;
            sink.escape(&self.sequence);
        }
    }

    /// No sequence we know has two intermediate bytes.
    fn intermediate(&mut self, byte: u8) {
        if self.sequence.intermediate != 0 {
            self.state = State::Ignore;
        }
        self.sequence.intermediate = byte;
    }

    fn in_csi(&mut self, sink: &mut impl Sink, byte: u8) {
        let sequence = &mut self.sequence;
        match byte {
            0x00..=0x1f => self.control(sink, byte),
            0x20..=0x2f => self.intermediate(byte),
            0x40..=0x7e => self.end_csi(sink, byte),
            0x7f.. => {}
            _ if sequence.intermediate != 0 => self.state = State::Ignore,
            b'0'..=b'9' => sequence.params.digit(byte),
            b':' | b';' => sequence.params.separator(byte == b':'),
            // A private marker counts only as the very first byte; ECMA-48 §5.4.1.
            _ if sequence.private == 0 && sequence.params.is_untouched() => {
                sequence.private = byte;
            }
            _ => self.state = State::Ignore,
        }
    }

    fn end_csi(&mut self, sink: &mut impl Sink, byte: u8) {
        self.state = State::Ground;
        self.sequence.last = byte;
        if !self.sequence.params.overflowed() {
            sink.csi(&self.sequence);
        }
    }

    fn in_ignored(&mut self, sink: &mut impl Sink, byte: u8) {
        match byte {
            0x00..=0x1f => self.control(sink, byte),
            0x40..=0x7e => self.state = State::Ground,
            _ => {}
        }
    }

    fn start_string(&mut self, kind: Kind) {
        self.state = State::String(kind);
        self.string.clear();
        self.too_long = false;
    }

    fn in_string(&mut self, sink: &mut impl Sink, kind: Kind, byte: u8) {
        match byte {
            0x1b => self.state = State::StringEscape(kind),
            0x18 | 0x1a => self.state = State::Ground,
            // Only xterm's OSC may end with BEL (xterm ctlseqs).
            0x07 if kind == Kind::Osc => self.end_string(sink, kind, true),
            0x00..=0x1f => {}
            _ if kind == Kind::Other => {}
            _ if self.string.len() < LONGEST_STRING => self.string.push(byte),
            _ => self.too_long = true,
        }
    }

    fn after_string_escape(&mut self, sink: &mut impl Sink, kind: Kind, byte: u8) -> usize {
        if byte == b'\\' {
            self.end_string(sink, kind, false);
            return 1;
        }
        self.control(sink, 0x1b);
        0
    }

    fn end_string(&mut self, sink: &mut impl Sink, kind: Kind, by_bell: bool) {
        self.state = State::Ground;
        match kind {
            _ if self.too_long => {}
            Kind::Osc => sink.osc(&self.string, by_bell),
            Kind::Dcs => sink.dcs(&self.string),
            Kind::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<String>);

    impl Sink for Log {
        fn ascii(&mut self, run: &[u8]) -> usize {
            self.0.push(format!("text {}", String::from_utf8_lossy(run)));
            run.len()
        }
        fn character(&mut self, c: char) {
            self.0.push(format!("char {:x}", c as u32));
        }
        fn control(&mut self, byte: u8) {
            self.0.push(format!("control {byte:x}"));
        }
        fn escape(&mut self, s: &Sequence) {
            self.0
                .push(format!("esc {:?} {:?}", s.intermediate as char, s.last as char));
        }
        fn csi(&mut self, s: &Sequence) {
            let groups: Vec<_> = s.params.groups().collect();
            let (private, last) = (s.private as char, s.last as char);
            self.0.push(format!(
                "csi {private:?} {groups:?} {:?} {last:?}",
                s.intermediate as char
            ));
        }
        fn osc(&mut self, payload: &[u8], bell: bool) {
            self.0
                .push(format!("osc {} {bell}", String::from_utf8_lossy(payload)));
        }
        fn dcs(&mut self, payload: &[u8]) {
            self.0.push(format!("dcs {}", String::from_utf8_lossy(payload)));
        }
        fn wants_break(&self) -> bool {
            false
        }
    }

    fn read(bytes: &[u8]) -> String {
        let (mut whole, mut split) = (Log::default(), Log::default());
        Parser::default().advance(&mut whole, bytes);
        let mut parser = Parser::default();
        for byte in bytes {
            while parser.advance(&mut split, &[*byte]) == 0 {}
        }
        let strip = |log: &Log| log.0.concat().replace("text ", "");
        assert_eq!(
            strip(&whole),
            strip(&split),
            "a split read must not change anything"
        );
        whole.0.join("\n")
    }

    #[test]
    fn sequences_are_told_apart() {
        insta::assert_snapshot!(read(b"ab\r\x1b[?25;1h\x1b[4:3m\x1b[2 q\x1b(0\x1b]11;?\x07\x1bP$qm\x1b\\\x1b_Gx\x1b\\z"), @r#"
        text ab
        control d
        csi '?' [[25], [1]] '\0' 'h'
        csi '\0' [[4, 3]] '\0' 'm'
        csi '\0' [[2]] ' ' 'q'
        esc '(' '0'
        osc 11;? true
        dcs $qm
        text z
        "#);
    }

    #[test]
    fn an_unfinished_string_is_void_and_a_control_works_inside_a_sequence() {
        insta::assert_snapshot!(read(b"\x1b]0;x\x1b[1\nmA\x1b[1?2mB\x1b[1  mC\x1b[31\x18D"), @r#"
        control a
        csi '\0' [[1]] '\0' 'm'
        text A
        text B
        text C
        text D
        "#);
    }

    #[test]
    fn broken_text_and_eight_bit_controls_are_text() {
        insta::assert_snapshot!(read(b"\x9b31m\xc2\x9b\xe2\x94\x1b[m"), @r#"
        char fffd
        text 31m
        char 9b
        char fffd
        csi '\0' [[0]] '\0' 'm'
        "#);
    }

    #[test]
    fn an_endless_string_costs_no_memory() {
        let mut parser = Parser::default();
        let mut log = Log::default();
        parser.advance(&mut log, b"\x1b]52;c;");
        for _ in 0..100 {
            parser.advance(&mut log, &[b'A'; 4096]);
        }
        assert!(parser.string.capacity() <= 2 * LONGEST_STRING);
        parser.advance(&mut log, b"\x07");
        assert!(log.0.is_empty(), "too long a string is dropped whole");
    }
}
