//! Any bytes as a file: its text acts on nothing and hides nothing, has the file's lines, is the same however it is cut, and
//! is the file's own where nothing in it had to be written out; pages of it hold all of it, within their bounds.
#![no_main]

use fumehood_output::{Literal, Page, page};
use fumehood_policy::escape::acts_or_hides;
use libfuzzer_sys::fuzz_target;
use std::io::{BufReader, Read};

/// Gives at most so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn shown(bytes: &[u8], piece: usize) -> (String, u64, u64) {
    let mut literal = Literal::new(Pieces(bytes, piece));
    let mut text = String::new();
    literal.read_to_string(&mut text).expect("it is UTF-8");
    (text, literal.written_out(), literal.dos())
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let (text, written_out, dos) = shown(data, usize::MAX);
    assert_eq!(
        shown(data, 1 + usize::from(first & 7)),
        (text.clone(), written_out, dos)
    );
    let plain = |c: char| matches!(c, '\n' | '\t') || !acts_or_hides(c) && !matches!(c, '⟦' | '⟧');
    assert!(text.chars().all(plain));
    let lines = |text: &[u8]| text.iter().filter(|b| **b == b'\n').count();
    assert_eq!(lines(text.as_bytes()), lines(data));
    if written_out == 0 {
        assert_eq!(
            text.as_bytes(),
            String::from_utf8_lossy(data).replace("\r\n", "\n").as_bytes()
        );
    }
    let mut from = 1;
    let mut all = String::new();
    loop {
        let wanted = Page {
            from_line: from,
            most: Some(1024),
            grep: None,
        };
        let read = page(&mut BufReader::with_capacity(7, text.as_bytes()), &wanted).expect("it is in memory");
        assert!(read.text.len() <= 1024);
        all.push_str(&read.text);
        match read.next_line {
            Some(next) => {
                assert!(next > from);
                from = next;
            }
            None => break,
        }
    }
    // Only a line that is too long for a page is not whole in it.
    if text.lines().all(|line| line.len() < 1024) {
        assert_eq!(
            all.strip_suffix('\n').unwrap_or(&all),
            text.strip_suffix('\n').unwrap_or(&text)
        );
    }
});
