//! Overlays of open folders.

use super::linux::check_int;
use super::message::{PACKET, packet_pair, receive, send, send_with_fd};
use super::mount::{attach, new_filesystem, open_folder, prepare_tree};
use super::{exit_status_of, fork_role};
use crate::errno::Errno;
use crate::kernel::{Fd, Result};
use crate::plan::Attributes;
use crate::spec::Layers;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Makes an overlay of open folders. They are named through `/proc/self/fd`: a value of `fsconfig` holds
/// 255 bytes, which a path may pass, and a colon in one would separate layers. Attributes of layers are
/// kept in `user.overlay.*`, as an unprivileged overlay has to (overlayfs.rst, "userxattr"); inside, the
/// kernel lets nobody see or set those. Volatile (Linux 5.10): the end of a run does not wait until the whole filesystem
/// of the upper layer is synced, and neither does a program inside that syncs its files; whoever keeps the layer syncs it.
pub(super) fn new_overlay(lower: &[Fd], upper: Fd, work: Fd) -> Result<Fd> {
    let mut below = FdNames::default();
    lower.iter().for_each(|fd| below.push(*fd));
    let (mut above, mut beside) = (FdNames::default(), FdNames::default());
    above.push(upper);
    beside.push(work);
    let options = [
        (c"userxattr", c""),
        (c"volatile", c""),
        (c"lowerdir", below.text()?),
        (c"upperdir", above.text()?),
        (c"workdir", beside.text()?),
    ];
    new_filesystem(c"overlay", &options, Attributes::default())
}

/// Makes an overlay of open folders that nothing is written to; no layer is the upper one then (overlayfs.rst, "Multiple
/// lower layers").
pub(super) fn new_layers(folders: &[Fd], attributes: Attributes) -> Result<Fd> {
    let mut all = FdNames::default();
    folders.iter().for_each(|fd| all.push(*fd));
    let options = [(c"userxattr", c""), (c"lowerdir", all.text()?)];
    new_filesystem(c"overlay", &options, attributes)
}

/// `/proc/self/fd/1:/proc/self/fd/2`, made without allocating.
struct FdNames {
    bytes: [u8; 128],
    used: usize,
}

impl Default for FdNames {
    fn default() -> FdNames {
        FdNames {
            bytes: [0; 128],
            used: 0,
        }
    }
}

impl FdNames {
    fn push(&mut self, fd: Fd) {
        if self.used > 0 {
            self.put(b":");
        }
        self.put(b"/proc/self/fd/");
        let (mut digits, mut at, mut rest) = ([0u8; 10], 10, fd.0.unsigned_abs());
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.put(&digits[at..]);
    }

    /// What does not fit leaves no room for the end, and `text` refuses.
    fn put(&mut self, more: &[u8]) {
        match self.bytes.get_mut(self.used..self.used + more.len()) {
            Some(room) => {
                room.copy_from_slice(more);
                self.used += more.len();
            }
            None => self.bytes = [b'/'; 128],
        }
    }

    fn text(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno(libc::ENAMETOOLONG))
    }
}

