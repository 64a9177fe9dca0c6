//! From what is wanted to what is run: the view, the environment and the specification.

use crate::environment::Variables;
use crate::home::{Home, HomeError, KeptHome};
use crate::host::Host;
use crate::program::{Program, ProgramError};
use crate::trust::Inside;
use crate::view::{Project, View, ViewError, c_string};
use crate::worktree;
use fumehood_sandbox::{Access, Command, Layers, Level, Room, Spec, Stamp};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is wanted of one run. Paths are of the host.
#[derive(Clone, Debug)]
pub struct Request {
    /// The project.
    pub project: Project,
    /// What is written to the project goes here instead; `None`: to the project itself.
    pub layers: Option<Layers>,
    /// A git directory of the run's own, shown as the project's, and where it looks for the objects of the
    /// project's.
    pub git: Option<OwnGit>,
    /// Where the command starts; inside the project.
    pub directory: PathBuf,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// What its file is known by: another is not executed.
    pub stamp: Option<Stamp>,
    /// How strong.
    pub level: Level,
    /// Whether the program may bring a sandbox of its own.
    pub nested: bool,
    /// Shown besides the system and the project.
    pub shown: Vec<Shown>,
    /// Private, empty, writable places.
    pub caches: Vec<PathBuf>,
    /// Folders of the host with layers over them: what is written goes there.
    pub layered: Vec<(Shown, Layers)>,
    /// Covered by an empty file or folder.
    pub hidden: Vec<PathBuf>,
    /// Read-only below the project, relative to it.
    pub protected: Vec<PathBuf>,
    /// The home inside.
    pub home: Home,
    /// At level `landlock`, which has no private filesystems: a folder of the host that is this
    /// run's own, with `home` and `tmp` in it.
    pub scratch: Option<PathBuf>,
    /// Read-only files of the run's own.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Files in a kept home that are there at the start, and the program's own to write.
    pub written: Vec<(PathBuf, Vec<u8>)>,
    /// Variables to set, after those every program gets.
    pub variables: Vec<(OsString, OsString)>,
    /// The numeric user inside, if not the caller's.
    pub user: Option<u32>,
    /// Room of all private in-memory places together, bytes.
    pub room: Option<u64>,
    /// Which of the descriptors 0, 1, 2 become the sandbox's own terminal.
    pub terminal: [bool; 3],
    /// Whether there is a network: names are asked of the boundary.
    pub network: bool,
    /// Whose certificates programs inside trust besides the machine's, where requests are read.
    pub trust: Option<Inside>,
}

impl Request {
    /// A command at the project's top and nothing else: no network, no terminal, an empty home.
    #[must_use]
    pub fn bare(project: Project, command: Vec<OsString>) -> Request {
        Request {
            directory: project.path().to_owned(),
            project,
            layers: None,
            git: None,
            command,
            stamp: None,
            level: Level::Namespace,
            nested: false,
            shown: Vec::new(),
            caches: Vec::new(),
            layered: Vec::new(),
            hidden: Vec::new(),
            protected: Vec::new(),
            home: Home::Throwaway,
            scratch: None,
            files: Vec::new(),
            written: Vec::new(),
            variables: Vec::new(),
            user: None,
            room: None,
            terminal: [false; 3],
            network: false,
            trust: None,
        }
    }
}

/// A git directory of the run's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnGit {
    /// On the host.
    pub from: PathBuf,
    /// Inside: where the project's lies.
    pub at: PathBuf,
    /// The host's objects.
    pub objects: PathBuf,
    /// Where they are inside, read-only.
    pub objects_at: PathBuf,
}

/// A path of the host that the program sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// On the host; no link in it.
    pub from: PathBuf,
    /// Inside.
    pub at: PathBuf,
    /// Whether it may be written.
    pub writable: bool,
}

/// Why a run cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The command.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What it would see.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The agent's home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Changes would reach a repository that lies elsewhere.
    #[error(
        "this is a linked worktree of {0:?}, whose repository cannot be kept back yet; say --live, or run in a clone"
    )]
    Worktree(PathBuf),
    /// An argument holds a NUL byte.
    #[error("argument {0} holds a NUL byte")]
    Argument(usize),
}

