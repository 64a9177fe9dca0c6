//! What the program sees: a list of entries by path, put together from the host's system folders,
//! the project, the home, and what was granted.

use crate::home::Home;
use crate::host::Host;
use fumehood_sandbox::{Access, Entry, Ids, Kind, Layers, OWN_V4, Room};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Why a view cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ViewError {
    /// A path does not exist or cannot be looked at.
    #[error("{path:?}: {why}")]
    Path {
        /// As given.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The project would show too much.
    #[error(
        "{path:?} cannot be the project: it is {what}; go to the project's own folder, or name it with -C"
    )]
    TooWide {
        /// The project.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A path would be put over a place that the sandbox makes itself.
    #[error("{path:?} cannot be shown: {place} is the sandbox's own")]
    Reserved {
        /// The path.
        path: PathBuf,
        /// The place.
        place: &'static str,
    },
    /// Nothing is made in a folder of the host.
    #[error(
        "{0:?} is not there, and its folder is the host's; make an empty file, or name a place in the home"
    )]
    NoFile(PathBuf),
}

/// The project folder: real path and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    path: PathBuf,
    owner: Ids,
}

/// Folders that are the system's: a project cannot be one of them, nor lie in the last four.
const SYSTEM: [&str; 12] = [
    "/", "/bin", "/boot", "/etc", "/home", "/lib", "/root", "/usr", "/var", "/opt", "/tmp", "/run",
];
/// Entries of one folder that are looked at for sockets and pipes.
const MOST_DOORS: usize = 4096;
const RESERVED: [&str; 3] = ["/proc", "/dev", "/sys"];

impl Project {
    /// The folder behind a path, if it may be a project.
    ///
    /// # Errors
    /// It does not exist, is no folder, or would show the program far more than a project.
    pub fn open(path: &Path, home: &Path) -> Result<Project, ViewError> {
        let real = real(path)?;
        let wide = |what| {
            Err(ViewError::TooWide {
                path: real.clone(),
                what,
            })
        };
        let metadata = std::fs::metadata(&real).map_err(|e| failed(path, &e))?;
        if !metadata.is_dir() {
            return wide("not a directory");
        }
        if home.starts_with(&real) {
            return wide("your home directory, or contains it");
        }
        if SYSTEM.iter().any(|s| real == Path::new(s)) {
            return wide("a system directory");
        }
        if let Some(place) = RESERVED.iter().find(|s| real.starts_with(s)) {
            return Err(ViewError::Reserved { path: real, place });
        }
        Ok(Project {
            owner: Ids {
                uid: metadata.uid(),
                gid: metadata.gid(),
            },
            path: real,
        })
    }

    /// Its real path, the same inside and outside.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who owns it on the host.
    #[must_use]
    pub fn owner(&self) -> Ids {
        self.owner
    }
}

fn failed(path: &Path, e: &std::io::Error) -> ViewError {
    ViewError::Path {
        path: path.to_owned(),
        why: plain(e),
    }
}

/// An error's words without the number that std appends.
pub(crate) fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The path without `.` and `..`, links left alone.
fn plain_path(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn real(path: &Path) -> Result<PathBuf, ViewError> {
    std::fs::canonicalize(path).map_err(|e| failed(path, &e))
}

/// What the program sees, by path.
#[derive(Debug)]
pub struct View<'a> {
    host: &'a Host,
    entries: Vec<(PathBuf, Entry)>,
}

