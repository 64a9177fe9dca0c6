//! Pages of a text: from a line on, as much as fits, or only lines that match. Constant memory, also where a line is
//! as long as the text.

use crate::line::{Gathered, cut};
use crate::window::{DEFAULT_BUDGET, LEAST_BUDGET, MOST_BUDGET};
use regex_lite::Regex;
use std::io::{self, BufRead};
use std::time::{Duration, Instant};

/// Bytes at the beginning of a line that an expression is looked for in.
pub(crate) const SEARCHED: usize = 1024 * 1024;
/// Why an output is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No name of an output.
    #[error("this is no handle of an output; a tool's result names it, out_ and 32 digits")]
    Handle,
    /// This session has none of that name.
    #[error("this session kept no output of that name; call the tool again")]
    Unknown,
    /// The expression does not compile.
    #[error("grep is no regular expression: {0}")]
    Grep(String),
    /// The file cannot be read.
    #[error("the output cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What of an output is asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The first line, from 1; 0 is the first too.
    pub from_line: u64,
    /// Bytes at most.
    pub most: Option<usize>,
    /// Only lines that match.
    pub grep: Option<String>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its text; where only some lines were asked for, each after its number.
    pub text: String,
    /// The line to go on with; none at the end.
    pub next_line: Option<u64>,
    /// Lines of the whole output.
    pub lines: u64,
    /// Lines from the first on that are longer than 1 MiB, and had no match in their first MiB: the rest of them was not
    /// searched.
    pub searched_in_part: u64,
}

/// An expression that compiles within its bounds; the engine is linear in the text.
///
/// # Errors
/// It is too long, too large, or none.
pub fn expression(text: &str) -> Result<Regex, ReadError> {
    if text.len() > 1024 {
        return Err(ReadError::Grep("it is longer than 1024 bytes".to_owned()));
    }
    regex_lite::RegexBuilder::new(text)
        .size_limit(1 << 20)
        .build()
        .map_err(|e| ReadError::Grep(e.to_string()))
}

/// How long an expression is looked for; what is left is the next page's.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines from `from` on, as far as the bound goes. Of a line no more is in memory than is shown and searched.
///
/// # Errors
/// The text cannot be read, or the page's expression is none.
pub fn page(reader: &mut impl BufRead, page: &Page) -> Result<Read, ReadError> {
    page_after(reader, 0, page)
}

/// Likewise, where so many lines are before what is read.
pub(crate) fn page_after(reader: &mut impl BufRead, before: u64, page: &Page) -> Result<Read, ReadError> {
    page_within(reader, before, page, PATIENCE)
}

fn page_within(
    reader: &mut impl BufRead,
    mut number: u64,
    page: &Page,
    patience: Duration,
) -> Result<Read, ReadError> {
    let from = page.from_line.max(1);
    let grep: Option<Regex> = page.grep.as_deref().map(expression).transpose()?;
    let most = page
        .most
        .unwrap_or(DEFAULT_BUDGET)
        .clamp(LEAST_BUDGET, MOST_BUDGET);
    let mut out = Read {
        text: String::new(),
        next_line: None,
        lines: 0,
        searched_in_part: 0,
    };
    let mut line = Line::default();
    let begun = Instant::now();
    loop {
        // Those before and after the page are only counted.
        let wanted = number + 1 >= from && out.next_line.is_none();
        if !line.read(reader, wanted, grep.is_some())? {
            break;
        }
        number += 1;
        if !wanted {
            continue;
        }
        let (mut text, length) = line.take();
        if let Some(grep) = &grep {
            let found = grep.is_match(&String::from_utf8_lossy(&line.searched));
            if begun.elapsed() >= patience {
                out.next_line = Some(number + 1);
            }
            if !found {
                out.searched_in_part += u64::from(length > line.searched.len() as u64);
                continue;
            }
            text.insert_str(0, &format!("{number}:"));
        }
        if text.len() + 1 > most {
            text.truncate(cut(&text, most - 1));
        }
        if out.text.len() + text.len() + 1 > most {
            out.next_line = Some(number);
            continue;
        }
        out.text.push_str(&text);
        out.text.push('\n');
    }
    out.lines = number;
    Ok(out)
}

/// One line of any length, as much of it as is needed.
#[derive(Debug, Default)]
pub struct Line {
    shown: Gathered,
    searched: Vec<u8>,
}

impl Line {
    /// Its beginning, at most 1 MiB, where that was to be searched.
    #[must_use]
    pub fn searched(&self) -> &[u8] {
        &self.searched
    }

    /// As it is shown, its middle left out where it is long; and its bytes.
    pub fn take(&mut self) -> (String, u64) {
        self.shown.take()
    }

    /// Reads the next one, its line feed too; false where there is none. Only one that is wanted is looked at.
    ///
    /// # Errors
    /// The reader's.
    pub fn read(&mut self, reader: &mut impl BufRead, wanted: bool, search: bool) -> io::Result<bool> {
        self.shown = Gathered::default();
        self.searched.clear();
        let mut any = false;
        loop {
            let bytes = match reader.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if wanted {
                self.shown.push(part);
            }
            if wanted && search {
                let room = SEARCHED - self.searched.len();
                self.searched.extend_from_slice(&part[..part.len().min(room)]);
            }
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that never holds more than a piece, of a long line.
    struct Endless {
        piece: Vec<u8>,
        left: u64,
    }

    impl io::Read for Endless {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("lines are read through the buffer")
        }
    }

    impl BufRead for Endless {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX);
            Ok(&self.piece[..self.piece.len().min(most)])
        }

        fn consume(&mut self, n: usize) {
            self.left -= n as u64;
        }
    }

    /// An expression that costs much is looked for a while; where it was not, the next page begins.
    #[test]
    fn a_search_that_takes_long_goes_on_in_the_next_page() {
        let mut from = 1;
        let mut all = String::new();
        for wanted in [Some(2), Some(3), Some(4), None] {
            let page = Page {
                from_line: from,
                most: None,
                grep: Some("a".to_owned()),
            };
            let mut text: &[u8] = b"a1\nb2\na3\n";
            let read = page_within(&mut text, 0, &page, Duration::ZERO).unwrap();
            assert_eq!((read.next_line, read.lines), (wanted, 3));
            all.push_str(&read.text);
            from = wanted.unwrap_or(from);
        }
        assert_eq!(all, "1:a1\n3:a3\n");
    }

    #[test]
    fn a_line_of_any_length_takes_bounded_memory() {
        let length = 32 * 1024 * 1024;
        let endless = || Endless {
            piece: vec![b'x'; 64 * 1024],
            left: length,
        };
        for (wanted, search) in [(false, true), (true, false), (true, true)] {
            let mut line = Line::default();
            assert!(line.read(&mut endless(), wanted, search).unwrap());
            assert!(line.searched.capacity() <= 2 * SEARCHED);
            assert_eq!(line.searched.len(), if wanted && search { SEARCHED } else { 0 });
            let (shown, told) = line.shown.take();
            assert!(shown.len() < 4096);
            assert_eq!(told, if wanted { length } else { 0 });
        }
    }
}
