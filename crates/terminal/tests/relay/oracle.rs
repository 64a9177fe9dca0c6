//! Judges of the relay that share no code with it: the `vte` parser with an
//! explicit list of what may occur, and the `vt100` terminal at the real size.

use fumehood_terminal::{Options, Relay, Size, Status};
use std::time::Duration;
use vte::{Params, Perform};

/// A user's terminal that accepts only what is on the list.
pub(crate) struct Terminal {
    screen: vt100::Parser,
    judge: vte::Parser,
    allowed: AllowList,
    size: Size,
    /// Rows of the program.
    rows: u16,
}

impl Terminal {
    pub(crate) fn new(size: Size) -> Self {
        let (rows, cols) = nonzero(size);
        Self {
            screen: vt100::Parser::new(rows, cols, 100_000),
            judge: vte::Parser::new(),
            allowed: AllowList { size },
            size,
            rows: size.inner().rows(),
        }
    }

    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.judge.advance(&mut self.allowed, bytes);
        let text = String::from_utf8(bytes.to_vec()).expect("the terminal gets whole characters");
        self.screen.process(for_vt100(&text).as_bytes());
    }

    /// A terminal without a relay, all of whose rows are the program's.
    pub(crate) fn of_a_program(inner: Size) -> Self {
        Self {
            rows: inner.rows(),
            ..Self::new(inner)
        }
    }

    pub(crate) fn show_unjudged(&mut self, bytes: &[u8]) {
        self.screen.process(bytes);
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.rows = size.inner().rows();
        let (rows, cols) = nonzero(size);
        self.size = size;
        self.allowed.size = size;
        self.screen.set_size(rows, cols);
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Text of a row, counted from zero.
    pub(crate) fn row(&self, row: u16) -> String {
        self.screen()
            .rows(0, self.size.cols())
            .nth(usize::from(row))
            .unwrap_or_default()
    }

    /// All rows but the status row, with every attribute vt100 knows.
    pub(crate) fn picture(&self) -> Vec<Vec<String>> {
        (0..self.rows)
            .map(|row| (0..self.size.cols()).map(|col| self.cell(row, col)).collect())
            .collect()
    }

    fn cell(&self, row: u16, col: u16) -> String {
        let cell = self.screen().cell(row, col).expect("a cell of the screen");
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let mut style = String::new();
        for (on, name) in [
            (cell.bold(), 'b'),
            (cell.dim(), 'd'),
            (cell.italic(), 'i'),
            (cell.underline(), 'u'),
            (cell.inverse(), 'r'),
        ] {
            style.extend(on.then_some(name));
        }
        format!("{text}{style}{:?}{:?}", cell.fgcolor(), cell.bgcolor())
    }

    /// Everything that scrolled off, then the rows of the program, without blank ends.
    pub(crate) fn history(&mut self) -> Vec<String> {
        let screen = self.screen.screen_mut();
        let mut lines = Vec::new();
        for back in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(back);
            lines.extend(screen.rows(0, self.size.cols()).next());
        }
        screen.set_scrollback(0);
        lines.extend(
            screen
                .rows(0, self.size.cols())
                .take(usize::from(self.size.inner().rows())),
        );
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// vt100 refuses U+FFFD, for which any narrow character will do, and knows one kind of underline.
fn for_vt100(text: &str) -> String {
    let text = text.replace('\u{fffd}', "?");
    let mut parts = text.split("\x1b[");
    let mut known = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let (numbers, rest) = part.split_at(end);
        let numbers = ["4:2", "4:3", "4:4", "4:5"]
            .iter()
            .fold(numbers.to_owned(), |n, kind| n.replace(kind, "4"));
        known.extend(["\x1b[", &numbers, rest]);
    }
    known
}

fn nonzero(size: Size) -> (std::num::NonZeroU16, std::num::NonZeroU16) {
    let number = |n| std::num::NonZeroU16::new(n).expect("a size is never zero");
    (number(size.rows()), number(size.cols()))
}

/// Panics at any control function that is not on the list.
struct AllowList {
    size: Size,
}

const MODES: [u16; 13] = [1, 7, 9, 25, 1000, 1002, 1003, 1004, 1006, 1049, 2004, 2026, 2026];

