//! Select Graphic Rendition: read from the program, written for the terminal.

use crate::params::{Groups, Params};
use crate::style::{ATTRIBUTES, Attribute, Color, ColorKind, Style};

/// Applies `CSI … m` to a style; unknown numbers change nothing.
pub(crate) fn apply(style: &mut Style, params: &Params) {
    let mut groups = params.groups();
    while let Some(group) = groups.next() {
        match group[0] {
            38 => set_color(&mut style.fg, group, &mut groups),
            48 => set_color(&mut style.bg, group, &mut groups),
            58 => set_color(&mut style.line, group, &mut groups),
            code => apply_code(style, code, group.get(1).copied()),
        }
    }
}

fn apply_code(style: &mut Style, code: u16, sub: Option<u16>) {
    match code {
        0 => *style = Style::PLAIN,
        4 => style.set_underline(sub.map_or(1, |kind| kind.min(5) as u8)),
        6 => style.set(Attribute::Blink, true),
        21 => style.set_underline(2),
        22 => {
            style.set(Attribute::Bold, false);
            style.set(Attribute::Dim, false);
        }
        23 => style.set(Attribute::Italic, false),
        24 => style.set_underline(0),
        25 => style.set(Attribute::Blink, false),
        27 => style.set(Attribute::Inverse, false),
        28 => style.set(Attribute::Hidden, false),
        29 => style.set(Attribute::Strike, false),
        55 => style.set(Attribute::Overline, false),
        30..=37 => style.fg = Color::basic((code - 30) as u8),
        39 => style.fg = Color::DEFAULT,
        40..=47 => style.bg = Color::basic((code - 40) as u8),
        49 => style.bg = Color::DEFAULT,
        59 => style.line = Color::DEFAULT,
        90..=97 => style.fg = Color::basic((code - 90 + 8) as u8),
        100..=107 => style.bg = Color::basic((code - 100 + 8) as u8),
        _ => {
            let known = ATTRIBUTES.iter().find(|(_, number)| u16::from(*number) == code);
            known.inspect(|(attribute, _)| style.set(*attribute, true));
        }
    }
}

/// Both spellings: `38:2::r:g:b` (ISO 8613-6) and the older `38;2;r;g;b`.
fn set_color(slot: &mut Color, group: &[u16], rest: &mut Groups<'_>) {
    let color = if group.len() > 1 {
        joined_color(&group[1..])
    } else {
        separate_color(rest)
    };
    if let Some(color) = color {
        *slot = color;
    }
}

fn joined_color(parts: &[u16]) -> Option<Color> {
    match *parts {
        [5, index, ..] => indexed(index),
        [2, r, g, b] | [2, _, r, g, b, ..] => rgb(r, g, b),
        _ => None,
    }
}

fn separate_color(rest: &mut Groups<'_>) -> Option<Color> {
    let mut next = || rest.next().map(|group| group[0]);
    match next()? {
        5 => indexed(next()?),
        2 => rgb(next()?, next()?, next()?),
        _ => None,
    }
}

fn indexed(index: u16) -> Option<Color> {
    u8::try_from(index).ok().map(Color::indexed)
}

fn rgb(r: u16, g: u16, b: u16) -> Option<Color> {
    let byte = |n: u16| u8::try_from(n).ok();
    Some(Color::rgb(byte(r)?, byte(g)?, byte(b)?))
}

/// Writes what takes a terminal from one style to another; nothing if they are equal.
pub(crate) fn write_change(from: Style, to: Style, out: &mut Vec<u8>) {
    if from == to {
        return;
    }
    out.extend_from_slice(b"\x1b[");
    if to != Style::PLAIN {
        if from.only_grows_to(to) {
            write_numbers(from, to, out);
        } else {
            out.extend_from_slice(b"0;");
            write_numbers(Style::PLAIN, to, out);
        }
        out.pop(); // every number leaves a separator behind
    }
    out.push(b'm');
}

/// The numbers alone that take the default style to `style`, as DECRQSS reports them.
pub(crate) fn write_report(style: Style, out: &mut Vec<u8>) {
    out.push(b'0');
    if style != Style::PLAIN {
        out.push(b';');
        write_numbers(Style::PLAIN, style, out);
        out.pop();
    }
}

