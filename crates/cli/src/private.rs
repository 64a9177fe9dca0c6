//! A secret's file: what somebody else could read or write is none.

use std::fs::OpenOptions;
use std::io::{Error, Read as _, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest that is read, bytes.
const LONGEST: u64 = 4096;

/// Its text without a final line break. A link, a pipe, a file of another account or one that others may open is refused.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_file() || !ours || meta.mode() & 0o077 != 0 {
        return Err(Error::other(
            "it is not a file of yours that nobody else can open (chmod 600)",
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text)?;
    let length = text.trim_end_matches('\n').len();
    text.truncate(length);
    Ok(text)
}
