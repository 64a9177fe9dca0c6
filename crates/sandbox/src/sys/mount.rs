//! The mount calls that work on descriptors (Linux 5.2 and later, `mount_setattr` 5.12).

use super::linux::{check, check_int};
use crate::errno::Errno;
use crate::kernel::{CWD, Fd, Options, Result};
use crate::plan::Attributes;
use std::ffi::{CStr, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

// linux/mount.h
const FSOPEN_CLOEXEC: c_long = 1;
const FSCONFIG_SET_FLAG: c_long = 0;
const FSCONFIG_SET_STRING: c_long = 1;
const FSCONFIG_CMD_CREATE: c_long = 6;
const FSMOUNT_CLOEXEC: c_long = 1;
const OPEN_TREE_CLONE: c_long = 1;
const OPEN_TREE_CLOEXEC: c_long = libc::O_CLOEXEC as c_long;
const AT_RECURSIVE: c_long = 0x8000;
const AT_SYMLINK_NOFOLLOW: c_long = libc::AT_SYMLINK_NOFOLLOW as c_long;
const AT_EMPTY_PATH: c_long = libc::AT_EMPTY_PATH as c_long;
const MOVE_MOUNT_F_EMPTY_PATH: c_long = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: c_long = 0x40;
const MOUNT_ATTR_RDONLY: u64 = 0x01;
const MOUNT_ATTR_NOSUID: u64 = 0x02;
const MOUNT_ATTR_NODEV: u64 = 0x04;
const MOUNT_ATTR_NOEXEC: u64 = 0x08;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_BENEATH: u64 = 0x08;

fn bits(attributes: Attributes) -> u64 {
    let mut bits = MOUNT_ATTR_NOSUID;
    for (on, bit) in [
        (attributes.read_only, MOUNT_ATTR_RDONLY),
        (!attributes.devices, MOUNT_ATTR_NODEV),
        (attributes.no_exec, MOUNT_ATTR_NOEXEC),
    ] {
        if on {
            bits |= bit;
        }
    }
    bits
}

pub(super) fn new_filesystem(kind: &CStr, options: Options<'_>, attributes: Attributes) -> Result<Fd> {
    // SAFETY: a NUL-terminated name that outlives the call.
    let context = check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    for (key, value) in options {
        configure(context, key, value)?;
    }
    let null = std::ptr::null::<u8>();
    // SAFETY: the create command takes no key and no value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0) })?;
    // SAFETY: integers only.
    let mount =
        check(unsafe { libc::syscall(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, bits(attributes)) });
    // SAFETY: the context was opened above and is not used again.
    unsafe { libc::close(context as i32) };
    mount.map(|fd| Fd(fd as i32))
}

pub(super) fn open_folder(path: &CStr) -> Result<Fd> {
    open_without_links(CWD, path, libc::O_DIRECTORY, 0)
}

fn configure(context: c_long, key: &CStr, value: &CStr) -> Result<()> {
    let flag = value.is_empty();
    let command = if flag {
        FSCONFIG_SET_FLAG
    } else {
        FSCONFIG_SET_STRING
    };
    let value = if flag { std::ptr::null() } else { value.as_ptr() };
    // SAFETY: both strings are NUL-terminated and outlive the call; a flag takes no value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, command, key.as_ptr(), value, 0) }).map(drop)
}

pub(super) fn clone_tree(from: Fd, path: &CStr) -> Result<Fd> {
    // A folder of the host's root: what clone_name says of names.
    if from == CWD && path.to_bytes().iter().filter(|b| **b == b'/').count() == 1 {
        return clone_name(from, path);
    }
    // Paths were resolved before: a link in one now was put there since then, by whoever may write
    // the folder it lies in (CVE-2021-30465).
    let place = if path.is_empty() {
        from
    } else {
        open_without_links(from, path, 0, 0)?
    };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
    // SAFETY: an empty, NUL-terminated constant.
    let tree = check(unsafe { libc::syscall(libc::SYS_open_tree, place.0, c"".as_ptr(), flags) });
    if place != from {
        // SAFETY: opened above, and nobody else has it.
        unsafe { libc::close(place.0) };
    }
    tree.map(|fd| Fd(fd as i32))
}

/// A name has no folder part, so not following it is following no link at all.
pub(super) fn clone_name(folder: Fd, name: &CStr) -> Result<Fd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW;
    // SAFETY: a NUL-terminated name that outlives the call.
    let tree = check(unsafe { libc::syscall(libc::SYS_open_tree, folder.0, name.as_ptr(), flags) })?;
    Ok(Fd(tree as i32))
}

