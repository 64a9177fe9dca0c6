//! Starting a sandbox, from the supervisor's side.

use crate::errno::Errno;
use crate::kernel::Fd;
use crate::plan::{Plan, Tree};
use crate::spec::{Ids, Socket};
use crate::sys::{self, Cloned, IdMapping};
use crate::wire::{Message, Order, Outcome};
use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Why a sandbox did not start. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A tree could not be cloned for the sandbox.
    #[error("{step} {path}: {errno}")]
    Tree {
        /// The system call, in words.
        step: &'static str,
        /// The tree.
        path: String,
        /// Why.
        errno: Errno,
    },
    /// The ids of a mount could not be prepared.
    #[error("make a user namespace for mapping owners: {0}")]
    IdMap(#[source] std::io::Error),
    /// The socket to the first process.
    #[error("make a control socket: {0}")]
    Socket(#[source] Errno),
    /// `clone3` was refused.
    #[error("make namespaces (clone3): {0}")]
    Clone(#[source] Errno),
    /// The id mapping of the sandbox was refused.
    #[error("write the id mapping: {0}")]
    Mapping(#[source] std::io::Error),
    /// The caller's own preparation (a control group, say) failed.
    #[error("{0}")]
    Prepare(#[source] std::io::Error),
    /// A step of the plan failed inside.
    #[error("{step}: {errno}")]
    Step {
        /// The step, in words.
        step: String,
        /// Which wall it belongs to.
        stage: Stage,
        /// Why.
        errno: Errno,
    },
}

/// Which part of building a sandbox a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Making namespaces.
    Namespaces,
    /// Mapping and taking on ids.
    Identity,
    /// Trees of the host and private filesystems.
    Mounts,
    /// The process filesystem.
    Processes,
    /// The network boundary.
    Network,
    /// The terminal.
    Terminal,
    /// Landlock.
    Landlock,
    /// The system call filter.
    Filter,
    /// Anything else.
    Other,
}

impl StartError {
    /// Which part of building failed, and the kernel's answer where there is one.
    #[must_use]
    pub fn stage(&self) -> (Stage, Option<Errno>) {
        match self {
            StartError::Clone(errno) => (Stage::Namespaces, Some(*errno)),
            StartError::Tree { errno, .. } => (Stage::Mounts, Some(*errno)),
            StartError::IdMap(e) | StartError::Mapping(e) => (Stage::Identity, e.raw_os_error().map(Errno)),
            StartError::Step { stage, errno, .. } => (*stage, Some(*errno)),
            StartError::Socket(_) | StartError::Prepare(_) => (Stage::Other, None),
        }
    }
}

/// What happens in a running sandbox.
#[derive(Debug)]
pub enum Event {
    /// Its terminal's master end.
    Terminal(OwnedFd),
    /// A socket of the network boundary.
    Socket(Socket, OwnedFd),
    /// The listener of the system call filter: see [`Programs`](crate::Programs).
    Listener(OwnedFd),
    /// The top of an overlay that is handed out ([`Layers`](crate::Layers)): what the program sees there. Root has it
    /// from the start ([`Sandbox::take_view`]).
    View(OwnedFd),
    /// The program could not be executed.
    NotExecuted(Errno),
    /// The command ended with this status.
    Exited(i32),
    /// A signal ended the command.
    Killed(i32),
    /// A signal stopped the command.
    Stopped(i32),
    /// A further program, by its number, is over.
    Further(i32, Outcome),
    /// A further program's terminal: its number, the master end.
    FurtherTerminal(i32, OwnedFd),
    /// A step of setting up failed.
    Failed(StartError),
    /// The first process is gone without a word: it was killed from outside.
    Lost,
}

/// A sandbox that was started.
#[derive(Debug)]
pub struct Sandbox {
    pid: i32,
    pidfd: OwnedFd,
    control: OwnedFd,
    view: RefCell<Option<OwnedFd>>,
    plan: Plan,
}

/// What the caller does with the first process before it goes on: its pid, as the host sees it.
pub type Placement<'a> = &'a mut dyn FnMut(i32) -> std::io::Result<()>;

impl Sandbox {
    /// Starts the sandbox that a plan describes. With a version 2 control group it starts inside
    /// it; `place` is called for what must happen before the first process goes on.
    ///
    /// # Errors
    /// What could not be done; nothing is left then. Steps that fail inside come as
    /// [`Event::Failed`].
    pub fn start(
        plan: Plan,
        cgroup: Option<BorrowedFd<'_>>,
        place: Option<Placement<'_>>,
    ) -> Result<Sandbox, StartError> {
        let trees = prepare(&plan)?;
        let numbers: Vec<Fd> = trees.iter().map(|t| Fd(t.as_raw_fd())).collect();
        let (ours, theirs) = sys::packet_pair().map_err(StartError::Socket)?;
        match sys::clone_sandbox(plan.namespaces, cgroup).map_err(StartError::Clone)? {
            Cloned::Child => {
                // Its copy of the supervisor's end would keep it from seeing that the supervisor died.
                drop(ours);
                crate::first::run(&plan, &numbers, Fd(theirs.as_raw_fd()))
            }
            Cloned::Parent { pid, pidfd } => {
                drop(theirs);
                let sandbox = Sandbox {
                    pid,
                    pidfd,
                    control: ours,
                    view: RefCell::new(handed_out(&plan, trees)),
                    plan,
                };
                sandbox.release(place).inspect_err(|_| sandbox.kill_and_wait())?;
                Ok(sandbox)
            }
        }
    }

    fn release(&self, place: Option<Placement<'_>>) -> Result<(), StartError> {
        if let Some(place) = place {
            place(self.pid).map_err(StartError::Prepare)?;
        }
        if let Some((inside, outside)) = self.plan.mapping {
            mapping(inside, outside)
                .write_for(self.pid)
                .map_err(StartError::Mapping)?;
        }
        if self.plan.waits() {
            self.order(Order::Release).map_err(StartError::Socket)?;
        }
        Ok(())
    }

    /// What [`Event::View`] brings otherwise, where the overlay was made beforehand, as root.
    #[must_use]
    pub fn take_view(&self) -> Option<OwnedFd> {
        self.view.take()
    }

    /// The first process's pid on the host.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when [`Sandbox::event`] has something to say.
    #[must_use]
    pub fn events(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The next event; waits for it.
    #[must_use]
    pub fn event(&self) -> Event {
        let Ok(Some((packet, fd))) = sys::receive(Fd(self.control.as_raw_fd()), 0) else {
            return Event::Lost;
        };
        match (Message::decode(&packet), fd) {
            (Some(Message::Terminal), Some(master)) => Event::Terminal(master),
            (Some(Message::Socket(socket)), Some(fd)) => Event::Socket(socket, fd),
            (Some(Message::Listener), Some(listener)) => Event::Listener(listener),
            (Some(Message::View), Some(top)) => Event::View(top),
            (Some(Message::NotExecuted { errno }), _) => Event::NotExecuted(errno),
            (Some(Message::Exited { code }), _) => Event::Exited(code),
            (Some(Message::Killed { signal }), _) => Event::Killed(signal),
            (Some(Message::Stopped { signal }), _) => Event::Stopped(signal),
            (Some(Message::Further(number, outcome)), _) => Event::Further(number, outcome),
            (Some(Message::FurtherTerminal(number)), Some(fd)) => Event::FurtherTerminal(number, fd),
            (Some(Message::Failed { step, errno }), _) => Event::Failed(self.failed(step, errno)),
            _ => Event::Lost,
        }
    }

    fn failed(&self, step: i32, errno: Errno) -> StartError {
        match usize::try_from(step).ok().and_then(|n| self.plan.steps.get(n)) {
            Some(step) => StartError::Step {
                step: step.name(),
                stage: step.stage(),
                errno,
            },
            None => StartError::Step {
                step: "start the command".to_owned(),
                stage: Stage::Other,
                errno,
            },
        }
    }

    /// After [`Event::Terminal`]: the terminal has its size, and the command may be started. A sandbox
    /// that is gone is no error.
    pub fn terminal_taken(&self) {
        let _gone = self.order(Order::Release);
    }

    /// Asks for a stream socket of the sandbox's network: it comes as [`Event::Socket`]. With it the
    /// outside reaches what listens inside. A sandbox that is gone is no error.
    pub fn ask_socket(&self) {
        let _gone = self.order(Order::Socket);
    }

    /// Sends a signal to the command's process group. A sandbox that is gone is no error.
    pub fn signal(&self, signal: i32) {
        let _gone = self.order(Order::Signal(signal));
    }

    /// Has the first process start a further program, of this number, behind the same walls. `description`
    /// is memory that holds [`Launch::encode`](crate::Launch::encode) and that nobody changes any more; of
    /// `streams`, those that are not its own terminal are needed. How it goes comes as [`Event::Further`].
    ///
    /// # Errors
    /// The sandbox is gone, or does not take orders fast enough.
    pub fn launch(
        &self,
        number: i32,
        description: BorrowedFd<'_>,
        streams: [Option<BorrowedFd<'_>>; 3],
    ) -> Result<(), Errno> {
        let control = Fd(self.control.as_raw_fd());
        for (n, stream) in (0..).zip(streams) {
            if let Some(stream) = stream {
                let packet = Order::Stream(n).encode();
                sys::send_with_fd(control, &packet, Fd(stream.as_raw_fd()))?;
            }
        }
        sys::send_with_fd(
            control,
            &Order::Launch(number).encode(),
            Fd(description.as_raw_fd()),
        )
    }

    /// Sends a signal to a further program's process group. One that is gone is no error.
    pub fn signal_further(&self, number: i32, signal: i32) {
        let _gone = self.order(Order::SignalFurther(number, signal));
    }

    fn order(&self, order: Order) -> Result<(), Errno> {
        sys::send(Fd(self.control.as_raw_fd()), &order.encode())
    }

    /// What has to stay open in a process that calls [`Sandbox::kill`] or [`Sandbox::signal`].
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.control.as_fd(), self.pidfd.as_fd()]
    }

    /// Ends everything inside, and does not wait for it.
    pub fn kill(&self) {
        if self.plan.has_namespaces() {
            let _gone = sys::pidfd_signal(self.pidfd.as_fd(), libc::SIGKILL);
        } else {
            // The first process ends what the command leaves.
            self.signal(libc::SIGKILL);
        }
    }

    /// Ends everything inside at once and waits until it is gone.
    pub fn kill_and_wait(&self) {
        let _gone = sys::pidfd_signal(self.pidfd.as_fd(), libc::SIGKILL);
        self.wait();
    }

    /// Waits until the first process, and with it everything inside, is gone.
    pub fn wait(&self) {
        sys::wait_pidfd(self.pidfd.as_fd());
    }
}

fn mapping(inside: Ids, outside: Ids) -> IdMapping {
    IdMapping {
        inside: (inside.uid, inside.gid),
        outside: (outside.uid, outside.gid),
    }
}

/// The overlay among the prepared trees that the caller wants.
fn handed_out(plan: &Plan, trees: Vec<OwnedFd>) -> Option<OwnedFd> {
    let wanted = |tree: &Tree| tree.layers.as_ref().is_some_and(|l| l.handed_out);
    let both = plan.trees.iter().zip(trees);
    both.filter(|(tree, _)| wanted(tree)).map(|(_, fd)| fd).next()
}

/// Clones the trees that the first process could not reach itself, owners mapped.
fn prepare(plan: &Plan) -> Result<Vec<OwnedFd>, StartError> {
    let Some((_, outside)) = plan.mapping else {
        return Ok(Vec::new());
    };
    let mut namespaces: Vec<(Ids, OwnedFd)> = Vec::new();
    for owner in plan.trees.iter().filter_map(|t| t.owner) {
        if !namespaces.iter().any(|(known, _)| *known == owner) {
            let namespace =
                sys::namespace_with_mapping(mapping(owner, outside)).map_err(StartError::IdMap)?;
            namespaces.push((owner, namespace));
        }
    }
    plan.trees
        .iter()
        .map(|tree| prepare_one(tree, &namespaces))
        .collect()
}

fn prepare_one(tree: &Tree, namespaces: &[(Ids, OwnedFd)]) -> Result<OwnedFd, StartError> {
    let idmap = namespaces
        .iter()
        .find(|(owner, _)| Some(*owner) == tree.owner)
        .map(|(_, fd)| fd.as_fd());
    let made = match &tree.layers {
        Some(layers) => sys::prepare_overlay(&tree.path, layers, idmap),
        None => sys::prepare_tree(&tree.path, tree.attributes, idmap),
    };
    made.map_err(|(step, errno)| StartError::Tree {
        step,
        path: format!("{:?}", tree.path),
        errno,
    })
}
