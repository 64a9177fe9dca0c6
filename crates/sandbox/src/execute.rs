//! Carries out a plan, step by step, through the [`Kernel`] trait.

use crate::errno::Errno;
use crate::kernel::{CWD, Fd, Kernel};
use crate::plan::{Attributes, Messages, Place, Plan, Source, Step, cover_of};
use crate::spec::{Ids, Kind, Layers, Socket, Way};
use crate::sys;
use crate::wire::Order;
use std::ffi::{CStr, CString};

/// What building leaves behind for the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    /// The slave end of the sandbox's own terminal.
    pub(crate) terminal: Option<Fd>,
}

const PLAIN: Attributes = Attributes {
    read_only: false,
    devices: false,
    no_exec: false,
};
const NO_EXEC: Attributes = Attributes {
    read_only: false,
    devices: false,
    no_exec: true,
};
const SEALED: Attributes = Attributes {
    read_only: true,
    devices: false,
    no_exec: false,
};
const TERMINAL_DEVICES: Attributes = Attributes {
    read_only: false,
    devices: true,
    no_exec: true,
};

/// Runs all steps; on failure says which one it was.
pub(crate) fn build(
    plan: &Plan,
    trees: &[Fd],
    control: Fd,
    kernel: &mut impl Kernel,
) -> Result<Built, (usize, Errno)> {
    let mut builder = Builder {
        plan,
        trees,
        control,
        kernel,
        root: CWD,
        folder: None,
        built: Built::default(),
    };
    for (n, step) in plan.steps.iter().enumerate() {
        builder.step(step).map_err(|errno| (n, errno))?;
    }
    Ok(builder.built)
}

struct Builder<'a, K> {
    plan: &'a Plan,
    trees: &'a [Fd],
    control: Fd,
    kernel: &'a mut K,
    root: Fd,
    /// The folder below the root that was opened last: steps come folder by folder.
    folder: Option<(&'a CStr, Fd)>,
    built: Built,
}

impl<'a, K: Kernel> Builder<'a, K> {
    fn step(&mut self, step: &'a Step) -> Result<(), Errno> {
        match step {
            Step::Write(path, bytes) => self.kernel.write_existing(path, bytes),
            Step::AwaitRelease => self.await_release(),
            Step::BecomeUser(Ids { uid, gid }) => self.kernel.become_user(*uid, *gid),
            Step::Private => self.private(),
            Step::NewRoot { size, inodes, .. } => self.new_root(size, inodes),
            Step::Directory(path, mode) => self.kernel.make_directory(self.root, path, *mode),
            Step::Link(path, target) => self.kernel.make_link(self.root, path, target),
            Step::Socket(path) => self.kernel.make_socket(self.root, path),
            Step::File { path, content, mode } => self.kernel.make_file(self.root, path, content, *mode),
            Step::HostName(name) => self.kernel.host_name(name),
            Step::LoopbackUp => self.kernel.loopback_up(),
            Step::EnterRoot => {
                self.close_folder();
                self.kernel.enter_root(self.root)
            }
            Step::Boundary(messages) => self.boundary(messages),
            Step::SealRoot => self.kernel.set_attributes(self.root, SEALED, false),
            Step::Limit(resource, value) => self.kernel.limit(*resource, *value),
            Step::NewSession => self.kernel.new_session(),
            Step::Terminal => self.terminal(),
            Step::DropCapabilities => self.kernel.drop_capabilities(),
            Step::NoNewPrivileges => self.kernel.no_new_privileges(),
            Step::NotDumpable => self.kernel.not_dumpable(),
            Step::Landlock {
                handled,
                scoped,
                grants,
            } => self.landlock(*handled, *scoped, grants),
            Step::Filter => self.filter(),
            mounting => self.mount(mounting),
        }
    }

