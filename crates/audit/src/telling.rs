//! Whose turn it is to tell the witnesses of the account's last head.
//!
//! Every run that ends starts one who tells. Where several do at once, one speaks and one waits; a third may go, since
//! who waits reads the head only when its turn has come, and that is then no older than the third one's. So the newest
//! head is always told by somebody, and nobody's answer is overtaken by another's.

use crate::account::{index_folder, lock};
use crate::writer::{WriteError, doing};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;

/// Held by the one who waits.
const NEXT: &str = "telling.next";
/// Held by the one who speaks.
const NOW: &str = "telling";

/// The turn; it is over when this is dropped.
#[derive(Debug)]
pub struct Telling {
    _now: File,
}

impl Telling {
    /// Waits for the turn; none where another waits already, who will tell what this one would have told. The head is to
    /// be read afterwards.
    ///
    /// # Errors
    /// The locks in the index's folder cannot be opened.
    pub fn turn(root: &Path) -> Result<Option<Self>, WriteError> {
        let folder = index_folder(root);
        let next = open(&folder.join(NEXT))?;
        if flock(&next, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let now = lock(&folder, NOW)?;
        drop(next);
        Ok(Some(Self { _now: now }))
    }
}

fn open(path: &Path) -> Result<File, WriteError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(doing("open a lock"))
}

#[cfg(test)]
mod tests {
    use super::Telling;
    use crate::account::index_folder;
    use std::sync::mpsc::channel;

    /// Whatever the order in which they come: when all are gone, the last head was told.
    #[test]
    fn one_speaks_one_waits_and_a_third_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(index_folder(root)).unwrap();
        let speaking = Telling::turn(root).unwrap().unwrap();
        let (waits, waited) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let turn = Telling::turn(root).unwrap();
                waits.send(turn.is_some()).unwrap();
            });
            // The second one waits as soon as a third one has to go.
            while Telling::turn_now(root) {
                std::thread::yield_now();
            }
            assert!(Telling::turn(root).unwrap().is_none());
            assert!(waited.try_recv().is_err(), "two speak at once");
            drop(speaking);
            assert!(waited.recv().unwrap());
        });
        assert!(Telling::turn(root).unwrap().is_some());
    }

    impl Telling {
        /// Whether nobody waits.
        fn turn_now(root: &std::path::Path) -> bool {
            let next = super::open(&index_folder(root).join(super::NEXT)).unwrap();
            super::flock(&next, super::FlockOperation::NonBlockingLockShared).is_ok()
        }
    }
}