pub(super) fn make_private(tree: Fd) -> Result<()> {
    let attr = MountAttr {
        set: 0,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        user_namespace: 0,
    };
    set(tree, &attr, AT_EMPTY_PATH | AT_RECURSIVE)
}

fn set(tree: Fd, attr: &MountAttr, flags: c_long) -> Result<()> {
    let size = std::mem::size_of::<MountAttr>();
    let path = c"".as_ptr();
    // SAFETY: the structure and its size belong together and live until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.0,
            path,
            flags,
            &raw const *attr,
            size,
        )
    })
    .map(drop)
}

pub(super) fn set_attributes(
    tree: Fd,
    attributes: Attributes,
    recursive: bool,
    idmap: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attr = MountAttr {
        set: bits(attributes) | idmap.map_or(0, |_| MOUNT_ATTR_IDMAP),
        clear: 0,
        // A clone stays in its peer group: on a host whose mounts are shared, what is mounted on it here
        // would appear there, and what is mounted there later would appear here.
        propagation: libc::MS_PRIVATE,
        user_namespace: idmap.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    set(
        tree,
        &attr,
        AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 },
    )
}

pub(super) fn open_beneath(root: Fd, path: &CStr) -> Result<Fd> {
    open_without_links(root, path, libc::O_NOFOLLOW, RESOLVE_BENEATH)
}

/// A link as the last name is refused too, unless the flags hold `O_NOFOLLOW`: then it is the link
/// itself that is opened (openat2(2), `RESOLVE_NO_SYMLINKS`).
fn open_without_links(from: Fd, path: &CStr, flags: i32, resolve: u64) -> Result<Fd> {
    let how = OpenHow {
        flags: (libc::O_PATH | libc::O_CLOEXEC | flags) as u64,
        mode: 0,
        resolve: resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    let size = std::mem::size_of::<OpenHow>();
    // SAFETY: path is NUL-terminated; the structure and its size belong together.
    let fd = check(unsafe { libc::syscall(libc::SYS_openat2, from.0, path.as_ptr(), &raw const how, size) })?;
    Ok(Fd(fd as i32))
}

pub(super) fn attach_at(tree: Fd, folder: Fd, name: &CStr) -> Result<()> {
    let from = c"".as_ptr();
    // Without MOVE_MOUNT_T_SYMLINKS the last name is not followed.
    // SAFETY: an empty constant and a NUL-terminated name that outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.0,
            from,
            folder.0,
            name.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

pub(super) fn attach(tree: Fd, to: Fd) -> Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let to_path = c"".as_ptr();
    // SAFETY: both paths are empty, NUL-terminated constants.
    check(unsafe { libc::syscall(libc::SYS_move_mount, tree.0, c"".as_ptr(), to.0, to_path, flags) })
        .map(drop)
}

pub(super) fn enter_root(root: Fd) -> Result<()> {
    // SAFETY: takes a descriptor.
    check_int(unsafe { libc::fchdir(root.0) })?;
    let here = c".".as_ptr();
    // The old root ends up mounted over the new one at the same place, hence "." twice; see
    // pivot_root(2), "pivot_root(".", ".")".
    // SAFETY: a constant NUL-terminated path.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) })?;
    // SAFETY: as above.
    check_int(unsafe { libc::umount2(here, libc::MNT_DETACH) })?;
    // SAFETY: as above.
    check_int(unsafe { libc::chdir(c"/".as_ptr()) }).map(drop)
}

/// A detached copy of a mount tree, made where the caller's rights reach it, with ids mapped.
///
/// # Errors
/// The step that failed, with the kernel's error.
pub(crate) fn prepare_tree(
    path: &CStr,
    attributes: Attributes,
    idmap: Option<BorrowedFd<'_>>,
) -> std::result::Result<OwnedFd, (&'static str, Errno)> {
    let fd = clone_tree(CWD, path).map_err(|e| ("open_tree", e))?;
    // SAFETY: open_tree gave this descriptor to us alone.
    let tree = unsafe { OwnedFd::from_raw_fd(fd.0) };
    let step = if idmap.is_some() {
        "map the owners of (mount_setattr idmap)"
    } else {
        "mount_setattr"
    };
    set_attributes(fd, attributes, true, idmap).map_err(|e| (step, e))?;
    Ok(tree)
}
