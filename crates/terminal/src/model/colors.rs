//! Colour queries. Changing colours is not among a program's means.

use super::Model;
use super::strings::split_at_semicolon;
use crate::options::Rgb;

impl Model {
    /// OSC 4: pairs of index and `?`.
    pub(super) fn report_palette(&mut self, mut pairs: &[u8], end: &str) {
        while !pairs.is_empty() {
            let (index, rest) = split_at_semicolon(pairs);
            let (value, rest) = split_at_semicolon(rest);
            pairs = rest;
            let index = std::str::from_utf8(index)
                .ok()
                .and_then(|text| text.parse::<u8>().ok());
            if let (Some(index), b"?") = (index, value) {
                let color = palette(index);
                self.answers.add(format_args!("\x1b]4;{index};{color}{end}"));
            }
        }
    }

    /// OSC 10, 11, 12; further question marks ask for the next number.
    pub(super) fn report_dynamic_colors(&mut self, first: &[u8], rest: &[u8], end: &str) {
        let numbers: &[u8] = match first {
            b"10" => &[10, 11, 12],
            b"11" => &[11, 12],
            _ => &[12],
        };
        for (number, value) in numbers.iter().zip(rest.split(|byte| *byte == b';')) {
            if value == b"?" {
                let color = if *number == 11 {
                    self.options.background
                } else {
                    self.options.foreground
                };
                self.answers.add(format_args!("\x1b]{number};{color}{end}"));
            }
        }
    }
}

impl std::fmt::Display for Rgb {
    /// XParseColor's form with sixteen bits a channel, as xterm answers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(r, g, b) = self;
        write!(f, "rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}")
    }
}

impl Rgb {
    /// Perceived lightness above the middle (ITU-R BT.601 luma).
    pub(super) fn is_light(self) -> bool {
        let [r, g, b] = [self.0, self.1, self.2].map(u32::from);
        (299 * r + 587 * g + 114 * b) / 1000 > 127
    }
}

/// xterm's first sixteen colours.
const BASIC: [Rgb; 16] = [
    Rgb(0, 0, 0),
    Rgb(205, 0, 0),
    Rgb(0, 205, 0),
    Rgb(205, 205, 0),
    Rgb(0, 0, 238),
    Rgb(205, 0, 205),
    Rgb(0, 205, 205),
    Rgb(229, 229, 229),
    Rgb(127, 127, 127),
    Rgb(255, 0, 0),
    Rgb(0, 255, 0),
    Rgb(255, 255, 0),
    Rgb(92, 92, 255),
    Rgb(255, 0, 255),
    Rgb(0, 255, 255),
    Rgb(255, 255, 255),
];

/// xterm's 256 colours: the sixteen, a cube of six, a ramp of grey.
fn palette(index: u8) -> Rgb {
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match index {
        0..=15 => BASIC[usize::from(index)],
        16..=231 => {
            let n = index - 16;
            Rgb(level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        _ => {
            let grey = 8 + 10 * (index - 232);
            Rgb(grey, grey, grey)
        }
    }
}
