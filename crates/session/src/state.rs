//! The state directory: what fumehood keeps between runs, for one account alone.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why the state directory is not used. The run must not start.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// It is something else than a directory, a link for example.
    #[error("{}: the state directory is not a directory; remove it, or set XDG_STATE_HOME", shown(.0))]
    NotADirectory(PathBuf),
    /// Someone else's.
    #[error(
        "{}: the state directory belongs to user {owner}; set XDG_STATE_HOME to a folder of yours",
        shown(path)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may enter it.
    #[error("{}: the state directory has mode {mode:o}; chmod 700 it", shown(path))]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// A path in a message: what is not plain is escaped.
fn shown(path: &Path) -> String {
    format!("{path:?}").trim_matches('"').to_owned()
}

/// Checks a state directory, if it exists: a real directory of this account that nobody else can
/// enter. What lies in it is then out of other accounts' reach.
///
/// # Errors
/// It is none.
pub fn check_state(path: &Path) -> Result<(), StateError> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    let (path, owner, mode) = (path.to_owned(), found.uid(), found.mode() & 0o7777);
    if !found.is_dir() {
        Err(StateError::NotADirectory(path))
    } else if owner != crate::user_id() {
        Err(StateError::Foreign { path, owner })
    } else if mode & 0o077 != 0 {
        Err(StateError::Open { path, mode })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_private_directory_of_ones_own_will_do() {
        let top = tempfile::tempdir().unwrap();
        let state = top.path().join("state");
        assert_eq!(check_state(&state), Ok(()));
        std::fs::create_dir(&state).unwrap();
        for (mode, good) in [(0o700, true), (0o750, false), (0o705, false), (0o777, false)] {
            set_permissions(&state, Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_state(&state).is_ok(), good, "{mode:o}");
        }
        let link = top.path().join("link");
        symlink(&state, &link).unwrap();
        assert_eq!(check_state(&link), Err(StateError::NotADirectory(link)));
    }
}
