//! Outputs kept whole: named by what they hold, read in pages, searched by lines.
//!
//! What is kept is the cleaned and redacted text, never a program's bytes: no secret is at rest, and no page needs to
//! be cleaned again. A session reads its own outputs only: the name depends on the session, and its folder is its own.

use crate::line::{Gathered, cut};
use crate::window::{LEAST_BUDGET, MOST_BUDGET};
use regex_lite::Regex;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Bytes of one output; what comes after is not kept, and its maker is to be ended.
pub const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes at the beginning of a line that an expression is looked for in.
const SEARCHED: usize = 1024 * 1024;
/// Lines between two places of the index.
const STRIDE: u64 = 4096;

/// The name of a kept output: `out_` and 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    fn of(session: &str, digest: &[u8; 32]) -> Handle {
        let mut hash = Sha256::new();
        hash.update(b"fumehood output 1\0");
        hash.update((session.len() as u64).to_be_bytes());
        hash.update(session);
        hash.update(digest);
        let mut name = "out_".to_owned();
        for byte in hash.finalize().iter().take(16) {
            let _in_memory = write!(name, "{byte:02x}");
        }
        Handle(name)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Handle {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Handle, ReadError> {
        let digits = text.strip_prefix("out_").unwrap_or_default();
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digits.len() == 32 && digits.bytes().all(hex) {
            Ok(Handle(text.to_owned()))
        } else {
            Err(ReadError::Handle)
        }
    }
}

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

/// Outputs of one session.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    session: String,
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

impl Store {
    /// The store in this folder, which is made, for one session, named by a plain file's name.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path, session: &str) -> io::Result<Store> {
        let plain = !session.is_empty()
            && session
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no name of a session",
            ));
        }
        let folder = folder.join(session);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Store {
            folder,
            session: session.to_owned(),
        })
    }

    /// Begins to keep an output.
    ///
    /// # Errors
    /// No file can be made.
    pub fn begin(&self) -> io::Result<Writing> {
        let mut n = 0u32;
        loop {
            let part = self.folder.join(format!("part-{}-{n}", std::process::id()));
            let made = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&part);
            match made {
                Ok(file) => {
                    return Ok(Writing {
                        file: BufWriter::with_capacity(64 * 1024, file),
                        part,
                        hash: Sha256::new(),
                        bytes: 0,
                        lines: 0,
                        index: Vec::new(),
                        full: false,
                        done: false,
                    });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < 10_000 => n += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Keeps what was written, under its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, mut writing: Writing) -> io::Result<Handle> {
        writing.file.flush()?;
        let digest: [u8; 32] = std::mem::take(&mut writing.hash).finalize().into();
        let handle = Handle::of(&self.session, &digest);
        let index: Vec<u8> = writing.index.iter().flat_map(|at| at.to_le_bytes()).collect();
        let mut places = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.folder.join(format!("{handle}.lines")))?;
        places.write_all(&index)?;
        std::fs::rename(&writing.part, self.folder.join(handle.as_str()))?;
        writing.done = true;
        Ok(handle)
    }

    /// Reads a page.
    ///
    /// # Errors
    /// There is no such output, or the expression is none.
    pub fn read(&self, handle: &Handle, page: &Page) -> Result<Read, ReadError> {
        let grep = page.grep.as_deref().map(expression).transpose()?;
        let path = self.folder.join(handle.as_str());
        let file = File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ReadError::Unknown,
            _ => ReadError::Io(e),
        })?;
        let index = std::fs::read(self.folder.join(format!("{handle}.lines")))?;
        let from = page.from_line.max(1);
        let stride = (from - 1) / STRIDE;
        let (skipped, at) = place(&index, stride);
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        reader.seek(SeekFrom::Start(at))?;
        let most = page.most.unwrap_or(crate::window::DEFAULT_BUDGET);
        collect(
            &mut reader,
            skipped * STRIDE,
            from,
            grep.as_ref(),
            most.clamp(LEAST_BUDGET, MOST_BUDGET),
        )
    }

    /// Forgets the oldest outputs until all together have at most so many bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn prune(&self, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b"out_") {
                let data = entry.metadata()?;
                files.push((data.modified()?, entry.path(), data.len()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(.., length)| length).sum();
        for (_, path, length) in files {
            if total <= most {
                break;
            }
            std::fs::remove_file(path)?;
            total -= length;
        }
        Ok(())
    }
}

