//! The steps of a plan.

use super::boundary::Messages;
use crate::spec::{Ids, Kind, Layers, Room};
use crate::start::Stage;
use std::ffi::{CStr, CString};

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

/// Where something is mounted: a path below the new root. Its folder is opened first, without
/// following links, and the place is the last name in it: many places share a folder.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    path: CString,
    folder: CString,
}

impl Place {
    /// A place by its plain relative path.
    pub(crate) fn new(path: CString) -> Place {
        let bytes = path.as_bytes();
        let cut = bytes.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let folder = CString::new(&bytes[..cut]).unwrap_or_default(); // part of a CString
        Place { path, folder }
    }

    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    /// The folder it lies in; empty for the new root.
    pub(crate) fn folder(&self) -> &CStr {
        &self.folder
    }

    /// Its last name.
    pub(crate) fn name(&self) -> &CStr {
        let from = match self.folder.count_bytes() {
            0 => 0,
            folder => folder + 1,
        };
        CStr::from_bytes_with_nul(&self.path.as_bytes_with_nul()[from..]).unwrap_or_default()
    }

    /// Whether a folder is this place or lies below it.
    pub(crate) fn holds(&self, folder: &CStr) -> bool {
        let rest = folder.to_bytes().strip_prefix(self.path.as_bytes());
        rest.is_some_and(|rest| rest.first().is_none_or(|b| *b == b'/'))
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.fmt(f)
    }
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
    /// What is mounted on the host from now on does not appear here, nor the other way round.
    Private,
    /// A memory filesystem as the new root, mounted over `/`. The private places are folders of it.
    NewRoot {
        size: CString,
        inodes: CString,
        room: Room,
    },
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
        to: Place,
        attributes: Attributes,
    },
    /// Mount an overlay over a folder of the host.
    Overlay {
        lower: CString,
        layers: Layers,
        to: Place,
    },
    /// Mount a folder of the host read-only, one of the top filesystem laid over it.
    Covered {
        lower: CString,
        over: CString,
        to: Place,
    },
    /// A folder of the top filesystem, made with this mode and mounted writable at a place.
    Memory {
        folder: CString,
        to: Place,
        mode: u32,
    },
    /// Device nodes of the host's /dev, by name, in a directory below the new root.
    Devices {
        to: CString,
        names: Vec<CString>,
    },
    Processes(Place),
    /// Cover and make read-only what the process filesystem shows of the whole machine, as far as
    /// this kernel has it.
    Shield {
        at: CString,
        hidden: &'static [(&'static CStr, Kind)],
        read_only: &'static [&'static CStr],
    },
    Terminals(Place),
    /// Clone a place below the new root onto itself.
    Again {
        path: Place,
        read_only: bool,
    },
    /// Cover a place below the new root with an empty file or directory.
    Cover {
        path: Place,
        with: CString,
    },
    HostName(CString),
    LoopbackUp,
    /// Make every address local, and hand out the sockets where what is dialled arrives.
    Boundary(Box<Messages>),
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
            Step::Processes(_) | Step::Shield { .. } => Stage::Processes,
            Step::Terminal | Step::Terminals(_) | Step::NewSession => Stage::Terminal,
            Step::Landlock { .. } => Stage::Landlock,
            Step::Filter | Step::NoNewPrivileges | Step::DropCapabilities | Step::NotDumpable => {
                Stage::Filter
            }
            Step::Boundary(_) => Stage::Network,
            Step::LoopbackUp | Step::HostName(_) | Step::Limit(..) => Stage::Other,
            _ => Stage::Mounts,
        }
    }
}
