//! A file that fumehood itself puts into a session's layer, as if a program inside had written it: what the project has
//! stays as it is until somebody applies it.

use crate::attributes;
use crate::bases::Bases;
use crate::beneath::{self, Facts, Kind, Tree};
use crate::changes;
use crate::edits::PASSING;
use crate::error::{At, Error};
use crate::journal::Applies;
use crate::session::Session;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Modes of what the project does not have.
const NEW_FILE: u32 = 0o644;
const NEW_FOLDER: u32 = 0o755;

impl Session {
    /// Puts a file into the layer, by a path below the project. `make` gives its content, and is called once the new file is
    /// there: what the host writes after that is a conflict, and never overwritten. The file has the mode and the
    /// attributes of the one it stands for.
    ///
    /// # Errors
    /// `make`'s, after which nothing is left, or a step's.
    pub fn put<E: From<Error>>(
        &self,
        path: &Path,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let upper = self.upper();
        let layer = Tree::open_layer(&upper).at("open", &upper)?;
        self.begin_anew(&layer, path)?;
        let mut putting = Putting {
            session: self,
            project: self.project()?,
            layer,
            made: Vec::new(),
        };
        let done = putting.put(path, make);
        if done.is_err() {
            putting.take_back();
        }
        done
    }
}

impl Session {
    /// Where nothing waits at a path, what is put there begins with what the host has now, and not with what was applied
    /// before: that is forgotten.
    fn begin_anew(&self, layer: &Tree, path: &Path) -> Result<(), Error> {
        let place = self.path().ancestors().nth(2).unwrap_or(self.path());
        let _nobody_applies = Applies::open(place, &self.about().project)?;
        let mut bases = Bases::load(self.path())?;
        let waits = changes::read(self)?.list.iter().any(|change| change.path == path);
        if waits || bases.of(path).is_none() {
            return Ok(());
        }
        if let Ok((folder, name)) = layer.parent(path) {
            match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
                Err(Errno::NOENT) | Ok(()) => {}
                other => other.at("remove", path)?,
            }
        }
        bases.set(path, None);
        bases.save(self.path())
    }
}

struct Putting<'a> {
    session: &'a Session,
    project: Tree,
    layer: Tree,
    /// Folders that were made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl Putting<'_> {
    fn put<E: From<Error>>(
        &mut self,
        path: &Path,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let folders: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .filter(|p| !p.as_os_str().is_empty())
            .collect();
        for folder in folders.into_iter().rev() {
            self.folder(folder)?;
        }
        let (folder, name) = self.layer.parent(path).at("open the folder of", path)?;
        let passing = passing(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::openat(&folder, &passing, flags, mode).at("make", path)?;
        let mut file = File::from(file);
        let done = make().and_then(|bytes| {
            self.fill(path, &mut file, &bytes)?;
            rustix::fs::renameat(&folder, &passing, &folder, name).at("put in place", path)?;
            Ok(())
        });
        if done.is_err() {
            let _next_one_is_another = rustix::fs::unlinkat(&folder, &passing, AtFlags::empty());
        }
        done
    }

    fn fill(&self, path: &Path, file: &mut File, bytes: &[u8]) -> Result<(), Error> {
        file.write_all(bytes).at("write", path)?;
        let host = self.host(path)?.filter(|facts| facts.kind == Kind::File);
        if host.is_some() {
            let (folder, name) = self.project.parent(path).at("open the folder of", path)?;
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let of = rustix::fs::openat(&folder, name, flags, Mode::empty()).at("open", path)?;
            let all = attributes::of(&of).at("read the attributes of", path)?;
            attributes::set(&*file, &all).at("set the attributes of", path)?;
        }
        let mode = host.map_or(NEW_FILE, |facts| facts.mode);
        rustix::fs::fchmod(&*file, Mode::from_raw_mode(mode)).at("set the mode of", path)?;
        self.give(file.as_fd(), path)
    }

    /// A folder of the layer that the file lies in: as the project has it, or a new one.
    fn folder(&mut self, path: &Path) -> Result<(), Error> {
        let (parent, name) = self.layer.parent(path).at("open the folder of", path)?;
        if beneath::facts(&parent, name).at("look at", path)?.is_some() {
            return Ok(()); // a file in its place is told when something is to be opened in it
        }
        let host = self.host(path)?;
        let mode = host.filter(|facts| facts.kind == Kind::Directory);
        let mode = mode.map_or(NEW_FOLDER, |facts| facts.mode);
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)).at("make", path)?;
        self.made.push(path.to_owned());
        let made: OwnedFd = self.layer.directory(path).at("open", path)?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode)).at("set the mode of", path)?;
        self.give(made.as_fd(), path)
    }

    fn host(&self, path: &Path) -> Result<Option<Facts>, Error> {
        self.project.facts(path).at("look at", path)
    }

    /// As root it is whose the layer is.
    fn give(&self, file: impl AsFd, path: &Path) -> Result<(), Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let to = self.session.about().inside;
        rustix::fs::fchown(file, Some(Uid::from_raw(to.uid)), Some(Gid::from_raw(to.gid)))
            .at("give away", path)
    }

    /// Removes what was made for nothing.
    fn take_back(&self) {
        for path in self.made.iter().rev() {
            if let Ok((parent, name)) = self.layer.parent(path) {
                let _holds_something = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
            }
        }
    }
}