/// A step of making an overlay outside of a sandbox, and the kernel's error.
type Failed = (&'static str, Errno);

const NAMESPACE: &str = "make a mount namespace for the overlay over";
const LAYER: &str = "open a layer over";
const OVERLAY: &str = "lay an overlay over";
/// What may fail in the process that [`lay_over_attached`] makes; it says which by its number here.
const STEPS: [&str; 3] = [NAMESPACE, LAYER, OVERLAY];

/// As [`prepare_tree`], with layers over it.
///
/// # Errors
/// The step that failed, with the kernel's error.
pub(crate) fn prepare_overlay(
    path: &CStr,
    layers: &Layers,
    idmap: Option<BorrowedFd<'_>>,
) -> std::result::Result<OwnedFd, Failed> {
    let lower = prepare_tree(path, Attributes::default(), idmap)?;
    // Before Linux 6.15 a layer has to be mounted in the caller's own namespace, which a detached tree is not
    // (fs/namespace.c, clone_private_mount). To try and fail would leave the mark of a volatile mount behind.
    if kernel().is_some_and(|version| version >= (6, 15)) {
        lay_over(&lower, layers)
    } else {
        lay_over_attached(path, &lower, layers)
    }
}

/// The kernel's version; `None` where it has no such name.
fn kernel() -> Option<(u32, u32)> {
    // SAFETY: all-zero bytes are a valid utsname.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives until the call returns, which ends each name with NUL.
    check_int(unsafe { libc::uname(&raw mut names) }).ok()?;
    let release: Vec<u8> = names.release.iter().map(|c| *c as u8).collect();
    version(CStr::from_bytes_until_nul(&release).ok()?.to_str().ok()?)
}

/// `6.1.0-56-cloud-amd64` is version 6.1.
fn version(release: &str) -> Option<(u32, u32)> {
    let (major, rest) = release.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The overlay, detached.
fn lay_over(lower: &OwnedFd, layers: &Layers) -> std::result::Result<OwnedFd, Failed> {
    let open = |path| open_layer(path).map_err(|e| (LAYER, e));
    let (upper, work) = (open(&layers.upper)?, open(&layers.work)?);
    let mask = layers.mask.as_deref().map(open).transpose()?;
    let number = |fd: &OwnedFd| Fd(fd.as_raw_fd());
    let below: Vec<Fd> = mask.iter().chain([lower]).map(number).collect();
    let fd = new_overlay(&below, number(&upper), number(&work)).map_err(|e| (OVERLAY, e))?;
    // SAFETY: fsmount gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd.0) })
}

fn open_layer(path: &CStr) -> Result<OwnedFd> {
    let fd = open_folder(path)?;
    // SAFETY: openat2 gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd.0) })
}

/// As [`lay_over`], in a process with a mount namespace of its own, where the tree is mounted over the folder that it
/// was cloned from. The overlay outlives it: it keeps its layers by mounts that are in no namespace.
fn lay_over_attached(path: &CStr, lower: &OwnedFd, layers: &Layers) -> std::result::Result<OwnedFd, Failed> {
    let (ours, theirs) = packet_pair().map_err(|e| (NAMESPACE, e))?;
    let to_us = Fd(theirs.as_raw_fd());
    let maker = fork_role(|| {
        let told = match attach_and_lay_over(path, lower, layers) {
            Ok(made) => send_with_fd(to_us, &[0; PACKET], Fd(made.as_raw_fd())),
            Err((step, errno)) => send(to_us, &failure(step, errno)),
        };
        told.map_or(1, |()| 0)
    });
    let maker = maker.map_err(|e| (NAMESPACE, e))?;
    drop(theirs);
    let told = receive(Fd(ours.as_raw_fd()), 0);
    exit_status_of(maker);
    match told {
        Ok(Some((_, Some(made)))) => Ok(made),
        Ok(Some((packet, None))) => Err(failed(&packet)),
        Ok(None) => Err((NAMESPACE, Errno(libc::EPIPE))),
        Err(errno) => Err((NAMESPACE, errno)),
    }
}

fn attach_and_lay_over(
    path: &CStr,
    lower: &OwnedFd,
    layers: &Layers,
) -> std::result::Result<OwnedFd, Failed> {
    let alone = || {
        // SAFETY: integers only; this process is single-threaded and shares its folders with no other.
        check_int(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        let (none, root) = (std::ptr::null(), c"/".as_ptr());
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        // So that what is mounted here is seen nowhere else.
        // SAFETY: a constant path; for a change of propagation the other pointers are not looked at (mount(2)).
        check_int(unsafe { libc::mount(none, root, none, flags, none.cast()) })?;
        let place = open_layer(path)?;
        attach(Fd(lower.as_raw_fd()), Fd(place.as_raw_fd()))?;
        open_layer(path)
    };
    lay_over(&alone().map_err(|e| (NAMESPACE, e))?, layers)
}

/// A packet that says which step failed, and why.
fn failure(step: &str, Errno(errno): Errno) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = STEPS.iter().position(|s| *s == step).unwrap_or(0) as u8;
    packet[4..8].copy_from_slice(&errno.to_ne_bytes());
    packet
}

fn failed(packet: &[u8; PACKET]) -> Failed {
    let step = STEPS.get(usize::from(packet[0])).copied().unwrap_or(NAMESPACE);
    let errno = [packet[4], packet[5], packet[6], packet[7]];
    (step, Errno(i32::from_ne_bytes(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("6.1.0-56-cloud-amd64"), Some((6, 1)));
        assert_eq!(version("6.15-rc3+"), Some((6, 15)));
        assert_eq!(version("7.0"), Some((7, 0)));
        assert_eq!(version("6"), None);
        assert_eq!(version("six.one"), None);
        assert!(kernel().is_some());
    }

    #[test]
    fn a_failure_says_its_step_and_error() {
        for step in STEPS {
            assert_eq!(
                failed(&failure(step, Errno(libc::ESTALE))),
                (step, Errno(libc::ESTALE))
            );
        }
    }
}