    fn mount(&mut self, step: &'a Step) -> Result<(), Errno> {
        match step {
            Step::Bind { from, to, attributes } => self.bind(from, to, *attributes),
            Step::Overlay { lower, layers, to } => {
                let tree = self.overlay(lower, layers)?;
                if layers.handed_out {
                    self.kernel.send_view(tree)?;
                }
                self.attach(tree, to)
            }
            Step::Covered { lower, over, to } => {
                let over = self.kernel.open_beneath(self.root, over)?;
                let lower = self.kernel.open_folder(lower)?;
                let tree = self.kernel.new_layers(&[over, lower], SEALED)?;
                self.kernel.close(over);
                self.kernel.close(lower);
                self.attach(tree, to)
            }
            Step::Memory { folder, to, mode } => {
                self.kernel.make_directory(self.root, folder, *mode)?;
                let tree = self.kernel.clone_name(self.root, folder)?;
                self.attach(tree, to)
            }
            Step::Devices { to, names } => self.devices(to, names),
            Step::Processes(to) => {
                let tree = self.kernel.new_filesystem(c"proc", &[], NO_EXEC)?;
                self.attach(tree, to)
            }
            Step::Terminals(to) => {
                let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
                let tree = self
                    .kernel
                    .new_filesystem(c"devpts", &options, TERMINAL_DEVICES)?;
                self.attach(tree, to)
            }
            Step::Shield {
                at,
                hidden,
                read_only,
            } => self.shield(at, hidden, read_only),
            Step::Again { path, read_only } => self.again(path, *read_only),
            Step::Cover { path, with } => {
                let tree = self.cover(with)?;
                self.attach(tree, path)
            }
            _ => Err(Errno::NOSYS), // `step` handles all others
        }
    }

    fn await_release(&mut self) -> Result<(), Errno> {
        match sys::receive(self.control, 0)? {
            Some((packet, _)) if Order::decode(&packet) == Some(Order::Release) => Ok(()),
            _ => Err(Errno(libc::ECANCELED)),
        }
    }

    /// Before anything is cloned: clones of private mounts are private.
    fn private(&mut self) -> Result<(), Errno> {
        let host = self.kernel.open_root()?;
        self.kernel.make_private(host)?;
        self.kernel.close(host);
        Ok(())
    }

    fn new_root(&mut self, size: &CStr, inodes: &CStr) -> Result<(), Errno> {
        let options = [(c"size", size), (c"nr_inodes", inodes), (c"mode", c"0755")];
        let root = self.kernel.new_filesystem(c"tmpfs", &options, PLAIN)?;
        // Over "/" itself: it always exists, and what lies below stays reachable until the pivot,
        // because this process's root is the old one.
        let over = self.kernel.open_root()?;
        self.kernel.attach(root, over)?;
        self.kernel.close(over);
        self.root = root;
        Ok(())
    }

    fn bind(&mut self, from: &Source, to: &'a Place, attributes: Attributes) -> Result<(), Errno> {
        let tree = match from {
            Source::Path(path) => {
                let tree = self.kernel.clone_tree(CWD, path)?;
                self.kernel.set_attributes(tree, attributes, true)?;
                tree
            }
            Source::Prepared(n) => *self.trees.get(*n).ok_or(Errno::INVAL)?,
        };
        self.attach(tree, to)
    }

    fn overlay(&mut self, lower: &CStr, layers: &Layers) -> Result<Fd, Errno> {
        let lower = self.kernel.open_folder(lower)?;
        let upper = self.kernel.open_folder(&layers.upper)?;
        let work = self.kernel.open_folder(&layers.work)?;
        let tree = match &layers.mask {
            Some(mask) => {
                let mask = self.kernel.open_folder(mask)?;
                let tree = self.kernel.new_overlay(&[mask, lower], upper, work)?;
                self.kernel.close(mask);
                tree
            }
            None => self.kernel.new_overlay(&[lower], upper, work)?,
        };
        for fd in [lower, upper, work] {
            self.kernel.close(fd);
        }
        Ok(tree)
    }

    /// Opens a folder below the new root, without following links.
    fn folder(&mut self, path: &'a CStr) -> Result<Fd, Errno> {
        match self.folder {
            _ if path.is_empty() => return Ok(self.root),
            Some((open, fd)) if open == path => return Ok(fd),
            _ => self.close_folder(),
        }
        let fd = self.kernel.open_beneath(self.root, path)?;
        self.folder = Some((path, fd));
        Ok(fd)
    }

    fn close_folder(&mut self) {
        if let Some((_, fd)) = self.folder.take() {
            self.kernel.close(fd);
        }
    }

    /// Attaches a tree at a place, and closes it.
    fn attach(&mut self, tree: Fd, to: &'a Place) -> Result<(), Errno> {
        let folder = self.folder(to.folder())?;
        self.kernel.attach_at(tree, folder, to.name())?;
        self.kernel.close(tree);
        self.covered(to);
        Ok(())
    }

    /// What lies over an open folder is another folder.
    fn covered(&mut self, place: &Place) {
        if self.folder.is_some_and(|(open, _)| place.holds(open)) {
            self.close_folder();
        }
    }

