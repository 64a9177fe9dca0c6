//! `fumehood exec`: a further program in a session that lives has the walls of the first, and nothing of who
//! asked for it but three streams.

use fumehood_tests::{Idle, OuterTerminal, World, fumehood, is_root, verb_words};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

const LIVE: &[&str] = &["--live"];

#[test]
fn streams_pass_byte_for_byte_and_the_status_is_the_programs() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let every: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let words = session.words(&[], &["sh", "-c", "cat; echo aside >&2; exit 41"]);
    let out = world.sandbox().stdin(&every).verb(&words);
    assert_eq!((out.code, out.stdout == every), (41, true));
    assert_eq!(out.errors(), "aside\n");
    assert_eq!(session.exec_sh("kill -USR1 $$").code, 128 + 10);
    // The session's directory and files are the same ones.
    assert_eq!(session.exec(&["cat", "here"]).ended(0), "here");
    session.end();
}

/// All that /proc says of what a process may do, and where it is.
const WALLS: &str = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|NSpid|CoreDumping)' /proc/self/status | \
     sed 's/^NSpid:.*\\t.*/nested/;/^NSpid/d'; \
     for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; cat /proc/self/limits /proc/self/cgroup; \
     ls /proc/self/fd | tr '\\n' ' '";

#[test]
fn it_has_every_wall_of_the_sessions_command() {
    for flags in [
        &["--live", "--open-files", "100"][..],
        &["--apply", "ask", "--nested"],
    ] {
        let world = World::new();
        // Whole, and only then there.
        let script =
            format!("trap 'exit 3' TERM; ({WALLS}) >part; mv part walls; while :; do sleep 0.05; done");
        let mut run = world.sandbox().flags(flags).start(&["sh", "-c", &script]);
        run.await_file(&world.project().join("walls"));
        let all = world.sandbox().verb(&["ps", "--json"]).ended(0);
        let id = fumehood_tests::text_of(&all, "session").unwrap();
        // Written by the first process's child, read by another: of the same namespaces, so it is there.
        let again = format!("({WALLS}) >again; diff walls again && grep -c . again");
        let out = world.sandbox().verb(&["exec", &id, "sh", "-c", &again]);
        let lines: u32 = out.ended(0).parse().unwrap();
        assert!(lines > 25, "{lines}");
        run.signal("TERM");
        run.wait().ended(3);
    }
}

#[test]
fn what_the_walls_refuse_is_refused() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    for (script, cause) in [
        ("cat ~/.ssh/id_rsa", "No such file"),
        ("echo x >/usr/bin/planted", "Read-only file system"),
        ("unshare -U true", "Operation not permitted"),
        (
            "mount -t tmpfs x /tmp",
            "not permitted|permission denied|must be superuser",
        ),
        (
            "cat /proc/1/environ /proc/1/mem /proc/1/maps",
            "Permission denied",
        ),
        ("ls -l /proc/1/fd/ /proc/1/exe", "Permission denied"),
    ] {
        let out = session.exec_sh(script);
        assert_ne!(out.code, 0, "{script}");
        let errors = out.errors();
        assert!(cause.split('|').any(|c| errors.contains(c)), "{script}: {errors}");
    }
    session.end();
}

/// The descriptors and the environment of whoever asks stay outside; so do those of the supervisor.
#[test]
fn nothing_of_the_caller_leaks() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let line = format!(
        "exec 7<\"$HOME/.ssh/id_rsa\" 9<>\"$HOME\"/.ssh/id_rsa; exec {} exec {} sh -c \
         'ls /proc/self/fd | tr \"\\n\" \" \"; env'",
        fumehood().display(),
        session.id
    );
    let caller = world
        .sandbox()
        .env("GITHUB_TOKEN", "canary-token")
        .env("PATH", "/usr/bin:/bin");
    let out = caller.start_words(&["sh", "-c", &line]).wait();
    let text = out.ended(0);
    // 3 is what `ls` reads.
    assert!(text.starts_with("0 1 2 3 "), "{text}");
    assert!(!text.starts_with("0 1 2 3 4"), "{text}");
    assert!(!text.contains("canary") && text.contains("FUMEHOOD="), "{text}");
    session.end();
}