/// Room of all private in-memory places where none is given: enough for compilers' temporary
/// files, far from what would starve the host.
const ROOM: u64 = 2 << 30;
const INODES: u64 = 1 << 20;

/// Where programs are looked for when the caller has no PATH.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Prepares the specification.
///
/// # Errors
/// The command is not found or something asked for cannot be shown.
pub fn prepare(host: &Host, request: &Request) -> Result<Spec, PrepareError> {
    let search = std::env::var_os("PATH")
        .filter(|p| !p.is_empty())
        .unwrap_or_else(|| DEFAULT_PATH.into());
    let name = request
        .command
        .first()
        .map_or(OsStr::new(""), OsString::as_os_str);
    let program = Program::find(
        name,
        &search,
        &request.directory,
        request.project.path(),
        &host.user.home,
    )?;
    let mut view = view(host, request, &program)?;
    if let Some(trust) = &request.trust {
        trust.show(&mut view, &search)?;
    }
    if request.level == Level::Namespace {
        view.cover_settings();
    }
    let environment = variables(host, request, &search, &view).strings();
    let inside = request.user.map_or(host.inside, |uid| fumehood_sandbox::Ids {
        uid,
        gid: host.inside.gid,
    });
    Ok(Spec {
        level: request.level,
        caller: host.caller,
        root: host.private.is_some(),
        inside,
        private: host.private,
        view: view.into_entries(),
        nested: request.nested,
        landlock: host.landlock,
        limits: Vec::new(), // the supervisor's, with the control groups it made
        placed: false,
        boundary: None, // the supervisor's, from what may be reached
        watched: false, // the supervisor's, if the run is recorded
        terminal: request.terminal,
        command: Command {
            program: c_string(&program.path),
            stamp: request.stamp,
            arguments: arguments(&request.command)?,
            environment,
            directory: c_string(&request.directory),
        },
    })
}

fn arguments(words: &[OsString]) -> Result<Vec<CString>, PrepareError> {
    let one =
        |(n, word): (usize, &OsString)| CString::new(word.as_bytes()).map_err(|_| PrepareError::Argument(n));
    words.iter().enumerate().map(one).collect()
}

fn view<'a>(host: &'a Host, request: &Request, program: &Program) -> Result<View<'a>, PrepareError> {
    let room = Room {
        bytes: request.room.unwrap_or(ROOM),
        inodes: INODES,
        mode: 0o755,
    };
    let mut view = View::system(host, room);
    if request.network {
        view.names();
    }
    view.home(&request.home, room);
    view.project(&request.project, request.layers.as_ref());
    if let Some(git) = &request.git {
        view.show_at(&git.objects, &git.objects_at, Access::ReadOnly);
        view.own_at(&git.from, &git.at);
    }
    for shown in &request.shown {
        let access = if shown.writable {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        view.show_at(&shown.from, &shown.at, access);
    }
    for (shown, layers) in &request.layered {
        view.layered(&shown.from, &shown.at, layers);
    }
    for cache in &request.caches {
        view.memory(cache, room);
    }
    if let Some(scratch) = &request.scratch {
        view.show_at(scratch, scratch, Access::ReadWrite);
    }
    // Last, for what is not visible yet.
    for path in &program.closure {
        view.show_if_there(path);
    }
    let elsewhere = worktree::repository(request.project.path()).filter(|_| request.git.is_none());
    if let Some(repository) = elsewhere {
        if request.layers.is_some() {
            return Err(PrepareError::Worktree(repository.git));
        }
        view.show(&repository.git, Access::ReadWrite)?;
        for place in &repository.protected {
            view.protect_at(&repository.git, place);
        }
    }
    for path in &request.protected {
        view.protect_at(request.project.path(), path);
    }
    for path in &request.hidden {
        view.hide(path);
    }
    for (path, content) in &request.files {
        view.put_file(path, content.clone())?;
    }
    if request.level == Level::Namespace {
        view.cover_doors(request.project.path());
        // Below the place they are shown at, which for folders of flags is their own.
        request
            .shown
            .iter()
            .filter(|s| s.from == s.at)
            .for_each(|s| view.cover_doors(&s.from));
    }
    exclude_hidden(&mut view, request);
    if let Home::Kept(path) = &request.home {
        let home = KeptHome::open(path)?;
        for (place, kind) in view.places_in_home() {
            home.place(&place, kind)?;
        }
        for (file, content) in &request.written {
            if let Ok(below) = file.strip_prefix(&host.user.home) {
                home.write(below, content)?;
            }
        }
    }
    Ok(view)
}