    fn devices(&mut self, to: &'a CStr, names: &[CString]) -> Result<(), Errno> {
        let host = self.kernel.open_folder(c"/dev")?;
        let folder = self.folder(to)?;
        for name in names {
            self.kernel.make_file(folder, name, b"", 0o444)?;
            let node = self.kernel.clone_name(host, name)?;
            self.kernel.attach_at(node, folder, name)?;
            self.kernel.close(node);
        }
        self.kernel.close(host);
        Ok(())
    }

    /// The process filesystem is the kernel's own, so that a name means the same twice.
    fn shield(&mut self, at: &'a CStr, hidden: &[(&CStr, Kind)], read_only: &[&CStr]) -> Result<(), Errno> {
        let folder = self.folder(at)?;
        for (name, kind) in hidden {
            if self.kernel.is_there(folder, name) {
                let tree = self.cover(cover_of(*kind))?;
                self.kernel.attach_at(tree, folder, name)?;
                self.kernel.close(tree);
            }
        }
        for name in read_only {
            let tree = match self.kernel.clone_name(folder, name) {
                Err(Errno::NOENT) => continue, // a kernel without it
                other => other?,
            };
            self.kernel.set_attributes(tree, SEALED, true)?;
            self.kernel.attach_at(tree, folder, name)?;
            self.kernel.close(tree);
        }
        Ok(())
    }

    /// Mounts a place onto itself. The place is opened once, without following links, and both the
    /// source and the target are that descriptor: there is no second look-up to race with.
    fn again(&mut self, path: &Place, read_only: bool) -> Result<(), Errno> {
        let place = self.kernel.open_beneath(self.root, path.path())?;
        let tree = self.kernel.clone_tree(place, c"")?;
        self.kernel
            .set_attributes(tree, if read_only { SEALED } else { PLAIN }, true)?;
        self.kernel.attach(tree, place)?;
        self.kernel.close(tree);
        self.kernel.close(place);
        self.covered(path);
        Ok(())
    }

    fn cover(&mut self, with: &CStr) -> Result<Fd, Errno> {
        let tree = self.kernel.clone_name(self.root, with)?;
        self.kernel.set_attributes(tree, SEALED, true)?;
        Ok(tree)
    }

    fn boundary(&mut self, messages: &Messages) -> Result<(), Errno> {
        for request in &messages.v4 {
            self.kernel.netlink(libc::NETLINK_ROUTE, request)?;
        }
        for request in &messages.v6 {
            // Without IPv6, or with it switched off, there is no way out over it.
            let _no_v6 = self.kernel.netlink(libc::NETLINK_ROUTE, request);
        }
        let way = self.divert(messages);
        if way == Way::Ports {
            for port in &messages.ports {
                self.hand_out(Socket::Port(*port))?;
            }
        }
        for port in &messages.host {
            self.hand_out(Socket::Host(*port))?;
        }
        self.hand_out(Socket::Port(53))?; // names over TCP, asked on loopback
        self.hand_out(Socket::Names)?;
        self.hand_out(Socket::Gate(way))
    }

    /// The best way this kernel has; less is told with the gate's socket.
    fn divert(&mut self, messages: &Messages) -> Way {
        let mut load =
            |way, rules| messages.best <= way && self.kernel.netlink(libc::NETLINK_NETFILTER, rules).is_ok();
        if load(Way::Transparent, &messages.transparent) {
            Way::Transparent
        } else if load(Way::Redirected, &messages.redirect) {
            Way::Redirected
        } else {
            Way::Ports
        }
    }

    fn hand_out(&mut self, socket: Socket) -> Result<(), Errno> {
        let fd = self.kernel.boundary_socket(socket)?;
        self.kernel.send_socket(socket, fd)?;
        self.kernel.close(fd);
        Ok(())
    }

    fn terminal(&mut self) -> Result<(), Errno> {
        let (master, slave) = self.kernel.open_terminal()?;
        self.kernel.control_terminal(slave)?;
        self.kernel.send_terminal(master)?;
        self.kernel.close(master);
        self.built.terminal = Some(slave);
        Ok(())
    }

    fn filter(&mut self) -> Result<(), Errno> {
        if let Some(listener) = self.kernel.load_filter(&self.plan.filter)? {
            self.kernel.send_listener(listener)?;
            self.kernel.close(listener);
        }
        Ok(())
    }

    fn landlock(&mut self, handled: u64, scoped: u64, grants: &[(CString, u64)]) -> Result<(), Errno> {
        let ruleset = self.kernel.landlock_ruleset(handled, scoped)?;
        for (path, rights) in grants {
            self.kernel.landlock_allow(ruleset, path, *rights)?;
        }
        self.kernel.landlock_enforce(ruleset)?;
        self.kernel.close(ruleset);
        Ok(())
    }
}
