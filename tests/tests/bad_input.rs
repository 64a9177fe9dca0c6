//! Anything wrong: one line that says what, where and what to do; 125, 126 or 127; nothing started,
//! nothing written, never a panic. Codex 45, srt 12, 44, 79, 80.

use fumehood_tests::{World, fumehood, host_program, is_root};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};

/// The command that must not run in any of these.
const STARTED: [&str; 2] = ["touch", "started"];

fn assert_refused<W: AsRef<OsStr>>(world: &World, flags: &[W], words: &[&str]) {
    world.sandbox().flags(flags).run(&STARTED).refused(125, words);
    assert!(!world.project().join("started").exists());
}

/// Command lines that mean nothing.
#[test]
fn command_line() {
    let world = World::new();
    let lines: [&[&str]; 10] = [
        &[],
        &["run"],
        &["run", "--"],
        &["nonsense"],
        &["run", "--memory"],
        &["run", "--nonsense", "touch", "started"],
        &["run", "--isolation", "strong", "touch", "started"],
        &["run", "--user", "me", "touch", "started"],
        &["run", "--timeout=", "touch", "started"],
        &["run", "--live=yes", "touch", "started"],
    ];
    for line in lines {
        let mut words = vec![fumehood().into_os_string()];
        words.extend(line.iter().map(OsString::from));
        let out = world.sandbox().start_words(&words).wait();
        out.refused(125, &[]);
        assert!(!world.project().join("started").exists(), "{line:?}");
    }
    world.sandbox().run(&[""]).refused(127, &[]);
}

/// Flags of any bytes are told back escaped, on one line.
#[test]
fn bytes_that_are_no_text() {
    let world = World::new();
    let odd = OsString::from_vec(b"--\xff\n\x1b]0;evil\x07".to_vec());
    for words in [
        vec![odd.clone()],
        vec!["--isolation".into(), odd.clone()],
        vec!["-C".into(), odd.clone()],
        vec!["--ro".into(), odd.clone()],
        vec!["--memory".into(), odd],
    ] {
        let out = world.sandbox().flags(&words).run(&STARTED);
        out.refused(125, &[]);
        assert!(
            !out.stderr.contains(&0x1b) && !out.stderr.contains(&0x07),
            "{}",
            out.errors()
        );
    }
    let missing = OsString::from_vec(b"no\xff\n\x1b[2Jsuch".to_vec());
    let out = world.sandbox().run(&[missing]);
    out.refused(127, &[]);
    assert!(!out.stderr.contains(&0x1b), "{}", out.errors());
}

/// Codex 45: folders that cannot be shown, or are not there.
#[test]
fn grants() {
    let world = World::new();
    assert_refused(&world, &["--ro", "/no/such/place"], &["/no/such/place"]);
    assert_refused(&world, &["--rw", "/no/such/place"], &["/no/such/place"]);
    assert_refused(&world, &["--rw", "/"], &[]);
    assert_refused(&world, &["--rw", "/proc"], &["/proc"]);
    assert_refused(&world, &["--ro", "/dev"], &["/dev"]);
    assert_refused(&world, &["--ro", "/sys"], &["/sys"]);
    assert_refused(&world, &["--rw", world.home().to_str().unwrap()], &["home"]);
    let dangling = world.project().join("dangling");
    symlink("/no/such", &dangling).unwrap();
    assert_refused(&world, &[OsStr::new("--ro"), dangling.as_os_str()], &["dangling"]);
    let around = world.project().join("loop");
    symlink("loop", &around).unwrap();
    assert_refused(&world, &[OsStr::new("--ro"), around.as_os_str()], &["loop"]);
}

/// Places that are no project.
#[test]
fn projects() {
    let world = World::new();
    for place in ["/", "/etc", "/usr", "/tmp", "/proc", "/dev"] {
        world
            .sandbox()
            .flags(["-C", place])
            .run(&["true"])
            .refused(125, &[]);
    }
    world
        .sandbox()
        .directory(world.home())
        .run(&["touch", "started"])
        .refused(125, &["home"]);
    world
        .sandbox()
        .directory(world.root())
        .run(&["touch", "started"])
        .refused(125, &["home"]);
    let file = world.project().join("file");
    fs::write(&file, "").unwrap();
    world
        .sandbox()
        .flags([OsStr::new("-C"), file.as_os_str()])
        .run(&["true"])
        .refused(125, &["directory"]);
    let gone = world.project().join("gone");
    fs::create_dir(&gone).unwrap();
    let script = format!("cd {0} && rmdir {0} && exec \"$@\"", gone.display());
    world
        .sandbox()
        .under(["sh", "-c", &script, "sh"])
        .run(&["true"])
        .refused(125, &[]);
}

