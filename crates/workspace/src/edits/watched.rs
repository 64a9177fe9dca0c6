//! The project's folders, watched: by a walk that takes little at a time, and goes on while the session runs.

use crate::beneath::{self, Kind, Tree};
use crate::error::{At, Result};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The most folders; those nearest to the top come first. The kernel's own bound for an account is shared with its editors
/// (`fs.inotify.max_user_watches`, 8,192 in old kernels).
const MOST: usize = 16_384;
/// A part of the walk takes so long,
const WORK: Duration = Duration::from_millis(4);
/// and rests so long.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// The kernel's clock for files is coarser than its others by so much, at most.
const TICK: Duration = Duration::from_millis(20);
/// At the beginning so many files are looked at for what changed since the run began, and of folders beyond those in which
/// a name came or went.
const LOOKED: usize = 20_000;

/// What was heard, relative to the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something is, was or changed here.
    Changed(PathBuf),
    /// A folder came.
    Folder(PathBuf),
}

#[derive(Debug)]
pub(super) struct Watched {
    inotify: OwnedFd,
    folders: HashMap<i32, PathBuf>,
    waiting: VecDeque<Visit>,
    /// What changed after it may be news.
    since: (i64, u32),
    looked: usize,
    unwatched: Option<&'static str>,
}

#[derive(Debug)]
struct Visit {
    folder: PathBuf,
    news: News,
}

/// Which names of a folder are news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Those that changed since the run began, as far as files are looked at.
    Few,
    /// Those that changed since the run began.
    Changed,
    /// All: the folder came.
    All,
}

impl Watched {
    pub(super) fn new(project: &Path, since: SystemTime) -> Result<Watched> {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let inotify = inotify::init(flags).map_err(said).at("watch", project)?;
        let first = Visit {
            folder: PathBuf::new(),
            news: News::Few,
        };
        Ok(Watched {
            inotify,
            folders: HashMap::new(),
            waiting: VecDeque::from([first]),
            since: time(since - TICK),
            looked: 0,
            unwatched: None,
        })
    }

    /// Why there are folders that are not watched, where there are.
    pub(super) fn unwatched(&self) -> Option<&'static str> {
        self.unwatched
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    pub(super) fn is_walking(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A folder that came is watched, and all that is in it is news.
    pub(super) fn visit(&mut self, folder: &Path) {
        self.waiting.push_front(Visit {
            folder: folder.to_owned(),
            news: News::All,
        });
    }

    /// Goes on with the walk for a moment; what it found that is news.
    pub(super) fn walk(&mut self, project: &Tree, wanted: &impl Fn(&Path) -> bool) -> Vec<Heard> {
        let begun = Instant::now();
        let mut heard = Vec::new();
        while begun.elapsed() < WORK
            && let Some(visit) = self.waiting.pop_front()
        {
            // One that is closed to us, or gone, has nothing to tell.
            let _next = self.enter(project, &visit, wanted, &mut heard);
        }
        heard
    }

    fn enter(
        &mut self,
        project: &Tree,
        visit: &Visit,
        wanted: &impl Fn(&Path) -> bool,
        heard: &mut Vec<Heard>,
    ) -> rustix::io::Result<()> {
        let open = project.directory(&visit.folder)?;
        if self.folders.len() < MOST {
            let flags = WatchFlags::CLOSE_WRITE
                | WatchFlags::MODIFY
                | WatchFlags::ATTRIB
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVE
                | WatchFlags::ONLYDIR
                | WatchFlags::EXCL_UNLINK;
            // That very folder, whatever has its name by now.
            let path = format!("/proc/self/fd/{}", open.as_raw_fd());
            match inotify::add_watch(&self.inotify, path, flags) {
                Ok(number) => drop(self.folders.insert(number, visit.folder.clone())),
                // inotify(7): the account's bound. What is there already is looked at all the same.
                Err(Errno::NOSPC) => {
                    self.unwatched = Some(
                        "the kernel watches no more folders for this account (fs.inotify.max_user_watches)",
                    );
                }
                Err(other) => return Err(other),
            }
        } else {
            self.unwatched = Some("the project has more folders than are watched");
        }
        // After the watch: what comes from now on is heard.
        let looked = visit.news != News::Few
            || self.looked < LOOKED
            || beneath::facts_of(&open)?.identity.changed >= self.since;
        for entry in rustix::fs::Dir::read_from(&open)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let path = visit.folder.join(name);
            let is_folder = entry.file_type() == rustix::fs::FileType::Directory;
            if (!is_folder && !looked) || !wanted(&path) {
                continue;
            }
            let changed = || match beneath::facts(&open, name) {
                Ok(Some(facts)) => facts.kind != Kind::Directory && facts.identity.changed >= self.since,
                _ => false,
            };
            self.looked += usize::from(!is_folder);
            if visit.news == News::All || (!is_folder && changed()) {
                heard.push(Heard::Changed(path.clone()));
            }
            if is_folder {
                let news = visit.news;
                self.waiting.push_back(Visit { folder: path, news });
            }
        }
        Ok(())
    }

    /// What the kernel told.
    pub(super) fn hear(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut lost = false;
        let mut moved = Vec::new();
        let mut room = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(&self.inotify, &mut room);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                lost = true;
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.folders.remove(&event.wd());
                continue;
            }
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd()), event.file_name()) else {
                continue;
            };
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            let is_folder = flags.contains(ReadFlags::ISDIR);
            if is_folder && flags.contains(ReadFlags::MOVED_FROM) {
                moved.push(path.clone());
            }
            if is_folder && flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                heard.push(Heard::Folder(path));
            } else if !(is_folder && flags.contains(ReadFlags::ATTRIB)) {
                heard.push(Heard::Changed(path));
            }
        }
        for gone in moved {
            self.forget(&gone);
        }
        if lost {
            // All folders are looked at again, for what changed since the beginning.
            self.waiting.push_back(Visit {
                folder: PathBuf::new(),
                news: News::Changed,
            });
        }
        heard
    }

    /// A folder has another name now: it is found again where it went.
    fn forget(&mut self, gone: &Path) {
        let below = self.folders.iter().filter(|(_, path)| path.starts_with(gone));
        let below: Vec<i32> = below.map(|(number, _)| *number).collect();
        for number in below {
            let _gone_already = inotify::remove_watch(&self.inotify, number);
            self.folders.remove(&number);
        }
    }
}

/// inotify_init(2): `EMFILE` is the account's bound of watchers, which is that of sessions that run at a time.
fn said(e: Errno) -> std::io::Error {
    match e {
        Errno::MFILE => std::io::Error::other(
            "this account has no watcher left, one is needed for each session that runs (fs.inotify.max_user_instances)",
        ),
        other => other.into(),
    }
}

fn time(time: SystemTime) -> (i64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}
