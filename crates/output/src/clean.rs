//! From a program's bytes to text that acts on nothing and hides nothing.
//!
//! Escape sequences (ECMA-48) are left out; what a line's own control characters overwrite is overwritten, so of a
//! progress bar its last state is left. Everything else that acts or cannot be seen is written out (`\u{202e}`,
//! `\x07`, `\xff`), and counted. So are the two brackets in which fumehood's own remarks stand: no program can write
//! one.

use crate::cells::Cells;
use fumehood_policy::escape::acts_or_hides;
use std::io::Write;

/// What a remark of fumehood's begins and ends with.
pub const REMARK: (char, char) = ('⟦', '⟧');
/// Bytes of one escape sequence; what follows is text again, so that an unended one hides no more.
const LONGEST_SEQUENCE: usize = 4096;
/// Bytes of a line that is not ended yet; more is passed on as it stands.
const LONGEST_LINE: usize = 64 * 1024;

/// What was found and changed, in occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Escape sequences left out.
    pub sequences: u64,
    /// Control characters written out.
    pub controls: u64,
    /// Characters that change the direction of text.
    pub bidi: u64,
    /// Tag characters: text that only a model reads.
    pub tags: u64,
    /// Other characters that cannot be seen.
    pub hidden: u64,
    /// Bytes that are not UTF-8.
    pub invalid: u64,
    /// Brackets of fumehood's remarks, in a program's own output.
    pub forged: u64,
}

impl Counts {
    /// Whether there was text meant for a model and not for a person (research: raises taint).
    #[must_use]
    pub const fn is_suspicious(&self) -> bool {
        self.bidi + self.tags + self.forged > 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte.
    Intermediate,
    /// After `ESC [`.
    Control,
    /// Within a string: OSC (which BEL ends too), DCS, SOS, PM, APC.
    Text {
        bell: bool,
    },
    /// After an ESC within such a string.
    TextEscape {
        bell: bool,
    },
}

/// A stream of a program's output on its way to text.
#[derive(Debug)]
pub struct Cleaner {
    state: State,
    /// Bytes of the sequence in hand.
    length: usize,
    /// The parameters of a control sequence, as far as anybody asks.
    parameters: Vec<u8>,
    /// The beginning of a character whose end is still to come.
    partial: Vec<u8>,
    /// Text to be passed on; what lies before `line` is whole lines.
    out: Vec<u8>,
    line: usize,
    /// A carriage return came: a line feed after it ends the line, anything else writes over it.
    returned: bool,
    /// The line in hand, once something in it was written over.
    cells: Option<Cells>,
    counts: Counts,
}

impl Default for Cleaner {
    fn default() -> Self {
        Cleaner {
            state: State::Ground,
            length: 0,
            parameters: Vec::new(),
            partial: Vec::new(),
            out: Vec::new(),
            line: 0,
            returned: false,
            cells: None,
            counts: Counts::default(),
        }
    }
}

impl Cleaner {
    /// What was changed so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The next bytes; `to` is given text, whole lines mostly, UTF-8 in any case.
    pub fn push(&mut self, bytes: &[u8], to: &mut impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let plain = if self.is_simple() { plain(rest) } else { 0 };
            if plain > 0 {
                self.lines(&rest[..plain]);
                rest = &rest[plain..];
            } else {
                self.byte(*first);
                rest = &rest[1..];
            }
            if self.out.len() >= LONGEST_LINE {
                self.pass(to);
            }
        }
        self.pass(to);
    }

    /// There are no more.
    pub fn finish(mut self, to: &mut impl FnMut(&[u8])) -> Counts {
        self.invalid();
        self.end_cells();
        to(&self.out);
        self.counts
    }

    /// Whether printable ASCII and line feeds are text to be taken as it is.
    fn is_simple(&self) -> bool {
        self.state == State::Ground && self.partial.is_empty() && !self.returned && self.cells.is_none()
    }

    /// Text without anything special in it.
    fn lines(&mut self, text: &[u8]) {
        if let Some(at) = memchr::memrchr(b'\n', text) {
            self.line = self.out.len() + at + 1;
        }
        self.out.extend_from_slice(text);
    }

    /// Hands on the whole lines; and a line too long to be kept.
    fn pass(&mut self, to: &mut impl FnMut(&[u8])) {
        let ready = if self.out.len() - self.line >= LONGEST_LINE {
            self.out.len()
        } else {
            self.line
        };
        if ready > 0 {
            to(&self.out[..ready]);
            self.out.drain(..ready);
            self.line = 0;
        }
        // Cells hold what the line was; a line of any length must not.
        if self.cells.as_ref().is_some_and(|c| c.len() >= LONGEST_LINE) {
            self.end_cells();
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            State::Ground => self.ground(byte),
            _ => self.sequence(byte),
        }
    }

    fn ground(&mut self, byte: u8) {
        if !self.partial.is_empty() && !self.continues(byte) {
            self.invalid();
        }
        match byte {
            0x1b => self.begin(State::Escape),
            b'\n' => self.line_feed(),
            b'\r' => self.returned = true,
            0x08 => self.cells().back(),
            0x80.. => self.character(byte),
            b'\t' | 0x20..=0x7e => self.show(char::from(byte)),
            control => {
                self.counts.controls += 1;
                self.write_out(format_args!("\\x{control:02x}"));
            }
        }
    }

    fn continues(&self, byte: u8) -> bool {
        byte & 0xc0 == 0x80
    }