#[test]
fn directory_and_variables_are_asked_for() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    std::fs::create_dir(world.project().join("sub")).unwrap();
    let project = world.project().display().to_string();
    assert_eq!(session.exec(&["pwd"]).ended(0), project);
    assert_eq!(
        session.exec_with(&["-C", "sub"], &["pwd"]).ended(0),
        format!("{project}/sub")
    );
    assert_eq!(session.exec_with(&["-C", "/usr"], &["pwd"]).ended(0), "/usr");
    let out = session.exec_with(
        &["--env", "A=b c", "--env", "LANG", "--env", "UNSET"],
        &["sh", "-c", "echo $A $LANG ${UNSET-none}"],
    );
    assert_eq!(out.ended(0), "b c C.UTF-8 none");
    // A name is looked for on the path that is asked for, and an empty part of it is not the directory.
    std::fs::write(world.project().join("tool"), "#!/bin/sh\necho planted\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(
        world.project().join("tool"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    session
        .exec_with(&["--env", "PATH=:/usr/bin:"], &["tool"])
        .refused(127, &["tool", "not visible"]);
    assert_eq!(session.exec(&["./tool"]).ended(0), "planted");
    session.end();
}

#[test]
fn what_cannot_be_run_is_said_in_one_line() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    std::fs::write(world.project().join("text"), "no program\n").unwrap();
    session
        .exec(&["nowhere"])
        .refused(127, &["nowhere", "No such file", "not visible in this session"]);
    session
        .exec(&["./text"])
        .refused(126, &["./text", "Permission denied"]);
    session
        .exec(&["/usr"])
        .refused(126, &["/usr", "Permission denied"]);
    session
        .exec_with(&["-C", "/nowhere"], &["true"])
        .refused(125, &["/nowhere", "No such file", "-C"]);
    session
        .exec_with(&["--timeout", "soon"], &["true"])
        .refused(125, &["--timeout", "soon"]);
    session
        .exec_with(&["--env", "=x"], &["true"])
        .refused(125, &["--env", "name"]);
    let world_verb = |words: &[&str]| world.sandbox().verb(words);
    world_verb(&["exec", "nobody", "--", "true"]).refused(125, &["no session nobody runs", "fumehood ps"]);
    world_verb(&["exec", &session.id, "--unknown", "true"]).refused(125, &["unknown option", "--unknown"]);
    world_verb(&["exec", &session.id]).refused(125, &["CMD"]);
    let folder = format!("exec {} exec {} true <.", fumehood().display(), session.id);
    let out = world.sandbox().start_words(&["sh", "-c", &folder]).wait();
    out.refused(125, &["descriptor 0 is a folder"]);
    session.end();
}

/// CVE-2019-5736: a name inside leads to the program of who starts what is asked for, which is the host's.
#[test]
fn cve_2019_5736_fumehoods_own_program_is_not_run_inside() {
    // Nested, no rule of Landlock refuses it besides.
    for flags in [LIVE, &["--live", "--nested"]] {
        let world = World::new();
        let session = Idle::start(&world, flags);
        std::os::unix::fs::symlink("/proc/self/exe", world.project().join("ls")).unwrap();
        for name in ["./ls", "/proc/self/exe"] {
            let out = session.exec(&[name, "--version"]);
            out.refused(126, &[name, "fumehood's own program"]);
        }
        session
            .exec(&["/proc/1/exe"])
            .refused(126, &["Permission denied"]);
        session.end();
    }
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    // What can be had of it all the same, as a script's interpreter, cannot be written.
    let script = world.project().join("script");
    std::fs::write(&script, "#!/proc/self/exe --version\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _may_run = session.exec(&["./script"]);
    let write = "import os\n\
         fd = os.open('/proc/self/exe', os.O_RDONLY)\n\
         try: os.open('/proc/1/exe', os.O_WRONLY)\n\
         except OSError as e: print(type(e).__name__)\n";
    assert_eq!(
        session.exec(&["python3", "-c", write]).ended(0),
        "PermissionError"
    );
    session.end();
}

#[test]
fn its_time_is_up() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let out = session.exec_with(&["--timeout", "300ms"], &["sh", "-c", "echo $$ >pid; sleep 60"]);
    out.ended(124);
    out.said_last(&["timeout of 300ms", "--timeout"]);
    let gone = "kill -0 $(cat pid) 2>&1; kill -0 -$(cat pid) 2>&1";
    assert!(session.exec_sh(gone).text().contains("No such process"));
    session.end();
}

