//! A plan in words: for snapshots, for `--json`, and for the message when a step fails.

use super::{Attributes, Plan, Source, Step};
use crate::spec::Layers;
use std::fmt;

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.read_only { "read-only" } else { "writable" })?;
        f.write_str(if self.devices { ", device" } else { "" })
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upper {:?}, work {:?}", self.upper, self.work)?;
        self.mask
            .iter()
            .try_for_each(|mask| write!(f, ", mask {mask:?}"))?;
        f.write_str(if self.handed_out { ", handed out" } else { "" })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match self {
            Step::Write(path, bytes) => write!(f, "write {:?} to {path:?}", text(bytes)),
            Step::AwaitRelease => f.write_str("wait for the id mapping"),
            Step::BecomeUser(ids) => write!(f, "become user {} group {}", ids.uid, ids.gid),
            Step::Private => f.write_str("let no mount through, in or out"),
            Step::NewRoot { room, .. } => {
                write!(
                    f,
                    "mount a new root, {} bytes, {} inodes",
                    room.bytes, room.inodes
                )
            }
            Step::Directory(path, mode) => write!(f, "make directory {path:?} mode {mode:o}"),
            Step::Link(path, target) => write!(f, "make link {path:?} to {target:?}"),
            Step::Socket(path) => write!(f, "make a closed name {path:?}"),
            Step::File { path, content, mode } => {
                write!(f, "make file {path:?} mode {mode:o} of {} bytes", content.len())
            }
            Step::Bind {
                from: Source::Path(from),
                to,
                attributes,
            } => {
                write!(f, "show {from:?} at {to:?}, {attributes}")
            }
            Step::Bind {
                from: Source::Prepared(n),
                to,
                attributes,
            } => {
                write!(f, "show tree {n} at {to:?}, {attributes}")
            }
            Step::Overlay { lower, layers, to } => {
                write!(f, "show {lower:?} at {to:?} through {layers}")
            }
            Step::Covered { lower, over, to } => {
                write!(f, "show {lower:?} at {to:?}, covered by {over:?}, read-only")
            }
            Step::Memory { folder, to, mode } => {
                write!(f, "mount memory {folder:?} at {to:?}, mode {mode:o}")
            }
            Step::Devices { to, names } => write!(f, "show devices {names:?} at {to:?}"),
            Step::Processes(to) => write!(f, "mount proc at {to:?}"),
            Step::Shield {
                at,
                hidden,
                read_only,
            } => {
                let hidden: Vec<_> = hidden.iter().map(|(name, _)| name).collect();
                write!(f, "shield {at:?}: cover {hidden:?}, make {read_only:?} read-only")
            }
            Step::Terminals(to) => write!(f, "mount devpts at {to:?}"),
            Step::Again {
                path,
                read_only: true,
                ..
            } => write!(f, "make {path:?} read-only"),
            Step::Again { path, .. } => write!(f, "pin {path:?}"),
            Step::Cover { path, with, .. } => write!(f, "cover {path:?} with {with:?}"),
            Step::HostName(name) => write!(f, "name the host {name:?}"),
            Step::LoopbackUp => f.write_str("bring loopback up"),
            Step::Boundary(m) => {
                f.write_str("lead every address to the boundary")?;
                let ports = |f: &mut fmt::Formatter<'_>, what, ports: &[u16]| {
                    if ports.is_empty() {
                        return Ok(());
                    }
                    write!(f, ", {what} {ports:?}")
                };
                ports(f, "ports", &m.ports)?;
                ports(f, "the host's", &m.host)
            }
            Step::EnterRoot => f.write_str("enter the new root and let go of the old one"),
            Step::SealRoot => f.write_str("make the new root read-only"),
            Step::Limit(resource, value) => write!(f, "limit resource {resource} to {value}"),
            Step::NewSession => f.write_str("start a new session"),
            Step::Terminal => f.write_str("open the sandbox's own terminal"),
            Step::DropCapabilities => f.write_str("drop all capabilities"),
            Step::NoNewPrivileges => f.write_str("forbid new privileges"),
            Step::NotDumpable => f.write_str("forbid tracing of the first process"),
            Step::Landlock {
                handled,
                scoped,
                grants,
            } => {
                write!(f, "enforce Landlock, handled {handled:#x} scoped {scoped:#x}")?;
                grants
                    .iter()
                    .try_for_each(|(p, r)| write!(f, "\n      {r:#06x} {p:?}"))
            }
            Step::Filter => f.write_str("load the system call filter"),
        }
    }
}

impl Step {
    /// The step in one line, without details, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Step::Landlock { .. } => "enforce Landlock".to_owned(),
            Step::Shield { .. } => "shield the process filesystem".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, tree) in self.trees.iter().enumerate() {
            write!(f, "tree {n}: {:?}, {}", tree.path, tree.attributes)?;
            if let Some(layers) = &tree.layers {
                write!(f, ", through {layers}")?;
            }
            match tree.owner {
                Some(o) => writeln!(f, ", owner {} mapped", o.uid)?,
                None => writeln!(f)?,
            }
        }
        self.steps
            .iter()
            .enumerate()
            .try_for_each(|(n, s)| writeln!(f, "{n:3} {s}"))
    }
}
