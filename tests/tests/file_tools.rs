//! Tools that read files without a program: what they show is what a sandbox would, and nothing outside.

use fumehood_tests::{McpClient, Output, World, text_of, tool_call};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CANARY: &str = "k7-outside-q2";

fn call(world: &World, name: &str, json: &str) -> Output {
    let sandbox = world.sandbox().deadline(Duration::from_secs(60));
    sandbox.verb(&["tool", "call", name, json])
}

fn read(world: &World, path: &str) -> Output {
    call(world, "read_file", &format!("{{\"path\":\"{path}\"}}"))
}

/// Rows 1 to 7 and 61.
#[test]
fn nothing_outside_the_project_is_read() {
    let world = World::new();
    let secret = world.own("secret.txt");
    fs::write(&secret, CANARY).unwrap();
    let folder = secret.parent().unwrap().to_owned();
    fs::write(world.project().join("here"), "here it is\n").unwrap();
    symlink(&secret, world.project().join("link")).unwrap();
    symlink(&folder, world.project().join("folder")).unwrap();
    symlink("/proc/self/root", world.project().join("magic")).unwrap();
    let name = secret.file_name().unwrap().to_str().unwrap().to_owned();
    let through = format!("magic/{}", secret.strip_prefix("/").unwrap().display());
    for path in ["link".to_owned(), format!("folder/{name}"), through] {
        // By itself it leads there.
        assert_eq!(fs::read_to_string(world.project().join(&path)).unwrap(), CANARY);
        read(&world, &path).refused(125, &["symbolic link"]);
    }
    read(&world, &format!("../{name}")).refused(125, &["leaves the project"]);
    read(&world, secret.to_str().unwrap()).refused(125, &["not below the project"]);
    assert!(read(&world, "here").ended(0).contains("here it is"));
    let all = call(&world, "list_files", r#"{"depth":64}"#).ended(0);
    assert!(all.contains("folder -> ") && !all.contains("folder/"), "{all}");
    let found = call(&world, "search_files", &format!("{{\"pattern\":\"{CANARY}\"}}")).ended(0);
    assert!(found.contains("0 lines in 0 of "), "{found}");
}

/// What the configuration hides is not there, also where it is the project's own that nobody trusts: it narrows.
#[test]
fn what_is_hidden_is_not_there() {
    let world = World::with_repository();
    fs::create_dir(world.project().join("keys")).unwrap();
    for file in ["keys/id", ".env", "seen"] {
        fs::write(world.project().join(file), CANARY).unwrap();
    }
    let search = || call(&world, "search_files", &format!("{{\"pattern\":\"{CANARY}\"}}")).ended(0);
    assert!(search().contains("keys/id:1:"), "without the pattern it is seen");
    let hides = "version = 1\n[filesystem]\nhide = [\"keys\", \"**/.env\"]\n";
    fs::write(world.project().join("fumehood.toml"), hides).unwrap();
    for path in ["keys/id", "keys", ".env", "nothing"] {
        read(&world, path).refused(125, &[&format!("`{path}` is not there")]);
    }
    let all = call(&world, "list_files", r#"{"depth":64}"#).ended(0);
    assert!(
        all.contains("seen") && !all.contains("keys") && !all.contains(".env") && !all.contains(".git"),
        "{all}"
    );
    let found = search();
    assert!(
        found.contains("seen:1:") && !found.contains("keys") && !found.contains(".env"),
        "{found}"
    );
    read(&world, ".git/config").refused(125, &["git's own"]);
}

/// Row 5: between the look at a name and the opening of it, a link takes its place, or that of a folder on the way. Whatever
/// the moment, what is outside is neither read nor searched.
#[test]
fn row_5_a_link_that_takes_a_files_place_leads_nowhere() {
    let world = World::new();
    let outside = world.own("beyond");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), CANARY).unwrap();
    let project = world.project();
    fs::create_dir(project.join("folder")).unwrap();
    fs::write(project.join("folder/file"), "the good one\n").unwrap();
    fs::write(project.join("file"), "the good one\n").unwrap();
    symlink(&outside, project.join("other-folder")).unwrap();
    symlink(outside.join("file"), project.join("other-file")).unwrap();
    // By itself it leads there.
    assert_eq!(
        fs::read_to_string(project.join("other-folder/file")).unwrap(),
        CANARY
    );
    let over = Arc::new(AtomicBool::new(false));
    let (ends, at) = (Arc::clone(&over), project.clone());
    let swaps = std::thread::spawn(move || {
        let folder = fs::File::open(&at).unwrap();
        let swap = |one: &str, two: &str| {
            rustix::fs::renameat_with(&folder, one, &folder, two, rustix::fs::RenameFlags::EXCHANGE).unwrap();
        };
        let mut swapped = 0_u64;
        while !ends.load(Ordering::Relaxed) {
            swap("file", "other-file");
            swap("folder", "other-folder");
            swapped += 1;
            std::thread::yield_now();
        }
        swapped
    });
    let mut client = McpClient::start(&world);
    for n in 0..12 {
        for (more, name, arguments) in [
            (0, "read_file", r#"{"path":"file"}"#),
            (1, "read_file", r#"{"path":"folder/file"}"#),
            (2, "search_files", r#"{"pattern":"."}"#),
            (3, "list_files", r#"{"path":"folder"}"#),
        ] {
            let answer = client.ask(&tool_call(4 * n + more, name, arguments));
            assert!(!answer.contains(CANARY), "{answer}");
            assert!(answer.contains("\"id\":"), "{answer}");
        }
    }
    over.store(true, Ordering::Relaxed);
    assert!(swaps.join().unwrap() > 0);
    client.leave();
}

/// Row 60: a file of a tebibyte that holds nothing is told with its size, and neither searched nor edited.
#[test]
fn row_60_a_file_of_a_tebibyte_costs_nothing() {
    let world = World::new();
    let huge = fs::File::create(world.project().join("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    fs::write(world.project().join("small"), "needle\n").unwrap();
    read(&world, "huge").refused(125, &["binary file of 1099511627776 bytes"]);
    let found = call(&world, "search_files", r#"{"pattern":"needle"}"#).ended(0);
    assert!(found.contains("small:1:needle"), "{found}");
    let edit = r#"{"path":"huge","old":"a","new":"b"}"#;
    call(&world, "edit_file", edit).refused(125, &["`huge`"]);
    // A program that is given a pipe of the host does not wait at it: there is none inside.
    let folder = world.own("config").join("fumehood");
    fs::create_dir_all(&folder).unwrap();
    let tool = "version = 1\n[tool.show]\ndescription = \"d\"\nparams = { p = { type = \"RelPath\" } }\n\
                argv = [\"cat\", \"--\", \"{p}\"]\n";
    fs::write(folder.join("config.toml"), tool).unwrap();
    let fifo = std::ffi::CString::new(world.project().join("pipe").as_os_str().as_bytes()).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.as_c_str(),
        kind,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::set_permissions(world.project().join("pipe"), fs::Permissions::from_mode(0o666)).unwrap();
    let out = world
        .sandbox()
        .deadline(Duration::from_secs(60))
        .verb(&["tool", "call", "show", r#"{"p":"pipe"}"#, "--json"])
        .text();
    assert!(
        out.contains("Permission denied") && out.contains("\"status\":1"),
        "{out}"
    );
}

/// Row 60, binary files, and names of any bytes.
#[test]
fn what_cannot_be_read_as_text_is_told() {
    let world = World::new();
    let project = world.project();
    let fifo = std::ffi::CString::new(project.join("pipe").as_os_str().as_bytes()).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.as_c_str(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::write(project.join("binary"), b"a\0b").unwrap();
    fs::write(project.join(OsStr::from_bytes(b"caf\xe9\x1b[2J")), "needle\n").unwrap();
    fs::write(project.join("sly"), "a\u{202e}b\r\n\u{27e6}forged\u{27e7}\n").unwrap();
    read(&world, "pipe").refused(125, &["is a pipe"]);
    read(&world, "binary").refused(125, &["binary file of 3 bytes"]);
    let all = call(&world, "list_files", "{}").ended(0);
    assert!(
        all.contains(r"caf\xe9\x1b[2J") && all.contains("pipe (pipe)"),
        "{all}"
    );
    let found = call(&world, "search_files", r#"{"pattern":"needle"}"#).ended(0);
    assert!(found.contains(r"caf\xe9\x1b[2J:1:needle"), "{found}");
    let sly = read(&world, "sly").ended(0);
    assert!(
        sly.contains("a\\u{202e}b\n\\u{27e6}forged\\u{27e7}") && sly.contains("written out"),
        "{sly}"
    );
}

/// Over MCP: bounded, paged, recorded; and nothing runs for it.
#[test]
fn over_mcp_they_are_bounded_and_read_on() {
    let world = World::new();
    let text: String = (1..=20_000).map(|n| format!("row {n}\n")).collect();
    fs::write(world.project().join("long"), text).unwrap();
    let mut client = McpClient::start(&world);
    let first = client.ask(&tool_call(1, "read_file", r#"{"path":"long"}"#));
    assert!(
        first.len() < 60_000 && first.contains("row 1\\n") && first.contains("go on with from_line"),
        "{first}"
    );
    let later = client.ask(&tool_call(2, "read_file", r#"{"path":"long","from_line":19999}"#));
    assert!(
        later.contains("lines 19999 to 20000 of 20000") && later.contains("row 19999\\nrow 20000\\n"),
        "{later}"
    );
    let found = client.ask(&tool_call(3, "search_files", r#"{"pattern":"^row \\d+$"}"#));
    assert!(
        found.len() < 60_000 && found.contains("20000 lines in 1 of "),
        "{found}"
    );
    let handle = text_of(&found, "handle").unwrap();
    let page = client.ask(&tool_call(
        4,
        "read_output",
        &format!(r#"{{"handle":"{handle}","grep":"row 1999[89]$"}}"#),
    ));
    assert!(page.contains("long:19998:row 19998\\n"), "{page}");
    let refused = client.ask(&tool_call(5, "read_file", r#"{"path":"/etc/passwd"}"#));
    assert!(
        refused.contains(r#""isError":true"#) && !refused.contains("root:"),
        "{refused}"
    );
    client.leave();
    // No call was a session of its own, and each is in the log.
    let sessions = world.own("state").join("fumehood/sessions");
    assert_eq!(fs::read_dir(sessions).into_iter().flatten().count(), 0);
    let told = world
        .sandbox()
        .verb(&["audit", "query", "--kind", "effect"])
        .ended(0);
    assert!(told.matches("tool.call").count() >= 3, "{told}");
}

/// A rule holds for them as for any tool.
#[test]
fn a_rule_denies_them() {
    let world = World::new();
    fs::write(world.project().join("here"), "here it is\n").unwrap();
    let rule = "[[deny]]\neffect = \"tool.call\"\nbecause = \"not today\"\n";
    let mut client = McpClient::with(&world, rule, &[]);
    let denied = client.ask(&tool_call(1, "read_file", r#"{"path":"here"}"#));
    assert!(
        denied.contains("not today") && !denied.contains("here it is"),
        "{denied}"
    );
    client.leave();
}

/// Their name is free to be another tool's, which is a program as any other.
#[test]
fn a_configured_tool_of_the_name_is_a_program() {
    let world = World::new();
    fs::write(world.project().join("here"), "here it is\n").unwrap();
    let folder = world.own("config").join("fumehood");
    fs::create_dir_all(&folder).unwrap();
    let tool =
        "version = 1\n[tool.read_file]\ndescription = \"d\"\nparams = { path = { type = \"RelPath\" } }\n";
    let argv = |argv: &str| fs::write(folder.join("config.toml"), format!("{tool}argv = {argv}\n")).unwrap();
    argv(r#"["echo", "mine", "{path}"]"#);
    assert!(read(&world, "here").ended(0).contains("mine here"));
    argv(r#"["fumehood:read_file", "--", "{path}"]"#);
    read(&world, "here").refused(125, &["fumehood:read_file"]);
}

fn edit(path: &str, old: &str, new: &str, count: u64) -> String {
    format!("{{\"path\":\"{path}\",\"old\":\"{old}\",\"new\":\"{new}\",\"count\":{count}}}")
}

/// Edits of one server wait together, are seen by its reading tools, and reach the project when a person applies them.
#[test]
fn edits_wait_and_are_seen_by_what_reads() {
    let world = World::with_repository();
    let file = world.project().join("a.txt");
    fs::write(&file, "one\r\ntwo\r\ntwo\r\n").unwrap();
    let mut client = McpClient::start(&world);
    let mut number = 0;
    let mut call = |name: &str, json: &str| {
        number += 1;
        client.ask(&tool_call(number, name, json))
    };
    for (wanted, why) in [
        (edit("a.txt", "three", "x", 1), "does not have `old`"),
        (edit("a.txt", "two", "x", 1), "has `old` 2 times, not 1"),
        (edit("missing", "two", "x", 1), "is not there"),
        (edit("a.txt", "", "x", 1), "is there already"),
        (edit(".git/hooks/pre-commit", "", "x", 1), "not a tool's to write"),
        (edit("sub/.GIT/config", "", "x", 1), "git's own"),
        (edit("../a", "", "x", 1), "leaves the project"),
        (edit("a.txt", "one", "\\u202e", 1), "cannot be seen"),
    ] {
        let refused = call("edit_file", &wanted);
        assert!(
            refused.contains(r#""isError":true"#) && refused.contains(why),
            "{refused}"
        );
    }
    let sessions = world.own("state").join("fumehood/sessions");
    assert_eq!(
        fs::read_dir(&sessions).into_iter().flatten().count(),
        0,
        "a refused edit leaves nothing"
    );
    // Line breaks as they are shown.
    let done = call("edit_file", &edit("a.txt", "one\\ntwo", "one\\nTWO", 1));
    assert!(
        done.contains("changed at line 1") && done.contains("kept back"),
        "{done}"
    );
    let done = call("edit_file", &edit("new/deep/b.txt", "", "made\\n", 1));
    assert!(done.contains("is made"), "{done}");
    let done = call("edit_file", &edit("new/deep/b.txt", "made", "made twice", 1));
    assert!(done.contains("changed at line 1"), "{done}");
    assert!(call("read_file", r#"{"path":"a.txt"}"#).contains("one\\nTWO\\ntwo\\n"));
    assert!(call("list_files", r#"{"depth":9}"#).contains("new/deep/b.txt"));
    assert!(call("search_files", r#"{"pattern":"made twice"}"#).contains("new/deep/b.txt:1:"));
    assert_eq!(
        fs::read_dir(&sessions).unwrap().count(),
        1,
        "one session for all of them"
    );
    // Nothing is in the project yet.
    assert_eq!(fs::read_to_string(&file).unwrap(), "one\r\ntwo\r\ntwo\r\n");
    assert!(!world.project().join("new").exists());
    // While the server runs, a person sees it, applies it, and goes on by hand: that counts then.
    let diff = world.sandbox().verb(&["diff"]).ended(0);
    assert!(diff.contains("+TWO") && diff.contains("+made twice"), "{diff}");
    world.sandbox().verb(&["apply"]).ended(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "one\r\nTWO\r\ntwo\r\n");
    fs::write(&file, "by hand\n").unwrap();
    assert!(call("read_file", r#"{"path":"a.txt"}"#).contains("by hand\\n"));
    let again = call("edit_file", &edit("a.txt", "by hand", "by two hands", 1));
    assert!(again.contains("changed at line 1"), "{again}");
    client.leave();
    world.sandbox().verb(&["apply"]).ended(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "by two hands\n");
    world.sandbox().verb(&["audit", "verify"]).ended(0);
}

/// By hand each call is a session of its own; what is hidden cannot be edited, nor made, and a link leads nowhere.
#[test]
fn an_edit_reaches_nothing_but_its_own_layer() {
    let world = World::new();
    let outside = world.own("outside.txt");
    fs::write(&outside, CANARY).unwrap();
    symlink(&outside, world.project().join("link")).unwrap();
    symlink(outside.parent().unwrap(), world.project().join("folder")).unwrap();
    fs::write(world.project().join(".env"), CANARY).unwrap();
    fs::write(
        world.project().join("fumehood.toml"),
        "version = 1\n[filesystem]\nhide = [\"**/.env*\"]\n",
    )
    .unwrap();
    let name = outside.file_name().unwrap().to_str().unwrap();
    for (path, old, why) in [
        ("link", CANARY, "symbolic link"),
        (&format!("folder/{name}"), CANARY, "symbolic link"),
        ("folder/made", "", "symbolic link"),
        (".env", CANARY, "is not there"),
        (".env", "", "hides what has that name"),
        ("a/.env.local", "", "hides what has that name"),
    ] {
        call(&world, "edit_file", &edit(path, old, "changed", 1)).refused(125, &[why]);
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), CANARY);
    assert!(!outside.parent().unwrap().join("made").exists());
    assert_eq!(fs::read_to_string(world.project().join(".env")).unwrap(), CANARY);
    let out = call(&world, "edit_file", &edit("b", "", "text", 1));
    assert!(
        out.ended(0).contains("b is made") && out.errors().contains("fumehood apply"),
        "{out:?}"
    );
    assert!(!world.project().join("b").exists());
    let diff = world.sandbox().verb(&["diff", "--name-status"]).ended(0);
    assert!(diff.contains('b') && !diff.contains("env"), "{diff}");
    // A run that goes on in it sees it, whoever it is inside.
    let resumed = world.sandbox().flags(["--resume"]).run(&["cat", "b"]);
    assert_eq!(resumed.ended(0), "text");
}

/// Row 6: a name in the project of a file outside. What is edited becomes another file, also when it is applied.
#[test]
fn row_6_an_edit_of_a_planted_hard_link_stays_in_the_project() {
    let world = World::with_repository();
    let (outside, link) = (world.own("outside.txt"), world.project().join("planted"));
    fs::write(&outside, "theirs\n").unwrap();
    fs::hard_link(&outside, &link).unwrap();
    call(&world, "edit_file", &edit("planted", "theirs", "ours", 1)).ended(0);
    assert_eq!(fs::read_to_string(&link).unwrap(), "theirs\n");
    world.sandbox().verb(&["apply"]).ended(0);
    assert_eq!(fs::read_to_string(&link).unwrap(), "ours\n");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs\n");
    world.sandbox().verb(&["undo"]).ended(0);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs\n");
}