/// A home that is not there or means nothing.
#[test]
fn homes() {
    let world = World::new();
    world
        .sandbox()
        .env("HOME", "relative")
        .run(&STARTED)
        .refused(125, &["relative"]);
    assert!(!world.project().join("started").exists());
    let out = world
        .sandbox()
        .env("HOME", "/no/such/home")
        .run(&["sh", "-c", "cd && pwd && touch x"]);
    assert_eq!(
        out.ended(0),
        "/no/such/home",
        "a home that is not there yet can be made inside"
    );
    assert!(!std::path::Path::new("/no/such").exists());
}

/// Codex 45, srt 79, 80: configuration that is wrong in every way: which file, where, what instead.
#[test]
fn configuration() {
    let world = World::new();
    let file = world.project().join("fumehood.toml");
    let wrong: [(&[u8], &[&str]); 10] = [
        (
            b"version = 1\npresetz = []\n",
            &["fumehood.toml:2", "presetz", "presets"],
        ),
        (b"version = 2\n", &["fumehood.toml:1", "version"]),
        (b"presets = [\"rust\"]\n", &["fumehood.toml", "version"]),
        (b"version = 1\npresets = \"rust\"\n", &["fumehood.toml:2", "list"]),
        (
            b"version = 1\npresets = [\"ruts\"]\n",
            &["fumehood.toml:2", "ruts"],
        ),
        (
            b"version = 1\nlimits = { memory = \"lots\" }\n",
            &["fumehood.toml:2", "size"],
        ),
        (b"version = 1\n[\n", &["fumehood.toml:2"]),
        (b"version = 1 # \xff\n", &["fumehood.toml"]),
        (
            b"version = 1\nversion = 1\n",
            &["fumehood.toml:2", "duplicate key"],
        ),
        (
            b"version = 1\n[services]\ngihtub = [\"ghe.acme.example\"]\n",
            &["fumehood.toml:3", "no service gihtub", "github"],
        ),
    ];
    for (text, words) in wrong {
        fs::write(&file, text).unwrap();
        let out = world.sandbox().run(&STARTED);
        out.refused(125, words);
        assert!(!world.project().join("started").exists());
    }
}

/// Configuration that cannot be a file, and a file named that is not there.
#[test]
fn configuration_that_is_no_file() {
    let world = World::new();
    assert_refused(&world, &["--config", "/no/such.toml"], &["/no/such.toml"]);
    assert_refused(&world, &["--config", "/dev/zero"], &["/dev/zero"]);
    let file = world.project().join("fumehood.toml");
    fs::create_dir(&file).unwrap();
    let out = world.sandbox().run(&STARTED);
    out.refused(125, &["fumehood.toml"]);
    fs::remove_dir(&file).unwrap();
    // A fifo must not keep the run waiting, nor a link to something endless.
    assert!(host_program("mkfifo").arg(&file).status().unwrap().success());
    world.sandbox().run(&STARTED).refused(125, &["fumehood.toml"]);
    fs::remove_file(&file).unwrap();
    symlink("/dev/zero", &file).unwrap();
    world.sandbox().run(&STARTED).refused(125, &["regular file"]);
    assert!(!world.project().join("started").exists());
}

/// A user's own configuration is as strict.
#[test]
fn user_configuration() {
    let world = World::new();
    fs::create_dir_all(world.own("config").join("fumehood")).unwrap();
    fs::write(
        world.own("config").join("fumehood/config.toml"),
        "version = 1\nnonsense = 1\n",
    )
    .unwrap();
    assert_refused(&world, &[""; 0], &["config.toml:2", "nonsense"]);
}

/// srt 44: a pattern that can never match, or is none, is refused and not ignored.
#[test]
fn hide_patterns() {
    let world = World::new();
    for pattern in ["", "[", "../sibling/**", "a/../b"] {
        assert_refused(&world, &["--hide", pattern], &["--hide"]);
    }
    let odd = OsStr::from_bytes(b"\xff*");
    let out = world.sandbox().flags([OsStr::new("--hide"), odd]).run(&["true"]);
    assert!(out.code == 0 || out.code == 125, "{out:?}");
}

/// Presets that are not there.
#[test]
fn presets() {
    let world = World::new();
    assert_refused(&world, &["--preset", "ruts"], &["ruts", "rust"]);
    assert_refused(&world, &["--preset", "../../etc/passwd"], &[]);
}

/// Events to where nothing can be written.
#[test]
fn events() {
    let world = World::new();
    for place in ["/no/such/file", "/", "99", ""] {
        assert_refused(&world, &["--events", place], &["--events"]);
    }
}

/// A variable that cannot be one.
#[test]
fn variables() {
    let world = World::new();
    assert_refused(&world, &["--env", "=value"], &["--env"]);
    assert_refused(&world, &["--env", ""], &["--env"]);
}