#[test]
fn signals_reach_it_and_it_does_not_outlive_who_asked() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let script = "trap 'exit 9' INT; echo x >ready; while :; do sleep 0.05; done";
    let mut asked = world
        .sandbox()
        .start_verb(&session.words(&[], &["sh", "-c", script]));
    asked.await_file(&world.project().join("ready"));
    asked.signal("INT");
    asked.wait().ended(9);

    let script = "trap '' INT TERM HUP; echo $$ >pid; while :; do sleep 0.05; done";
    let mut asked = world
        .sandbox()
        .start_verb(&session.words(&[], &["sh", "-c", script]));
    let pid = asked.await_file(&world.project().join("pid"));
    let alive = |session: &Idle<'_>| session.exec_sh(&format!("kill -0 {}", pid.trim())).code == 0;
    assert!(alive(&session));
    asked.signal("KILL");
    asked.wait().ended(137);
    let begun = Instant::now();
    while alive(&session) {
        assert!(begun.elapsed() < Duration::from_secs(10), "it outlives who asked");
    }
    session.end();
}

#[test]
fn many_at_a_time_and_all_end_with_the_session() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let many: Vec<_> = (0..12)
        .map(|n| {
            let script = format!("echo x >ready-{n}; cat; exec sleep 60");
            world
                .sandbox()
                .start_verb(&session.words(&[], &["sh", "-c", &script]))
        })
        .collect();
    for (n, mut one) in many.into_iter().enumerate() {
        one.await_file(&world.project().join(format!("ready-{n}")));
        if n == 11 {
            let about = world.sandbox().verb(&["inspect", &session.id]).ended(0);
            assert!(about.contains("programs   "), "{about}");
        }
        one.signal("KILL");
        one.wait().ended(137);
    }
    let words = session.words(&[], &["sh", "-c", "echo x >last; exec sleep 60"]);
    let mut last = world.sandbox().start_verb(&words);
    last.await_file(&world.project().join("last"));
    session.end();
    last.wait().refused(125, &["session"]);
}

/// Its terminal is the sandbox's own, with a relay of its own: nothing of the user's is shown inside.
#[test]
fn on_a_terminal_it_has_one_of_its_own() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    let script = "tty; stty size; ps -o tty= $$; printf 'say: '; read word; echo \"got $word\"; exit 5";
    let words = verb_words(&session.words(&[], &["sh", "-c", script]));
    let mut terminal = OuterTerminal::start(&world.sandbox(), &words);
    terminal.await_text("say:");
    assert!(terminal.screen().contains("/dev/pts/0"), "{}", terminal.screen());
    assert!(terminal.screen().contains("23 80"), "{}", terminal.screen());
    terminal.type_keys(b"word\r");
    terminal.await_text("got word");
    assert_eq!(terminal.wait(), 5);
    assert!(terminal.modes_restored());
    // The keys of a shell work: it has a session and jobs of its own.
    let words = verb_words(&session.words(
        &[],
        &["sh", "-c", "trap 'echo caught; exit 6' INT; echo up; sleep 20"],
    ));
    let mut terminal = OuterTerminal::start(&world.sandbox(), &words);
    terminal.await_text("up");
    terminal.type_keys(&[3]);
    assert_eq!(terminal.wait(), 6);
    session.end();
}

