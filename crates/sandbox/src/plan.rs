//! From a specification to the list of steps that builds the sandbox. Pure: no system call is made
//! here, so the whole order of set-up is tested by reading it.

mod boundary;
mod layout;
mod netlink;
mod render;
mod step;

pub(crate) use boundary::Messages;
pub use boundary::{GATE_PORT, OWN_V4, OWN_V6};
pub(crate) use layout::cover_of;
pub(crate) use step::{Attributes, Place, Source, Step, Tree};

use crate::landlock::{self, Grant};
use crate::seccomp::Filter;
use crate::spec::{Access, Command, Entry, Ids, Kind, Level, Spec};
use std::ffi::CString;

/// Everything needed to build one sandbox, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Trees the supervisor clones before the sandbox exists (as root only).
    pub(crate) trees: Vec<Tree>,
    /// What the first process does.
    pub(crate) steps: Vec<Step>,
    pub(crate) filter: Filter,
    pub(crate) command: Command,
    pub(crate) namespaces: bool,
    /// Which of the command's descriptors 0, 1, 2 are its own terminal.
    pub(crate) terminal: [bool; 3],
    /// The mapping the supervisor writes (as root only): inside, outside.
    pub(crate) mapping: Option<(Ids, Ids)>,
}

/// Why a specification cannot become a plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A path is relative, or holds `.` or `..`.
    #[error("not an absolute, plain path: {0:?}")]
    Path(CString),
    /// The caller is root and no private id was given.
    #[error("a sandbox started by root needs a private user id")]
    PrivateIds,
    /// Level `landlock` on a kernel that has none.
    #[error("isolation level landlock needs Landlock (ABI 1 or later), which this kernel does not have")]
    NoLandlock,
    /// Level `landlock` cannot do what is asked.
    #[error("isolation level landlock cannot {0}")]
    Weaker(&'static str),
}

impl Plan {
    /// Plans a sandbox.
    ///
    /// # Errors
    /// The specification contradicts itself.
    pub fn new(spec: &Spec) -> Result<Plan, PlanError> {
        if spec.root && spec.private.is_none() && spec.level == Level::Namespace {
            return Err(PlanError::PrivateIds);
        }
        match spec.level {
            Level::Namespace => namespace_plan(spec),
            Level::Landlock => landlock_plan(spec),
        }
    }
}

impl Plan {
    /// Whether the sandbox has namespaces of its own, whose end ends everything in it.
    #[must_use]
    pub fn has_namespaces(&self) -> bool {
        self.namespaces
    }

    /// Whether the first process waits for the supervisor before it goes on.
    pub(crate) fn waits(&self) -> bool {
        self.steps.contains(&Step::AwaitRelease)
    }
}

fn namespace_plan(spec: &Spec) -> Result<Plan, PlanError> {
    let mut trees = Vec::new();
    let mut steps = identity(spec);
    steps.push(Step::Private);
    steps.extend(layout::steps(spec, &mut trees)?);
    steps.extend([Step::HostName(c"fumehood".to_owned()), Step::LoopbackUp]);
    steps.extend(
        spec.boundary
            .as_ref()
            .map(|b| Step::Boundary(Box::new(boundary::messages(b)))),
    );
    steps.extend([Step::EnterRoot, Step::SealRoot]);
    steps.extend(walls(spec, namespace_grants(spec)));
    let outside = spec.private.unwrap_or(spec.caller);
    Ok(Plan {
        trees,
        steps,
        filter: filter(spec),
        command: spec.command.clone(),
        namespaces: true,
        terminal: spec.terminal,
        mapping: (spec.root).then_some((spec.inside, outside)),
    })
}

fn filter(spec: &Spec) -> Filter {
    if spec.watched {
        Filter::watching(spec.strictness())
    } else {
        Filter::new(spec.strictness())
    }
}

/// Level `landlock`: no namespace, hence no mount; the view becomes grants on the host's paths.
fn landlock_plan(spec: &Spec) -> Result<Plan, PlanError> {
    if spec.landlock == 0 {
        return Err(PlanError::NoLandlock);
    }
    if spec.root {
        return Err(PlanError::Weaker(
            "be used by root: the command would be user 0 of the host; run as an ordinary user",
        ));
    }
    if spec.nested {
        return Err(PlanError::Weaker(
            "let the program bring a sandbox of its own (nested)",
        ));
    }
    if spec.boundary.is_some() {
        return Err(PlanError::Weaker(
            "reach the network: it has no network namespace; leave out what is allowed, or use namespace",
        ));
    }
    if spec.view.iter().any(|(_, e)| matches!(e, Entry::Overlay { .. })) {
        return Err(PlanError::Weaker("keep changes back (--apply); say --live"));
    }
    if spec.view.iter().any(|(_, e)| matches!(e, Entry::Covered { .. })) {
        return Err(PlanError::Weaker("cover files of a visible directory"));
    }
    if spec.view.iter().any(|(_, e)| matches!(e, Entry::Hide(_))) {
        return Err(PlanError::Weaker("hide files below a visible directory (hide)"));
    }
    Ok(Plan {
        trees: Vec::new(),
        steps: spec
            .placed
            .then_some(Step::AwaitRelease)
            .into_iter()
            .chain(walls(spec, landlock_grants(spec)))
            .collect(),
        filter: filter(spec),
        command: spec.command.clone(),
        namespaces: false,
        terminal: spec.terminal,
        mapping: None,
    })
}

