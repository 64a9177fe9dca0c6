//! Carries out a plan, step by step, through the [`Kernel`] trait.

use crate::errno::Errno;
use crate::kernel::{CWD, Fd, Kernel};
use crate::plan::{Attributes, Plan, Source, Step};
use crate::spec::{Ids, Layers};
use crate::sys;
use crate::wire::Order;

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

/// Room for the top filesystem: directories, links and a few small files.
const ROOT_OPTIONS: [(&std::ffi::CStr, &std::ffi::CStr); 3] =
    [(c"size", c"1048576"), (c"nr_inodes", c"4096"), (c"mode", c"0755")];

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
    built: Built,
}

impl<K: Kernel> Builder<'_, K> {
    fn step(&mut self, step: &Step) -> Result<(), Errno> {
        match step {
            Step::Write(path, bytes) => self.kernel.write_existing(path, bytes),
            Step::AwaitRelease => self.await_release(),
            Step::BecomeUser(Ids { uid, gid }) => self.kernel.become_user(*uid, *gid),
            Step::NewRoot => self.new_root(),
            Step::Directory(path, mode) => self.kernel.make_directory(self.root, path, *mode),
            Step::Link(path, target) => self.kernel.make_link(self.root, path, target),
            Step::Socket(path) => self.kernel.make_socket(self.root, path),
            Step::File { path, content, mode } => self.kernel.make_file(self.root, path, content, *mode),
            Step::HostName(name) => self.kernel.host_name(name),
            Step::LoopbackUp => self.kernel.loopback_up(),
            Step::EnterRoot => self.kernel.enter_root(self.root),
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
            Step::Filter => self.kernel.load_filter(&self.plan.filter),
            mounting => self.mount(mounting),
        }
    }

    fn mount(&mut self, step: &Step) -> Result<(), Errno> {
        match step {
            Step::Bind { from, to, attributes } => self.bind(from, to, *attributes),
            Step::Overlay { lower, layers, to } => {
                let tree = self.overlay(lower, layers)?;
                self.attach(tree, to)
            }
            Step::Memory {
                to,
                size,
                inodes,
                mode,
                ..
            } => {
                let options = [
                    (c"size", size.as_c_str()),
                    (c"nr_inodes", inodes),
                    (c"mode", mode),
                ];
                let tree = self.kernel.new_filesystem(c"tmpfs", &options, PLAIN)?;
                self.attach(tree, to)
            }
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
            Step::Again {
                path,
                read_only,
                optional,
            } => or_absent(*optional, self.again(path, *read_only)),
            Step::Cover { path, with, optional } => or_absent(*optional, self.cover(path, with)),
            _ => Err(Errno::NOSYS), // `step` handles all others
        }
    }

    fn await_release(&mut self) -> Result<(), Errno> {
        match sys::receive(self.control, 0)? {
            Some((packet, _)) if Order::decode(&packet) == Some(Order::Release) => Ok(()),
            _ => Err(Errno(libc::ECANCELED)),
        }
    }

    fn new_root(&mut self) -> Result<(), Errno> {
        let root = self.kernel.new_filesystem(c"tmpfs", &ROOT_OPTIONS, PLAIN)?;
        // Over "/" itself: it always exists, and what lies below stays reachable until the pivot,
        // because this process's root is the old one.
        let over = self.kernel.open_root()?;
        self.kernel.attach(root, over)?;
        self.kernel.close(over);
        self.root = root;
        Ok(())
    }

    fn bind(&mut self, from: &Source, to: &std::ffi::CStr, attributes: Attributes) -> Result<(), Errno> {
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

    fn overlay(&mut self, lower: &std::ffi::CStr, layers: &Layers) -> Result<Fd, Errno> {
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

    fn attach(&mut self, tree: Fd, to: &std::ffi::CStr) -> Result<(), Errno> {
        let place = self.kernel.open_beneath(self.root, to)?;
        self.kernel.attach(tree, place)?;
        self.kernel.close(place);
        self.kernel.close(tree);
        Ok(())
    }

    /// Mounts a place onto itself. The place is opened once, without following links, and both the
    /// source and the target are that descriptor: there is no second look-up to race with.
    fn again(&mut self, path: &std::ffi::CStr, read_only: bool) -> Result<(), Errno> {
        let place = self.kernel.open_beneath(self.root, path)?;
        let tree = self.kernel.clone_tree(place, c"")?;
        self.kernel
            .set_attributes(tree, if read_only { SEALED } else { PLAIN }, true)?;
        self.kernel.attach(tree, place)?;
        self.kernel.close(tree);
        self.kernel.close(place);
        Ok(())
    }

    fn cover(&mut self, path: &std::ffi::CStr, with: &std::ffi::CStr) -> Result<(), Errno> {
        let place = self.kernel.open_beneath(self.root, path)?;
        let tree = self.kernel.clone_tree(self.root, with)?;
        self.kernel.set_attributes(tree, SEALED, true)?;
        self.kernel.attach(tree, place)?;
        self.kernel.close(tree);
        self.kernel.close(place);
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

    fn landlock(
        &mut self,
        handled: u64,
        scoped: u64,
        grants: &[(std::ffi::CString, u64)],
    ) -> Result<(), Errno> {
        let ruleset = self.kernel.landlock_ruleset(handled, scoped)?;
        for (path, rights) in grants {
            self.kernel.landlock_allow(ruleset, path, *rights)?;
        }
        self.kernel.landlock_enforce(ruleset)?;
        self.kernel.close(ruleset);
        Ok(())
    }
}

/// Something the kernel may not have (a file of /proc) need not be shielded.
fn or_absent(optional: bool, done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT) if optional => Ok(()),
        other => other,
    }
}
