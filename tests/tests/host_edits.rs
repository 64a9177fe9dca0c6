//! Edits of the host while a session runs: what programs inside see and hear of them, and the other way round. Rows 1–4, 8
//! and 9 of the twelve situations of research/review-users.md §1, with watchers that use inotify as dev servers do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{OuterTerminal, World, await_that, descendant, host_program, is_root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A dev server in small: reads what it serves, then reloads each file of which the kernel tells it anything, and says in
/// `log` what it read. It opens nothing for writing but that.
const SERVER: &str = r#"
import ctypes, os, struct, sys
log, folders = open(sys.argv[1], "a", buffering=1), sys.argv[2:]
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init()
watched = {}
for folder in folders:
    # MODIFY, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE
    number = libc.inotify_add_watch(fd, folder.encode(), 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200)
    assert number > 0, ctypes.get_errno()
    watched[number] = folder
for folder in folders:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            open(path).read()
log.write("serves\n")
while True:
    data = os.read(fd, 1 << 16)
    while data:
        number, mask, cookie, length = struct.unpack("iIII", data[:16])
        name = data[16:16 + length].rstrip(b"\0").decode()
        data = data[16 + length:]
        path = os.path.join(watched[number], name)
        try:
            content = open(path).read().strip() if os.path.isfile(path) else "gone"
        except OSError:
            content = "gone"
        log.write(f"{path}={content}\n")
"#;

/// A world whose project is served: `server`, `app` and `src/lib`.
fn world() -> World {
    let world = World::with_repository();
    let project = world.project();
    fs::write(project.join("server.py"), SERVER).unwrap();
    fs::write(project.join("app"), "v1\n").unwrap();
    fs::create_dir(project.join("src")).unwrap();
    fs::write(project.join("src/lib"), "v1\n").unwrap();
    world
}

/// A folder that both sides see, for what programs inside say.
fn shared(world: &World) -> PathBuf {
    let shared = world.own("state").join("../shared");
    fs::create_dir(&shared).unwrap();
    fs::canonicalize(shared).unwrap()
}

fn says(log: &Path, line: &str) -> bool {
    fs::read_to_string(log).is_ok_and(|all| all.lines().any(|l| l == line))
}

/// As vim, JetBrains and git do.
fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Rows 1 to 3: saved in place, saved by a rename, new, in a new folder, deleted; and again, once the session has a copy.
#[test]
fn a_dev_server_inside_reloads_what_the_host_saves() {
    let world = world();
    let (project, shared) = (world.project(), shared(&world));
    let log = shared.join("log");
    let sandbox = world.sandbox().flags([
        "--apply".as_ref(),
        "ask".as_ref(),
        "--rw".as_ref(),
        shared.as_os_str(),
    ]);
    let script = format!("exec python3 server.py {} . src", log.display());
    let mut run = sandbox.start(&["sh", "-c", &script]);
    run.await_file(&log);
    await_that("it serves", || says(&log, "serves"));
    let awaited = |line: &str| await_that(line, || says(&log, line));
    // In place, as many editors do: what the session has open stays the same file.
    fs::write(project.join("app"), "v2\n").unwrap();
    awaited("./app=v2");
    fs::write(project.join("app"), "v3\n").unwrap();
    awaited("./app=v3");
    replace(&project.join("src/lib"), "v2\n");
    awaited("src/lib=v2");
    replace(&project.join("src/lib"), "v3\n");
    awaited("src/lib=v3");
    replace(&project.join("app"), "v4\n");
    awaited("./app=v4");
    fs::write(project.join("src/fresh"), "v1\n").unwrap();
    awaited("src/fresh=v1");
    fs::remove_file(project.join("src/fresh")).unwrap();
    awaited("src/fresh=gone");
    fs::write(project.join("src/fresh"), "v2\n").unwrap();
    awaited("src/fresh=v2");
    // A checkout replaces what differs.
    world.git(&project, &["add", "-A"]);
    world.git(&project, &["commit", "--quiet", "-m", "one"]);
    fs::write(project.join("src/lib"), "v5\n").unwrap();
    awaited("src/lib=v5");
    world.git(&project, &["checkout", "--quiet", "--", "src/lib"]);
    fs::write(project.join("app"), "last\n").unwrap();
    awaited("./app=last");
    let last = || {
        let all = fs::read_to_string(&log).unwrap();
        all.lines()
            .rev()
            .find(|l| l.starts_with("src/lib="))
            .map(str::to_owned)
    };
    await_that("the checkout is seen", || last().as_deref() == Some("src/lib=v3"));
    run.signal("TERM");
    let out = run.wait();
    // Nothing of it is a change of the session's.
    assert!(!out.errors().contains("kept back"), "{}", out.errors());
    assert_eq!(world.git(&project, &["status", "--porcelain"]), " M app\n");
}

