//! The one form of everything kept on disk: lines of `key=value`, every byte of a value that is not
//! plain written as `%XX`, the first line naming kind and version of the format.
//!
//! Readers are pure functions of bytes. A line that does not parse is damage and stops the reader; what
//! a later version wrote is refused by its number, never guessed at.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The version of every format here.
pub(crate) const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(String, Vec<u8>)>);

impl Line {
    /// With one more field. Keys are plain words.
    pub(crate) fn with(mut self, key: &str, value: impl AsRef<[u8]>) -> Line {
        self.0.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn number(self, key: &str, value: impl std::fmt::Display) -> Line {
        self.with(key, value.to_string())
    }

    pub(crate) fn path(self, key: &str, path: &Path) -> Line {
        self.with(key, path.as_os_str().as_bytes())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice())
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.get(key)?).ok()
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    pub(crate) fn path_of(&self, key: &str) -> Option<PathBuf> {
        Some(PathBuf::from(OsString::from_vec(self.get(key)?.to_vec())))
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (n, (key, value)) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            for byte in value {
                if byte.is_ascii_alphanumeric() || b"/._-+:".contains(byte) {
                    out.push(*byte);
                } else {
                    out.extend(format!("%{byte:02x}").into_bytes());
                }
            }
        }
        out.push(b'\n');
    }

    fn parse(line: &[u8]) -> Option<Line> {
        line.split(|b| *b == b' ')
            .map(field)
            .collect::<Option<_>>()
            .map(Line)
    }
}

fn field(word: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = word.iter().position(|b| *b == b'=')?;
    let (key, value) = (word.get(..at)?, word.get(at + 1..)?);
    Some((String::from_utf8(key.to_vec()).ok()?, decode(value)?))
}

fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, more)) = rest.split_first() {
        rest = more;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            out.push(*byte);
        }
    }
    Some(out)
}

/// A whole file of one kind.
pub(crate) fn encode(kind: &str, lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    Line::default()
        .with("fumehood", kind)
        .number("version", VERSION)
        .write(&mut out);
    lines.iter().for_each(|line| line.write(&mut out));
    out.extend_from_slice(b"end=1\n");
    out
}

/// The lines of a file of one kind; `path` is for the message.
pub(crate) fn read(kind: &str, bytes: &[u8], path: &Path) -> Result<Vec<Line>> {
    let damaged = |what| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    let mut lines = bytes.split(|b| *b == b'\n');
    let first = lines
        .next()
        .and_then(Line::parse)
        .ok_or_else(|| damaged("no first line"))?;
    if first.text("fumehood") != Some(kind) {
        return Err(damaged("another kind of file"));
    }
    match first.parsed::<u32>("version") {
        Some(VERSION) => {}
        Some(version) if version > VERSION => {
            return Err(Error::Newer {
                path: path.to_owned(),
                version,
            });
        }
        _ => return Err(damaged("no version")),
    }
    let mut read = Vec::new();
    for line in lines {
        let line = Line::parse(line).ok_or_else(|| damaged("a line that does not parse"))?;
        if line.get("end") == Some(b"1") {
            return Ok(read);
        }
        read.push(line);
    }
    Err(damaged("it ends in the middle"))
}

/// Writes a file so that a reader sees the old one or the new one, also after a loss of power.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, true)
}

/// The same without waiting for the disk: for what nothing depends on yet.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, false)
}

fn put(path: &Path, bytes: &[u8], wait: bool) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    if wait {
        file.sync_data()?;
    }
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let lines: Vec<Line> = values.iter().map(|v| Line::default().with("a", v).number("n", v.len())).collect();
            let bytes = encode("test", &lines);
            prop_assert_eq!(read("test", &bytes, Path::new("x")).unwrap(), lines);
        }

        #[test]
        fn a_cut_or_changed_file_never_panics(at in 0usize..200, byte in any::<u8>()) {
            let lines = [Line::default().path("path", Path::new("a b\n%")), Line::default().with("x", [255])];
            let mut bytes = encode("test", &lines);
            let cut = at.min(bytes.len());
            prop_assert!(read("test", &bytes[..cut.saturating_sub(1)], Path::new("x")).is_err() || cut >= bytes.len());
            if let Some(b) = bytes.get_mut(at) { *b = byte; }
            let _any = read("test", &bytes, Path::new("x"));
        }
    }

    #[test]
    fn a_later_version_is_refused_by_number() {
        let bytes = b"fumehood=test version=2\nend=1\n";
        assert!(matches!(
            read("test", bytes, Path::new("x")),
            Err(Error::Newer { version: 2, .. })
        ));
    }
}
