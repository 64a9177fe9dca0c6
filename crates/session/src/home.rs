//! The home directory inside: never the host's.

use std::path::PathBuf;

/// Which home a program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// In memory, gone with the sandbox.
    Throwaway,
    /// A private folder of fumehood's state, kept between runs: agents keep history and logins of
    /// their own there.
    Kept(PathBuf),
}
