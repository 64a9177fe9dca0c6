//! Any bytes as a program's output: what is shown and kept acts on nothing, hides nothing, holds no secret, fits its
//! budget, and is the same however it is cut; the characters printed are those that another parser of terminals prints.
#![no_main]

use fumehood_output::{Cleaner, Format, Output};
use fumehood_redact::Forbidden;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const SECRET: &[u8] = b"s3cr3t-aabbccdd";
const FORMATS: [Format; 9] = [
    Format::Libtest,
    Format::Junit,
    Format::Pytest,
    Format::GoTest,
    Format::Tap,
    Format::Cargo,
    Format::Diagnostics,
    Format::Diff,
    Format::Json,
];

#[derive(Default)]
struct Printed(String);

impl vte::Perform for Printed {
    fn print(&mut self, c: char) {
        self.0.push(c);
    }
    fn execute(&mut self, byte: u8) {
        if byte == b'\n' || byte == b'\t' {
            self.0.push(char::from(byte));
        }
    }
}

fn clean(pieces: [&[u8]; 2]) -> String {
    let mut out = Vec::new();
    let mut cleaner = Cleaner::default();
    let mut to = |text: &[u8]| out.extend_from_slice(text);
    pieces.iter().for_each(|p| cleaner.push(p, &mut to));
    cleaner.finish(&mut to);
    String::from_utf8(out).expect("UTF-8")
}

fuzz_target!(|data: &[u8]| {
    let Some(([cut, kind], bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let pieces: [&[u8]; 2] = bytes.split_at(usize::from(*cut).min(bytes.len())).into();
    let text = clean(pieces);
    assert_eq!(text, clean([bytes, &[]]));
    let acts =
        |c: char| (fumehood_policy::escape::acts_or_hides(c) && c != '\n' && c != '\t') || "⟦⟧".contains(c);
    assert!(!text.chars().any(acts), "{text:?}");

    // Where nothing is written over, erased, written out or too long, the other parser prints the same.
    let simple = |b: &u8| matches!(b, b'\n' | b'\t' | 0x1b | 0x20..=0x7e) && *b != b'K';
    if bytes.len() < 4000 && bytes.iter().all(simple) {
        let mut printed = Printed::default();
        vte::Parser::new().advance(&mut printed, bytes);
        assert_eq!(text, printed.0, "{:?}", String::from_utf8_lossy(bytes));
    }

    let forbidden = Arc::new(Forbidden::new([(SECRET, &[b'*'; SECRET.len()][..])]));
    let format = FORMATS[usize::from(*kind) % FORMATS.len()];
    let mut output = Output::new(1024, forbidden, Some(format));
    pieces.iter().for_each(|p| output.push(p));
    let done = output.finish(None).expect("nothing is written");
    assert!(done.shown.text.len() <= 1024);
    assert!(
        !done
            .shown
            .text
            .as_bytes()
            .windows(SECRET.len())
            .any(|w| w == SECRET)
    );
    assert_eq!(done.shown.lines, text.lines().count() as u64);
    if let Some(summary) = done.summary {
        assert!(summary.to_string().len() < 64 * 1024);
    }
});