/// Who the first process is: a user maps itself, root's supervisor maps a private id.
fn identity(spec: &Spec) -> Vec<Step> {
    if spec.root {
        return vec![Step::AwaitRelease, Step::BecomeUser(spec.inside)];
    }
    let line = |inside: u32, outside: u32| format!("{inside} {outside} 1\n").into_bytes();
    let mut steps = Vec::new();
    if spec.placed {
        steps.push(Step::AwaitRelease);
    }
    steps.extend([
        Step::Write(c"/proc/self/setgroups".to_owned(), b"deny".to_vec()),
        Step::Write(
            c"/proc/self/uid_map".to_owned(),
            line(spec.inside.uid, spec.caller.uid),
        ),
        Step::Write(
            c"/proc/self/gid_map".to_owned(),
            line(spec.inside.gid, spec.caller.gid),
        ),
    ]);
    steps
}

/// The walls that are the same on every level, weakest first: each one is set by a process that
/// still could, and the filter that forbids setting them comes last.
fn walls(spec: &Spec, grants: Vec<(CString, u64)>) -> Vec<Step> {
    let mut steps: Vec<Step> = spec.limits.iter().map(|(r, v)| Step::Limit(*r, *v)).collect();
    // The first process leads the session, so that the command, in a process group of its own, can
    // be stopped and continued as under a shell.
    steps.push(Step::NewSession);
    if spec.wants_terminal() {
        steps.push(Step::Terminal);
    }
    if spec.level == Level::Namespace {
        steps.push(Step::DropCapabilities);
    }
    steps.extend([Step::NoNewPrivileges, Step::NotDumpable]);
    steps.extend(landlock_steps(spec, grants));
    steps.push(Step::Filter);
    steps
}

fn landlock_steps(spec: &Spec, grants: Vec<(CString, u64)>) -> Option<Step> {
    let abi = spec.landlock;
    // Any file rule forbids mounting, so a nested sandbox gets scopes only. ABI 1 would forbid
    // every rename between directories (review-security F8).
    let files = !spec.nested && (abi >= 2 || spec.level == Level::Landlock);
    let handled = if files { landlock::known(abi) } else { 0 };
    let scoped = landlock::scopes(abi);
    let grants = if files { grants } else { Vec::new() };
    (handled != 0 || scoped != 0).then_some(Step::Landlock {
        handled,
        scoped,
        grants,
    })
}

fn namespace_grants(spec: &Spec) -> Vec<(CString, u64)> {
    let grant = |g, directory| landlock::rights(g, directory, spec.landlock);
    let mut out = vec![(c"/".to_owned(), grant(Grant::Read, true))];
    let mut devices = false;
    for (path, entry) in &spec.view {
        let right = match entry {
            Entry::Bind {
                access: Access::ReadWrite,
                kind,
                ..
            } => grant(Grant::Write, *kind == Kind::Directory),
            Entry::Bind {
                access: Access::Device,
                ..
            } if path.as_bytes().starts_with(b"/dev/") => {
                devices = true;
                continue;
            }
            Entry::Bind {
                access: Access::Device,
                ..
            } => grant(Grant::Device, false),
            Entry::Overlay { .. } | Entry::Memory(_) => grant(Grant::Write, true),
            Entry::Processes => grant(Grant::WriteExisting, true),
            Entry::Terminals => grant(Grant::Device, true),
            _ => continue,
        };
        out.push((path.clone(), right));
    }
    if devices {
        // The folder is the sandbox's own and holds nothing but what was put there.
        out.push((c"/dev".to_owned(), grant(Grant::Device, true)));
    }
    out
}

fn landlock_grants(spec: &Spec) -> Vec<(CString, u64)> {
    let grant = |g, kind| landlock::rights(g, kind == Kind::Directory, spec.landlock);
    spec.view
        .iter()
        .filter_map(|(_, entry)| match entry {
            Entry::Bind {
                from, access, kind, ..
            } => {
                let wanted = match access {
                    Access::ReadOnly => Grant::Read,
                    Access::ReadWrite => Grant::Write,
                    Access::Device => Grant::Device,
                };
                Some((from.clone(), grant(wanted, *kind)))
            }
            // Without a pid namespace the host's is what there is. Landlock keeps the inside from what
            // tracing would show (environ, mem, fd, root) of processes outside; names stay visible.
            Entry::Processes => Some((c"/proc".to_owned(), grant(Grant::WriteExisting, Kind::Directory))),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
