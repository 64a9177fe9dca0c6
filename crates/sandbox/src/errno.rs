//! A system call's error number, usable after a fork without allocation.

use std::fmt;

/// The kernel's `errno`, as returned by one system call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const PERM: Errno = Errno(libc::EPERM);
    /// No such file or directory.
    pub const NOENT: Errno = Errno(libc::ENOENT);
    /// Invalid argument.
    pub const INVAL: Errno = Errno(libc::EINVAL);
    /// Function not implemented.
    pub const NOSYS: Errno = Errno(libc::ENOSYS);
    /// Interrupted by a signal.
    pub const INTR: Errno = Errno(libc::EINTR);
    /// Permission denied.
    pub const ACCES: Errno = Errno(libc::EACCES);
    /// Too many levels of symbolic links; also "a link where none may be".
    pub const LOOP: Errno = Errno(libc::ELOOP);
    /// The object has the wrong format to be executed.
    pub const NOEXEC: Errno = Errno(libc::ENOEXEC);
    /// The name leads to another file than it did.
    pub const STALE: Errno = Errno(libc::ESTALE);

    /// The error of the system call that was made last by this thread.
    pub(crate) fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        // std appends " (os error N)"; people want the words.
        f.write_str(text.split(" (os error").next().unwrap_or(&text))
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{}]", self.0)
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for std::io::Error {
    fn from(e: Errno) -> Self {
        std::io::Error::from_raw_os_error(e.0)
    }
}