#[test]
fn it_is_recorded_with_who_asked() {
    let world = World::new();
    let session = Idle::start(&world, LIVE);
    session.exec_sh("exit 4").ended(4);
    let id = session.id.clone();
    session.end();
    let shown = world.sandbox().verb(&["audit", "show", &id]).ended(0);
    for words in [
        "session.ask",
        "what=exec",
        "exit 4",
        "peer.pid=",
        "program.exit",
        "status=4",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

/// The weaker level has no terminals of its own, and says so; all else is as it is.
#[test]
fn at_level_landlock_it_runs_without_a_terminal() {
    let world = World::new();
    if is_root() {
        let weaker = world.sandbox().flags(["--live", "--isolation", "landlock"]);
        weaker.run(&["true"]).refused(125, &["landlock", "root"]);
        return;
    }
    let session = Idle::start(&world, &["--live", "--isolation", "landlock"]);
    assert_eq!(
        session.exec_sh("cat here; cat ~/.ssh/id_rsa 2>&1; exit 8").code,
        8
    );
    let walls = session.exec_sh("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\n\\t'");
    assert_eq!(walls.ended(0), "NoNewPrivs:1Seccomp:2");
    let secret = world.home().join(".ssh/id_rsa");
    let refused = session.exec(&["cat", secret.to_str().unwrap()]);
    assert!(
        refused.code == 1 && refused.errors().contains("Permission denied"),
        "{}",
        refused.errors()
    );
    let words = verb_words(&session.words(&[], &["true"]));
    let mut terminal = OuterTerminal::start(&world.sandbox(), &words);
    assert_eq!(terminal.wait(), 125);
    let seen = String::from_utf8_lossy(&terminal.seen()).into_owned();
    assert!(
        seen.contains("landlock gives a further program no terminal"),
        "{seen}"
    );
    session.end();
}

/// A look around: a shell where the session works, an editor with a file of it, also when it has ended.
#[test]
fn open_is_a_shell_or_an_editor_inside() {
    let world = World::new();
    let session = Idle::start(&world, &["--apply", "ask"]);
    let open = |words: &[&str], editor: &str| {
        let sandbox = world.sandbox().env("SHELL", "/bin/sh").env("EDITOR", editor);
        OuterTerminal::start(&sandbox, &verb_words(&[&["open"], words].concat()))
    };
    let mut shell = open(&[], "vi");
    shell.type_keys(b"echo it-is-$(cat here)-$FUMEHOOD-; pwd >seen; exit 7\r");
    shell.await_text("it-is-here-1-");
    assert_eq!(shell.wait(), 7);
    assert_eq!(
        session.exec(&["cat", "seen"]).ended(0),
        world.project().to_str().unwrap()
    );
    // A program with arguments of its own; the file's name is one word.
    session.exec_sh("echo text >'a $(b) \"c\".txt'").ended(0);
    let name = "a $(b) \"c\".txt";
    let mut editor = open(&[&session.id, "--edit", name], "sed -n 's/text/edited/p'");
    editor.await_text("edited");
    assert_eq!(editor.wait(), 0);
    session.end();
    // It has ended, and its changes wait.
    let mut later = open(&[], "vi");
    later.type_keys(b"echo later-$(cat here)-; exit 6\r");
    later.await_text("later-here-");
    assert_eq!(later.wait(), 6);
    world
        .sandbox()
        .verb(&["open"])
        .refused(125, &["open is for a terminal"]);
}

/// Files and folders go out of a session and into it, from anywhere inside, with their modes; nothing that leads elsewhere does.
#[test]
fn copies_go_out_and_in() {
    let world = World::new();
    let session = Idle::start(&world, &["--apply", "ask"]);
    let cp = |from: &str, to: &str| world.sandbox().verb(&["cp", from, to]);
    let id = session.id.as_str();
    session
        .exec_sh("mkdir -p /tmp/out/d && cd /tmp/out && echo one >'a b' && printf '#!/bin/sh\n' >d/run && chmod 755 d/run && ln -s 'a b' l && ln -s /etc/passwd e && mkfifo p")
        .ended(0);
    let out = cp(&format!("{id}:/tmp/out"), "taken");
    assert_eq!(out.code, 1, "{}", out.errors());
    assert_eq!(out.text(), "copied 5 names, 14 bytes");
    for left in [
        "taken/e: a link that leads elsewhere",
        "taken/p: a device or named pipe",
    ] {
        assert!(
            out.errors().contains(&format!("left out: {left}")),
            "{}",
            out.errors()
        );
    }
    let taken = world.project().join("taken");
    assert_eq!(fs::read_to_string(taken.join("l")).unwrap(), "one\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&taken.join("d/run")), 0o755);
    assert!(!taken.join("e").exists() && !taken.join("p").exists());
    // A file by a path from the session's directory, into a folder that is there.
    session.exec_sh("echo staged >-dash").ended(0);
    assert_eq!(
        cp(&format!("{id}:-dash"), "taken").ended(0),
        "copied 1 name, 7 bytes"
    );
    assert_eq!(fs::read_to_string(taken.join("-dash")).unwrap(), "staged\n");
    // Into one: to a new name, and into a folder.
    assert_eq!(
        cp("taken/d", &format!("{id}:/tmp/new")).ended(0),
        "copied 2 names, 10 bytes"
    );
    assert_eq!(
        cp("taken/-dash", &format!("{id}:/tmp/new")).ended(0),
        "copied 1 name, 7 bytes"
    );
    let there = session
        .exec_sh("cd /tmp/new && stat -c '%a %n' run && cat ./-dash")
        .ended(0);
    assert_eq!(there, "755 run\nstaged");
    cp(&format!("{id}:/tmp/none"), "x").refused(125, &["none", "No such file"]);
    cp("none", &format!("{id}:/tmp/x")).refused(125, &["none", "No such file"]);
    cp("taken", &format!("{id}:/proc/x")).refused(125, &["tar"]);
    cp(&format!("{id}:/tmp/out"), "none/below").refused(125, &["none", "No such file"]);
    cp("a", "b").refused(125, &["SESSION:PATH"]);
    cp(&format!("{id}:/etc/hostname"), &format!("{id}:/tmp/x")).refused(125, &["one of the two"]);
    cp("nobody:/tmp/x", "y").refused(125, &["no session nobody runs", "fumehood rescue"]);
    session.end();
}

/// What comes out is bounded, and a `tar` of the session's own is believed nothing.
#[test]
fn a_hostile_archive_is_made_nothing_of() {
    let world = World::new();
    let flags = ["--apply", "ask", "--env", "PATH=/tmp/own:/usr/bin:/bin"];
    let session = Idle::start(&world, &flags);
    let forged = "import tarfile,io,sys
t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|')
def add(name,kind=tarfile.REGTYPE,link='',data=b'planted'):
    i=tarfile.TarInfo(name); i.type=kind; i.linkname=link; i.size=len(data) if kind==tarfile.REGTYPE else 0
    t.addfile(i,io.BytesIO(data))
add('x',tarfile.DIRTYPE); add('x/l',tarfile.SYMTYPE,'.'); add('x/l/../../planted')
t.close()";
    let place = format!("{}:/tmp/x", session.id);
    let plant = |script: &str| {
        session
            .exec_sh(&format!(
                "mkdir -p /tmp/own && cat >/tmp/own/tar <<'END'\n#!/bin/sh\n{script}\nEND\nchmod 755 /tmp/own/tar"
            ))
            .ended(0);
    };
    let cp = |more: &[&str]| world.sandbox().verb(&[&["cp", &place, "out"], more].concat());
    plant(&format!("exec python3 -c \"{forged}\""));
    cp(&[]).refused(125, &["a name in it leads elsewhere"]);
    assert!(!world.project().join("planted").exists() && !world.root().join("planted").exists());
    plant("head -c 100000 /dev/urandom");
    cp(&[]).refused(125, &["no archive"]);
    // It goes on for ever.
    plant(
        "exec python3 -c \"import sys,tarfile\ni=tarfile.TarInfo('x'); i.size=1<<40\nsys.stdout.buffer.write(i.tobuf(format=tarfile.GNU_FORMAT))\nwhile True: sys.stdout.buffer.write(bytes(65536))\"",
    );
    cp(&["--most", "1M"]).refused(125, &["more than 1048576 bytes"]);
    assert!(fs::metadata(world.project().join("out")).unwrap().len() <= 1 << 20);
    plant("echo 'it \u{1b}[31mfails' >&2; exit 3");
    let out = cp(&[]);
    out.refused(125, &["fails"]);
    assert!(!out.errors().contains('\u{1b}'));
    session.end();
}
