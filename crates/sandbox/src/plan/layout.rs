//! The mount tree: in which order, and which mount points have to be made.

use super::{Attributes, Place, PlanError, Source, Step, Tree};
use crate::spec::{Access, Entry, Ids, Kind, Layers, Room, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};

/// Files of /proc that tell of the whole machine and are readable by anyone, and trees through
/// which hardware or the kernel is set; as runc masks them. Only root could write most of these,
/// and no sandbox is root of the host: this is the second lock.
const PROC_HIDDEN: [(&CStr, Kind); 8] = [
    (c"acpi", Kind::Directory),
    (c"kcore", Kind::File),
    (c"keys", Kind::File),
    (c"key-users", Kind::File),
    (c"latency_stats", Kind::File),
    (c"sched_debug", Kind::File),
    (c"scsi", Kind::Directory),
    (c"timer_list", Kind::File),
];
const PROC_READ_ONLY: [&CStr; 5] = [c"bus", c"fs", c"irq", c"sys", c"sysrq-trigger"];

/// Room for directories, links and a few small files, where no private place asks for more.
const TOP: Room = Room {
    bytes: 1 << 20,
    inodes: 4096,
    mode: 0o755,
};

/// What covers hidden places; in the top filesystem, which is sealed afterwards. Files are covered
/// by the name of a socket that nobody may open: programs get an error rather than an empty file
/// that they would believe, and `git add -A` passes over it, as it does over every socket.
const EMPTY_FILE: &CStr = c".fumehood/file";
const EMPTY_DIRECTORY: &CStr = c".fumehood/directory";
/// Where the private places lie in the top filesystem: one filesystem for all of them costs half of
/// what one for each does, and has one limit. Nobody can search this folder.
const PRIVATE_PLACES: &CStr = c".fumehood/memory";

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
    layout.top();
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
    let named = |name: &CStr| {
        let whole = CString::new([b"/", name.to_bytes()].concat()).unwrap_or_default(); // a CStr holds no NUL
        match components(&whole)?.is_empty() {
            true => Err(PlanError::Path(name.to_owned())),
            false => Ok(()),
        }
    };
    let one = |(path, entry): &(CString, Entry)| {
        if let Entry::Covered { files, .. } = entry {
            files.keys().try_for_each(|name| named(name))?;
        }
        components(path)
    };
    spec.view.iter().map(|all| Ok((one(all)?, &all.1))).collect()
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
    fn top(&mut self) {
        let room = room_for(self.view.values().copied());
        self.steps.extend([
            Step::NewRoot {
                size: digits(room.bytes),
                inodes: digits(room.inodes),
                room,
            },
            Step::Directory(c".fumehood".to_owned(), 0o755),
            Step::Directory(EMPTY_DIRECTORY.to_owned(), 0o000),
            Step::Socket(EMPTY_FILE.to_owned()),
            Step::Directory(PRIVATE_PLACES.to_owned(), 0o700),
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
            } if self.is_device(path, from, *access, *kind) => self.devices(path),
            Entry::Bind {
                from,
                access,
                kind,
                owner,
            } => self.bind(path, from, *access, *kind, *owner),
            Entry::Overlay { from, layers, owner } => self.overlay(path, from, layers, *owner),
            Entry::Covered { from, files } => self.covered(path, from, files),
            Entry::Memory(room) => self.memory(path, to, *room),
            Entry::Processes => self.processes(path),
            Entry::Terminals => self.mount(path, Kind::Directory, Step::Terminals(Place::new(to))),
            Entry::Protect => self.steps.push(Step::Again {
                path: Place::new(to),
                read_only: true,
            }),
            Entry::Pin => self.steps.push(Step::Again {
                path: Place::new(to),
                read_only: false,
            }),
            Entry::Hide(kind) => self.steps.push(cover(to, *kind)),
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
                to: Place::new(below(path)),
                attributes,
            },
        );
    }

    /// A user's first process makes the overlay itself; root's supervisor makes it beforehand, over a
    /// clone whose owners are mapped.
    fn overlay(&mut self, path: &Components, from: &CStr, layers: &Layers, owner: Option<Ids>) {
        let to = Place::new(below(path));
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

    /// The layer that covers the host's files lies in the top filesystem.
    fn covered(&mut self, path: &Components, from: &CStr, files: &BTreeMap<CString, Vec<u8>>) {
        let number = self.steps.len();
        let place = |below: &[u8]| {
            let text = [format!(".fumehood/{number}").as_bytes(), below].concat();
            CString::new(text).unwrap_or_default() // neither digits nor parts of a CStr hold NUL
        };
        let over = place(b"");
        let mut made = BTreeSet::new();
        self.steps.push(Step::Directory(over.clone(), 0o755));
        for (name, content) in files {
            let name = name.to_bytes();
            let slashes = (0..name.len()).filter(|n| name.get(*n) == Some(&b'/'));
            for folder in slashes.filter_map(|n| name.get(..n)) {
                if made.insert(folder) {
                    self.steps
                        .push(Step::Directory(place(&[b"/", folder].concat()), 0o755));
                }
            }
            self.steps
                .push(file(place(&[b"/", name].concat()), content.clone(), 0o444));
        }
        let step = Step::Covered {
            lower: from.to_owned(),
            over,
            to: Place::new(below(path)),
        };
        self.mount(path, Kind::Directory, step);
    }

    /// A file of a host tree is covered by one of our own with this content.
    fn replace(&mut self, path: CString, content: &[u8]) {
        let with = CString::new(format!(".fumehood/{}", self.steps.len())).unwrap_or_default(); // digits
        self.steps.push(file(with.clone(), content.to_vec(), 0o444));
        self.steps.push(Step::Cover {
            path: Place::new(path),
            with,
        });
    }

    fn processes(&mut self, path: &Components) {
        self.mount(path, Kind::Directory, Step::Processes(Place::new(below(path))));
        if self.spec.nested {
            // The kernel lets nobody mount a fresh procfs below a masked one, and that is what a
            // sandbox inside needs. The files' own permissions remain.
            return;
        }
        self.steps.push(Step::Shield {
            at: below(path),
            hidden: &PROC_HIDDEN,
            read_only: &PROC_READ_ONLY,
        });
    }

    /// Whether this is one of the host's device nodes at its own place, which a user's first process
    /// reaches itself.
    fn is_device(&self, path: &Components, from: &CStr, access: Access, kind: Kind) -> bool {
        let wanted = access == Access::Device && kind == Kind::File && !self.spec.root;
        wanted && path.len() == 2 && path[0] == b"dev" && components(from).is_ok_and(|from| from == *path)
    }

    /// All of those with one step, at the first of them.
    fn devices(&mut self, path: &Components) {
        let to = below(&path[..1]);
        if self.steps.iter().any(|s| matches!(s, Step::Devices { .. })) {
            return;
        }
        let is_one = |(at, entry): &(&Components, &&Entry)| match entry {
            Entry::Bind {
                from, access, kind, ..
            } => self.is_device(at, from, *access, *kind),
            _ => false,
        };
        let names = self
            .view
            .iter()
            .filter(is_one)
            .map(|(at, _)| below(&at[1..]))
            .collect();
        self.directories(&path[..1].to_vec());
        self.steps.push(Step::Devices { to, names });
    }

    fn memory(&mut self, path: &Components, to: CString, room: Room) {
        let earlier = self
            .steps
            .iter()
            .filter(|s| matches!(s, Step::Memory { .. }))
            .count();
        let folder = [PRIVATE_PLACES.to_bytes(), b"/", earlier.to_string().as_bytes()].concat();
        let step = Step::Memory {
            folder: CString::new(folder).unwrap_or_default(), // holds no NUL
            to: Place::new(to),
            mode: room.mode,
        };
        self.mount(path, Kind::Directory, step);
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
            Some(
                Entry::Bind { .. }
                    | Entry::Overlay { .. }
                    | Entry::Covered { .. }
                    | Entry::Processes
                    | Entry::Terminals
            )
        )
    }
}

/// The largest of what the private places ask for; all of them share it.
fn room_for<'a>(view: impl Iterator<Item = &'a Entry>) -> Room {
    let larger = |a: Room, b: &Room| Room {
        bytes: a.bytes.max(b.bytes),
        inodes: a.inodes.max(b.inodes),
        ..a
    };
    view.filter_map(|entry| match entry {
        Entry::Memory(room) => Some(room),
        _ => None,
    })
    .fold(TOP, larger)
}

fn digits(number: u64) -> CString {
    CString::new(number.to_string()).unwrap_or_default() // digits hold no NUL
}

fn file(path: CString, content: Vec<u8>, mode: u32) -> Step {
    Step::File { path, content, mode }
}

fn cover(path: CString, kind: Kind) -> Step {
    Step::Cover {
        path: Place::new(path),
        with: cover_of(kind).to_owned(),
    }
}

/// What a hidden place of this kind is covered with.
pub(crate) fn cover_of(kind: Kind) -> &'static CStr {
    match kind {
        Kind::Directory => EMPTY_DIRECTORY,
        Kind::File => EMPTY_FILE,
    }
}
