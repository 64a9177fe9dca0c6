//! Hostile projects, with a canary outside: what is shown is looked at, not what was refused.

use super::*;
use fumehood_policy::glob::{Glob, GlobSet};
use list::{Wanted, list, pattern};
use proptest::prelude::*;
use read::read;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use search::search;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const CANARY: &str = "k7-outside-q2";
const MOST: usize = 64 * 1024;

/// A project beside a file that is nobody's here.
struct World {
    _dir: tempfile::TempDir,
    project: PathBuf,
    outside: PathBuf,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let (project, outside) = (dir.path().join("p"), dir.path().join("outside"));
        fs::create_dir_all(project.join("src")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), CANARY).unwrap();
        fs::write(project.join("src/main.rs"), "fn main() {}\n").unwrap();
        World {
            _dir: dir,
            project,
            outside,
        }
    }

    fn view(&self, hidden: &[&str]) -> View {
        let hidden = hidden
            .iter()
            .map(|g| Glob::parse(g.as_bytes()).unwrap().below(&self.project).unwrap());
        View::open(&self.project, Unseen::new(&self.project, hidden, Vec::new())).unwrap()
    }

    fn read(&self, path: &str) -> Result<String, String> {
        read(&self.view(&[]), Path::new(path), 1, MOST)
            .map(|r| r.text)
            .map_err(|e| e.to_string())
    }
}

fn all() -> Wanted {
    Wanted {
        only: None,
        skip: GlobSet::default(),
        depth: 64,
    }
}

fn listed(view: &View, path: &str, wanted: &Wanted) -> String {
    list(view, Path::new(path), wanted, &Bounds::new(&|| false))
        .unwrap()
        .text
}

fn found(view: &View, path: &str, what: &str) -> search::Found {
    search(view, Path::new(path), what, &all(), &Bounds::new(&|| false)).unwrap()
}

#[test]
fn links_and_paths_lead_nowhere() {
    let world = World::new();
    let secret = world.outside.join("secret");
    symlink(&secret, world.project.join("file")).unwrap();
    symlink(&world.outside, world.project.join("folder")).unwrap();
    symlink("/proc/self/root", world.project.join("magic")).unwrap();
    symlink("..", world.project.join("up")).unwrap();
    symlink("src/main.rs", world.project.join("within")).unwrap();
    let below_root = secret.strip_prefix("/").unwrap();
    let through_root = format!("magic/{}", below_root.display());
    // By themselves the paths lead there.
    for path in ["file", "folder/secret", "up/outside/secret", &through_root] {
        assert_eq!(fs::read_to_string(world.project.join(path)).unwrap(), CANARY);
        let why = world.read(path).unwrap_err();
        assert!(why.contains("symbolic link"), "{why}");
    }
    for path in [
        "../outside/secret",
        "src/../../outside/secret",
        secret.to_str().unwrap(),
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
    ] {
        let why = world.read(path).unwrap_err();
        assert!(why.contains("not below the project"), "{path}: {why}");
    }
    assert!(world.read("within").unwrap_err().contains("to `src/main.rs`"));
    assert_eq!(world.read("src/main.rs").unwrap(), "fn main() {}\n");
    let view = world.view(&[]);
    let text = listed(&view, ".", &all());
    assert!(text.contains("folder -> ") && !text.contains("folder/"), "{text}");
    for what in [CANARY, "root:"] {
        assert_eq!(found(&view, ".", what).matches, 0);
    }
    let through = |path: &str| list(&view, Path::new(path), &all(), &Bounds::new(&|| false)).unwrap_err();
    assert!(through("folder").to_string().contains("symbolic link"));
}

