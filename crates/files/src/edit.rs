//! A text replaced by another, where it stands exactly as often as its caller says.

use crate::error::FileError;
use crate::read::{failed, is_binary};
use crate::view::View;
use memchr::memmem;
use std::io::Read;
use std::path::Path;

/// Bytes of a file that is edited.
pub const MOST: u64 = 8 * 1024 * 1024;

/// What is to be changed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What is there; empty for a file that is to be made.
    pub old: &'a str,
    /// What comes in its place.
    pub new: &'a str,
    /// How often it is there.
    pub count: u64,
}

/// A file as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The line of the first change.
    pub line: u64,
    /// Whether it was not there.
    pub is_new: bool,
}

/// What becomes of a file by an edit; nothing is written.
///
/// # Errors
/// The text is not there so often, or there is no such file, or there is one that was to be made.
pub fn edited(view: &View, path: &Path, wanted: &Wanted<'_>) -> Result<Edited, FileError> {
    if wanted.old.is_empty() {
        return made(view, path, wanted);
    }
    if wanted.old == wanted.new {
        return Err(FileError::of(
            path,
            "would stay as it is: `old` and `new` are the same",
        ));
    }
    let (mut file, facts) = view.file(path)?;
    let size = u64::try_from(facts.st_size).unwrap_or(u64::MAX);
    if size > MOST {
        return Err(FileError::of(
            path,
            format_args!("has {size} bytes; files of at most {MOST} are edited"),
        ));
    }
    if is_binary(&mut file, size).map_err(|e| failed(path, &e))? {
        return Err(FileError::of(path, "is a binary file, which is not edited"));
    }
    let mut bytes = Vec::new();
    let read = file.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|e| failed(path, &e))?;
    let (count, edited) = match replaced(&bytes, wanted.old, wanted.new) {
        // A file of DOS is shown with line feeds alone, so that is how it is asked for.
        (0, _) if memmem::find(&bytes, b"\r\n").is_some() => {
            replaced(&bytes, &dos(wanted.old), &dos(wanted.new))
        }
        found => found,
    };
    match edited {
        Some((bytes, line)) if count == wanted.count && bytes.len() as u64 <= MOST => Ok(Edited {
            bytes,
            line,
            is_new: false,
        }),
        Some(_) if count == wanted.count => Err(FileError::of(
            path,
            format_args!("would have more than {MOST} bytes"),
        )),
        Some(_) => Err(FileError::of(
            path,
            format_args!(
                "has `old` {count} times, not {}; send count = {count} to change all, or more of the text around one",
                wanted.count
            ),
        )),
        None => Err(FileError::of(
            path,
            "does not have `old`; read_file shows what it has. Spaces and line breaks count, and what read_file writes out \
             (\\x1b, \\u{202e}) cannot be sent",
        )),
    }
}

fn made(view: &View, path: &Path, wanted: &Wanted<'_>) -> Result<Edited, FileError> {
    view.is_free(path)?;
    Ok(Edited {
        bytes: wanted.new.as_bytes().to_vec(),
        line: 1,
        is_new: true,
    })
}

fn dos(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// How often a text is there, and what becomes of it and where first, if it is.
fn replaced(bytes: &[u8], old: &str, new: &str) -> (u64, Option<(Vec<u8>, u64)>) {
    let places: Vec<usize> = memmem::find_iter(bytes, old.as_bytes()).collect();
    let Some(first) = places.first() else {
        return (0, None);
    };
    let line = 1 + memchr::memchr_iter(b'\n', &bytes[..*first]).count() as u64;
    let mut out = Vec::new();
    let mut from = 0;
    for at in &places {
        out.extend_from_slice(&bytes[from..*at]);
        out.extend_from_slice(new.as_bytes());
        from = at + old.len();
        // What is refused for its size anyway is not built.
        if out.len() as u64 > MOST {
            break;
        }
    }
    out.extend_from_slice(&bytes[from..]);
    (places.len() as u64, Some((out, line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// As the standard library replaces, and as it counts.
        #[test]
        fn it_replaces_what_is_there(text in "[ab\n]{0,60}", old in "[ab\n]{1,3}", new in "[abc]{0,3}") {
            let (count, edited) = replaced(text.as_bytes(), &old, &new);
            prop_assert_eq!(count, text.matches(&old).count() as u64);
            match edited {
                None => prop_assert_eq!(count, 0),
                Some((bytes, line)) => {
                    prop_assert_eq!(String::from_utf8(bytes).unwrap(), text.replace(&old, &new));
                    let before = text.find(&old).unwrap();
                    prop_assert_eq!(line, 1 + text[..before].matches('\n').count() as u64);
                }
            }
        }
    }
}
