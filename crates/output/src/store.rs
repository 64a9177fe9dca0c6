//! Outputs kept whole: named by what they hold, read in pages, searched by lines.
//!
//! What is kept is the cleaned and redacted text, never a program's bytes: no secret is at rest, and no page needs to
//! be cleaned again. A session reads its own outputs only: the name depends on the session, and its folder is its own.

use crate::page::{Page, Read, ReadError, expression, page_after};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Bytes of one output; what comes after is not kept, and its maker is to be ended.
pub const MOST_BYTES: u64 = 256 * 1024 * 1024;
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

/// Outputs of one session.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    session: String,
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
        // Before anything is opened.
        page.grep.as_deref().map(expression).transpose()?;
        let path = self.folder.join(handle.as_str());
        let file = File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ReadError::Unknown,
            _ => ReadError::Io(e),
        })?;
        let index = std::fs::read(self.folder.join(format!("{handle}.lines")))?;
        let stride = page.from_line.max(1).saturating_sub(1) / STRIDE;
        let (skipped, at) = place(&index, stride);
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        reader.seek(SeekFrom::Start(at))?;
        page_after(&mut reader, skipped * STRIDE, page)
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

    #[test]
    fn a_line_that_is_searched_in_part_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "s").unwrap();
        let long = "x".repeat(crate::page::SEARCHED);
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
        let fits = kept(&store, &format!("{}\n", "x".repeat(crate::page::SEARCHED)));
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