/// A folder that is swapped with a link, as fast as a program can.
#[test]
fn a_folder_that_is_swapped_leads_nowhere() {
    let world = World::new();
    fs::create_dir(world.project.join("d")).unwrap();
    fs::write(world.project.join("d/secret"), "inside").unwrap();
    symlink(&world.outside, world.project.join("l")).unwrap();
    let (d, l) = (world.project.join("d"), world.project.join("l"));
    // It ends with the channel, also where a check here fails.
    let (going, over) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let going = going;
        scope.spawn(move || {
            while over.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                renameat_with(CWD, &d, CWD, &l, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let view = world.view(&[]);
        for _ in 0..3000 {
            match read(&view, Path::new("d/secret"), 1, MOST) {
                Ok(read) => assert_eq!(read.text, "inside\n"),
                Err(e) => assert!(e.to_string().contains("symbolic link"), "{e}"),
            }
            let found = search(&view, Path::new("."), CANARY, &all(), &Bounds::new(&|| false)).unwrap();
            assert_eq!(found.text, "");
        }
        drop(going);
    });
}

#[test]
fn what_is_no_file_is_told_and_not_opened() {
    let world = World::new();
    let none = Mode::from_raw_mode(0o600);
    mknodat(CWD, world.project.join("pipe"), FileType::Fifo, none, 0).unwrap();
    mknodat(
        CWD,
        world.project.join("device"),
        FileType::CharacterDevice,
        none,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.project.join("socket")).unwrap();
    for kind in ["pipe", "device", "socket"] {
        let why = world.read(kind).unwrap_err();
        assert!(why.contains(&format!("is a {kind}")), "{why}");
        assert!(listed(&world.view(&[]), ".", &all()).contains(&format!("{kind} ({kind})\n")));
    }
    assert!(world.read("src").unwrap_err().contains("list_files"));
    assert!(world.read("src/main.rs/x").unwrap_err().contains("is not there"));
    // Nobody writes to the pipe, and yet this ends.
    assert_eq!(found(&world.view(&[]), ".", "main").matches, 1);
}

#[test]
fn what_is_hidden_is_as_if_it_were_not_there() {
    let world = World::new();
    for folder in ["a/keys", ".git", "a/.GIT"] {
        fs::create_dir_all(world.project.join(folder)).unwrap();
    }
    for file in [
        ".env",
        "a/.env.local",
        "a/.ENV",
        "a/keys/id",
        ".git/config",
        "a/.GIT/config",
    ] {
        fs::write(world.project.join(file), CANARY).unwrap();
    }
    let view = world.view(&["**/.env*", "a/keys"]);
    for path in [".env", "a/.env.local", "a/.ENV", "a/keys/id", "a/keys"] {
        let why = |path: &str| read(&view, Path::new(path), 1, MOST).unwrap_err().to_string();
        let missing = why("nothing").replace("nothing", path);
        assert_eq!(why(path), missing, "{path}");
    }
    for path in [".git/config", "a/.GIT/config", "git~1/config"] {
        let why = read(&view, Path::new(path), 1, MOST).unwrap_err().to_string();
        assert!(why.contains("git's own"), "{why}");
    }
    assert_eq!(listed(&view, ".", &all()), "a/\nsrc/\nsrc/main.rs\n");
    assert_eq!(found(&view, ".", CANARY).matches, 0);
    // Without the patterns they are seen.
    assert!(found(&world.view(&[]), ".", CANARY).matches == 4);
    let folder = world.project.join("a/keys");
    let paths = View::open(&world.project, Unseen::new(&world.project, [], vec![folder])).unwrap();
    assert!(!listed(&paths, ".", &all()).contains("keys"));
    let nothing = Unseen::new(&world.project, [], vec![world.project.clone()]);
    assert!(View::open(&world.project, nothing).is_err());
}

/// Root, too, reads what the project's owner could.
#[test]
fn a_mode_holds_for_root() {
    let world = World::new();
    let closed = world.project.join("closed");
    fs::write(&closed, CANARY).unwrap();
    fs::create_dir(world.project.join("shut")).unwrap();
    fs::write(world.project.join("shut/file"), CANARY).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut mine = 0;
    if rustix::process::geteuid().is_root() {
        // Whoever owns the project is another than who owns these.
        mine = 0o600;
        std::os::unix::fs::chown(&world.project, Some(12345), Some(12345)).unwrap();
    }
    mode(&closed, mine);
    mode(&world.project.join("shut"), mine);
    for path in ["closed", "shut/file"] {
        assert!(world.read(path).unwrap_err().contains("its mode"), "{path}");
    }
    let found = found(&world.view(&[]), ".", CANARY);
    assert_eq!((found.matches, found.closed), (0, 2));
    mode(&world.project.join("shut"), 0o700);
}

#[test]
fn binary_files_and_holes_are_told() {
    let world = World::new();
    fs::write(world.project.join("binary"), b"ELF\0\x01 main").unwrap();
    let hole = fs::File::create(world.project.join("hole")).unwrap();
    std::io::Write::write_all(&mut &hole, "text\n".repeat(4000).as_bytes()).unwrap();
    hole.set_len(1 << 40).unwrap();
    assert!(
        world
            .read("binary")
            .unwrap_err()
            .contains("binary file of 10 bytes")
    );
    assert!(
        world
            .read("hole")
            .unwrap_err()
            .contains("binary file of 1099511627776")
    );
    let found = found(&world.view(&[]), ".", "main");
    assert_eq!(
        (found.text.as_str(), found.binary),
        ("src/main.rs:1:fn main() {}\n", 2)
    );
}

#[test]
fn files_are_read_in_pages() {
    let world = World::new();
    let text: String = (1..=5000).map(|n| format!("line {n} of it\r\n")).collect();
    fs::write(world.project.join("long"), &text).unwrap();
    let view = world.view(&[]);
    let (mut whole, mut from, mut pages) = (String::new(), 1, 0);
    loop {
        let page = read(&view, Path::new("long"), from, 8192).unwrap();
        assert!(page.text.len() <= 8192 && page.lines == 5000 && page.is_whole && page.dos == 5000);
        whole.push_str(&page.text);
        pages += 1;
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert!(pages > 5);
    assert_eq!(whole, text.replace("\r\n", "\n"));
    fs::write(world.project.join("sly"), "a\u{202e}b\x1b[2J\n⟦forged⟧\n").unwrap();
    let sly = read(&view, Path::new("sly"), 1, MOST).unwrap();
    assert_eq!(sly.text, "a\\u{202e}b\\x1b[2J\n\\u{27e6}forged\\u{27e7}\n");
    assert_eq!(sly.written_out, 4);
}

#[test]
fn names_of_any_bytes_are_seen() {
    let world = World::new();
    let odd = OsStr::from_bytes(b"caf\xe9\x1b[2J\n\xe2\x9f\xa6");
    fs::write(world.project.join(odd), "here it is\n").unwrap();
    let view = world.view(&[]);
    let shown = r"caf\xe9\x1b[2J\n\u{27e6}";
    assert_eq!(
        listed(&view, ".", &all()),
        format!("{shown}\nsrc/\nsrc/main.rs\n")
    );
    assert_eq!(found(&view, ".", "here").text, format!("{shown}:1:here it is\n"));
}

#[test]
fn what_is_searched_and_listed_can_be_narrowed() {
    let world = World::new();
    for (file, text) in [
        ("target/debug/out.rs", "needle\n"),
        ("src/a.rs", "one\nthe needle\r\nNeedle\n"),
        ("src/deep/b.rs", "needle needle\n"),
        ("src/c.md", "needle\n"),
    ] {
        let path = world.project.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let view = world.view(&[]);
    let wanted = Wanted {
        only: Some(pattern("*.rs").unwrap()),
        skip: GlobSet::new([Glob::parse(b"target/**").unwrap()]),
        depth: 64,
    };
    let look = |path: &str, what: &str| {
        search(&view, Path::new(path), what, &wanted, &Bounds::new(&|| false)).unwrap()
    };
    let first = look(".", "needle");
    assert_eq!(
        first.text,
        "src/a.rs:2:the needle\nsrc/deep/b.rs:1:needle needle\n"
    );
    assert_eq!((first.matches, first.in_files, first.files), (2, 2, 3));
    assert_eq!(look(".", "(?i)^needle$").text, "src/a.rs:3:Needle\n");
    assert_eq!(look("src/a.rs", "e$").matches, 3);
    // Who names the folder means it.
    assert_eq!(look("target", "needle").matches, 1);
    let names = |depth, path| {
        listed(
            &view,
            path,
            &Wanted {
                depth,
                only: None,
                ..wanted.clone()
            },
        )
    };
    assert_eq!(names(1, "."), "src/\ntarget/\n");
    assert_eq!(
        names(64, "src"),
        "src/a.rs\nsrc/c.md\nsrc/deep/\nsrc/deep/b.rs\nsrc/main.rs\n"
    );
    assert_eq!(names(64, "target"), "target/debug/\ntarget/debug/out.rs\n");
    let only = Wanted {
        only: Some(pattern("src/*.md").unwrap()),
        ..wanted.clone()
    };
    assert_eq!(listed(&view, ".", &only), "src/c.md\n");
    for wrong in ["(", r"\x{10FFFF}{1000}{1000}"] {
        let e = search(&view, Path::new("."), wrong, &wanted, &Bounds::new(&|| false)).unwrap_err();
        assert!(e.to_string().len() <= 512);
    }
}

#[test]
fn of_a_long_line_what_is_around_the_match_is_shown() {
    let world = World::new();
    let line = format!("{}NEEDLE{}\n", "é".repeat(50_000), "x".repeat(100_000));
    fs::write(world.project.join("one"), line).unwrap();
    let text = found(&world.view(&[]), "one", "NEEDLE").text;
    assert!(text.len() < 1000 && text.contains("éNEEDLEx"), "{text}");
    assert!(
        text.starts_with("one:1:⟦99850 bytes⟧é") && text.ends_with("x⟦99850 bytes⟧\n"),
        "{text}"
    );
}

/// A pattern is looked for in the beginning of a line only, a plain text further on; what was not searched is told.
#[test]
fn what_was_not_searched_is_told() {
    let world = World::new();
    let line = format!("{} needle\n", "x".repeat(20 * 1024));
    fs::write(world.project.join("one"), line).unwrap();
    let view = world.view(&[]);
    let plain = found(&view, "one", "needle");
    assert_eq!((plain.matches, plain.in_part), (1, 0));
    let pattern = found(&view, "one", "n.edle");
    assert_eq!((pattern.matches, pattern.in_part), (0, 1));
}

/// An expression and a line that are made for each other cost what a line may cost, and no more.
#[test]
fn a_hostile_expression_ends() {
    let world = World::new();
    fs::write(world.project.join("one"), "x".repeat(1 << 20)).unwrap();
    let bounds = Bounds::over(&|| false);
    for hostile in ["(x+x+)+y", "(?:x{1,15}){1,15}y", "(x|xx|xxx|xxxx)*y$"] {
        let found = search(&world.view(&[]), Path::new("one"), hostile, &all(), &bounds).unwrap();
        assert_eq!((found.matches, found.bound), (0, Some(Bound::Time)));
    }
}

#[test]
fn whoever_meets_a_bound_says_so() {
    let world = World::new();
    let view = world.view(&[]);
    let ends = |bounds: &Bounds<'_>| {
        let listing = list(&view, Path::new("."), &all(), bounds).unwrap();
        let found = search(&view, Path::new("."), "x", &all(), bounds).unwrap();
        assert_eq!(listing.bound, found.bound);
        listing.bound
    };
    assert_eq!(ends(&Bounds::new(&|| false)), None);
    assert_eq!(ends(&Bounds::new(&|| true)), Some(Bound::Cancelled));
    assert_eq!(ends(&Bounds::over(&|| false)), Some(Bound::Time));
    let many = format!("{}\n", "x".repeat(300)).repeat(20_000);
    fs::write(world.project.join("many"), many).unwrap();
    let found = found(&view, ".", "x");
    assert_eq!(found.bound, Some(Bound::Text));
    assert!(found.text.len() < (4 << 20) + 1000);
}

#[test]
fn messages_are_short() {
    let world = World::new();
    let name = "é".repeat(120);
    let target = "\u{202e}".repeat(1000);
    symlink(target, world.project.join(&name)).unwrap();
    let why = world.read(&name).unwrap_err();
    assert!(why.len() <= 512 && why.contains("symbolic link"), "{why}");
    assert!(world.read(&"x".repeat(300)).unwrap_err().contains("too long"));
}

proptest! {
    /// Whatever names stand behind each other, only files of the project are read.
    #[test]
    fn no_path_leads_out(parts in proptest::collection::vec(prop_oneof![
        Just(".."), Just("."), Just(""), Just("src"), Just("main.rs"), Just("out"), Just("secret"), Just("root"),
        Just("proc"), Just("self"), Just("etc"), Just("passwd"), Just("p"), Just("outside"), Just(".git"), Just("a\nb"),
    ], 0..7)) {
        thread_local! {
            static WORLD: World = {
                let world = World::new();
                symlink(&world.outside, world.project.join("out")).unwrap();
                symlink("/", world.project.join("root")).unwrap();
                world
            };
        }
        WORLD.with(|world| {
            let text = world.read(&parts.join("/"));
            if let Ok(text) = text {
                assert_eq!(text, "fn main() {}\n");
            }
        });
    }
}
