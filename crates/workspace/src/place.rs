//! Where layers can lie: not on an overlay (the kernel refuses an upper layer there), not in the project.

use crate::error::{At, Error, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// `OVERLAYFS_SUPER_MAGIC`, linux/magic.h.
const OVERLAYFS: i64 = 0x794c_7630;

/// Where this account's sessions lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory, of this account alone.
    pub path: PathBuf,
    /// Why it is not below the state directory, for the user.
    pub instead: Option<String>,
}

/// The first place of the state directory and its stand-ins that can hold layers; it is made. `stand_ins`
/// are tried in order, for a machine (a container, mostly) whose home is on an overlay.
///
/// # Errors
/// None will do.
pub fn find(state: &Path, stand_ins: &[PathBuf]) -> Result<Place> {
    let mut refused = Vec::new();
    for (n, path) in [state]
        .into_iter()
        .chain(stand_ins.iter().map(PathBuf::as_path))
        .enumerate()
    {
        match usable(path) {
            Ok(()) => {
                let instead = (n > 0).then(|| refused.join("; "));
                return Ok(Place {
                    path: path.to_owned(),
                    instead,
                });
            }
            Err(why) => refused.push(why),
        }
    }
    Err(Error::NoPlace(refused.join("; ")))
}

fn usable(path: &Path) -> std::result::Result<(), String> {
    let shown = fumehood_policy::Escaped::from(path).to_string();
    std::fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .map_err(|e| format!("{shown}: {e}"))?;
    let found = std::fs::symlink_metadata(path).map_err(|e| format!("{shown}: {e}"))?;
    let own =
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0;
    if !own {
        return Err(format!("{shown} is not a directory of this account alone"));
    }
    if is_overlay(path).map_err(|e| format!("{shown}: {e}"))? {
        return Err(format!("{shown} is on an overlay, which holds no layers"));
    }
    Ok(())
}

/// Whether a path lies on an overlay, as the project of a session whose changes are kept back does inside.
///
/// # Errors
/// It cannot be looked at.
pub fn is_overlay(path: &Path) -> std::io::Result<bool> {
    Ok(rustix::fs::statfs(path)?.f_type as i64 == OVERLAYFS)
}

/// Mount points below a folder: an overlay does not show what is mounted on its lower layer.
///
/// # Errors
/// The list cannot be read.
pub fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    fumehood_tree::mounts_below(folder).at("read", Path::new(fumehood_tree::MOUNTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_private_or_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let good = dir.path().join("good");
        let found = find(&open, std::slice::from_ref(&good)).unwrap();
        assert_eq!(found.path, good);
        assert!(
            found
                .instead
                .unwrap()
                .contains("not a directory of this account alone")
        );
        assert!(matches!(find(&open, &[]), Err(Error::NoPlace(_))));
    }
}