fn expression(text: &str) -> Result<Regex, ReadError> {
    if text.len() > 1024 {
        return Err(ReadError::Grep("it is longer than 1024 bytes".to_owned()));
    }
    regex_lite::RegexBuilder::new(text)
        .size_limit(1 << 20)
        .build()
        .map_err(|e| ReadError::Grep(e.to_string()))
}

/// The nearest place of the index at or before this one: (which, its offset).
fn place(index: &[u8], wanted: u64) -> (u64, u64) {
    let at = |n: u64| -> Option<u64> {
        let begin = usize::try_from(n.checked_sub(1)?).ok()?.checked_mul(8)?;
        let bytes: [u8; 8] = index.get(begin..begin.checked_add(8)?)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let known = wanted.min(index.len() as u64 / 8);
    (known, at(known).unwrap_or(0))
}

/// Lines from `from` on, as far as the bound goes. Of a line no more is in memory than is shown and searched.
fn collect(
    reader: &mut impl BufRead,
    mut number: u64,
    from: u64,
    grep: Option<&Regex>,
    most: usize,
) -> Result<Read, ReadError> {
    let mut out = Read {
        text: String::new(),
        next_line: None,
        lines: 0,
        searched_in_part: 0,
    };
    let mut line = Line::default();
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
        let (mut text, length) = line.shown.take();
        if let Some(grep) = grep {
            if !grep.is_match(&String::from_utf8_lossy(&line.searched)) {
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
struct Line {
    shown: Gathered,
    searched: Vec<u8>,
}

impl Line {
    /// Reads the next one, its line feed too; false where there is none. Only one that is wanted is looked at.
    fn read(&mut self, reader: &mut impl BufRead, wanted: bool, search: bool) -> io::Result<bool> {
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

/// An output on its way into the store. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Writing {
    file: BufWriter<File>,
    part: PathBuf,
    hash: Sha256,
    bytes: u64,
    lines: u64,
    /// Where every [`STRIDE`]th line begins, the first left out.
    index: Vec<u64>,
    full: bool,
    done: bool,
}

impl Writing {
    /// Some text more. Past [`MOST_BYTES`] nothing is kept.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, text: &[u8]) -> io::Result<()> {
        let room = usize::try_from(MOST_BYTES - self.bytes).unwrap_or(usize::MAX);
        let text = &text[..text.len().min(room)];
        self.full |= text.len() == room;
        for at in memchr::memchr_iter(b'\n', text) {
            self.lines += 1;
            if self.lines.is_multiple_of(STRIDE) {
                self.index.push(self.bytes + at as u64 + 1);
            }
        }
        self.bytes += text.len() as u64;
        self.hash.update(text);
        self.file.write_all(text)
    }

    /// Whether it holds as much as one output may.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.done {
            let _gone = std::fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(store: &Store, text: &str) -> Handle {
        let mut writing = store.begin().unwrap();
        text.as_bytes()
            .chunks(1000)
            .for_each(|c| writing.push(c).unwrap());
        store.keep(writing).unwrap()
    }

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn pages_go_on_where_they_ended() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s1").unwrap();
        let text: String = (1..=20_000).map(|n| format!("line {n}\n")).collect();
        let handle = kept(&store, &text);
        let mut all = String::new();
        let mut from = 1;
        loop {
            let page = Page {
                from_line: from,
                most: Some(4000),
                grep: None,
            };
            let read = store.read(&handle, &page).unwrap();
            assert!(read.text.len() <= 4000 && read.lines == 20_000);
            all.push_str(&read.text);
            match read.next_line {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(all, text);
        let found = store
            .read(
                &handle,
                &Page {
                    grep: Some("^line 1999[89]$".to_owned()),
                    ..Page::default()
                },
            )
            .unwrap();
        assert_eq!(found.text, "19998:line 19998\n19999:line 19999\n");
        let late = store
            .read(
                &handle,
                &Page {
                    from_line: 4097,
                    most: Some(1024),
                    grep: None,
                },
            )
            .unwrap();
        assert!(late.text.starts_with("line 4097\n"));
        assert_eq!(
            store
                .read(
                    &handle,
                    &Page {
                        from_line: 30_000,
                        ..Page::default()
                    }
                )
                .unwrap()
                .text,
            ""
        );
    }

    #[test]
    fn the_same_text_has_one_name_and_another_session_none() {
        let dir = tempfile::tempdir().unwrap();
        let one = Store::open(dir.path(), "s1").unwrap();
        let two = Store::open(dir.path(), "s2").unwrap();
        let handle = kept(&one, "secret of s1\n");
        assert_eq!(kept(&one, "secret of s1\n"), handle);
        assert_eq!(names(&dir.path().join("s1")), 2);
        assert!(matches!(
            two.read(&handle, &Page::default()),
            Err(ReadError::Unknown)
        ));
        let same = kept(&two, "secret of s1\n");
        assert_ne!(same, handle);
        assert!(matches!(
            one.read(&same, &Page::default()),
            Err(ReadError::Unknown)
        ));
    }

    #[test]
    fn a_handle_is_no_path() {
        for text in [
            "",
            "out_",
            "../s1/x",
            "out_../../etc/passwd/aaaaaaaaaaaaaaaa",
            "out_0123456789ABCDEF0123456789ABCDEF",
            "out_0123456789abcdef0123456789abcde/",
        ] {
            assert!(text.parse::<Handle>().is_err(), "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        for session in ["", "..", "a/b", "."] {
            assert!(Store::open(dir.path(), session).is_err());
        }
    }

    #[test]
    fn what_was_begun_and_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s").unwrap();
        let mut writing = store.begin().unwrap();
        writing.push(b"half").unwrap();
        assert_eq!(names(&dir.path().join("s")), 1);
        drop(writing);
        assert_eq!(names(&dir.path().join("s")), 0);
    }

    #[test]
    fn long_lines_and_bad_expressions() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s").unwrap();
        let handle = kept(&store, &format!("{}\nend\n", "é".repeat(100_000)));
        let read = store
            .read(
                &handle,
                &Page {
                    most: Some(1024),
                    ..Page::default()
                },
            )
            .unwrap();
        assert!(read.text.len() <= 1024 && read.next_line == Some(2));
        for grep in ["(", r"\x{10FFFF}{1000}{1000}", &"a".repeat(2000)] {
            let page = Page {
                grep: Some(grep.to_owned()),
                ..Page::default()
            };
            assert!(matches!(store.read(&handle, &page), Err(ReadError::Grep(_))));
        }
    }

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

    #[test]
    fn a_line_of_any_length_takes_bounded_memory() {
        let length = MOST_BYTES / 8;
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

    #[test]
    fn a_line_that_is_searched_in_part_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s").unwrap();
        let long = "x".repeat(SEARCHED);
        let handle = kept(&store, &format!("early {long}\n{long} late\nlate\n"));
        let find = |grep: &str| {
            let page = Page {
                grep: Some(grep.to_owned()),
                ..Page::default()
            };
            store.read(&handle, &page).unwrap()
        };
        let early = find("early");
        assert!(early.text.starts_with("1:early xx") && early.text.ends_with("xx\n"));
        assert_eq!((early.searched_in_part, early.lines), (1, 3));
        let late = find("late");
        assert_eq!((late.text.as_str(), late.searched_in_part), ("3:late\n", 2));
        // Exactly as long as is searched: the whole of it was.
        let fits = kept(&store, &format!("{}\n", "x".repeat(SEARCHED)));
        let page = Page {
            grep: Some("late".to_owned()),
            ..Page::default()
        };
        assert_eq!(store.read(&fits, &page).unwrap().searched_in_part, 0);
    }

    #[test]
    fn the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s").unwrap();
        let old = kept(&store, &"a".repeat(1000));
        let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        File::options()
            .write(true)
            .open(dir.path().join("s").join(old.as_str()))
            .unwrap()
            .set_modified(ago)
            .unwrap();
        let new = kept(&store, &"b".repeat(1000));
        store.prune(1500).unwrap();
        assert!(matches!(
            store.read(&old, &Page::default()),
            Err(ReadError::Unknown)
        ));
        assert!(store.read(&new, &Page::default()).is_ok());
    }
}
