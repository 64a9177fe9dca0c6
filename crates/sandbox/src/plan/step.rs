//! The steps of a plan.

use crate::spec::{Ids, Layers, Room};
use crate::start::Stage;
use std::ffi::CString;

/// Attributes of a mount. Set-id bits never take effect, so there is no flag for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    pub(crate) read_only: bool,
    pub(crate) devices: bool,
    pub(crate) no_exec: bool,
}

/// Where a bound tree comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The first process reaches it itself, by this path of the host.
    Path(CString),
    /// The supervisor cloned it: the index in [`super::Plan::trees`].
    Prepared(usize),
}

/// A tree that the supervisor clones because the first process, with its private id, could not
/// reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) path: CString,
    pub(crate) attributes: Attributes,
    /// The owner on disk whose files the sandbox's user shall own.
    pub(crate) owner: Option<Ids>,
    /// What lies over it.
    pub(crate) layers: Option<Layers>,
}

/// One step of the first process. Paths without a leading `/` are below the new root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write a file of the host's /proc.
    Write(CString, Vec<u8>),
    /// Wait until the supervisor has written the id mapping.
    AwaitRelease,
    /// Become this user inside.
    BecomeUser(Ids),
    /// A small memory filesystem as the new root, mounted over `/`.
    NewRoot,
    Directory(CString, u32),
    Link(CString, CString),
    /// The name of a socket, which nobody may open.
    Socket(CString),
    File {
        path: CString,
        content: Vec<u8>,
        mode: u32,
    },
    Bind {
        from: Source,
        to: CString,
        attributes: Attributes,
    },
    /// Mount an overlay over a folder of the host.
    Overlay {
        lower: CString,
        layers: Layers,
        to: CString,
    },
    Memory {
        to: CString,
        size: CString,
        inodes: CString,
        mode: CString,
        room: Room,
    },
    Processes(CString),
    Terminals(CString),
    /// Clone a place below the new root onto itself; `optional` places may be absent.
    Again {
        path: CString,
        read_only: bool,
        optional: bool,
    },
    /// Cover a place below the new root with an empty file or directory.
    Cover {
        path: CString,
        with: CString,
        optional: bool,
    },
    HostName(CString),
    LoopbackUp,
    EnterRoot,
    SealRoot,
    Limit(u32, u64),
    NewSession,
    Terminal,
    DropCapabilities,
    NoNewPrivileges,
    NotDumpable,
    Landlock {
        handled: u64,
        scoped: u64,
        grants: Vec<(CString, u64)>,
    },
    Filter,
}

impl Step {
    /// Which wall a failure of this step belongs to.
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Step::Write(..) | Step::AwaitRelease | Step::BecomeUser(_) => Stage::Identity,
            Step::Processes(_) => Stage::Processes,
            Step::Terminal | Step::Terminals(_) | Step::NewSession => Stage::Terminal,
            Step::Landlock { .. } => Stage::Landlock,
            Step::Filter | Step::NoNewPrivileges | Step::DropCapabilities | Step::NotDumpable => {
                Stage::Filter
            }
            Step::LoopbackUp | Step::HostName(_) | Step::Limit(..) => Stage::Other,
            _ => Stage::Mounts,
        }
    }
}