impl AllowList {
    fn is_allowed(&self, params: &[u16], intermediates: &[u8], action: char) -> bool {
        let (rows, cols) = (self.size.rows(), self.size.cols());
        match (intermediates, action, params) {
            (b"", 'H', [0]) => true,
            (b"", 'H', [row, col]) => (1..=rows).contains(row) && (1..=cols).contains(col),
            (b"", 'K' | 'J' | 'r', [0]) => true,
            (b"", 'X', [2]) => true,
            // The region never reaches the status row.
            (b"", 'r', [1, bottom]) => *bottom <= self.size.inner().rows(),
            (b"", 'm', _) => true,
            (b" ", 'q', [shape]) => *shape <= 6,
            (b"?", 'h' | 'l', [mode]) => MODES.contains(mode),
            (b">", 'm', [4, level]) => *level <= 2,
            (b">", 'u', [flags]) | (b"=", 'u', [flags, 1]) => *flags <= 31,
            (b"<", 'u', [0]) => true,
            _ => false,
        }
    }
}

impl Perform for AllowList {
    fn print(&mut self, c: char) {
        let hidden = matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        assert!(!hidden, "U+{:04X} reached the terminal", c as u32);
    }

    fn execute(&mut self, byte: u8) {
        assert!(
            matches!(byte, b'\r' | b'\n' | 7),
            "control {byte:#x} reached the terminal"
        );
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        let flat: Vec<u16> = params.iter().flatten().copied().collect();
        let allowed = !ignore && self.is_allowed(&flat, intermediates, action);
        assert!(
            allowed,
            "CSI {intermediates:?} {flat:?} {action} reached the terminal"
        );
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        let allowed = intermediates.is_empty() && matches!(byte, b'=' | b'>');
        assert!(allowed, "ESC {intermediates:?} {byte:#x} reached the terminal");
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        panic!("OSC {params:?} reached the terminal");
    }

    fn hook(&mut self, _: &Params, intermediates: &[u8], _: bool, action: char) {
        panic!("DCS {intermediates:?} {action} reached the terminal");
    }
}

/// Panics at anything sent to the program that is not a well-formed answer.
pub(crate) fn assert_only_answers(bytes: &[u8]) {
    assert!(bytes.len() <= 4096, "answers are bounded");
    let mut judge = Answers::default();
    vte::Parser::new().advance(&mut judge, bytes);
    assert!(!judge.in_string, "an answer was cut");
}

#[derive(Default)]
struct Answers {
    in_string: bool,
    string: String,
}

impl Answers {
    fn end_string(&mut self) {
        let numbers = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ";: ".contains(c));
        let text = std::mem::take(&mut self.string);
        let (body, last) = text.split_at(text.len() - 1);
        let report = body.strip_prefix("1$r").is_some_and(numbers) && "mqr".contains(last);
        let constant = ["0$r", "0+r", "!|00000000"].contains(&text.as_str());
        assert!(
            report || constant || text.starts_with(">|fumehood("),
            "DCS {text:?} reached the program"
        );
        self.in_string = false;
    }
}

impl Perform for Answers {
    fn print(&mut self, c: char) {
        panic!("{c:?} was typed");
    }

    fn execute(&mut self, byte: u8) {
        panic!("{byte:#x} was typed");
    }

    fn csi_dispatch(&mut self, _: &Params, intermediates: &[u8], _: bool, action: char) {
        let known = matches!(
            (intermediates, action),
            (b"", 'R' | 'n' | 't') | (b"?", 'c' | 'R' | 'n' | 'u') | (b">", 'c' | 'm') | (b"$" | b"?$", 'y')
        );
        assert!(known, "CSI {intermediates:?} {action} reached the program");
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        assert_eq!(byte, b'\\');
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        let texts: Vec<_> = params.iter().map(|part| String::from_utf8_lossy(part)).collect();
        let color = |text: &str| {
            text.strip_prefix("rgb:").is_some_and(|rest| {
                rest.len() == 14 && rest.chars().all(|c| c == '/' || c.is_ascii_hexdigit())
            })
        };
        let known = match texts.as_slice() {
            [number, value] => ["10", "11", "12"].contains(&&**number) && color(value),
            [number, index, value] => number == "4" && index.parse::<u8>().is_ok() && color(value),
            _ => false,
        };
        assert!(known, "OSC {texts:?} reached the program");
    }

    fn hook(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        self.in_string = true;
        let number = params.iter().next().map_or(0, |group| group[0]);
        let start = String::from_utf8_lossy(intermediates).into_owned();
        self.string = match (number, start.as_str()) {
            (0, ">" | "!") => format!("{start}{action}"),
            _ => format!("{number}{start}{action}"),
        };
    }

