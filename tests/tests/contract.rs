//! The command line's contract (DESIGN §8): exit status, streams, argv, events. Codex 1–4, 10, 46,
//! srt 1–4, 81.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{World, fumehood, is_root};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Codex 1, srt 1, 2: the command's own end is fumehood's.
#[test]
fn codex01_exit_status() {
    let world = World::new();
    for (script, code) in [
        ("true", 0),
        ("exit 42", 42),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
    ] {
        let out = world.sandbox().run(&["sh", "-c", script]);
        assert_eq!(out.ended(code), "", "{script}");
        assert_eq!(out.errors(), "", "{script}: nothing to say");
    }
}

/// Codex 2: not found, by name and by path; and what stands behind a `#!`.
#[test]
fn codex02_not_found() {
    let world = World::new();
    world
        .sandbox()
        .run(&["no-such-program-here"])
        .refused(127, &["no-such-program-here", "PATH"]);
    world.sandbox().run(&["/no/such"]).refused(127, &["/no/such"]);
    world.sandbox().run(&["./no"]).refused(127, &["no"]);
    script(&world, "s", "#!/no/such/interpreter\n", 0o755);
    world.sandbox().run(&["./s"]).refused(127, &["s", "interpreter"]);
}

/// DESIGN §8: there, but not to be executed.
#[test]
fn not_executable() {
    let world = World::new();
    script(&world, "plain", "echo hello\n", 0o644);
    world
        .sandbox()
        .run(&["./plain"])
        .refused(126, &["plain", "executable"]);
    world
        .sandbox()
        .run(&["/etc"])
        .refused(126, &["/etc", "directory"]);
    script(&world, "garbage", "\u{7f}ELF garbage", 0o755);
    world.sandbox().run(&["./garbage"]).refused(126, &["garbage"]);
    script(&world, "no-interpreter-line", "echo hello\n", 0o755);
    world
        .sandbox()
        .run(&["./no-interpreter-line"])
        .refused(126, &["#!"]);
}

fn script(world: &World, name: &str, text: &str, mode: u32) {
    let path = world.project().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// DESIGN §8: fumehood itself failed.
#[test]
fn fumehoods_own_failure() {
    let world = World::new();
    world
        .sandbox()
        .flags(["-C", "/no/such/folder"])
        .run(&["true"])
        .refused(125, &["/no/such/folder", "-C"]);
    world
        .sandbox()
        .flags(["--no-such-flag"])
        .run(&["true"])
        .refused(125, &["--no-such-flag"]);
}

/// Codex 3, srt 3: ten megabytes of every byte there is, both ways.
#[test]
fn codex03_streams_are_byte_exact() {
    let world = World::new();
    let bytes: Vec<u8> = (0..10_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let out = world
        .sandbox()
        .stdin(&bytes)
        .deadline(Duration::from_secs(30))
        .run(&["cat"]);
    assert_eq!(out.code, 0);
    assert!(out.stdout == bytes, "{} bytes came back", out.stdout.len());
    let sum = world.sandbox().stdin(&bytes).sh("wc -c; cat >&2");
    assert_eq!(sum.ended(0), "10000000");
}

/// Standard error is the command's too, apart from fumehood's own lines.
#[test]
fn standard_error_is_separate() {
    let world = World::new();
    let out = world.sh("printf out; printf 'err\\377' >&2; exit 3");
    assert_eq!(
        (out.code, &out.stdout[..], &out.stderr[..]),
        (3, &b"out"[..], &b"err\xff"[..])
    );
}

/// A stream that the caller has closed is no reason to fail, and none to leak another in its place.
#[test]
fn closed_streams() {
    let world = World::new();
    for close in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!("\"$@\" {close}; echo \"ended $?\"");
        let out = world.sandbox().under(["sh", "-c", &script, "sh"]).run(&[
            "sh",
            "-c",
            "ls /proc/self/fd > listed; exit 7",
        ]);
        assert_eq!(out.text(), "ended 7", "{close}: {}", out.errors());
    }
    // A file of the host must not slip into the place of a closed stream.
    let outside = world.outside().join("file").display().to_string();
    let script = format!("exec 5<{outside}; \"$@\" <&-");
    let out = world
        .sandbox()
        .under(["sh", "-c", &script, "sh"])
        .run(&["sh", "-c", "cat <&0"]);
    assert!(!out.text().contains("canary"), "{out:?}");
}

/// Reading ends when the command does, though the caller's stdin stays open.
#[test]
fn does_not_wait_for_input() {
    let world = World::new();
    let running = world.sandbox().deadline(Duration::from_secs(5)).start(&["true"]);
    assert_eq!(running.wait().code, 0);
}

/// Codex 4: arguments of any bytes, empty ones, ones that look like flags.
#[test]
fn codex04_arguments_of_any_bytes() {
    let world = World::new();
    let odd = OsString::from_vec(b"\xff\xfe\n \"'$`\\".to_vec());
    let words = [
        OsStr::new("printf"),
        OsStr::new("%s|"),
        &odd,
        OsStr::new(""),
        OsStr::new("--"),
        OsStr::new("--memory"),
        OsStr::new("-C"),
    ];
    let out = world.sandbox().run(&words);
    assert_eq!(out.stdout, b"\xff\xfe\n \"'$`\\||--|--memory|-C|");
}

/// `--` may be left out when the first word is no flag; later words are the command's.
#[test]
fn dashes_are_optional() {
    let world = World::new();
    let words = [
        fumehood().into_os_string(),
        "run".into(),
        "echo".into(),
        "--memory".into(),
        "x".into(),
        "--".into(),
    ];
    let out = world.sandbox().start_words(&words).wait();
    assert_eq!(out.ended(0), "--memory x --");
}

/// Paths of any bytes: the project, the working directory, a grant, the command itself.
#[test]
fn paths_of_any_bytes() {
    let mut world = World::new();
    let folder = world.project().join(OsStr::from_bytes(b"\xff\xfe new\nline"));
    let grant = world.sibling().join(OsStr::from_bytes(b"gr\xffnt"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&grant).unwrap();
    fs::write(grant.join("f"), "granted").unwrap();
    let tool = folder.join(OsStr::from_bytes(b"to\xfeol"));
    fs::write(&tool, "#!/bin/sh\necho made > here; cat \"$1\"/f\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    world.remember();
    let run = world
        .live()
        .directory(&folder)
        .flags([OsStr::new("--ro"), grant.as_os_str()]);
    assert_eq!(
        run.run(&[tool.as_os_str(), grant.as_os_str()]).ended(0),
        "granted"
    );
    assert_eq!(fs::read_to_string(folder.join("here")).unwrap(), "made\n");
    let by_flag = world
        .live()
        .directory("/")
        .flags([OsStr::new("-C"), folder.as_os_str()]);
    assert_eq!(by_flag.run(&["cat", "here"]).ended(0), "made");
}

/// Events go to a descriptor or a file, never to the command's streams; origin and status are told.
#[test]
fn events_to_a_file_and_a_descriptor() {
    let world = World::new();
    let file = world.own("state").join("events");
    let out = world
        .sandbox()
        .flags([OsStr::new("--events"), file.as_os_str()])
        .run(&["sh", "-c", "echo out; exit 3"]);
    assert_eq!(out.ended(3), "out");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.iter().all(|l| l.starts_with('{') && l.ends_with('}')),
        "{text}"
    );
    assert!(lines.first().unwrap().contains("\"start\""), "{text}");
    let end = lines.last().unwrap();
    assert!(
        end.contains("\"end\"") && end.contains("\"status\":3") && end.contains("\"command\""),
        "{text}"
    );
    fs::remove_file(&file).unwrap();
    let script = format!("exec 7>>{}; exec \"$@\"", file.display());
    let out = world
        .sandbox()
        .under(["sh", "-c", &script, "sh"])
        .flags(["--events", "7"])
        .sh("$probe descriptors; kill -9 $$");
    assert_eq!(out.ended(137), "ok 0 1 2");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"signal\"") && text.contains("137"), "{text}");
    for own in ["0", "1", "2"] {
        world
            .sandbox()
            .flags(["--events", own])
            .run(&["true"])
            .refused(125, &["--events"]);
    }
}

