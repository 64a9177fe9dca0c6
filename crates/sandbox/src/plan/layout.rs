//! The mount tree: in which order, and which mount points have to be made.

use super::{PlanError, Source, Step, Tree, step::Attributes};
use crate::spec::{Access, Entry, Ids, Kind, Layers, Room, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};

/// Files of /proc that tell of the whole machine and are readable by anyone, and trees through
/// which hardware or the kernel is set; as runc masks them. Only root could write most of these,
/// and no sandbox is root of the host: this is the second lock.
const PROC_HIDDEN: [(&CStr, Kind); 8] = [
    (c"proc/acpi", Kind::Directory),
    (c"proc/kcore", Kind::File),
    (c"proc/keys", Kind::File),
    (c"proc/key-users", Kind::File),
    (c"proc/latency_stats", Kind::File),
    (c"proc/sched_debug", Kind::File),
    (c"proc/scsi", Kind::Directory),
    (c"proc/timer_list", Kind::File),
];
const PROC_READ_ONLY: [&CStr; 5] = [
    c"proc/bus",
    c"proc/fs",
    c"proc/irq",
    c"proc/sys",
    c"proc/sysrq-trigger",
];

/// What covers hidden places; in the top filesystem, which is sealed afterwards. Files are covered
/// by the name of a socket that nobody may open: programs get an error rather than an empty file
/// that they would believe, and `git add -A` passes over it, as it does over every socket.
const EMPTY_FILE: &CStr = c".fumehood/file";
const EMPTY_DIRECTORY: &CStr = c".fumehood/directory";

/// All steps that build the tree below the new root.
pub(super) fn steps(spec: &Spec, trees: &mut Vec<Tree>) -> Result<Vec<Step>, PlanError> {
    let view = sorted(spec)?;
    let mut layout = Layout {
        spec,
        trees,
        steps: Vec::new(),
        made: BTreeSet::new(),
        view: &view,
    };
    layout.covers();
    for (path, entry) in &view {
        layout.entry(path, entry);
    }
    Ok(layout.steps)
}

/// A path as its components: sorts parents before children.
type Components = Vec<Vec<u8>>;

fn components(path: &CStr) -> Result<Components, PlanError> {
    let wrong = || PlanError::Path(path.to_owned());
    let rest = path.to_bytes().strip_prefix(b"/").ok_or_else(wrong)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Components = rest.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
    let plain = |p: &Vec<u8>| !p.is_empty() && p != b"." && p != b"..";
    if parts.iter().all(plain) {
        Ok(parts)
    } else {
        Err(wrong())
    }
}

fn sorted(spec: &Spec) -> Result<BTreeMap<Components, &Entry>, PlanError> {
    spec.view.iter().map(|(p, e)| Ok((components(p)?, e))).collect()
}

/// The path below the new root.
fn below(parts: &[Vec<u8>]) -> CString {
    CString::new(parts.join(&b'/')).unwrap_or_default() // parts of a CStr hold no NUL
}

struct Layout<'a> {
    spec: &'a Spec,
    trees: &'a mut Vec<Tree>,
    steps: Vec<Step>,
    made: BTreeSet<Components>,
    view: &'a BTreeMap<Components, &'a Entry>,
}

