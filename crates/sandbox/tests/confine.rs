//! A helper process with a planted flaw: it tries what a hijacked one would try, confined as the real
//! ones are, and gets nothing. Each attempt is first made without confinement, where it succeeds.
//!
//! Not under libtest, because a process with threads cannot fork a role.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "what a test harness prints")]
#![expect(clippy::disallowed_methods, reason = "one attempt is to execute a program")]

use fumehood_sandbox::{Reach, Role, confine, exit_status_of, fork_role, give_up, landlock_version};
use std::ffi::CString;
use std::fs::File;
use std::io::{Error, Read, Result};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What there is to reach.
struct World {
    folder: tempfile::TempDir,
    own: PathBuf,
    open: File,
    tcp: TcpListener,
    unix: UnixListener,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        std::fs::create_dir_all(own.join("sub")).unwrap();
        std::fs::write(own.join("control"), "").unwrap();
        std::fs::write(folder.path().join("secret"), "canary").unwrap();
        for name in ["project", "notes/upper", "view"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("file"), "old").unwrap();
        }
        std::fs::write(folder.path().join("lock"), "").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        unix.set_nonblocking(true).unwrap();
        World {
            open: File::open(folder.path().join("secret")).unwrap(),
            folder,
            own,
            tcp,
            unix,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the process that brings edits inside is granted: a project, notes, a lock, and a tree that it makes like the project.
    fn of_edits(&self) -> [(CString, Reach); 4] {
        let places = [
            ("project", Reach::Look),
            ("notes", Reach::Note),
            ("lock", Reach::Write),
            ("view", Reach::Follow),
        ];
        places.map(|(name, reach)| (c_string(&self.path(name)), reach))
    }

    /// Whether anything came of it.
    fn was_reached(&self) -> bool {
        let here = [
            self.path("planted"),
            self.path("executed"),
            self.own.join("new"),
            self.path("project/new"),
            self.path("notes/new"),
            self.path("view/new"),
        ];
        self.tcp.accept().is_ok() || self.unix.accept().is_ok() || here.iter().any(|p| p.exists())
    }
}