impl<'a> View<'a> {
    /// The system's folders, devices, private places.
    #[must_use]
    pub fn system(host: &'a Host, room: Room) -> View<'a> {
        let mut view = View {
            host,
            entries: Vec::new(),
        };
        view.folders();
        view.devices(room);
        view.put("/proc", Entry::Processes);
        view.put("/tmp", Entry::Memory(Room { mode: 0o1777, ..room }));
        view.put("/run", Entry::Directory);
        view.put("/var", Entry::Directory);
        view.put("/var/tmp", link("/tmp"));
        if !host.user.listed {
            let (passwd, group) = host.user.account_files(host.inside);
            view.put("/etc/passwd", Entry::Replace(passwd));
            view.put("/etc/group", Entry::Replace(group));
        }
        view
    }

    /// Names are asked of the boundary, and of nobody else: the host's own lists would lead to addresses
    /// that no name belongs to.
    pub fn names(&mut self) {
        let resolver = format!("# the sandbox's boundary\nnameserver {OWN_V4}\n").into_bytes();
        let resolv = Path::new("/etc/resolv.conf");
        match std::fs::read_link(resolv) {
            // Where it leads to is not shown; the place below /run is ours to make.
            Ok(target) => {
                let place = plain_path(&Path::new("/etc").join(target));
                if place.starts_with("/run") || place.starts_with("/var") {
                    self.put(place, Entry::File(resolver));
                }
            }
            Err(_) if resolv.is_file() => self.put(resolv, Entry::Replace(resolver)),
            // Without the file, C libraries ask port 53 of loopback: the boundary too.
            Err(_) => {}
        }
        if Path::new("/etc/hosts").is_file() {
            let hosts = b"127.0.0.1 localhost fumehood\n::1 localhost ip6-localhost\n".to_vec();
            self.put("/etc/hosts", Entry::Replace(hosts));
        }
    }

    fn folders(&mut self) {
        for name in ["/usr", "/etc", "/nix/store", "/gnu/store"] {
            if Path::new(name).is_dir() {
                self.put(name, bind(name, Access::ReadOnly, Kind::Directory, None));
            }
        }
        // On merged-/usr systems these are links; elsewhere they are folders.
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            match std::fs::read_link(name) {
                Ok(target) => self.put(name, Entry::Link(c_string(&target))),
                Err(_) if Path::new(name).is_dir() => {
                    self.put(name, bind(name, Access::ReadOnly, Kind::Directory, None));
                }
                Err(_) => {}
            }
        }
    }

    fn devices(&mut self, room: Room) {
        for name in [
            "/dev/null",
            "/dev/zero",
            "/dev/full",
            "/dev/random",
            "/dev/urandom",
            "/dev/tty",
        ] {
            self.put(name, bind(name, Access::Device, Kind::File, None));
        }
        let links = [
            ("/dev/fd", "/proc/self/fd"),
            ("/dev/stdin", "/proc/self/fd/0"),
            ("/dev/stdout", "/proc/self/fd/1"),
            ("/dev/stderr", "/proc/self/fd/2"),
            ("/dev/ptmx", "pts/ptmx"),
        ];
        for (name, target) in links {
            self.put(name, link(target));
        }
        self.put("/dev/pts", Entry::Terminals);
        self.put("/dev/shm", Entry::Memory(Room { mode: 0o1777, ..room }));
    }

    fn put(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        self.entries.push((path.into(), entry));
    }

    /// Whether a path of the host is visible under the same name.
    #[must_use]
    pub fn shows(&self, path: &Path) -> bool {
        let enclosing = self
            .entries
            .iter()
            .filter(|(at, _)| path.starts_with(at))
            .max_by_key(|(at, _)| at.as_os_str().len());
        match enclosing {
            // A kept home lies over the host's, and shows nothing of it.
            Some((
                at,
                Entry::Bind { from, .. } | Entry::Overlay { from, .. } | Entry::Covered { from, .. },
            )) => {
                *from == c_string(at) || std::fs::canonicalize(at).is_ok_and(|real| *from == c_string(&real))
            }
            Some((at, Entry::Link(_))) => {
                at == path || std::fs::canonicalize(path).is_ok_and(|real| self.shows(&real))
            }
            _ => false,
        }
    }

    /// The user's home: private, throwaway or kept.
    pub fn home(&mut self, home: &Home, room: Room) {
        let at = self.host.user.home.clone();
        match home {
            Home::Throwaway => self.put(at, Entry::Memory(Room { mode: 0o700, ..room })),
            Home::Kept(dir) => {
                let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
                let owner = self.owner(&dir);
                self.put(at, bind(dir, Access::ReadWrite, Kind::Directory, owner));
            }
        }
    }