    /// A byte of a character that is not ASCII.
    fn character(&mut self, byte: u8) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let found = text.chars().next();
                self.partial.clear();
                if let Some(c) = found {
                    self.unicode(c);
                }
            }
            // It can still become one.
            Err(e) if e.error_len().is_none() => {}
            Err(_) => {
                // Its last byte may begin another.
                let last = self.partial.pop();
                if self.partial.is_empty() {
                    self.partial.extend(last);
                    self.invalid();
                } else {
                    self.invalid();
                    if let Some(byte) = last {
                        self.character(byte);
                    }
                }
            }
        }
    }

    /// What was no character is written out, byte by byte.
    fn invalid(&mut self) {
        for byte in std::mem::take(&mut self.partial) {
            self.counts.invalid += 1;
            self.write_out(format_args!("\\x{byte:02x}"));
        }
    }

    fn unicode(&mut self, c: char) {
        let count = match c {
            '⟦' | '⟧' => &mut self.counts.forged,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                &mut self.counts.bidi
            }
            '\u{e0000}'..='\u{e007f}' => &mut self.counts.tags,
            c if c.is_control() => &mut self.counts.controls,
            c if acts_or_hides(c) => &mut self.counts.hidden,
            c => return self.show(c),
        };
        *count += 1;
        self.write_out(format_args!("\\u{{{:x}}}", u32::from(c)));
    }

    fn show(&mut self, c: char) {
        if self.returned {
            self.cells().home();
            self.returned = false;
        }
        match &mut self.cells {
            Some(cells) => cells.put(c),
            None => self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    fn write_out(&mut self, text: std::fmt::Arguments<'_>) {
        let mut small = [0u8; 16];
        let mut left = &mut small[..];
        let _fits = left.write_fmt(text);
        let used = 16 - left.len();
        small[..used].iter().for_each(|b| self.show(char::from(*b)));
    }

    fn line_feed(&mut self) {
        self.returned = false;
        self.end_cells();
        self.out.push(b'\n');
        self.line = self.out.len();
    }

    /// The line in hand as cells that can be written over.
    fn cells(&mut self) -> &mut Cells {
        let (out, line) = (&mut self.out, self.line);
        self.cells.get_or_insert_with(|| {
            let cells = Cells::new(&String::from_utf8_lossy(&out[line..]));
            out.truncate(line);
            cells
        })
    }

    fn end_cells(&mut self) {
        if let Some(cells) = self.cells.take() {
            self.out.extend_from_slice(cells.text().as_bytes());
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.length = 0;
        self.parameters.clear();
    }

    /// A byte within an escape sequence (ECMA-48 §5.3 to §5.6).
    fn sequence(&mut self, byte: u8) {
        self.length += 1;
        if self.length > LONGEST_SEQUENCE {
            self.end_sequence();
            return self.byte(byte);
        }
        match (self.state, byte) {
            // CAN and SUB end whatever is under way.
            (_, 0x18 | 0x1a) => self.end_sequence(),
            (State::Text { bell: true }, 0x07) => self.end_sequence(),
            (State::Text { bell }, 0x1b) => self.state = State::TextEscape { bell },
            (State::Text { .. }, _) => {}
            (State::TextEscape { .. }, b'\\') => self.end_sequence(),
            // An ESC that ends no string begins another sequence.
            (State::TextEscape { .. }, _) => {
                self.counts.sequences += 1;
                self.begin(State::Escape);
                self.sequence(byte);
            }
            (_, 0x1b) => {
                self.counts.sequences += 1;
                self.begin(State::Escape);
            }
            // Control characters within a sequence act as if they stood before it.
            (_, b'\n') => self.line_feed(),
            (_, b'\t') => self.show('\t'),
            (_, b'\r') => self.returned = true,
            (_, 0x08) => self.cells().back(),
            (_, 0..0x20 | 0x7f) => {}
            (State::Escape, b'[') => self.state = State::Control,
            (State::Escape, b']') => self.state = State::Text { bell: true },
            (State::Escape, b'P' | b'X' | b'^' | b'_') => self.state = State::Text { bell: false },
            (State::Escape | State::Intermediate, 0x20..0x30) => self.state = State::Intermediate,
            (State::Escape | State::Intermediate, 0x30..0x7f) => self.end_sequence(),
            (State::Control, 0x20..0x40) => self.parameters.push(byte),
            (State::Control, 0x40..0x7f) => self.control(byte),
            // No sequence goes on with it: it is text.
            (_, 0x80..) => {
                self.end_sequence();
                self.byte(byte);
            }
            (State::Ground, _) => {}
        }
    }

    /// A control sequence is whole. Those that erase in the line are carried out: progress bars use them.
    fn control(&mut self, last: u8) {
        if last == b'K' && self.parameters.iter().all(u8::is_ascii_digit) {
            let returned = std::mem::take(&mut self.returned);
            let what = self.parameters.last().copied().unwrap_or(b'0');
            let cells = self.cells();
            if returned {
                cells.home();
            }
            match what {
                b'0' => cells.erase_after(),
                b'1' => cells.erase_before(),
                _ => {
                    cells.erase_before();
                    cells.erase_after();
                }
            }
        }
        self.end_sequence();
    }

    fn end_sequence(&mut self) {
        self.counts.sequences += 1;
        self.begin(State::Ground);
    }
}

/// How many bytes from the front are printable ASCII, tabs and line feeds.
fn plain(bytes: &[u8]) -> usize {
    const STEP: usize = 32;
    let is_plain = |b: &u8| (0x20..0x7f).contains(b) || *b == b'\n' || *b == b'\t';
    // Without branches in the step, so that the compiler takes it at once.
    let whole = bytes
        .chunks_exact(STEP)
        .take_while(|step| step.iter().fold(true, |all, b| all & is_plain(b)))
        .count()
        * STEP;
    whole + bytes[whole..].iter().take_while(|b| is_plain(b)).count()
}
