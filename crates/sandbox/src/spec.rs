//! What a sandbox is to be: the caller's description, in terms of what the program will see.
//!
//! A specification says nothing of system calls; [`crate::Plan::new`] turns it into them. It holds
//! absolute paths only, as the program will see them.

use crate::seccomp::Strictness;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;

/// How strong the walls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Namespaces, a mount tree of its own, Landlock, seccomp.
    Namespace,
    /// Landlock and seccomp only: no staging, no hiding of names, no network by name. Weaker.
    Landlock,
}

/// A numeric user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// How a bound tree may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing below can be changed.
    ReadOnly,
    /// Files can be changed where their own permissions allow it.
    ReadWrite,
    /// A device node: read and written, never replaced.
    Device,
}

/// What is bound: mount points are made to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory and all below it.
    Directory,
    /// Anything else.
    File,
}

/// What lies over a folder of the host in an overlay. Absolute paths without links, all on one
/// filesystem, owned by whoever the sandbox's user is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Read-only, between the folder and the upper layer: names that are to be absent.
    pub mask: Option<CString>,
    /// Takes every write.
    pub upper: CString,
    /// The kernel's own, empty, on the filesystem of `upper`.
    pub work: CString,
    /// Whether the supervisor gets what the program sees, to write into it ([`crate::Event::View`]).
    pub handed_out: bool,
}

/// Sizes of a private in-memory filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes; it counts as memory of the sandbox.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
    /// Permission bits of its top directory.
    pub mode: u32,
}

/// One thing the program sees at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A tree of the host, at this place.
    Bind {
        /// Where the tree is on the host: absolute, no symbolic link in it.
        from: CString,
        /// How it may be used.
        access: Access,
        /// Directory or not.
        kind: Kind,
        /// Whose files the sandbox's user owns here, when the caller is root: they are mapped to
        /// the sandbox's private id. `None`: owners stay as they are.
        owner: Option<Ids>,
    },
    /// A folder of the host that is read through layers: what is written goes to the upper one, and
    /// nothing below it is ever changed (Documentation/filesystems/overlayfs.rst of the kernel).
    Overlay {
        /// The folder, as in [`Entry::Bind`].
        from: CString,
        /// Its layers.
        layers: Layers,
        /// Whose files the sandbox's user owns here, as in [`Entry::Bind`].
        owner: Option<Ids>,
    },
    /// A folder of the host, read-only, in which some files are others: it is read through a layer that has those, so
    /// they stay what they are whatever the host puts in their place. What is mounted below it is not shown.
    Covered {
        /// The folder, as in [`Entry::Bind`].
        from: CString,
        /// Paths below it, and what these files hold.
        files: BTreeMap<CString, Vec<u8>>,
    },
    /// A private filesystem in memory, empty, gone with the sandbox.
    Memory(Room),
    /// A directory of the (read-only) top filesystem.
    Directory,
    /// A symbolic link to this target.
    Link(CString),
    /// A file with this content, read-only.
    File(Vec<u8>),
    /// A file below a bound tree is covered by one with this content, read-only.
    Replace(Vec<u8>),
    /// The process filesystem of the sandbox's own pid namespace, masked.
    Processes,
    /// A terminal filesystem of its own.
    Terminals,
    /// Something below a bound tree is made read-only in place; no link in its path is followed.
    Protect,
    /// Something below a bound tree is pinned: it can be written but neither renamed nor removed.
    Pin,
    /// Something below a bound tree is covered: an empty file or directory that cannot be opened.
    Hide(Kind),
}

/// What tells a file from what it was: each of them changes with its content, and the last by no call of a program
/// (`stat(2)`). Without the device: below an overlay the same file is one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content was written last, seconds and nanoseconds.
    pub written: (i64, i64),
    /// When anything of it changed last, likewise.
    pub changed: (i64, i64),
}

/// Six numbers with colons between.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, changed) = (self.written, self.changed);
        write!(
            f,
            "{}:{}:{}:{}:{}:{}",
            self.inode, self.size, written.0, written.1, changed.0, changed.1
        )
    }
}

impl std::str::FromStr for Stamp {
    type Err = StampError;

