//! What a run writes over caches of the host: folders of its own, gone with it.

use crate::gone::of_gone_runs;
use crate::host::Host;
use fumehood_sandbox::Layers;
use std::ffi::CString;
use std::fs::{DirBuilder, Permissions};
use std::io::Result;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// The folders; removed when dropped. What a killed run left is removed by the next one.
#[derive(Debug)]
pub struct Caches {
    folder: PathBuf,
    made: usize,
}

impl Caches {
    /// Below a place on which the kernel takes upper layers.
    ///
    /// # Errors
    /// It cannot be made for this user alone.
    pub fn make(place: &Path) -> Result<Caches> {
        let all = place.join("caches");
        for left in of_gone_runs(&all) {
            let _later = fumehood_tree::remove_path(&left);
        }
        let folder = all.join(std::process::id().to_string());
        private().recursive(true).create(&all)?;
        private().create(&folder)?;
        Ok(Caches { folder, made: 0 })
    }

    /// Layers for one cache.
    ///
    /// # Errors
    /// They cannot be made, or given to who runs inside.
    pub fn layers(&mut self, host: &Host) -> Result<Layers> {
        let one = self.folder.join(self.made.to_string());
        self.made += 1;
        private().create(&one)?;
        for name in ["upper", "work"] {
            private().create(one.join(name))?;
            if let Some(ids) = host.private {
                lchown(one.join(name), Some(ids.uid), Some(ids.gid))?;
            }
        }
        // The merged view shows the upper's mode.
        std::fs::set_permissions(one.join("upper"), Permissions::from_mode(0o755))?;
        let text = |name: &str| CString::new(one.join(name).as_os_str().as_bytes()).unwrap_or_default(); // no NUL
        Ok(Layers {
            handed_out: false,
            mask: None,
            upper: text("upper"),
            work: text("work"),
        })
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        let _later = fumehood_tree::remove_path(&self.folder);
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}