fn write_numbers(from: Style, to: Style, out: &mut Vec<u8>) {
    for (attribute, number) in ATTRIBUTES {
        if to.has(attribute) && !from.has(attribute) {
            write_number(number, out);
            out.push(b';');
        }
    }
    if to.underline() != from.underline() {
        write_underline(to.underline(), out);
    }
    if to.fg != from.fg {
        write_color(to.fg, 30, out);
    }
    if to.bg != from.bg {
        write_color(to.bg, 40, out);
    }
    if to.line != from.line {
        write_line_color(to.line, out);
    }
}

/// A plain underline in the form that every terminal knows.
fn write_underline(kind: u8, out: &mut Vec<u8>) {
    out.push(b'4');
    if kind != 1 {
        out.push(b':');
        write_number(kind, out);
    }
    out.push(b';');
}

fn write_color(color: Color, base: u8, out: &mut Vec<u8>) {
    match color.kind() {
        ColorKind::Default => write_number(base + 9, out),
        ColorKind::Basic(i @ 0..=7) => write_number(base + i, out),
        ColorKind::Basic(i) => write_number(base + 60 + i - 8, out),
        ColorKind::Indexed(i) => {
            write_number(base + 8, out);
            out.extend_from_slice(b";5;");
            write_number(i, out);
        }
        ColorKind::Rgb(r, g, b) => {
            write_number(base + 8, out);
            out.extend_from_slice(b";2");
            for part in [r, g, b] {
                out.push(b';');
                write_number(part, out);
            }
        }
    }
    out.push(b';');
}

/// Colons only: with semicolons a terminal that does not know 58 would read
/// the numbers behind it as attributes of their own.
fn write_line_color(color: Color, out: &mut Vec<u8>) {
    match color.kind() {
        ColorKind::Default => out.extend_from_slice(b"59"),
        ColorKind::Basic(i) | ColorKind::Indexed(i) => {
            out.extend_from_slice(b"58:5:");
            write_number(i, out);
        }
        ColorKind::Rgb(r, g, b) => {
            out.extend_from_slice(b"58:2:");
            for part in [r, g, b] {
                out.push(b':');
                write_number(part, out);
            }
        }
    }
    out.push(b';');
}

fn write_number(n: u8, out: &mut Vec<u8>) {
    crate::number::write(u16::from(n), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(sgr: &str) -> Style {
        let mut params = Params::default();
        for byte in sgr.bytes() {
            match byte {
                b';' | b':' => params.separator(byte == b':'),
                digit => params.digit(digit),
            }
        }
        let mut style = Style::PLAIN;
        apply(&mut style, &params);
        style
    }

    fn change(from: &str, to: &str) -> String {
        let mut out = Vec::new();
        write_change(style(from), style(to), &mut out);
        String::from_utf8_lossy(&out).replace('\x1b', "ESC")
    }

    #[test]
    fn written_styles_read_back() {
        for sgr in [
            "1;3;9;53",
            "2;4:3;58:2::1:2:3",
            "38;5;200;48;2;9;8;7",
            "97;101;21",
            "38:2:1:2:3",
            "58:5:9;4",
            "38;5;1;48;5;9",
        ] {
            let text = change("0", sgr);
            let numbers = text.trim_start_matches("ESC[").trim_end_matches('m');
            assert_eq!(style(numbers), style(sgr), "{sgr} became {text}");
        }
    }

    #[test]
    fn only_what_changes_is_written() {
        assert_eq!(change("1;31", "1;31"), "");
        assert_eq!(change("1;31", "1;32"), "ESC[32m");
        assert_eq!(change("1;31", "31"), "ESC[0;31m");
        assert_eq!(change("1;31", "0"), "ESC[m");
        assert_eq!(change("31", "1"), "ESC[1;39m");
        assert_eq!(change("4:3", "4"), "ESC[4m");
    }

    #[test]
    fn nonsense_changes_nothing() {
        assert_eq!(style("38;5;999"), Style::PLAIN);
        assert_eq!(style("38;2;1"), Style::PLAIN);
        assert_eq!(style("38:7:1"), Style::PLAIN);
        assert_eq!(style("777"), Style::PLAIN);
    }
}