type Attempt = (&'static str, fn(&World) -> Result<()>);

/// What a hijacked process tries.
const ATTEMPTS: [Attempt; 9] = [
    ("open a file", |w| File::open(w.path("secret")).map(drop)),
    ("make a file", |w| File::create(w.path("planted")).map(drop)),
    ("list a folder", |w| std::fs::read_dir(w.folder.path()).map(drop)),
    ("execute a program", |w| {
        let made = Command::new("touch").arg(w.path("executed")).status()?;
        made.success()
            .then_some(())
            .ok_or_else(|| Error::other("it failed"))
    }),
    ("start a thread", |_| {
        std::thread::Builder::new().spawn(|| ()).map(drop)
    }),
    ("connect to a port", |w| {
        TcpStream::connect(w.tcp.local_addr()?).map(drop)
    }),
    ("connect to a socket", |w| {
        UnixStream::connect(w.path("socket")).map(drop)
    }),
    ("make a socket", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    (INHERITED, |w| (&w.open).read(&mut [0; 8]).map(drop)),
];
const INHERITED: &str = "read what the supervisor has open";

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Succeeded,
    Refused,
    /// The filter ended the process.
    Killed,
}

fn attempt(world: &World, role: Option<Role>, attempt: fn(&World) -> Result<()>) -> Ended {
    let confined = || {
        let folders = [
            (c_string(&world.own), Reach::Use),
            (c_string(world.folder.path()), Reach::Empty),
        ];
        let folders = match role {
            Some(Role::Janitor) => &folders[..],
            Some(Role::Log) => &[(c_string(&world.own), Reach::Keep)],
            Some(Role::Edits) => &world.of_edits(),
            _ => &[],
        };
        let up = |role| give_up(&[std::io::stdin().as_fd()]).is_ok() && confine(role, folders).is_ok();
        role.is_none_or(up)
    };
    let process = fork_role(|| match confined() {
        true => attempt(world).map_or(2, |()| 1),
        false => 3,
    });
    match exit_status_of(process.unwrap()) {
        Some(1) => Ended::Succeeded,
        Some(2) => Ended::Refused,
        None => Ended::Killed,
        other => panic!("not confined: {other:?}"),
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn a_relay_gets_nothing() {
    for (name, act) in ATTEMPTS {
        let world = World::new();
        assert_eq!(attempt(&world, None, act), Ended::Succeeded, "control: {name}");
        let world = World::new();
        let expected = match name {
            INHERITED => Ended::Refused, // it is closed
            _ => Ended::Killed,
        };
        assert_eq!(attempt(&world, Some(Role::Relay), act), expected, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
}

fn a_janitor_gets_nothing_but_its_groups() {
    assert!(landlock_version() > 0, "this kernel has no Landlock");
    for (name, act) in ATTEMPTS {
        let world = World::new();
        let ended = attempt(&world, Some(Role::Janitor), act);
        assert_ne!(ended, Ended::Succeeded, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
    let own: [Attempt; 3] = [
        ("write a control file", |w| {
            let file = File::options().write(true).open(w.own.join("control"))?;
            std::io::Write::write_all(&mut &file, b"1")
        }),
        ("list its group", |w| std::fs::read_dir(&w.own).map(drop)),
        ("remove its group", |w| std::fs::remove_dir(w.own.join("sub"))),
    ];
    for (name, act) in own {
        let world = World::new();
        assert_eq!(
            attempt(&world, Some(Role::Janitor), act),
            Ended::Succeeded,
            "{name}"
        );
    }
    let others: [Attempt; 2] = [
        ("make a file in its group", |w| {
            File::create(w.own.join("new")).map(drop)
        }),
        ("read beside its group", |w| {
            std::fs::read(w.path("secret")).map(drop)
        }),
    ];
    for (name, act) in others {
        let world = World::new();
        assert_eq!(
            attempt(&world, Some(Role::Janitor), act),
            Ended::Refused,
            "{name}"
        );
        assert!(!world.was_reached(), "{name}");
    }
}

fn a_log_writer_gets_nothing_but_its_folder() {
    for (name, act) in ATTEMPTS {
        let world = World::new();
        let expected = match name {
            INHERITED | "open a file" | "make a file" | "list a folder" => Ended::Refused,
            _ => Ended::Killed,
        };
        assert_eq!(attempt(&world, Some(Role::Log), act), expected, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
    let own: [Attempt; 3] = [
        ("make, sync and rename a file", |w| {
            let file = File::create(w.own.join("a"))?;
            file.sync_data()?;
            std::fs::create_dir(w.own.join("tile"))?;
            std::fs::rename(w.own.join("a"), w.own.join("tile/b"))
        }),
        ("remove a file", |w| std::fs::remove_file(w.own.join("control"))),
        ("list its folder", |w| std::fs::read_dir(&w.own).map(drop)),
    ];
    for (name, act) in own {
        let world = World::new();
        assert_eq!(attempt(&world, Some(Role::Log), act), Ended::Succeeded, "{name}");
    }
    let links: [Attempt; 2] = [
        ("link a file out", |w| {
            std::fs::hard_link(w.path("secret"), w.own.join("new"))
        }),
        ("link to a file", |w| {
            std::os::unix::fs::symlink(w.path("secret"), w.own.join("new"))
        }),
    ];
    for (name, act) in links {
        let world = World::new();
        assert_eq!(attempt(&world, Some(Role::Log), act), Ended::Killed, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
}

/// It may read files, since `/proc` is some, and has no way to bring them anywhere.
fn a_watcher_only_reads() {
    for (name, act) in ATTEMPTS {
        let world = World::new();
        let expected = match name {
            INHERITED => Ended::Refused,
            "open a file" => Ended::Succeeded,
            _ => Ended::Killed,
        };
        assert_eq!(attempt(&world, Some(Role::Watcher), act), expected, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
    let own: [Attempt; 2] = [
        ("look at a program's parent", |_| {
            std::fs::read("/proc/1/stat").map(drop)
        }),
        ("look at a program's directory", |_| {
            std::fs::read_link("/proc/1/cwd").map(drop).or(Ok(()))
        }),
    ];
    for (name, act) in own {
        let world = World::new();
        assert_eq!(
            attempt(&world, Some(Role::Watcher), act),
            Ended::Succeeded,
            "{name}"
        );
    }
}

/// It reads the project, and writes notes and the tree inside: not the other way round, and nowhere else.
fn what_brings_edits_inside_gets_nothing_but_its_own() {
    for (name, act) in ATTEMPTS {
        let world = World::new();
        let expected = match name {
            INHERITED | "open a file" | "make a file" | "list a folder" => Ended::Refused,
            _ => Ended::Killed,
        };
        assert_eq!(attempt(&world, Some(Role::Edits), act), expected, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
    let own: [Attempt; 7] = [
        ("read the project", |w| {
            std::fs::read_dir(w.path("project"))?;
            std::fs::read(w.path("project/file")).map(drop)
        }),
        ("write a note", |w| {
            std::fs::write(w.path("notes/a.new"), "a")?;
            std::fs::rename(w.path("notes/a.new"), w.path("notes/a"))
        }),
        ("lock", |w| {
            let lock = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(w.path("lock"))?;
            lock.lock()
        }),
        ("write and replace a file inside", |w| {
            std::fs::write(w.path("view/file"), "new")?;
            std::fs::write(w.path("view/passing"), "newer")?;
            std::fs::rename(w.path("view/passing"), w.path("view/file"))
        }),
        ("make and remove folders inside", |w| {
            std::fs::create_dir(w.path("view/folder"))?;
            std::fs::remove_dir(w.path("view/folder"))
        }),
        ("make a link inside", |w| {
            std::os::unix::fs::symlink("anywhere", w.path("view/link"))
        }),
        ("set a mode inside", |w| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
            std::fs::set_permissions(w.path("view/file"), mode)
        }),
    ];
    for (name, act) in own {
        let world = World::new();
        assert_eq!(
            attempt(&world, Some(Role::Edits), act),
            Ended::Succeeded,
            "{name}"
        );
    }
    let others: [Attempt; 9] = [
        ("write in the project", |w| {
            File::options()
                .append(true)
                .open(w.path("project/file"))
                .map(drop)
        }),
        ("make a file in the project", |w| {
            File::create(w.path("project/new")).map(drop)
        }),
        ("remove a file of the project", |w| {
            std::fs::remove_file(w.path("project/file"))
        }),
        ("make a folder beside the notes", |w| {
            std::fs::create_dir(w.path("notes/new"))
        }),
        ("replace the lock", |w| std::fs::remove_file(w.path("lock"))),
        ("move a file out of the project", |w| {
            std::fs::rename(w.path("project/file"), w.path("view/new"))
        }),
        ("move a file out of the view", |w| {
            std::fs::rename(w.path("view/file"), w.path("notes/new"))
        }),
        ("follow a link that was made inside", |w| {
            std::os::unix::fs::symlink(w.path("secret"), w.path("view/link"))?;
            std::fs::read(w.path("view/link")).map(drop)
        }),
        ("look into another process", |_| {
            std::fs::read("/proc/1/environ").map(drop)
        }),
    ];
    for (name, act) in others {
        let world = World::new();
        assert_eq!(attempt(&world, Some(Role::Edits), act), Ended::Refused, "{name}");
        assert!(!world.was_reached(), "{name}");
        let is = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
        assert_eq!(
            (is("project/file"), is("view/file")),
            ("old".into(), "old".into()),
            "{name}"
        );
    }
    let calls: [Attempt; 2] = [
        ("link a file out", |w| {
            std::fs::hard_link(w.path("secret"), w.path("view/new"))
        }),
        ("listen on a socket", |w| {
            UnixListener::bind(w.path("view/new")).map(drop)
        }),
    ];
    for (name, act) in calls {
        let world = World::new();
        assert_eq!(attempt(&world, Some(Role::Edits), act), Ended::Killed, "{name}");
        assert!(!world.was_reached(), "{name}");
    }
}

fn main() {
    let tests: [(&str, fn()); 5] = [
        (
            "what_brings_edits_inside_gets_nothing_but_its_own",
            what_brings_edits_inside_gets_nothing_but_its_own,
        ),
        (
            "a_log_writer_gets_nothing_but_its_folder",
            a_log_writer_gets_nothing_but_its_folder,
        ),
        ("a_watcher_only_reads", a_watcher_only_reads),
        ("a_relay_gets_nothing", a_relay_gets_nothing),
        (
            "a_janitor_gets_nothing_but_its_groups",
            a_janitor_gets_nothing_but_its_groups,
        ),
    ];
    for (name, test) in tests {
        test(); // a panic ends it all, with a status that is not 0
        println!("test {name} ... ok");
    }
    println!("test result: ok. {} passed; 0 failed", tests.len());
}
