//! [`Kernel`] on Linux.

use super::programs::WAIT_KILLABLE;
use super::{mount, network, overlay};
use crate::errno::Errno;
use crate::kernel::{CWD, Fd, Kernel, Options, Result};
use crate::plan::Attributes;
use crate::spec::Socket;
use crate::wire::{Message, Order};
use std::ffi::{CStr, c_long};

/// The kernel this process runs on. `control` is the socket to the supervisor.
#[derive(Debug)]
pub(crate) struct Linux {
    pub(crate) control: Fd,
}

/// Turns the C convention into a result.
pub(super) fn check(returned: c_long) -> Result<c_long> {
    if returned < 0 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}

pub(super) fn check_int(returned: libc::c_int) -> Result<libc::c_int> {
    if returned < 0 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}

/// `struct landlock_ruleset_attr` up to ABI 6; older kernels take it while what they lack is zero.
#[repr(C)]
struct LandlockRuleset {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`, packed in the kernel's header.
#[repr(C, packed)]
struct LandlockPathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

const LANDLOCK_RULE_PATH_BENEATH: c_long = 1;

/// `struct __user_cap_header_struct` and one `__user_cap_data_struct`.
#[repr(C)]
pub(super) struct CapabilityHeader {
    pub(super) version: u32,
    pub(super) pid: i32,
}
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct CapabilityData {
    pub(super) effective: u32,
    pub(super) permitted: u32,
    pub(super) inheritable: u32,
}
/// NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE set and KEEP_CAPS clear, all four locked
/// (capabilities(7)): uid 0 of a user namespace means nothing after this.
const SECUREBITS: u64 = 0b1110_1111;
pub(super) const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

fn prctl(option: libc::c_int, a: u64, b: u64) -> Result<()> {
    // SAFETY: the options used here take integers only.
    check_int(unsafe { libc::prctl(option, a, b, 0u64, 0u64) }).map(drop)
}

impl Kernel for Linux {
    fn write_existing(&mut self, path: &CStr, bytes: &[u8]) -> Result<()> {
        // SAFETY: path is NUL-terminated and outlives the call.
        let fd = check_int(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
        // SAFETY: the pointer and length describe `bytes`.
        let wrote = check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as c_long);
        self.close(Fd(fd));
        if wrote? as usize == bytes.len() {
            Ok(())
        } else {
            Err(Errno(libc::EIO))
        }
    }

    fn become_user(&mut self, uid: u32, gid: u32) -> Result<()> {
        // The raw calls: libc's would try to signal other threads, of which there are none.
        // SAFETY: a count of zero reads no list.
        check(unsafe { libc::syscall(libc::SYS_setgroups, 0usize, std::ptr::null::<u32>()) })?;
        // SAFETY: integers only.
        check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
        // SAFETY: integers only.
        check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
    }

    fn new_filesystem(&mut self, kind: &CStr, options: Options<'_>, attributes: Attributes) -> Result<Fd> {
        mount::new_filesystem(kind, options, attributes)
    }

    fn new_overlay(&mut self, lower: &[Fd], upper: Fd, work: Fd) -> Result<Fd> {
        overlay::new_overlay(lower, upper, work)
    }

    fn new_layers(&mut self, folders: &[Fd], attributes: Attributes) -> Result<Fd> {
        overlay::new_layers(folders, attributes)
    }

    fn open_folder(&mut self, path: &CStr) -> Result<Fd> {
        mount::open_folder(path)
    }

    fn clone_tree(&mut self, from: Fd, path: &CStr) -> Result<Fd> {
        mount::clone_tree(from, path)
    }

    fn clone_name(&mut self, folder: Fd, name: &CStr) -> Result<Fd> {
        mount::clone_name(folder, name)
    }

    fn is_there(&mut self, folder: Fd, name: &CStr) -> bool {
        // SAFETY: name is NUL-terminated and outlives the call.
        let got = unsafe { libc::faccessat(folder.0, name.as_ptr(), libc::F_OK, libc::AT_SYMLINK_NOFOLLOW) };
        got == 0 || Errno::last() != Errno::NOENT
    }

    fn make_private(&mut self, tree: Fd) -> Result<()> {
        mount::make_private(tree)
    }

    fn set_attributes(&mut self, tree: Fd, attributes: Attributes, recursive: bool) -> Result<()> {
        mount::set_attributes(tree, attributes, recursive, None)
    }

    fn open_root(&mut self) -> Result<Fd> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: a constant NUL-terminated path.
        check_int(unsafe { libc::open(c"/".as_ptr(), flags) }).map(Fd)
    }

    fn open_beneath(&mut self, root: Fd, path: &CStr) -> Result<Fd> {
        mount::open_beneath(root, path)
    }

    fn attach(&mut self, tree: Fd, to: Fd) -> Result<()> {
        mount::attach(tree, to)
    }

    fn attach_at(&mut self, tree: Fd, folder: Fd, name: &CStr) -> Result<()> {
        mount::attach_at(tree, folder, name)
    }

    fn make_directory(&mut self, root: Fd, path: &CStr, mode: u32) -> Result<()> {
        // SAFETY: path is NUL-terminated and outlives the call.
        match check_int(unsafe { libc::mkdirat(root.0, path.as_ptr(), mode) }) {
            Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn make_link(&mut self, root: Fd, path: &CStr, target: &CStr) -> Result<()> {
        // SAFETY: both are NUL-terminated and outlive the call.
        check_int(unsafe { libc::symlinkat(target.as_ptr(), root.0, path.as_ptr()) }).map(drop)
    }

    fn make_socket(&mut self, root: Fd, path: &CStr) -> Result<()> {
        // SAFETY: path is NUL-terminated and outlives the call.
        check_int(unsafe { libc::mknodat(root.0, path.as_ptr(), libc::S_IFSOCK, 0) }).map(drop)
    }

    fn make_file(&mut self, root: Fd, path: &CStr, content: &[u8], mode: u32) -> Result<()> {
        if content.is_empty() {
            let kind = libc::S_IFREG | mode;
            // SAFETY: path is NUL-terminated and outlives the call.
            return match check_int(unsafe { libc::mknodat(root.0, path.as_ptr(), kind, 0) }) {
                // A place to mount on that is there already will do.
                Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
                Err(e) => Err(e),
            };
        }
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: path is NUL-terminated and outlives the call.
        let fd = check_int(unsafe { libc::openat(root.0, path.as_ptr(), flags, mode) })?;
        // SAFETY: the pointer and length describe `content`.
        let wrote = check(unsafe { libc::write(fd, content.as_ptr().cast(), content.len()) } as c_long);
        self.close(Fd(fd));
        if wrote? as usize == content.len() {
            Ok(())
        } else {
            Err(Errno(libc::ENOSPC))
        }
    }

    fn enter_root(&mut self, root: Fd) -> Result<()> {
        mount::enter_root(root)
    }

    fn host_name(&mut self, name: &CStr) -> Result<()> {
        // SAFETY: the length is the string's own.
        check_int(unsafe { libc::sethostname(name.as_ptr(), name.count_bytes()) }).map(drop)
    }

    fn loopback_up(&mut self) -> Result<()> {
        // SAFETY: integers only.
        let fd = check_int(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: all-zero bytes are a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        // SAFETY: the request lives until the call returns.
        let done = check_int(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) });
        self.close(Fd(fd));
        done.map(drop)
    }

    fn netlink(&mut self, protocol: i32, requests: &[u8]) -> Result<()> {
        network::netlink(protocol, requests)
    }

    fn boundary_socket(&mut self, socket: Socket) -> Result<Fd> {
        network::boundary_socket(socket)
    }

    fn send_socket(&mut self, socket: Socket, fd: Fd) -> Result<()> {
        super::message::send_with_fd(self.control, &Message::Socket(socket).encode(), fd)
    }

    fn limit(&mut self, resource: u32, value: u64) -> Result<()> {
        let both = libc::rlimit64 {
            rlim_cur: value,
            rlim_max: value,
        };
        // SAFETY: the structure lives until the call returns; nothing is read back.
        check(unsafe {
            libc::syscall(
                libc::SYS_prlimit64,
                0,
                resource,
                &raw const both,
                std::ptr::null_mut::<libc::rlimit64>(),
            )
        })
        .map(drop)
    }

    fn open_terminal(&mut self) -> Result<(Fd, Fd)> {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: a constant NUL-terminated path.
        let master = check_int(unsafe { libc::open(c"/dev/pts/ptmx".as_ptr(), flags) })?;
        let unlocked: libc::c_int = 0;
        // SAFETY: TIOCSPTLCK reads one int, which lives until the call returns.
        check_int(unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlocked) })?;
        // SAFETY: TIOCGPTPEER takes open flags by value.
        let slave = check_int(unsafe { libc::ioctl(master, libc::TIOCGPTPEER, flags) })?;
        Ok((Fd(master), Fd(slave)))
    }

    fn send_view(&mut self, top: Fd) -> Result<()> {
        super::message::send_view(self.control, top)
    }

    fn send_terminal(&mut self, master: Fd) -> Result<()> {
        super::message::send_terminal(self.control, master)?;
        // Its size is set outside, before any program can ask for it.
        match super::receive(self.control, 0)? {
            Some((packet, _)) if Order::decode(&packet) == Some(Order::Release) => Ok(()),
            _ => Err(Errno(libc::ECANCELED)),
        }
    }

    fn drop_capabilities(&mut self) -> Result<()> {
        for capability in 0..64u64 {
            match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
                Ok(()) => {}
                Err(Errno::INVAL) => break, // past the last one this kernel has
                Err(e) => return Err(e),
            }
        }
        match prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(e) => return Err(e),
        }
        prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0)?;
        let header = CapabilityHeader {
            version: CAPABILITY_VERSION_3,
            pid: 0,
        };
        let none = [CapabilityData::default(); 2];
        // SAFETY: version 3 reads two data structures; both live until the call returns.
        check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
    }

    fn no_new_privileges(&mut self) -> Result<()> {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
    }

    fn not_dumpable(&mut self) -> Result<()> {
        prctl(libc::PR_SET_DUMPABLE, 0, 0)
    }

    fn landlock_ruleset(&mut self, handled: u64, scoped: u64) -> Result<Fd> {
        let attr = LandlockRuleset {
            handled_access_fs: handled,
            handled_access_net: 0,
            scoped,
        };
        let size = std::mem::size_of::<LandlockRuleset>();
        // SAFETY: the structure and its size belong together and live until the call returns.
        let fd =
            check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0) })?;
        Ok(Fd(fd as i32))
    }

    fn landlock_allow(&mut self, ruleset: Fd, path: &CStr, rights: u64) -> Result<()> {
        // SAFETY: path is NUL-terminated and outlives the call.
        let place = check_int(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })?;
        let attr = LandlockPathBeneath {
            allowed_access: rights,
            parent_fd: place,
        };
        // SAFETY: the structure lives until the call returns.
        let added = check(unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                ruleset.0,
                LANDLOCK_RULE_PATH_BENEATH,
                &raw const attr,
                0,
            )
        });
        self.close(Fd(place));
        added.map(drop)
    }

    fn landlock_enforce(&mut self, ruleset: Fd) -> Result<()> {
        // SAFETY: integers only.
        check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.0, 0) }).map(drop)
    }

    fn load_filter(&mut self, filter: &crate::Filter) -> Result<Option<Fd>> {
        let program = libc::sock_fprog {
            len: filter.program.len() as u16,
            filter: filter.program.as_ptr().cast_mut().cast(),
        };
        let load = |flags: libc::c_ulong| {
            // SAFETY: Instruction has the layout of sock_filter; the program lives until the call
            // returns and the kernel only reads it.
            check(unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags,
                    &raw const program,
                )
            })
        };
        if !filter.tells {
            return load(0).map(|_| None);
        }
        // Without the second flag (Linux 5.19) a signal makes the call anew, and it is heard of twice.
        let listener = match load(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE) {
            Err(Errno::INVAL) => load(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
            other => other,
        };
        listener.map(|fd| Some(Fd(fd as i32)))
    }

    fn send_listener(&mut self, listener: Fd) -> Result<()> {
        super::message::send_listener(self.control, listener)
    }

    fn new_session(&mut self) -> Result<()> {
        // SAFETY: takes nothing.
        check_int(unsafe { libc::setsid() }).map(drop)
    }

    fn control_terminal(&mut self, terminal: Fd) -> Result<()> {
        // SAFETY: TIOCSCTTY takes an integer.
        check_int(unsafe { libc::ioctl(terminal.0, libc::TIOCSCTTY, 0) }).map(drop)
    }

    fn close(&mut self, fd: Fd) {
        debug_assert!(fd != CWD, "the working directory is no descriptor");
        // SAFETY: closing a number this process opened; a wrong one is an ignored EBADF.
        unsafe { libc::close(fd.0) };
    }
}

/// The Landlock version of this kernel, 0 where it is absent or switched off.
pub(crate) fn landlock_version() -> u32 {
    const VERSION: c_long = 1; // LANDLOCK_CREATE_RULESET_VERSION
    let none = std::ptr::null::<u8>();
    // SAFETY: asking for the version takes no structure.
    let got = check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, VERSION) });
    got.ok().and_then(|v| u32::try_from(v).ok()).unwrap_or(0)
}