    /// The project, writable: itself, or through layers that take what is written.
    pub fn project(&mut self, project: &Project, layers: Option<&Layers>) {
        let owner = self.mapped(project.owner);
        if let Some(layers) = layers {
            let entry = Entry::Overlay {
                from: c_string(&project.path),
                layers: layers.clone(),
                owner,
            };
            return self.put(&project.path, entry);
        }
        self.put(
            &project.path,
            bind(&project.path, Access::ReadWrite, Kind::Directory, owner),
        );
    }

    /// A folder of the host, without links in its path, at a place, through layers that take what is written.
    pub fn layered(&mut self, from: &Path, at: &Path, layers: &Layers) {
        let owner = self.owner(from);
        let entry = Entry::Overlay {
            from: c_string(from),
            layers: layers.clone(),
            owner,
        };
        self.put(at, entry);
    }

    /// A path of the host under its own name. Its real path is shown; where the name is a link, the
    /// link is shown too.
    ///
    /// # Errors
    /// It does not exist, or lies where the sandbox has its own things.
    pub fn show(&mut self, path: &Path, access: Access) -> Result<(), ViewError> {
        let real = real(path)?;
        if let Some(place) = RESERVED.iter().find(|s| real.starts_with(s)) {
            return Err(ViewError::Reserved { path: real, place });
        }
        if real == Path::new("/") || self.host.user.home.starts_with(&real) {
            return Err(ViewError::TooWide {
                path: real,
                what: "your home directory, or contains it",
            });
        }
        let kind = if real.is_dir() {
            Kind::Directory
        } else {
            Kind::File
        };
        let owner = self.owner(&real);
        if !(access == Access::ReadOnly && self.shows(&real)) {
            self.put(&real, bind(&real, access, kind, owner));
        }
        if path != real && path.is_absolute() && !self.shows(path) {
            self.put(path, link(&real));
        }
        Ok(())
    }

    /// A file or folder of the host, without links in its path, at a place.
    pub fn show_at(&mut self, from: &Path, at: &Path, access: Access) {
        let kind = if from.is_dir() {
            Kind::Directory
        } else {
            Kind::File
        };
        let owner = self.owner(from);
        self.put(at, bind(from, access, kind, owner));
    }

    /// A folder that belongs to who runs inside already, writable, at a place.
    pub fn own_at(&mut self, from: &Path, at: &Path) {
        self.put(at, bind(from, Access::ReadWrite, Kind::Directory, None));
    }

    /// A private, empty, writable place in memory.
    pub fn memory(&mut self, at: &Path, room: Room) {
        self.put(at, Entry::Memory(Room { mode: 0o700, ..room }));
    }

    /// What has to exist in a kept home before it can be mounted on: path relative to the home, and
    /// kind; parents first.
    #[must_use]
    pub fn places_in_home(&self) -> Vec<(PathBuf, Kind)> {
        let home = &self.host.user.home;
        let mut places: Vec<(PathBuf, Kind)> = self
            .entries
            .iter()
            .filter_map(|(at, entry)| {
                let relative = at.strip_prefix(home).ok().filter(|r| !r.as_os_str().is_empty())?;
                match entry {
                    Entry::Bind { kind, .. } => Some((relative.to_owned(), *kind)),
                    Entry::Overlay { .. } => Some((relative.to_owned(), Kind::Directory)),
                    Entry::Memory(_) => Some((relative.to_owned(), Kind::Directory)),
                    Entry::Replace(_) => Some((relative.to_owned(), Kind::File)),
                    _ => None,
                }
            })
            .collect();
        places.sort_by(|a, b| a.0.cmp(&b.0));
        // What lies in another shown tree is there already.
        let shown = |path: &Path| {
            self.entries.iter().any(|(at, e)| {
                matches!(e, Entry::Bind { .. } | Entry::Overlay { .. } | Entry::Memory(_))
                    && at != home
                    && home.join(path) != *at
                    && home.join(path).starts_with(at)
                    && at.starts_with(home)
            })
        };
        places.retain(|(path, _)| !shown(path));
        places
    }

