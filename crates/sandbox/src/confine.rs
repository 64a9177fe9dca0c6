//! Our own helper processes are confined with the means that confine programs: a flaw in one of them,
//! which read what is hostile or live longest, would otherwise have all that the account has.

use crate::errno::Errno;
use crate::kernel::{Fd, Kernel};
use crate::landlock;
use crate::seccomp::{Filter, Role};
use crate::sys::Linux;
use std::ffi::CString;

/// What a confined process may do to a directory and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Read and execute.
    Read,
    /// Read, write what is there, remove directories.
    Use,
    /// Remove directories in it, and nothing else.
    Empty,
    /// Read, write, make and remove files and directories; no links, devices or sockets, and nothing is executed.
    Keep,
    /// Read, and execute nothing.
    Look,
    /// Read and write one file that is there.
    Write,
    /// Read, write, make and remove files; nothing else is made, and nothing moves to another folder.
    Note,
    /// As `Note`, directories and symbolic links too: a tree is made what another one is.
    Follow,
}

/// Which wall could not be raised.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfineError {
    /// Privileges.
    #[error("forbid new privileges: {0}")]
    Privileges(#[source] Errno),
    /// Capabilities.
    #[error("give up capabilities: {0}")]
    Capabilities(#[source] Errno),
    /// Landlock.
    #[error("enforce Landlock: {0}")]
    Landlock(#[source] Errno),
    /// The filter.
    #[error("load the system call filter: {0}")]
    Filter(#[source] Errno),
}

/// Whether both walls stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Walls {
    /// Landlock and the filter.
    Both,
    /// This kernel has no Landlock, or the role cannot be held by it: the filter alone.
    FilterOnly,
}

/// Confines this process for the rest of its life: no file but in `folders`, no network beyond what it has
/// open (the broker: no Landlock rule on it), no system call but those of its role's list.
///
/// # Errors
/// A wall that this kernel has could not be raised: the process must not go on.
pub fn confine(role: Role, folders: &[(CString, Reach)]) -> Result<Walls, ConfineError> {
    let mut kernel = Linux { control: Fd(-1) };
    kernel.no_new_privileges().map_err(ConfineError::Privileges)?;
    if let Some(kept) = capabilities(role) {
        crate::sys::keep_capabilities(kept).map_err(ConfineError::Capabilities)?;
    }
    // Landlock would keep it from the memory that it is to read: see its list of calls.
    let abi = if role == Role::Watcher {
        0
    } else {
        crate::landlock_version()
    };
    if abi > 0 {
        enforce(&mut kernel, role, abi, folders).map_err(ConfineError::Landlock)?;
    }
    kernel
        .load_filter(&Filter::of_role(role))
        .map_err(ConfineError::Filter)?;
    Ok(if abi > 0 { Walls::Both } else { Walls::FilterOnly })
}

/// What is left to a role where the run is root's, as a set of bits; none of it comes where there was none. `None`: all.
fn capabilities(role: Role) -> Option<u64> {
    // capabilities(7), linux/capability.h
    const CHOWN: u64 = 1;
    const DAC_OVERRIDE: u64 = 1 << 1;
    const FOWNER: u64 = 1 << 3;
    match role {
        // The project is another account's, perhaps, and what it writes inside belongs to a third.
        Role::Edits => Some(CHOWN | DAC_OVERRIDE | FOWNER),
        // They open nothing.
        Role::Relay | Role::Gateway => Some(0),
        // Processes and files of other accounts: those of the sandbox, a folder below another's home.
        Role::Janitor | Role::Watcher | Role::Log | Role::Broker => None,
    }
}

fn enforce(kernel: &mut Linux, role: Role, abi: u32, folders: &[(CString, Reach)]) -> Result<(), Errno> {
    let scoped = match role {
        // It ends processes that are not its own.
        Role::Janitor => landlock::scopes(abi) & landlock::ABSTRACT_SOCKETS,
        _ => landlock::scopes(abi),
    };
    let ruleset = kernel.landlock_ruleset(landlock::known(abi), scoped)?;
    for (path, reach) in folders {
        match kernel.landlock_allow(ruleset, path, landlock::reach(*reach, abi)) {
            // A folder that is gone needs no grant.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    kernel.landlock_enforce(ruleset)?;
    kernel.close(ruleset);
    Ok(())
}
