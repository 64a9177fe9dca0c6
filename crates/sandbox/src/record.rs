//! A kernel that does nothing but write down what it is asked: the double for tests of order.

use crate::errno::Errno;
use crate::kernel::{Fd, Kernel, Options, Result};
use crate::plan::Attributes;
use crate::spec::Socket;
use std::ffi::CStr;

/// Records calls; optionally fails the n-th one.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) calls: Vec<String>,
    next: i32,
    fail_at: Option<usize>,
    open: Vec<i32>,
}

impl Recorder {
    pub(crate) fn failing_at(call: usize) -> Recorder {
        Recorder {
            fail_at: Some(call),
            ..Recorder::default()
        }
    }

    /// Descriptors that were opened and not closed.
    pub(crate) fn still_open(&self) -> &[i32] {
        &self.open
    }

    fn call(&mut self, text: String) -> Result<()> {
        self.calls.push(text);
        if self.fail_at == Some(self.calls.len() - 1) {
            Err(Errno::PERM)
        } else {
            Ok(())
        }
    }

    fn opening(&mut self, text: &str) -> Result<Fd> {
        let fd = 100 + self.next;
        self.next += 1;
        self.call(format!("{text} = {fd}"))?;
        self.open.push(fd);
        Ok(Fd(fd))
    }
}