/// What the host wrote while several runs went on was brought into each, and is no change of theirs: of their sessions
/// one is left, and nothing lies in it.
#[test]
fn what_was_brought_inside_keeps_no_session() {
    let world = world();
    let (project, shared) = (world.project(), shared(&world));
    let sandbox = world.sandbox().flags([
        "--apply".as_ref(),
        "ask".as_ref(),
        "--rw".as_ref(),
        shared.as_os_str(),
    ]);
    let runs = [0, 1, 2].map(|n| {
        let ready = shared.join(n.to_string());
        let script = format!(
            "cat app; echo ready > {}; until grep -q v2 app; do sleep 0.02; done",
            ready.display()
        );
        let mut run = sandbox.start(&["sh", "-c", &script]);
        run.await_file(&ready);
        run
    });
    replace(&project.join("app"), "v2\n");
    for run in runs {
        let out = run.wait();
        assert_eq!(out.ended(0), "v1");
        assert_eq!(out.errors(), "");
    }
    let sessions: Vec<_> = fs::read_dir(world.own("state").join("fumehood/sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [one] = &*sessions else { panic!("{sessions:?}") };
    assert_eq!(fs::read_dir(one.join("upper")).unwrap().count(), 0);
}

/// Row 9: a watcher on the host hears of each turn's apply, and only of what was applied.
#[test]
fn a_dev_server_outside_reloads_what_a_turn_applies() {
    let world = world();
    let (project, shared) = (world.project(), shared(&world));
    let log = shared.join("log");
    let mut server = host_program("python3")
        .arg("server.py")
        .args([log.as_os_str(), ".".as_ref(), "src".as_ref()])
        .current_dir(&project)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    await_that("it serves", || says(&log, "serves"));
    let script = "echo v2 > app && echo v1 > src/made && rm src/lib && read line || true";
    let mut run = world
        .sandbox()
        .flags(["--apply", "turn"])
        .start(&["sh", "-c", script]);
    for line in ["./app=v2", "src/made=v1", "src/lib=gone"] {
        await_that(line, || says(&log, line));
    }
    run.end_input();
    run.wait();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(fs::read_to_string(project.join("app")).unwrap(), "v2\n");
}

/// After a turn's apply the host edits the same file: the session has the host's then, and goes on from it.
#[test]
fn what_a_turn_applied_and_the_host_edited_is_gone_on_with() {
    let world = world();
    let project = world.project();
    let script = "echo inside >> app; until grep -q host app; do sleep 0.02; done; echo again >> app; read line || true";
    let mut run = world
        .sandbox()
        .flags(["--apply", "turn"])
        .start(&["sh", "-c", script]);
    let app = project.join("app");
    let reads = |content: &str| fs::read_to_string(&app).is_ok_and(|is| is == content);
    await_that("the first turn", || reads("v1\ninside\n"));
    replace(&app, "v1\ninside\nhost\n");
    await_that("the next turn", || reads("v1\ninside\nhost\nagain\n"));
    run.end_input();
    run.wait().ended(0);
}

/// Row 4: changed on both sides is told while it runs, and a conflict at apply.
#[test]
fn what_both_sides_changed_is_told_at_once() {
    let world = world();
    let app = world.project().join("app");
    let sandbox = world.sandbox().flags(["--apply", "ask"]);
    let mut outer = OuterTerminal::run(
        &sandbox,
        &["sh", "-c", "echo inside > app; echo wrote; read line || true"],
    );
    outer.await_text("wrote");
    replace(&app, "host\n");
    outer.await_text("app was changed here and inside");
    outer.type_keys(b"\r");
    assert_eq!(outer.wait(), 0);
    let out = world.sandbox().directory(world.project()).verb(&["apply"]);
    assert!(out.errors().contains("app"), "{}", out.errors());
    assert_eq!(fs::read_to_string(&app).unwrap(), "host\n");
}

/// Once it has all that it opens for good: its own places, pipe and socket, and no stream of the user's.
fn holds_nothing_strange(world: &World, pid: i32) {
    let opened = || -> Vec<String> {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|to| to.to_string_lossy().into_owned())
            .collect()
    };
    await_that("it watches", || {
        opened().iter().any(|to| to == "anon_inode:inotify")
    });
    let (state, project) = (world.own("state"), world.project());
    let strange: Vec<String> = opened()
        .into_iter()
        .filter(|to| {
            // The top of another mount tree has no other name here.
            let own = ["/dev/null", "/", "anon_inode:inotify"].contains(&to.as_str());
            let kind = to.starts_with("pipe:") || to.starts_with("socket:");
            !(own || kind || Path::new(to).starts_with(&state) || Path::new(to).starts_with(&project))
        })
        .collect();
    assert_eq!(strange, [""; 0]);
}

/// It is confined, has no stream of the user's and nothing of the supervisor's. Killed, it is missed by nobody: the session sees what
/// an overlay shows by itself.
#[test]
fn the_process_that_brings_edits_holds_its_own() {
    let world = world();
    let sandbox = world.sandbox().flags(["--apply", "ask"]);
    let mut outer = OuterTerminal::run(&sandbox, &["sh", "-c", "echo ready; read line; echo over"]);
    outer.await_text("ready");
    let supervisor = outer.pid();
    let helper = || descendant(supervisor, "fumehood-edits");
    await_that("it is there", || helper().is_some());
    let pid = helper().unwrap();
    let status = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let has = |line: &str| status().lines().any(|l| l == line);
    await_that("its last wall stands", || has("Seccomp:\t2"));
    // CHOWN, DAC_OVERRIDE and FOWNER, of which an ordinary account has none.
    let left = if is_root() { 0b1011 } else { 0 };
    for capabilities in [
        "CapInh:\t0000000000000000",
        &format!("CapPrm:\t{left:016x}"),
        &format!("CapEff:\t{left:016x}"),
    ] {
        assert!(has(capabilities), "{}", status());
    }
    assert!(has("NoNewPrivs:\t1"), "{}", status());
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|l| l.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().filter(|w| *w == "0").count(), 2, "{core}");
    if is_root() {
        holds_nothing_strange(&world, pid);
    } else {
        // Nor by anybody else of the account: it is not traceable.
        let e = fs::read_dir(format!("/proc/{pid}/fd")).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name: state, parent, group, session, terminal.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (pid.to_string().as_str(), "0"), "{stat}");
    let killed = host_program("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
    await_that("it is reaped", || helper().is_none());
    outer.await_text("may not be seen inside");
    outer.type_keys(b"\r");
    outer.await_text("over");
    assert_eq!(outer.wait(), 0);
}