    fn put(&mut self, byte: u8) {
        self.string.push(char::from(byte));
    }

    fn unhook(&mut self) {
        self.end_string();
    }
}

/// Fails with the first cell that differs.
pub(crate) fn assert_same_picture(one: &[Vec<String>], other: &[Vec<String>]) {
    for (row, (one, other)) in one.iter().zip(other).enumerate() {
        for (col, (one, other)) in one.iter().zip(other).enumerate() {
            assert_eq!(one, other, "at row {row}, column {col}");
        }
    }
}

/// The picture with all blank cells alike.
pub(crate) fn visible(terminal: &Terminal) -> Vec<Vec<String>> {
    let plain = |cell: String| {
        if cell.starts_with(' ') {
            String::new()
        } else {
            cell
        }
    };
    terminal
        .picture()
        .into_iter()
        .map(|row| row.into_iter().map(plain).collect())
        .collect()
}

/// A relay between a program and a terminal, judged at every step.
pub(crate) struct Bench {
    pub(crate) relay: Relay,
    pub(crate) terminal: Terminal,
    pub(crate) now: Duration,
    size: Size,
    status: String,
}

impl Bench {
    pub(crate) fn new(size: Size, options: Options) -> Self {
        let mut bench = Self {
            relay: Relay::new(size, options),
            terminal: Terminal::new(size),
            now: Duration::ZERO,
            size,
            status: String::new(),
        };
        bench.relay.set_status(Status::new("swift-otter"));
        let start = bench.relay.start();
        bench.terminal.show(&start);
        bench.status = bench.terminal.row(size.rows() - 1);
        bench
    }

    /// What the program prints; returns the answers to it.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.now += Duration::from_millis(10);
        let output = self.relay.output(bytes, self.now);
        self.show(&output.to_terminal);
        assert_only_answers(&output.to_pty);
        // A terminal that sent the same would not make the relay type either.
        // A cursor report from row 1 has the form of F3 with modifiers: the one answer that passes.
        let typed = self.relay.input(&output.to_pty);
        let mut typed = String::from_utf8(typed).expect("answers are ASCII");
        (2..=16).for_each(|col| typed = typed.replace(&format!("\x1b[1;{col}R"), ""));
        assert!(
            typed.is_empty() && !self.relay.input_pending(),
            "{typed:?} was typed"
        );
        output.to_pty
    }

    fn show(&mut self, bytes: &[u8]) {
        self.terminal.show(bytes);
        self.assert_at_rest();
    }

    /// The status row is as it was and the cursor is not on it.
    fn assert_at_rest(&self) {
        if self.size.has_status_row() {
            let last = self.size.rows() - 1;
            assert_eq!(self.terminal.row(last), self.status, "the status row was changed");
            let (row, _) = self.terminal.screen().cursor_position();
            assert!(row < last, "the cursor is on the status row");
        }
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
        self.terminal.resize(size);
        let bytes = self.relay.resize(size);
        self.terminal.show(&bytes);
        self.status = self.terminal.row(size.rows() - 1);
        assert!(!size.has_status_row() || " fumehood swift-otter".starts_with(self.status.trim_end()));
        self.assert_at_rest();
    }

    /// Waits for a frame that was left open.
    pub(crate) fn wait(&mut self) {
        self.now += Duration::from_secs(1);
        let bytes = self.relay.tick(self.now);
        self.show(&bytes);
        assert_eq!(self.relay.deadline(), None);
    }

    /// What was painted bit by bit is what is painted at once.
    pub(crate) fn assert_repaint_changes_nothing(&mut self) {
        self.wait();
        let before = self.terminal.picture();
        let bytes = self.relay.repaint();
        self.show(&bytes);
        assert_same_picture(&before, &self.terminal.picture());
    }

    /// Ends the relay; the terminal is as it was found.
    pub(crate) fn finish(mut self) -> Terminal {
        let bytes = self.relay.finish();
        self.terminal.show(&bytes);
        let screen = self.terminal.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert!(!screen.application_cursor() && !screen.application_keypad());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(
            screen.mouse_protocol_encoding(),
            vt100::MouseProtocolEncoding::Default
        );
        assert_eq!(
            (screen.fgcolor(), screen.bgcolor(), screen.inverse()),
            Default::default()
        );
        if self.size.has_status_row() {
            assert_eq!(
                self.terminal.row(self.size.rows() - 1),
                "",
                "the status row stayed"
            );
        }
        self.terminal
    }
}
