//! Which branches a session may push to by itself.

use crate::name::RefName;
use fumehood_effect::SessionId;
use fumehood_policy::glob::{Glob, GlobSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A session's own branches: `agent/<session>/**`, and those that `git.own` names (CONFIG.md).
#[derive(Clone, Debug)]
pub struct Ours {
    prefix: String,
    globs: GlobSet,
    started: Option<String>,
}

impl Ours {
    /// Of this session, with the patterns that the user trusts and the unprotected branch it started on.
    #[must_use]
    pub fn new(session: &SessionId, globs: impl IntoIterator<Item = Glob>, started: Option<String>) -> Ours {
        Ours {
            prefix: format!("agent/{session}/"),
            globs: GlobSet::new(globs),
            started,
        }
    }

    /// Whether it is one of them. A name with anything but letters, digits and `._/-` never is: what two
    /// readers could take for two names.
    #[must_use]
    pub fn covers(&self, name: &RefName) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
        let Some(branch) = name.branch().filter(|n| n.bytes().all(plain)) else {
            return false;
        };
        branch.starts_with(&self.prefix)
            || self.started.as_deref() == Some(branch)
            || self.globs.covers(Path::new(OsStr::from_bytes(branch.as_bytes())))
    }
}
