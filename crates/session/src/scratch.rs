//! A run's own folder on the host, for level `landlock`, which cannot mount anything private.

use crate::gone::of_gone_runs;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make a private folder {path:?}: {why}")]
pub struct ScratchError {
    path: PathBuf,
    #[source]
    why: std::io::Error,
}

/// The folder; removed when dropped. What a killed run left is removed by the next one.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it below the state directory, with `home` and `tmp` in it.
    ///
    /// # Errors
    /// It cannot be made for this user alone.
    pub fn make(state: &Path) -> Result<Scratch, ScratchError> {
        let runs = state.join("runs");
        for left in of_gone_runs(&runs) {
            let _later = fumehood_tree::remove_path(&left);
        }
        let path = runs.join(std::process::id().to_string());
        let failed = |why| ScratchError {
            path: path.clone(),
            why,
        };
        let mut private = DirBuilder::new();
        private.mode(0o700);
        private.recursive(true).create(&runs).map_err(failed)?;
        private.recursive(false).create(&path).map_err(failed)?;
        for name in ["home", "tmp"] {
            private.create(path.join(name)).map_err(failed)?;
        }
        Ok(Scratch(path))
    }

    /// Links in its home, under the same names, to what is shown of the user's: programs look for
    /// their settings and toolchains below `HOME`.
    ///
    /// # Errors
    /// A link cannot be made.
    pub fn lead_to<'a>(
        &self,
        home: &Path,
        shown: impl Iterator<Item = &'a Path>,
    ) -> Result<(), ScratchError> {
        let mut names: Vec<&Path> = shown.filter_map(|path| path.strip_prefix(home).ok()).collect();
        names.sort();
        // What lies below another is reached through it; nothing may be made beyond a link.
        names.dedup_by(|below, above| below.starts_with(above));
        for name in names.into_iter().filter(|n| !n.as_os_str().is_empty()) {
            let path = self.0.join("home").join(name);
            let made = std::fs::create_dir_all(path.parent().unwrap_or(&self.0));
            let linked = made.and_then(|()| std::os::unix::fs::symlink(home.join(name), &path));
            linked.map_err(|why| ScratchError { path, why })?;
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _later = fumehood_tree::remove_path(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_home_leads_to_what_is_shown_and_makes_nothing_there() {
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path().join(".tool")).unwrap();
        let scratch = Scratch::make(state.path()).unwrap();
        let shown = [".tool/below/more", ".tool", ".config/git/ignore"].map(|name| home.path().join(name));
        scratch
            .lead_to(home.path(), shown.iter().map(PathBuf::as_path))
            .unwrap();
        let inside = scratch.path().join("home");
        assert_eq!(
            std::fs::read_link(inside.join(".tool")).unwrap(),
            home.path().join(".tool")
        );
        assert!(inside.join(".config/git/ignore").is_symlink());
        assert!(!home.path().join(".tool/below").exists());
    }

    #[test]
    fn it_is_private_and_goes_and_takes_dead_ones_along() {
        let state = tempfile::tempdir().unwrap();
        let dead = state.path().join("runs/4194303");
        std::fs::create_dir_all(dead.join("tmp")).unwrap();
        let scratch = Scratch::make(state.path()).unwrap();
        let path = scratch.path().to_owned();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o700);
        assert!(path.join("tmp").is_dir() && !dead.exists());
        drop(scratch);
        assert!(!path.exists());
    }
}
