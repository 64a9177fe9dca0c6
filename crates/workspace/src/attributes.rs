//! Extended attributes: the user's own, and the overlay's marks beside them.

use rustix::io::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::AsFd;

/// What an overlay writes on its upper layer (overlayfs.rst).
const OVERLAY: &[u8] = b"user.overlay.";
/// The kernel lets one value hold this many bytes at most.
const MOST: usize = 65536;

/// Attributes of a file or directory that programs set: `user.*`, without the overlay's.
pub(crate) type Attributes = BTreeMap<CString, Vec<u8>>;

/// Reads them; a filesystem without any has none.
pub(crate) fn of(file: impl AsFd) -> Result<Attributes> {
    let mut found = Attributes::new();
    for name in names(&file)? {
        let bytes = name.as_bytes();
        if bytes.starts_with(b"user.") && !bytes.starts_with(OVERLAY) {
            let value = value(&file, &name)?;
            found.insert(name, value);
        }
    }
    Ok(found)
}

fn names(file: impl AsFd) -> Result<Vec<CString>> {
    let mut room = vec![0u8; 256];
    let used = loop {
        match rustix::fs::flistxattr(&file, &mut room[..]) {
            Ok(used) => break used,
            Err(Errno::RANGE) if room.len() < MOST => room.resize(room.len() * 4, 0),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => break 0,
            Err(e) => return Err(e),
        }
    };
    let names = room.get(..used).unwrap_or_default().split(|b| *b == 0);
    Ok(names
        .filter(|n| !n.is_empty())
        .filter_map(|n| CString::new(n).ok())
        .collect())
}

fn value(file: impl AsFd, name: &CString) -> Result<Vec<u8>> {
    let mut room = vec![0u8; 256];
    loop {
        match rustix::fs::fgetxattr(&file, name.as_c_str(), &mut room[..]) {
            Ok(used) => {
                room.truncate(used);
                return Ok(room);
            }
            Err(Errno::RANGE) if room.len() < MOST => room.resize(room.len() * 4, 0),
            Err(Errno::NODATA) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        }
    }
}

/// Makes a file's attributes these.
pub(crate) fn set(file: impl AsFd, wanted: &Attributes) -> Result<()> {
    for (name, value) in wanted {
        match rustix::fs::fsetxattr(&file, name.as_c_str(), value, rustix::fs::XattrFlags::empty()) {
            // A filesystem that has none: the content still goes.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether an upper directory hides everything below it in the lower layers.
pub(crate) fn is_opaque(directory: impl AsFd) -> Result<bool> {
    Ok(value_if_any(directory, c"user.overlay.opaque")?.is_some_and(|v| v == b"y"))
}

/// Makes an upper directory hide everything below it in the lower layers.
pub(crate) fn make_opaque(directory: impl AsFd) -> Result<()> {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::fsetxattr(directory, c"user.overlay.opaque", b"y", flags)
}

/// Marks that this reader does not know how to follow.
pub(crate) fn foreign_mark(file: impl AsFd) -> Result<Option<&'static str>> {
    for (name, words) in [
        (c"user.overlay.redirect", "a redirected directory"),
        (c"user.overlay.metacopy", "a file without its content"),
        (c"user.overlay.whiteout", "a whiteout of a nested overlay"),
    ] {
        if value_if_any(&file, name)?.is_some() {
            return Ok(Some(words));
        }
    }
    Ok(None)
}

fn value_if_any(file: impl AsFd, name: &std::ffi::CStr) -> Result<Option<Vec<u8>>> {
    let mut room = [0u8; 4096];
    match rustix::fs::fgetxattr(file, name, &mut room[..]) {
        Ok(used) => Ok(room.get(..used).map(<[u8]>::to_vec)),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(Errno::RANGE) => Ok(Some(Vec::new())),
        Err(e) => Err(e),
    }
}