    /// As [`View::show`], read-only, for what need not exist.
    pub fn show_if_there(&mut self, path: &Path) {
        if path.exists() {
            let _reserved_or_too_wide = self.show(path, Access::ReadOnly);
        }
    }

    /// A place below a shown folder that is read-only, its ancestors below the folder pinned so
    /// that it cannot be moved away with them.
    pub fn protect_at(&mut self, folder: &Path, relative: &Path) {
        let ancestors = relative.ancestors().skip(1).filter(|a| !a.as_os_str().is_empty());
        for ancestor in ancestors {
            let at = folder.join(ancestor);
            if !self.entries.iter().any(|(p, _)| *p == at) {
                self.put(at, Entry::Pin);
            }
        }
        self.put(folder.join(relative), Entry::Protect);
    }

    /// Covers the sockets and pipes that lie directly in a shown folder: a read-only mount does not
    /// stop a program from talking to whoever is behind them (research/escapes.md §3.4). Deeper ones
    /// are not looked for, since starting must not depend on the size of a tree.
    pub fn cover_doors(&mut self, folder: &Path) {
        use std::os::unix::fs::FileTypeExt;
        for entry in std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(MOST_DOORS)
        {
            let is_door = entry.file_type().is_ok_and(|t| t.is_socket() || t.is_fifo());
            if is_door {
                self.put(entry.path(), Entry::Hide(Kind::File));
            }
        }
    }

    /// A read-only file of the sandbox's own, in a private place or over a file of a folder that is shown.
    ///
    /// # Errors
    /// There is no such file, and the folder is the host's.
    pub fn put_file(&mut self, path: &Path, content: Vec<u8>) -> Result<(), ViewError> {
        let enclosing = self.entries.iter().filter(|(at, _)| path.starts_with(at));
        let enclosing = enclosing.max_by_key(|(at, _)| at.as_os_str().len());
        let own_home = |at: &Path| at == self.host.user.home;
        match enclosing {
            Some((at, Entry::Bind { .. } | Entry::Overlay { .. })) => {
                if !own_home(at) && !path.is_file() {
                    return Err(ViewError::NoFile(path.to_owned()));
                }
                self.replace(path, content);
            }
            _ => self.put(path, Entry::File(content)),
        }
        Ok(())
    }

    /// A file that is covered by one with this content.
    pub fn replace(&mut self, path: &Path, content: Vec<u8>) {
        self.put(path, Entry::Replace(content));
    }

    /// A place that is covered by an empty file or folder.
    pub fn hide(&mut self, path: &Path) {
        let kind = if path.is_dir() {
            Kind::Directory
        } else {
            Kind::File
        };
        self.put(path, Entry::Hide(kind));
    }

    /// Files of the host's folder of settings that are others here are so by a layer over the folder, where that can be: what
    /// covers them one by one is taken away by the kernel when the host puts another file in the place of one of them
    /// (rename(2) detaches what is mounted on the name it replaces).
    pub fn cover_settings(&mut self) {
        let folder = Path::new("/etc");
        let is_bind = |(at, entry): &(PathBuf, Entry)| at == folder && matches!(entry, Entry::Bind { .. });
        // Not of another tree that is shown below it.
        let trees: Vec<PathBuf> = self
            .entries
            .iter()
            .filter(|(_, e)| is_tree(e))
            .map(|(at, _)| at.clone())
            .collect();
        let nearest = |at: &Path| {
            trees
                .iter()
                .filter(|t| at.starts_with(t))
                .max_by_key(|t| t.as_os_str().len())
        };
        let covers = |(at, entry): &(PathBuf, Entry)| {
            matches!(entry, Entry::Replace(_)) && nearest(at).is_some_and(|tree| tree == folder)
        };
        if !self.entries.iter().any(is_bind) || !self.entries.iter().any(covers) || !holds_a_layer(folder) {
            return;
        }
        let mut files = BTreeMap::new();
        for (at, entry) in self.entries.extract_if(.., |all| covers(all)) {
            if let (Ok(name), Entry::Replace(content)) = (at.strip_prefix(folder), entry) {
                // As of any two entries for a path, the last counts.
                files.insert(c_string(name), content);
            }
        }
        let from = c_string(folder);
        if let Some((_, entry)) = self.entries.iter_mut().find(|all| is_bind(all)) {
            *entry = Entry::Covered { from, files };
        }
    }

