//! Files of the project that something on the host would run, obey or trust later
//! (`presets/protected.toml`). In live mode they are made read-only where they exist at
//! start.
//!
//! Not promised: a name that does not exist at start can be created; a protected file that a
//! program on the host replaces is free from then on, since the mount goes with the old file;
//! a second name of the same file (a hard link) is not known; where a name on the way is a
//! symbolic link, its target is protected if it lies in the project, and the link itself
//! cannot be. What could not be held is in [`Protected::unheld`].
//!
//! Names are compared without case and without invisible characters, so that `.GIT` or
//! `.VSCode` on a file system that ignores case is not a way round. Finding them takes a look
//! at each row below a directory that exists, and a listing of those few directories where
//! the written spelling is absent: nothing depends on the size of the project.

mod find;
mod fold;
mod hooks_path;
mod table;

pub use find::{Entry, Item, ProjectView, Protected, Unheld, find};
pub use table::{Class, Row, rows};