/// A project the caller may not enter.
#[test]
fn project_without_permission() {
    if is_root() {
        return; // everything is permitted to it
    }
    let world = World::new();
    let closed = world.project().join("closed");
    fs::create_dir_all(closed.join("in")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let out = world
        .sandbox()
        .flags([OsStr::new("-C"), closed.join("in").as_os_str()])
        .run(&["true"]);
    let grant = world
        .sandbox()
        .flags([OsStr::new("--ro"), closed.join("in").as_os_str()])
        .run(&["true"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    out.refused(125, &["closed", "permission"]);
    grant.refused(125, &["closed"]);
}

/// Odd but fine: names that look like something else, very long lists.
#[test]
fn odd_but_fine() {
    let world = World::new();
    for name in [
        "--",
        "-n",
        "$(touch x)",
        "a b",
        "%s",
        "\\",
        "\u{202e}txt",
        "...",
        "CON",
    ] {
        fs::create_dir(world.project().join(name)).unwrap();
        let out =
            world
                .sandbox()
                .directory(world.project().join(name))
                .run(&["sh", "-c", "echo fine > f; cat f"]);
        assert_eq!(out.ended(0), "fine", "{name}");
    }
    let many: Vec<String> = (0..2000).map(|n| format!("argument-{n}")).collect();
    let words: Vec<&str> = ["echo"]
        .into_iter()
        .chain(many.iter().map(String::as_str))
        .collect();
    assert!(world.sandbox().run(&words).ended(0).ends_with("argument-1999"));
    let flags: Vec<String> = (0..300)
        .flat_map(|n| ["--env".to_owned(), format!("V{n}={n}")])
        .collect();
    assert_eq!(world.sandbox().flags(flags).sh("echo $V299").ended(0), "299");
}

/// A network socket as a standard stream would be a door to the host's network: refused before anything starts, and
/// the other side hears nothing. A pipe and a UNIX pair are fine.
#[test]
fn network_sockets_as_standard_streams() {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::process::Stdio;
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = || {
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (OwnedFd::from(near), listener.accept().unwrap().0)
    };
    let start = |streams: [Stdio; 3]| {
        let [stdin, stdout, stderr] = streams;
        let words = world.live().words(&STARTED);
        let mut command = host_program(&words[0]);
        command.args(&words[1..]).current_dir(world.project()).env_clear();
        command.envs(world.live().environment());
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        command.spawn().unwrap().wait_with_output().unwrap()
    };
    let (near, mut far) = tcp();
    let out = start([near.into(), Stdio::piped(), Stdio::piped()]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(125), "{said}");
    assert!(said.contains("descriptor 0 is a network socket"), "{said}");
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"");
    let (near, mut far) = tcp();
    let out = start([Stdio::null(), near.into(), Stdio::piped()]);
    assert_eq!(out.status.code(), Some(125));
    far.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"");
    let udp = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    assert_eq!(
        start([udp.into(), Stdio::piped(), Stdio::piped()]).status.code(),
        Some(125)
    );
    let folder = OwnedFd::from(fs::File::open(world.outside()).unwrap());
    let out = start([folder.into(), Stdio::piped(), Stdio::piped()]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.code() == Some(125) && said.contains("is a folder of the host"),
        "{said}"
    );
    assert!(!world.project().join("started").exists());
    let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let out = start([OwnedFd::from(near).into(), Stdio::piped(), Stdio::piped()]);
    assert_eq!(out.status.code(), Some(0));
    assert!(world.project().join("started").exists());
}

/// Someone else's folder above must not become the project: what they put there would be believed and shown
/// (CVE-2022-24765).
#[test]
fn project_roots_that_others_made() {
    let mut world = World::new();
    let shared = world.root().join("shared");
    let mine = shared.join("mine");
    fs::create_dir_all(shared.join(".git")).unwrap();
    fs::create_dir(&mine).unwrap();
    fs::write(shared.join("fumehood.toml"), "nonsense\n").unwrap();
    fs::write(shared.join("theirs"), "x").unwrap();
    let project = |world: &World| {
        let out = world
            .sandbox()
            .directory(&mine)
            .run(&["sh", "-c", "ls ..; echo $PWD"]);
        (out.code, out.text())
    };
    // One's own folder with a wrong file in it stops the run: that it is read is the control.
    assert_eq!(project(&world).0, 125);
    if is_root() {
        return; // to root everything may be another's, and the file is not trusted anyway
    }
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    world.remember();
    assert_eq!(project(&world), (0, format!("mine\n{}", mine.display())));
    // Root's is believed, so is one's own.
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(project(&world).0, 125);
}