    /// The entries for a specification. A link gives way to what is shown below its name (a project
    /// in /var/tmp, which otherwise leads to /tmp).
    #[must_use]
    pub fn into_entries(self) -> Vec<(CString, Entry)> {
        let below = |at: &Path, link: &Path| {
            let rest = at
                .as_os_str()
                .as_bytes()
                .strip_prefix(link.as_os_str().as_bytes());
            rest.is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        let covers = |link: &Path| self.entries.iter().any(|(at, _)| below(at, link));
        let stays = |at: &Path, entry: &Entry| !matches!(entry, Entry::Link(_)) || !covers(at);
        let kept: Vec<bool> = self.entries.iter().map(|(at, entry)| stays(at, entry)).collect();
        let entries = self.entries.into_iter().zip(kept).filter(|(_, keep)| *keep);
        entries
            .map(|((path, entry), _)| (c_string(&path), entry))
            .collect()
    }

    fn owner(&self, path: &Path) -> Option<Ids> {
        let metadata = std::fs::metadata(path).ok()?;
        self.mapped(Ids {
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    /// Only root's sandboxes map owners; a user's sandbox has the user's own id.
    fn mapped(&self, owner: Ids) -> Option<Ids> {
        self.host.private.map(|_| owner)
    }
}

fn bind(from: impl AsRef<Path>, access: Access, kind: Kind, owner: Option<Ids>) -> Entry {
    Entry::Bind {
        from: c_string(from.as_ref()),
        access,
        kind,
        owner,
    }
}

/// Whether what lies below the entry's place is shown from elsewhere.
fn is_tree(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Bind { .. } | Entry::Overlay { .. } | Entry::Memory(_) | Entry::Directory
    )
}

/// Whether a folder can be the lower layer of an overlay that shows all that it shows: its filesystem is one of those that
/// kernels take for one (not an overlay itself, of which two lie on each other at most), and nothing is mounted below it, as
/// container engines do in `/etc`.
fn holds_a_layer(folder: &Path) -> bool {
    // linux/magic.h: ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, EROFS.
    const LAYERS: [i64; 6] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0xf2f5_2010,
        0xe0f5_e1e2,
    ];
    let kind = rustix::fs::statfs(folder).map(|found| found.f_type);
    kind.is_ok_and(|kind| LAYERS.contains(&kind))
        && fumehood_tree::mounts_below(folder).is_ok_and(|mounts| mounts.is_empty())
}

fn link(target: impl AsRef<Path>) -> Entry {
    Entry::Link(c_string(target.as_ref()))
}

/// Paths from the system and from argv hold no NUL; one that does becomes the empty path, which
/// the plan refuses.
pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::User;

    #[test]
    fn what_lies_below_a_kept_home_is_the_hosts_only_if_shown_there() {
        let dir = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(dir.path()).unwrap();
        let (home, kept) = (top.join("home"), top.join("kept"));
        std::fs::create_dir_all(home.join("tools")).unwrap();
        std::fs::create_dir_all(&kept).unwrap();
        let ids = Ids { uid: 1000, gid: 1000 };
        let user = User {
            name: "ann".into(),
            home: home.clone(),
            listed: true,
        };
        let host = Host {
            caller: ids,
            inside: ids,
            private: None,
            user,
            landlock: 0,
        };
        let room = Room {
            bytes: 0,
            inodes: 0,
            mode: 0,
        };
        let mut view = View::system(&host, room);
        view.home(&Home::Kept(kept), room);
        assert!(!view.shows(&home.join("tools")));
        view.show(&home.join("tools"), Access::ReadOnly).unwrap();
        assert!(view.shows(&home.join("tools/claude")));
    }
}