impl Kernel for Recorder {
    fn write_existing(&mut self, path: &CStr, bytes: &[u8]) -> Result<()> {
        self.call(format!("write {path:?} {:?}", String::from_utf8_lossy(bytes)))
    }
    fn become_user(&mut self, uid: u32, gid: u32) -> Result<()> {
        self.call(format!("setgroups 0, setresgid {gid}, setresuid {uid}"))
    }
    fn new_filesystem(&mut self, kind: &CStr, options: Options<'_>, attributes: Attributes) -> Result<Fd> {
        self.opening(&format!("fsmount {kind:?} {options:?} {attributes}"))
    }
    fn new_overlay(&mut self, lower: &[Fd], upper: Fd, work: Fd) -> Result<Fd> {
        let lower: Vec<i32> = lower.iter().map(|fd| fd.0).collect();
        self.opening(&format!("fsmount overlay {lower:?} {} {}", upper.0, work.0))
    }
    fn new_layers(&mut self, folders: &[Fd], attributes: Attributes) -> Result<Fd> {
        let folders: Vec<i32> = folders.iter().map(|fd| fd.0).collect();
        self.opening(&format!("fsmount overlay {folders:?} {attributes}"))
    }
    fn open_folder(&mut self, path: &CStr) -> Result<Fd> {
        self.opening(&format!("open {path:?}"))
    }
    fn clone_tree(&mut self, from: Fd, path: &CStr) -> Result<Fd> {
        self.opening(&format!("open_tree {} {path:?}", from.0))
    }
    fn clone_name(&mut self, folder: Fd, name: &CStr) -> Result<Fd> {
        self.opening(&format!("open_tree {} {name:?}", folder.0))
    }
    fn is_there(&mut self, _folder: Fd, _name: &CStr) -> bool {
        true
    }
    fn make_private(&mut self, tree: Fd) -> Result<()> {
        self.call(format!("mount_setattr {} private recursive", tree.0))
    }
    fn set_attributes(&mut self, tree: Fd, attributes: Attributes, recursive: bool) -> Result<()> {
        self.call(format!(
            "mount_setattr {} {attributes}{}",
            tree.0,
            if recursive { " recursive" } else { "" }
        ))
    }
    fn open_root(&mut self) -> Result<Fd> {
        self.opening("open /")
    }
    fn open_beneath(&mut self, root: Fd, path: &CStr) -> Result<Fd> {
        self.opening(&format!("openat2 {} {path:?}", root.0))
    }
    fn attach(&mut self, tree: Fd, to: Fd) -> Result<()> {
        self.call(format!("move_mount {} to {}", tree.0, to.0))
    }
    fn attach_at(&mut self, tree: Fd, folder: Fd, name: &CStr) -> Result<()> {
        self.call(format!("move_mount {} to {} {name:?}", tree.0, folder.0))
    }
    fn make_directory(&mut self, root: Fd, path: &CStr, mode: u32) -> Result<()> {
        self.call(format!("mkdirat {} {path:?} {mode:o}", root.0))
    }
    fn make_link(&mut self, root: Fd, path: &CStr, target: &CStr) -> Result<()> {
        self.call(format!("symlinkat {target:?} {} {path:?}", root.0))
    }
    fn make_socket(&mut self, root: Fd, path: &CStr) -> Result<()> {
        self.call(format!("mknodat {} {path:?} socket", root.0))
    }
    fn make_file(&mut self, root: Fd, path: &CStr, content: &[u8], mode: u32) -> Result<()> {
        self.call(format!(
            "create {} {path:?} {mode:o} {} bytes",
            root.0,
            content.len()
        ))
    }
    fn enter_root(&mut self, root: Fd) -> Result<()> {
        self.call(format!("fchdir {}, pivot_root, umount2", root.0))
    }
    fn host_name(&mut self, name: &CStr) -> Result<()> {
        self.call(format!("sethostname {name:?}"))
    }
    fn loopback_up(&mut self) -> Result<()> {
        self.call("lo up".to_owned())
    }
    fn netlink(&mut self, protocol: i32, requests: &[u8]) -> Result<()> {
        self.call(format!("netlink {protocol} {} bytes", requests.len()))
    }
    fn boundary_socket(&mut self, socket: Socket) -> Result<Fd> {
        self.opening(&format!("socket {socket:?}"))
    }
    fn send_socket(&mut self, socket: Socket, fd: Fd) -> Result<()> {
        self.call(format!("send {} {socket:?}", fd.0))
    }
    fn limit(&mut self, resource: u32, value: u64) -> Result<()> {
        self.call(format!("prlimit {resource} {value}"))
    }
    fn open_terminal(&mut self) -> Result<(Fd, Fd)> {
        Ok((self.opening("open ptmx")?, self.opening("TIOCGPTPEER")?))
    }
    fn send_view(&mut self, top: Fd) -> Result<()> {
        self.call(format!("send view {}", top.0))
    }
    fn send_terminal(&mut self, master: Fd) -> Result<()> {
        self.call(format!("send {}", master.0))
    }
    fn drop_capabilities(&mut self) -> Result<()> {
        self.call("capset none".to_owned())
    }
    fn no_new_privileges(&mut self) -> Result<()> {
        self.call("no_new_privs".to_owned())
    }
    fn not_dumpable(&mut self) -> Result<()> {
        self.call("not dumpable".to_owned())
    }
    fn landlock_ruleset(&mut self, handled: u64, scoped: u64) -> Result<Fd> {
        self.opening(&format!("landlock_create_ruleset {handled:#x} {scoped:#x}"))
    }
    fn landlock_allow(&mut self, ruleset: Fd, path: &CStr, rights: u64) -> Result<()> {
        self.call(format!("landlock_add_rule {} {path:?} {rights:#x}", ruleset.0))
    }
    fn landlock_enforce(&mut self, ruleset: Fd) -> Result<()> {
        self.call(format!("landlock_restrict_self {}", ruleset.0))
    }
    fn load_filter(&mut self, filter: &crate::Filter) -> Result<Option<Fd>> {
        if filter.tells {
            return self.opening("seccomp with a listener").map(Some);
        }
        self.call("seccomp".to_owned()).map(|()| None)
    }
    fn send_listener(&mut self, listener: Fd) -> Result<()> {
        self.call(format!("send listener {}", listener.0))
    }
    fn new_session(&mut self) -> Result<()> {
        self.call("setsid".to_owned())
    }
    fn control_terminal(&mut self, terminal: Fd) -> Result<()> {
        self.call(format!("TIOCSCTTY {}", terminal.0))
    }
    fn close(&mut self, fd: Fd) {
        self.open.retain(|open| *open != fd.0);
    }
}
