//! The system calls that building a sandbox takes, as a trait.
//!
//! Between the plan and the kernel: the real implementation is [`crate::sys::Linux`], the one that
//! records is in `crate::record` and lets the order of set-up be tested without privilege.
//! Implementations may neither allocate nor panic: they run after `clone3`, in a copy of a process
//! whose allocator may be in any state.

use crate::errno::Errno;
use crate::plan::Attributes;
use crate::spec::Socket;
use std::ffi::CStr;

/// An open descriptor, by number. Ownership is the plan's business: the process that executes it
/// closes everything at once before it runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fd(pub(crate) i32);

/// Where a path starts: the process's root and working directory.
pub(crate) const CWD: Fd = Fd(libc::AT_FDCWD);

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// A new filesystem instance: its type and options.
pub(crate) type Options<'a> = &'a [(&'a CStr, &'a CStr)];

pub(crate) trait Kernel {
    /// Opens an existing file for writing, writes all bytes with one call, closes it.
    fn write_existing(&mut self, path: &CStr, bytes: &[u8]) -> Result<()>;
    /// Gives up all supplementary groups and becomes this user and group.
    fn become_user(&mut self, uid: u32, gid: u32) -> Result<()>;
    /// Makes a filesystem that is mounted nowhere yet (`fsopen`, `fsconfig`, `fsmount`).
    fn new_filesystem(&mut self, kind: &CStr, options: Options<'_>, attributes: Attributes) -> Result<Fd>;
    /// Makes an overlay that is mounted nowhere yet: lower folders, the first on top, and the upper and
    /// work folders.
    fn new_overlay(&mut self, lower: &[Fd], upper: Fd, work: Fd) -> Result<Fd>;
    /// Makes an overlay that is mounted nowhere yet and cannot be written: folders, the first on top.
    fn new_layers(&mut self, folders: &[Fd], attributes: Attributes) -> Result<Fd>;
    /// Opens a folder of the host without following any symbolic link (`openat2`).
    fn open_folder(&mut self, path: &CStr) -> Result<Fd>;
    /// Clones a mount tree, with what is mounted below it, into a detached one (`open_tree`).
    fn clone_tree(&mut self, from: Fd, path: &CStr) -> Result<Fd>;
    /// As above, a name in an open folder, which is not followed where it is a link. More than one
    /// name only where the folders between are the sandbox's own.
    fn clone_name(&mut self, folder: Fd, name: &CStr) -> Result<Fd>;
    /// Whether a name is there, a link not followed.
    fn is_there(&mut self, folder: Fd, name: &CStr) -> bool;
    /// Makes a mount and all below it private: nothing that is mounted on its origin appears on it,
    /// nor the other way round.
    fn make_private(&mut self, tree: Fd) -> Result<()>;
    /// Sets attributes on a whole mount tree (`mount_setattr`).
    fn set_attributes(&mut self, tree: Fd, attributes: Attributes, recursive: bool) -> Result<()>;
    /// Opens the root directory of this process, as a place to mount on.
    fn open_root(&mut self) -> Result<Fd>;
    /// Opens a path below `root` without following any symbolic link (`openat2`).
    fn open_beneath(&mut self, root: Fd, path: &CStr) -> Result<Fd>;
    /// Attaches a detached mount tree to an open place (`move_mount`).
    fn attach(&mut self, tree: Fd, to: Fd) -> Result<()>;
    /// As above, to a single name in an open folder, which is not followed where it is a link.
    fn attach_at(&mut self, tree: Fd, folder: Fd, name: &CStr) -> Result<()>;
    /// Makes a directory.
    fn make_directory(&mut self, root: Fd, path: &CStr, mode: u32) -> Result<()>;
    /// Makes a symbolic link.
    fn make_link(&mut self, root: Fd, path: &CStr, target: &CStr) -> Result<()>;
    /// Makes the name of a socket with no permissions and nobody behind it (`mknod`).
    fn make_socket(&mut self, root: Fd, path: &CStr) -> Result<()>;
    /// Makes a file with this content.
    fn make_file(&mut self, root: Fd, path: &CStr, content: &[u8], mode: u32) -> Result<()>;
    /// Makes `root` the root of the mount namespace and lets go of the old one (`pivot_root`).
    fn enter_root(&mut self, root: Fd) -> Result<()>;
    /// Names the host (`sethostname`).
    fn host_name(&mut self, name: &CStr) -> Result<()>;
    /// Brings the loopback interface up.
    fn loopback_up(&mut self) -> Result<()>;
    /// Sends prepared requests to a netlink protocol and takes the kernel's answer.
    fn netlink(&mut self, protocol: i32, requests: &[u8]) -> Result<()>;
    /// Makes a socket of the boundary.
    fn boundary_socket(&mut self, socket: Socket) -> Result<Fd>;
    /// Hands a socket of the boundary to the supervisor.
    fn send_socket(&mut self, socket: Socket, fd: Fd) -> Result<()>;
    /// Sets both values of a resource limit (`setrlimit`).
    fn limit(&mut self, resource: u32, value: u64) -> Result<()>;
    /// Opens a new terminal pair of the sandbox's own devpts: (master, slave).
    fn open_terminal(&mut self) -> Result<(Fd, Fd)>;
    /// Hands the top of an overlay to the supervisor.
    fn send_view(&mut self, top: Fd) -> Result<()>;
    /// Hands a descriptor to the supervisor.
    fn send_terminal(&mut self, master: Fd) -> Result<()>;
    /// Empties all capability sets and locks them (`capset`, `prctl`).
    fn drop_capabilities(&mut self) -> Result<()>;
    /// Nothing that is executed gains privilege (`PR_SET_NO_NEW_PRIVS`).
    fn no_new_privileges(&mut self) -> Result<()>;
    /// Other processes can neither trace this one nor read its memory (`PR_SET_DUMPABLE`).
    fn not_dumpable(&mut self) -> Result<()>;
    /// A new Landlock rule set that handles these rights and scopes.
    fn landlock_ruleset(&mut self, handled: u64, scoped: u64) -> Result<Fd>;
    /// Grants rights below a path.
    fn landlock_allow(&mut self, ruleset: Fd, path: &CStr, rights: u64) -> Result<()>;
    /// Puts this process under a rule set.
    fn landlock_enforce(&mut self, ruleset: Fd) -> Result<()>;
    /// Puts this process under a system call filter. One that tells has a listener.
    fn load_filter(&mut self, filter: &crate::Filter) -> Result<Option<Fd>>;
    /// Sends the filter's listener to the supervisor.
    fn send_listener(&mut self, listener: Fd) -> Result<()>;
    /// A new session, led by this process.
    fn new_session(&mut self) -> Result<()>;
    /// Makes a terminal the controlling one of this session.
    fn control_terminal(&mut self, terminal: Fd) -> Result<()>;
    /// Closes a descriptor.
    fn close(&mut self, fd: Fd);
}