/// A name that is ours for a moment. One that was left by somebody who was killed is another's.
fn passing(name: &OsStr) -> OsString {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut bytes = PASSING.to_vec();
    bytes.extend_from_slice(format!("{}-{number}-", std::process::id()).as_bytes());
    // Together no longer than a name may be.
    bytes.extend_from_slice(&name.as_bytes()[..name.len().min(100)]);
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Options, Steps, apply};
    use crate::changes::{Status, read};
    use crate::session::tests::about;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    struct World {
        _dir: tempfile::TempDir,
        place: PathBuf,
        project: PathBuf,
        session: Session,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let (place, project) = (dir.path().join("state"), dir.path().join("p"));
        fs::create_dir_all(project.join("src")).unwrap();
        fs::write(project.join("src/a"), "before\n").unwrap();
        fs::set_permissions(project.join("src/a"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut about = about(&project);
        about.repository = None;
        let session = Session::create(&place, &about).unwrap();
        World {
            _dir: dir,
            place,
            project,
            session,
        }
    }

    fn text(session: &Session, path: &str, text: &str) -> Result<(), Error> {
        session.put(Path::new(path), || Ok(text.as_bytes().to_vec()))
    }

    fn changed(world: &World) -> Vec<(PathBuf, Status, bool)> {
        let found = read(&world.session).unwrap();
        assert_eq!(found.left, Vec::new());
        let list = found.list.into_iter();
        list.map(|c| (c.path.clone(), c.status(), c.conflict)).collect()
    }

    fn apply_all(world: &World) {
        let found = read(&world.session).unwrap();
        let (options, steps) = (Options::default(), Steps::default());
        apply(&world.place, &world.session, &found, None, &options, &steps).unwrap();
    }

    #[test]
    fn it_waits_and_is_applied_as_a_runs_change_is() {
        let world = world();
        text(&world.session, "src/a", "after\n").unwrap();
        text(&world.session, "new/deep/b", "new\n").unwrap();
        assert_eq!(
            fs::read_to_string(world.project.join("src/a")).unwrap(),
            "before\n"
        );
        assert!(!world.project.join("new").exists());
        let all = [
            ("new", Status::Added),
            ("new/deep", Status::Added),
            ("new/deep/b", Status::Added),
            ("src/a", Status::Modified),
        ];
        let all: Vec<_> = all
            .map(|(path, status)| (PathBuf::from(path), status, false))
            .to_vec();
        assert_eq!(changed(&world), all);
        apply_all(&world);
        assert_eq!(
            fs::read_to_string(world.project.join("src/a")).unwrap(),
            "after\n"
        );
        assert_eq!(
            fs::read_to_string(world.project.join("new/deep/b")).unwrap(),
            "new\n"
        );
        let mode = |path: &str| fs::metadata(world.project.join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode("src/a"), mode("src/a")), (0o755, 0o755));
        assert_eq!(mode("new/deep/b"), 0o644);
    }

    /// Also between two changes of it: the first one's base holds.
    #[test]
    fn what_the_host_writes_meanwhile_is_a_conflict() {
        let world = world();
        let host = |text: &str| fs::write(world.project.join("src/a"), text).unwrap();
        let made = world.session.put(Path::new("src/a"), || {
            // After it was begun, and before what it is made of is known to be the last.
            std::thread::sleep(std::time::Duration::from_millis(20));
            host("the host's\n");
            Ok::<_, Error>(b"ours\n".to_vec())
        });
        made.unwrap();
        assert_eq!(changed(&world), [("src/a".into(), Status::Modified, true)]);
    }

    #[test]
    fn a_base_that_is_kept_holds_for_the_next() {
        let world = world();
        text(&world.session, "src/a", "one\n").unwrap();
        crate::keep(&world.session, &read(&world.session).unwrap()).unwrap();
        // Some kernels tell times by steps of ten milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(world.project.join("src/a"), "the host's\n").unwrap();
        text(&world.session, "src/a", "two\n").unwrap();
        assert!(changed(&world)[0].2);
    }

    /// Once it was applied, and the host went on: what is put then is made of the host's.
    #[test]
    fn after_an_apply_it_begins_with_what_the_host_has() {
        let world = world();
        text(&world.session, "src/a", "one\n").unwrap();
        crate::keep(&world.session, &read(&world.session).unwrap()).unwrap();
        apply_all(&world);
        assert_eq!(changed(&world), []);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(world.project.join("src/a"), "the host's\n").unwrap();
        assert_eq!(changed(&world), []);
        std::thread::sleep(std::time::Duration::from_millis(20));
        text(&world.session, "src/a", "the host's and ours\n").unwrap();
        assert_eq!(changed(&world), [("src/a".into(), Status::Modified, false)]);
        apply_all(&world);
        assert_eq!(
            fs::read_to_string(world.project.join("src/a")).unwrap(),
            "the host's and ours\n"
        );
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let world = world();
        let failed = world
            .session
            .put(Path::new("src/deep/x"), || Err(Error::NoPlace("no".to_owned())));
        assert!(failed.is_err() && world.session.is_untouched());
        text(&world.session, "src/a", "x").unwrap();
        assert!(text(&world.session, "src/a/b", "x").is_err());
        assert_eq!(changed(&world).len(), 1);
    }

    /// Nothing of the layer leads elsewhere, whoever made it.
    #[test]
    fn no_link_of_the_layer_is_followed() {
        let world = world();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), world.session.upper().join("out")).unwrap();
        assert!(text(&world.session, "out/x", "x").is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        symlink(outside.path().join("y"), world.session.upper().join("y")).unwrap();
        text(&world.session, "y", "x").unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
