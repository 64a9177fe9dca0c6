//! What a loss of power leaves of a session.
//!
//! The overlay is mounted `volatile` (overlayfs.rst, "Volatile mount"): without it the kernel syncs the whole filesystem
//! of the upper layer whenever a run ends, whoever wrote there and whether the run wrote anything. So what a program
//! inside syncs (`fsync`) is on the disk when the run has ended, not before; a run that kept changes syncs them once. Of a
//! session that was running when the machine went down something may be missing or half written, which is told when
//! one goes on with it or looks at it. Changes that were applied are on the disk as the apply says.

use crate::error::{At, Result};
use crate::session::Session;
use rustix::fs::{Mode, OFlags};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Holds the kernel's boot id while the session runs.
pub(crate) const RUNNING: &str = "running";

impl Session {
    /// Makes the layers ready to be mounted: takes away the mark by which the kernel knows a volatile upper layer that
    /// was mounted before, and remembers in which boot of the machine it is mounted now.
    ///
    /// # Errors
    /// The mark cannot be taken away, or the note not be written.
    pub fn begin(&self) -> Result<()> {
        unmark(&self.work())?;
        let note = self.path().join(RUNNING);
        let (noted, now) = (std::fs::read(&note), boot());
        // A run before, which kept nothing, left it: a file that is written over is brought to the disk at once (ext4(5),
        // `auto_da_alloc`).
        if noted.is_ok_and(|noted| noted == now) {
            return Ok(());
        }
        std::fs::write(&note, now).at("write", &note)
    }

    /// After its sandbox has ended: what it kept is on the disk from here on.
    ///
    /// # Errors
    /// The disk's.
    pub fn make_durable(&self) -> Result<()> {
        let upper = self.upper();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&upper, flags, Mode::empty()).at("open", &upper)?;
        rustix::fs::syncfs(&folder).at("sync", &upper)?;
        let note = self.path().join(RUNNING);
        match std::fs::remove_file(&note) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e).at("remove", &note),
            _ => Ok(()),
        }
    }

    /// Whether the machine went down while it ran, or before what it had kept was on the disk.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        std::fs::read(self.path().join(RUNNING)).is_ok_and(|noted| noted != boot())
    }
}

/// Of this boot of the machine; nothing where the kernel does not tell.
fn boot() -> Vec<u8> {
    std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Removes `work/incompat`, where that is noted, from a work directory. The kernel makes these folders with no right at
/// all, for their owner too.
fn unmark(work: &Path) -> Result<()> {
    let own: PathBuf = work.join("work");
    match std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o700)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.at("open", &own)?,
    }
    let mark = own.join("incompat");
    match fumehood_tree::remove_path(&mark) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).at("remove", &mark),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::about;

    #[test]
    fn a_session_is_torn_when_another_boot_finds_it_running() {
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let session = Session::create(place.path(), &about(project.path())).unwrap();
        assert!(!session.is_torn());
        session.begin().unwrap();
        assert!(!session.is_torn(), "killed, on a machine that went on");
        std::fs::write(session.path().join(RUNNING), "another boot").unwrap();
        assert!(session.is_torn());
        session.make_durable().unwrap();
        assert!(!session.is_torn());
    }

    #[test]
    fn the_kernels_mark_is_taken_away() {
        let (place, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let session = Session::create(place.path(), &about(project.path())).unwrap();
        let own = session.work().join("work");
        std::fs::create_dir_all(own.join("incompat/volatile")).unwrap();
        std::fs::write(own.join("incompat/volatile/dirty"), "").unwrap();
        for folder in ["incompat/volatile", "incompat", ""] {
            std::fs::set_permissions(own.join(folder), std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        session.begin().unwrap();
        assert!(!own.join("incompat").exists());
        session.begin().unwrap();
    }
}