impl Layout<'_> {
    fn covers(&mut self) {
        self.steps.extend([
            Step::Directory(c".fumehood".to_owned(), 0o755),
            Step::Directory(EMPTY_DIRECTORY.to_owned(), 0o000),
            Step::Socket(EMPTY_FILE.to_owned()),
        ]);
    }

    fn entry(&mut self, path: &Components, entry: &Entry) {
        let to = below(path);
        match entry {
            Entry::Directory => self.directories(path),
            Entry::Link(target) => self.in_directory(path, Step::Link(to, target.clone())),
            Entry::File(content) => self.in_directory(path, file(to, content.clone(), 0o444)),
            Entry::Replace(content) => self.replace(to, content),
            Entry::Bind {
                from,
                access,
                kind,
                owner,
            } => self.bind(path, from, *access, *kind, *owner),
            Entry::Overlay { from, layers, owner } => self.overlay(path, from, layers, *owner),
            Entry::Memory(room) => self.mount(path, Kind::Directory, memory(to, *room)),
            Entry::Processes => self.processes(path),
            Entry::Terminals => self.mount(path, Kind::Directory, Step::Terminals(to)),
            Entry::Protect => self.steps.push(Step::Again {
                path: to,
                read_only: true,
                optional: false,
            }),
            Entry::Pin => self.steps.push(Step::Again {
                path: to,
                read_only: false,
                optional: false,
            }),
            Entry::Hide(kind) => self.steps.push(cover(to, *kind, false)),
        }
    }

    fn bind(&mut self, path: &Components, from: &CStr, access: Access, kind: Kind, owner: Option<Ids>) {
        let attributes = Attributes {
            read_only: access == Access::ReadOnly,
            devices: access == Access::Device,
            no_exec: false,
        };
        let from = if self.spec.root {
            self.trees.push(Tree {
                path: from.to_owned(),
                attributes,
                owner,
                layers: None,
            });
            Source::Prepared(self.trees.len() - 1)
        } else {
            Source::Path(from.to_owned())
        };
        self.mount(
            path,
            kind,
            Step::Bind {
                from,
                to: below(path),
                attributes,
            },
        );
    }

    /// A user's first process makes the overlay itself; root's supervisor makes it beforehand, over a
    /// clone whose owners are mapped.
    fn overlay(&mut self, path: &Components, from: &CStr, layers: &Layers, owner: Option<Ids>) {
        let to = below(path);
        let attributes = Attributes::default();
        let step = if self.spec.root {
            self.trees.push(Tree {
                path: from.to_owned(),
                attributes,
                owner,
                layers: Some(layers.clone()),
            });
            let from = Source::Prepared(self.trees.len() - 1);
            Step::Bind { from, to, attributes }
        } else {
            Step::Overlay {
                lower: from.to_owned(),
                layers: layers.clone(),
                to,
            }
        };
        self.mount(path, Kind::Directory, step);
    }

    /// A file of a host tree is covered by one of our own with this content.
    fn replace(&mut self, path: CString, content: &[u8]) {
        let with = CString::new(format!(".fumehood/{}", self.steps.len())).unwrap_or_default(); // digits
        self.steps.push(file(with.clone(), content.to_vec(), 0o444));
        self.steps.push(Step::Cover {
            path,
            with,
            optional: false,
        });
    }

    fn processes(&mut self, path: &Components) {
        self.mount(path, Kind::Directory, Step::Processes(below(path)));
        if self.spec.nested {
            // The kernel lets nobody mount a fresh procfs below a masked one, and that is what a
            // sandbox inside needs. The files' own permissions remain.
            return;
        }
        for (hidden, kind) in PROC_HIDDEN {
            self.steps.push(cover(hidden.to_owned(), kind, true));
        }
        for place in PROC_READ_ONLY {
            self.steps.push(Step::Again {
                path: place.to_owned(),
                read_only: true,
                optional: true,
            });
        }
    }

    /// A mount, after its mount point where that is ours to make.
    fn mount(&mut self, path: &Components, kind: Kind, step: Step) {
        match (self.is_ours(path), kind) {
            (true, Kind::Directory) => self.directories(path),
            (true, Kind::File) => self.in_directory(path, file(below(path), Vec::new(), 0o444)),
            (false, _) => {}
        }
        self.steps.push(step);
    }

    fn in_directory(&mut self, path: &Components, step: Step) {
        if let Some((_, parent)) = path.split_last() {
            self.directories(&parent.to_vec());
        }
        self.steps.push(step);
    }

    fn directories(&mut self, path: &Components) {
        for depth in 1..=path.len() {
            let ancestor = path[..depth].to_vec();
            let missing = self.is_ours(&ancestor) && !self.made.contains(&ancestor);
            if missing {
                self.steps.push(Step::Directory(below(&ancestor), 0o755));
                self.made.insert(ancestor);
            }
        }
    }

    /// Whether a place lies in a filesystem that was made for this sandbox, rather than in a tree
    /// of the host, where nothing may be left behind.
    fn is_ours(&self, path: &Components) -> bool {
        let enclosing = (0..path.len()).rev().find_map(|n| self.view.get(&path[..n]));
        !matches!(
            enclosing,
            Some(Entry::Bind { .. } | Entry::Overlay { .. } | Entry::Processes | Entry::Terminals)
        )
    }
}

fn memory(to: CString, room: Room) -> Step {
    let text = |s: String| CString::new(s).unwrap_or_default(); // digits hold no NUL
    Step::Memory {
        to,
        size: text(room.bytes.to_string()),
        inodes: text(room.inodes.to_string()),
        mode: text(format!("{:o}", room.mode)),
        room,
    }
}

fn file(path: CString, content: Vec<u8>, mode: u32) -> Step {
    Step::File { path, content, mode }
}

fn cover(path: CString, kind: Kind, optional: bool) -> Step {
    let with = match kind {
        Kind::Directory => EMPTY_DIRECTORY,
        Kind::File => EMPTY_FILE,
    };
    Step::Cover {
        path,
        with: with.to_owned(),
        optional,
    }
}
