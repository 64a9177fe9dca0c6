//! Why a file is not given, in words that a model can act on.

use fumehood_policy::Escaped;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;

/// Bytes of a message.
const LONGEST: usize = 512;
/// Characters of a path that are repeated.
const SHOWN: usize = 100;

/// Why a file is not given. Its text is one line of at most 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

impl FileError {
    /// `path` and what is wrong with it.
    pub(crate) fn of(path: &Path, what: impl std::fmt::Display) -> FileError {
        FileError(cut(format!("`{}` {what}", shown(path))))
    }

    /// Nothing of that name, or nothing that is to be seen: whoever asks learns no difference.
    pub(crate) fn not_there(path: &Path) -> FileError {
        FileError::of(path, "is not there; list_files shows what is")
    }

    pub(crate) fn link(path: &Path, target: &OsStr) -> FileError {
        let target = Escaped::from(target).at_most(SHOWN);
        FileError::of(
            path,
            format_args!(
                "is a symbolic link to `{target}`; name what it leads to, if that is in the project"
            ),
        )
    }

    pub(crate) fn system(path: &Path, e: Errno) -> FileError {
        match e {
            Errno::NOENT => FileError::not_there(path),
            Errno::ACCESS | Errno::PERM => FileError::denied(path),
            Errno::XDEV => FileError::of(path, "is another filesystem, which is not shown"),
            Errno::LOOP => FileError::of(path, "is a symbolic link, or became one; try again"),
            Errno::NOTDIR => FileError::of(path, "is no folder"),
            Errno::NAMETOOLONG => FileError::of(path, "is too long"),
            other => FileError::of(path, format_args!("cannot be opened: {other}")),
        }
    }

    pub(crate) fn denied(path: &Path) -> FileError {
        FileError::of(path, "may not be read: its mode says so")
    }
}

impl From<fumehood_output::ReadError> for FileError {
    fn from(e: fumehood_output::ReadError) -> FileError {
        FileError(cut(e.to_string()))
    }
}

/// A path on one line; it cannot forge a remark of ours.
pub(crate) fn name(path: &Path) -> String {
    Escaped::from(path)
        .to_string()
        .replace('⟦', "\\u{27e6}")
        .replace('⟧', "\\u{27e7}")
}

fn shown(path: &Path) -> String {
    Escaped::from(path).at_most(SHOWN).to_string()
}

fn cut(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let most = LONGEST - '…'.len_utf8();
    let end = (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}