    fn from_str(text: &str) -> Result<Stamp, StampError> {
        let parts: Vec<&str> = text.split(':').collect();
        let [inode, size, times @ ..] = parts.as_slice() else {
            return Err(StampError);
        };
        let number = |part: &str| part.parse::<u64>().map_err(|_| StampError);
        let times: Result<Vec<i64>, _> = times.iter().map(|part| part.parse::<i64>()).collect();
        let times = times.map_err(|_| StampError)?;
        let [written, written_part, changed, changed_part] = times[..] else {
            return Err(StampError);
        };
        Ok(Stamp {
            inode: number(inode)?,
            size: number(size)?,
            written: (written, written_part),
            changed: (changed, changed_part),
        })
    }
}

/// A text that is no stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("six whole numbers with colons between are wanted")]
pub struct StampError;

/// One program to run.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The file to execute, an absolute path as seen inside.
    pub program: CString,
    /// What that file is known by: another is not executed.
    pub stamp: Option<Stamp>,
    /// Its arguments, the first being its name.
    pub arguments: Vec<CString>,
    /// Its whole environment, as `NAME=value`.
    pub environment: Vec<CString>,
    /// Where it starts.
    pub directory: CString,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold what nobody wants in a log.
        write!(
            f,
            "Command({:?} {:?} in {:?})",
            self.program, self.arguments, self.directory
        )
    }
}

/// The network boundary: where what a program dials arrives. Without one the sandbox has loopback only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundary {
    /// Ports to listen on one by one where the kernel can do no better: those that policy names.
    pub ports: Vec<u16>,
    /// Ports of the sandbox's own loopback that lead to the host's.
    pub host: Vec<u16>,
    /// What not to try, so that each of the ways can be tested on a kernel that has them all.
    pub best: Way,
}

/// How connections reach the boundary, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Handed to one listener with their destination, by nf_tables' `tproxy`: every port.
    #[default]
    Transparent,
    /// Rewritten to one listener, by nf_tables' `redirect` and connection tracking: every port.
    Redirected,
    /// A listener for each port that policy names; every other port is refused.
    Ports,
}

/// A socket that the first process made and handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The listener for all connections, and how they reach it.
    Gate(Way),
    /// Questions for names (UDP, port 53).
    Names,
    /// A listener for one port.
    Port(u16),
    /// A listener for one port of the sandbox's loopback that leads to the host's.
    Host(u16),
    /// A stream socket of the sandbox's network, not connected: see [`crate::Sandbox::ask_socket`].
    Inside,
}

/// A sandbox, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How strong.
    pub level: Level,
    /// Who starts it, as the kernel of the host sees it.
    pub caller: Ids,
    /// Whether the caller is root of the machine, not only of a user namespace: then it needs a
    /// private id, and can map owners.
    pub root: bool,
    /// Who the program is inside.
    pub inside: Ids,
    /// The private host id it gets when the caller is root; see [`crate::private_ids`].
    pub private: Option<Ids>,
    /// What it sees, by absolute path. The last entry for a path counts.
    pub view: Vec<(CString, Entry)>,
    /// Whether the program may bring a sandbox of its own.
    pub nested: bool,
    /// The Landlock version in force on this kernel; 0 for none.
    pub landlock: u32,
    /// Resource limits set before the program starts: `RLIMIT_*` and value.
    pub limits: Vec<(u32, u64)>,
    /// Whether the supervisor has to place the first process (in a control group) before it goes on.
    pub placed: bool,
    /// The network boundary; `None`: no network but loopback.
    pub boundary: Option<Boundary>,
    /// Whether somebody hears of every program that is executed: [`Event::Listener`](crate::Event::Listener)
    /// comes then, and until it is listened to, nothing is executed.
    pub watched: bool,
    /// Which of the descriptors 0, 1, 2 are terminals and become the sandbox's own.
    pub terminal: [bool; 3],
    /// What runs.
    pub command: Command,
}

impl Spec {
    pub(crate) fn strictness(&self) -> Strictness {
        match (self.level, self.nested) {
            (Level::Landlock, _) => Strictness::Landlock,
            (Level::Namespace, true) => Strictness::Nested,
            (Level::Namespace, false) => Strictness::Flat,
        }
    }

    pub(crate) fn wants_terminal(&self) -> bool {
        self.terminal.contains(&true)
    }
}