/// Names the hidden paths in the repository's own list of ignored files, as seen inside: they cannot
/// be read there, and `git add -A` would stop at them.
fn exclude_hidden(view: &mut View<'_>, request: &Request) {
    let project = request.project.path();
    let list = project.join(".git/info/exclude");
    if request.hidden.is_empty() || request.git.is_some() {
        return;
    }
    let Some(mut text) = read_beneath(project, Path::new(".git/info/exclude")) else {
        return;
    };
    for hidden in &request.hidden {
        let Ok(relative) = hidden.strip_prefix(project) else {
            continue;
        };
        text.extend_from_slice(b"\n/");
        for byte in relative.as_os_str().as_bytes() {
            // What is special in a pattern of gitignore(5).
            if b"\\*?[]! #".contains(byte) {
                text.push(b'\\');
            }
            text.push(*byte);
        }
    }
    text.push(b'\n');
    view.replace(&list, text);
}

/// A small file of the project, read without following any link in its path: another sandbox may be
/// changing this project at this very moment, and what is read here is shown inside.
fn read_beneath(project: &Path, relative: &Path) -> Option<Vec<u8>> {
    use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
    use std::io::Read;
    let folder = rustix::fs::open(
        project,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(&folder, relative, flags, Mode::empty(), resolve).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .take(1 << 20)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn variables(host: &Host, request: &Request, search: &OsStr, view: &View<'_>) -> Variables {
    let names = std::env::vars_os().map(|(name, _)| name);
    let mut variables = Variables::base(|name| std::env::var_os(name), names);
    variables.set(
        "HOME",
        request
            .scratch
            .as_ref()
            .map_or(host.user.home.clone(), |s| s.join("home")),
    );
    if let Some(scratch) = &request.scratch {
        variables.set("TMPDIR", scratch.join("tmp"));
    }
    variables.set("USER", &host.user.name);
    variables.set("LOGNAME", &host.user.name);
    variables.set("SHELL", "/bin/sh");
    variables.set("PATH", visible(search, view));
    variables.set("FUMEHOOD", "1");
    if request.network {
        variables.name_proxy(request.variables.iter().map(|(name, _)| name.as_os_str()));
    }
    for (name, value) in &request.variables {
        variables.set(name, value);
    }
    for (name, value) in request.trust.iter().flat_map(Inside::variables) {
        variables.set(name, value);
    }
    variables
}

/// The caller's search path, as far as it can be seen inside.
fn visible(search: &OsStr, view: &View<'_>) -> OsString {
    let kept = std::env::split_paths(search).filter(|folder| folder.is_absolute() && view.shows(folder));
    let mut folders: Vec<PathBuf> = kept.collect();
    for folder in std::env::split_paths(DEFAULT_PATH) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    // Only a folder with ":" in its name cannot be joined, and split_paths gave none.
    std::env::join_paths(folders).unwrap_or_else(|_| DEFAULT_PATH.into())
}

/// The folder a run takes as its project when started in `directory`: the nearest one above, this
/// one included, that holds a `fumehood.toml` or a repository; never the home or what contains it.
#[must_use]
pub fn project_of(directory: &Path, home: &Path) -> PathBuf {
    let candidate = directory
        .ancestors()
        .take_while(|a| !home.starts_with(a) && (*a == directory || is_ones_own(a)))
        .find(|a| a.join("fumehood.toml").is_file() || a.join(".git").exists());
    candidate.unwrap_or(directory).to_owned()
}

/// Whether nobody else could have made what lies in a folder (git's `safe.directory`, CVE-2022-24765).
fn is_ones_own(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owned = |m: std::fs::Metadata| (m.uid() == crate::user_id() || m.uid() == 0) && m.mode() & 0o002 == 0;
    crate::is_root() || std::fs::metadata(folder).is_ok_and(owned)
}