/// Events say which limit ended a run, and that the command was not there.
#[test]
fn events_tell_the_origin() {
    let world = World::new();
    let file = world.own("state").join("events");
    let run = world.sandbox().flags([OsStr::new("--events"), file.as_os_str()]);
    assert_eq!(
        run.clone().flags(["--timeout", "1s"]).run(&["sleep", "20"]).code,
        124
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.lines().last().unwrap().contains("\"limit\""), "{text}");
    script(&world, "s", "#!/no/such/interpreter\n", 0o755);
    assert_eq!(run.run(&["./s"]).code, 127);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.lines().last().unwrap().contains("\"fumehood\""), "{text}");
}

/// srt 81: a megabyte of lines.
#[test]
fn srt81_large_output() {
    let world = World::new();
    assert_eq!(world.sh("seq 150000").text().lines().count(), 150_000);
}

/// Codex 52: fumehood inside fumehood is one clear line; with `--nested` around it, it works or says
/// why not.
#[test]
fn codex52_fumehood_inside_fumehood() {
    let world = World::new();
    let program = fumehood();
    let out = world.sandbox().run(&[
        program.as_os_str(),
        OsStr::new("run"),
        OsStr::new("--"),
        OsStr::new("touch"),
        OsStr::new("made"),
    ]);
    out.refused(125, &["already"]);
    assert!(!world.project().join("made").exists());
}

/// The user's shell history of a run shows what a person can act on: version and help work.
#[test]
fn help_and_version() {
    let world = World::new();
    for words in [&["--version"][..], &["--help"], &["run", "--help"]] {
        let mut all = vec![fumehood().into_os_string()];
        all.extend(words.iter().map(OsString::from));
        let out = world.sandbox().start_words(&all).wait();
        assert_eq!((out.code, out.errors().as_str()), (0, ""), "{words:?}");
        assert!(out.text().contains("fumehood"), "{words:?}");
    }
}

/// As root and as a user the same: the working directory is the caller's, and files made have the
/// caller's mode mask.
#[test]
fn umask_is_the_callers() {
    let world = World::new();
    let out = world
        .live()
        .under(["sh", "-c", "umask 027; exec \"$@\"", "sh"])
        .run(&["sh", "-c", "touch f; umask"]);
    assert_eq!(out.ended(0).trim_start_matches('0'), "27");
    let mode = fs::metadata(world.project().join("f"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640, "as root: {}", is_root());
}
