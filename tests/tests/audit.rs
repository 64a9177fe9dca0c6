//! The log of a run: written outside, out of reach from inside, and verified with the command.

use fumehood_tests::{Output, World, await_that, descendant, host_program, is_root, settle};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

fn audit(world: &World, words: &[&str]) -> Output {
    let mut all = vec![fumehood_tests::fumehood().into_os_string(), "audit".into()];
    all.extend(words.iter().map(|w| (*w).into()));
    world.sandbox().start_words(&all).wait()
}

fn logs(world: &World) -> PathBuf {
    world.own("state").join("fumehood/audit")
}

/// The newest session's name.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
fn newest(world: &World) -> String {
    let listed = audit(world, &["query", "--kind", "session.start"]).ended(0);
    let line = listed.lines().last().unwrap();
    let event = line.split_whitespace().nth(1).unwrap();
    event.split(':').next().unwrap().to_owned()
}

#[test]
fn a_run_is_recorded_verified_and_told() {
    let world = World::new();
    assert_eq!(audit(&world, &["verify"]).ended(0), "nothing was recorded yet");
    assert_eq!(world.sandbox().run(&["sh", "-c", "exit 7"]).code, 7);
    world.sandbox().run(&["true"]).ended(0);
    let verified = audit(&world, &["verify"]).ended(0);
    assert!(
        verified.starts_with("self-signed: detects accident and outsiders, not the owner"),
        "{verified}"
    );
    assert!(
        verified.contains("2 whole, 0 running, 0 broken off"),
        "{verified}"
    );
    let found = audit(&world, &["query", "--kind", "session.end"]).ended(0);
    assert!(
        found.contains("status 7, by command") && found.contains("status 0"),
        "{found}"
    );
    let told = audit(&world, &["show"]).ended(0);
    for words in [
        "command  true",
        "isolation namespace, plan ",
        "status 0, by command",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // Begin, program and end of two runs; how a program ended may be a record of its own.
    let records = audit(&world, &["query"]).ended(0).lines().count();
    let exits = audit(&world, &["query", "--kind", "program.exit"]);
    assert_eq!(records - exits.text().lines().count(), 6);
    for form in ["--jsonl", "--otel", "--ocsf"] {
        let exported = audit(&world, &["export", form]).ended(0);
        assert_eq!(exported.lines().count(), records, "{form}: {exported}");
    }
}

/// Also a program that is found by its descriptor, one that is executed in place, one in a session of
/// its own, and one below a filter that the program brought itself.
#[test]
fn every_program_is_recorded_with_its_arguments_and_its_parent() {
    let world = World::new();
    let script = "import os, ctypes\n\
        fd = os.memfd_create('m', 0)\n\
        os.write(fd, open('/bin/true', 'rb').read())\n\
        libc = ctypes.CDLL(None)\n\
        class Prog(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('p', ctypes.c_void_p)]\n\
        allow = (ctypes.c_uint64 * 1)(0x7fff000000000006)\n\
        prog = Prog(1, ctypes.cast(allow, ctypes.c_void_p))\n\
        assert libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0\n\
        if os.fork() == 0: os.execve(fd, ['by-descriptor', 'b c'], {})\n\
        os.wait()\n\
        os.execv('/bin/sh', ['sh', '-c', 'setsid -w sh -c \"exec true in-place\"'])\n";
    let file = world.project().join("script.py");
    std::fs::write(&file, script).unwrap();
    world.sandbox().run(&["python3", "script.py"]).ended(0);
    let told = audit(&world, &["show"]).ended(0);
    for words in [
        "] python3 script.py",
        "] by-descriptor 'b c'",
        "] setsid -w sh -c",
        "] true in-place",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let records = audit(&world, &["query", "--kind", "program.exec", "--json"]).ended(0);
    let of = |words: &str| records.lines().find(|line| line.contains(words)).unwrap();
    let number = |line: &str, name: &str| -> u64 {
        let after = line.split(&format!("\"{name}\":")).nth(1).unwrap();
        after.split([',', '}']).next().unwrap().parse().unwrap()
    };
    let child = of("by-descriptor");
    assert_eq!(
        number(child, "parent"),
        number(of("script.py"), "pid"),
        "{records}"
    );
    // Also of one that is over at once: it waits until that was read.
    let lines = records.lines().filter(|line| line.starts_with('{'));
    assert!(lines.clone().count() >= 5, "{records}");
    assert!(
        lines.clone().all(|line| line.contains("\"directory\":")),
        "{records}"
    );
}

/// How each program ended: with what was executed, where it was over soon, else in a record that names that one.
#[test]
fn how_programs_ended_is_recorded_where_the_kernel_tells() {
    let world = World::new();
    let script = "sh -c 'exit 7'; sh -c 'kill -9 $$'; sh -c 'sleep 0.3; exit 9'; \
                  sh -c 'exec /bin/sh -c \"exit 11\"'; /bin/true; sleep 0.2; exit 3";
    assert_eq!(world.live().run(&["sh", "-c", script]).code, 3);
    let records = audit(&world, &["query", "--kind", "program.exec", "--json"]).ended(0);
    let exits = audit(&world, &["query", "--kind", "program.exit", "--json"]).text();
    let number = |line: &str, name: &str| -> Option<u64> {
        let rest = line.split(&format!("\"{name}\":")).nth(1)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    let exec = |argv: &str| {
        let mut found = records.lines().filter(|line| line.contains(argv));
        let line = found.next().unwrap_or_else(|| panic!("{argv}: {records}"));
        assert!(found.next().is_none(), "{argv}: {records}");
        line
    };
    // In the record of the program, or in the one that names it.
    let end = |argv: &str, name: &str| {
        let line = exec(argv);
        let sequence = number(line, "sequence");
        let later = exits.lines().find(|line| number(line, "cause") == sequence);
        number(line, name).or_else(|| number(later?, name))
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut version = release.split('.').map_while(|part| part.parse::<u32>().ok());
    let tells = (version.next().unwrap(), version.next().unwrap()) >= (6, 15);
    let told = |status: u64| tells.then_some(status);
    assert_eq!(
        end("sh\\u0000-c\\u0000exit 7\\u0000", "status"),
        told(7),
        "{exits}"
    );
    assert_eq!(end("-c\\u0000kill -9 $$\\u0000", "signal"), told(9), "{exits}");
    assert_eq!(
        end("-c\\u0000sleep 0.3; exit 9\\u0000", "status"),
        told(9),
        "{exits}"
    );
    assert_eq!(end("/bin/true\\u0000", "status"), told(0), "{exits}");
    // The end of a process is that of what it executed last.
    let replaced = exec("-c\\u0000exec /bin/sh -c");
    let last = exec("sh\\u0000-c\\u0000exit 11\\u0000\"");
    assert_eq!(number(replaced, "pid"), number(last, "pid"), "{records}");
    assert_eq!(
        end("sh\\u0000-c\\u0000exit 11\\u0000\"", "status"),
        told(11),
        "{exits}"
    );
    assert_eq!(
        end("-c\\u0000exec /bin/sh -c", "status"),
        None,
        "{records} {exits}"
    );
    // The outer shell is what the others name as their cause.
    let outer = exec("; exit 3");
    assert_eq!(number(outer, "cause"), Some(0), "{outer}");
    if tells {
        assert_eq!(
            number(exec("/bin/true\\u0000"), "cause"),
            number(outer, "sequence")
        );
        let told = audit(&world, &["show"]).ended(0);
        // With the program, or, where it ran on when it was recorded, in a line of its own.
        let tells = |with: &str, later: &str| told.contains(with) || told.contains(later);
        assert!(
            tells("sh -c 'exit 7' \u{2192} status 7", "] ended: status 7")
                && tells("\u{2192} signal 9", "] ended: signal 9"),
            "{told}"
        );
    }
    audit(&world, &["verify"]).ended(0);
}

/// A thousand processes: none is missing, and what waits does not grow without bound.
#[test]
fn a_thousand_programs_are_a_thousand_records() {
    let world = World::new();
    let script = "i=0; while [ $i -lt 1000 ]; do /bin/true $i; i=$((i+1)); done";
    let sandbox = world.sandbox().deadline(Duration::from_secs(120));
    sandbox.run(&["sh", "-c", script]).ended(0);
    let found = audit(&world, &["query", "--kind", "program.exec"]).ended(0);
    let shown = |n: u32| {
        found
            .lines()
            .filter(|line| line.ends_with(&format!("/bin/true {n}")))
            .count()
    };
    assert!((0..1000).all(|n| shown(n) == 1), "{found}");
    let verified = audit(&world, &["verify"]).ended(0);
    // Of programs that ran on when they were recorded, the end is a record of its own.
    let later = audit(&world, &["query", "--kind", "program.exit"]);
    let records = 1003 + later.text().lines().count();
    assert!(
        verified.contains(&format!("whole, {records} records")),
        "{verified}"
    );
    let page = audit(&world, &["report", "--html"]).ended(0);
    assert!(
        page.starts_with("<!doctype html>") && page.ends_with("</html>"),
        "{page}"
    );
}

#[test]
fn a_proof_needs_the_public_key_and_no_log() {
    let world = World::new();
    world.sandbox().run(&["true"]).ended(0);
    let key = audit(&world, &["key"]).ended(0);
    audit(&world, &["key", "--rotate"]).ended(0);
    world.sandbox().run(&["false"]);
    let event = format!("{}:2", newest(&world));
    let proof = audit(&world, &["prove", &event]).ended(0);
    let file = world.root().join("proof");
    std::fs::write(&file, format!("{proof}\n")).unwrap();
    std::fs::rename(logs(&world), world.root().join("elsewhere")).unwrap();
    let path = file.to_str().unwrap();
    let proved = audit(&world, &["verify-proof", path, "--key", &key]).ended(0);
    assert!(
        proved.starts_with("proved: record 2 of fumehood.local/") && proved.contains("status 1"),
        "{proved}"
    );
    for at in [10, proof.len() / 2, proof.len() - 3] {
        let mut bad = proof.clone().into_bytes();
        bad[at] ^= 1;
        bad.push(b'\n');
        std::fs::write(&file, bad).unwrap();
        let out = audit(&world, &["verify-proof", path, "--key", &key]);
        assert_eq!(out.code, 125, "byte {at}: {out:?}");
    }
}

#[test]
fn what_is_changed_missing_or_new_is_found() {
    let world = World::new();
    for _ in 0..3 {
        world.sandbox().run(&["true"]).ended(0);
    }
    audit(&world, &["verify"]).ended(0);
    let sessions = logs(&world).join("sessions");
    let id = newest(&world);
    let bundle = sessions.join(&id).join("journal");
    let good = std::fs::read(&bundle).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, &bad).unwrap();
    let out = audit(&world, &["verify"]);
    assert!(
        out.code == 1 && out.text().contains(&format!("{id}: WRONG")),
        "{out:?}"
    );
    std::fs::write(&bundle, &good).unwrap();
    audit(&world, &["verify"]).ended(0);

    std::fs::rename(sessions.join(&id), sessions.join("another")).unwrap();
    let out = audit(&world, &["verify"]);
    assert!(
        out.code == 1 && out.text().contains("MISSING") && out.text().contains("another: UNKNOWN"),
        "{out:?}"
    );
    std::fs::rename(sessions.join("another"), sessions.join(&id)).unwrap();

    // The whole index, as it was before: shorter than a head that someone kept.
    let account = logs(&world).join("account");
    let names = ["journal", "checkpoints"];
    let older = names.map(|name| std::fs::read(account.join(name)).unwrap());
    world.sandbox().run(&["true"]).ended(0);
    audit(&world, &["verify"]).ended(0);
    let kept = world.root().join("kept");
    std::fs::copy(account.join("checkpoints"), &kept).unwrap();
    let against = ["verify", "--against", kept.to_str().unwrap()];
    let anchored = audit(&world, &against).ended(0);
    assert!(anchored.starts_with("remembered until record 8"), "{anchored}");
    for (name, bytes) in names.iter().zip(older) {
        std::fs::write(account.join(name), bytes).unwrap();
    }
    let out = audit(&world, &against);
    assert!(out.code == 125 && out.errors().contains("rolled back"), "{out:?}");
}

#[test]
fn a_killed_writer_is_said_and_shows() {
    let world = World::new();
    let ready = world.project().join("ready");
    let mut running = world.live().start(&[
        "sh",
        "-c",
        "echo x > ready; while [ -e ready ]; do sleep 0.01; done",
    ]);
    running.await_file(&ready);
    let path = format!("/proc/{0}/task/{0}/children", running.pid());
    let name = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let find = || {
        let children = std::fs::read_to_string(&path).unwrap();
        let mut children = children.split_whitespace();
        let writer = children.find(|pid| name(pid) == "fumehood-log\n");
        writer.map(str::to_owned)
    };
    settle(|| if find().is_some() { vec![] } else { vec![()] });
    let writer = find().unwrap();
    // Not before its first head: a session that nothing was signed of is another test's.
    let heads = logs(&world)
        .join("sessions")
        .join(newest(&world))
        .join("checkpoints");
    settle(|| match heads.metadata() {
        Ok(found) if found.len() > 0 => Vec::new(),
        _ => vec![()],
    });
    let killed = host_program("kill").args(["-9", &writer]).status().unwrap();
    assert!(killed.success());
    std::fs::remove_file(&ready).unwrap();
    let out = running.wait();
    assert_eq!(out.code, 0, "{out:?}");
    assert!(
        out.errors().contains("this run was not recorded to its end"),
        "{out:?}"
    );
    let out = audit(&world, &["verify"]);
    assert!(out.text().contains("broken off, its writer died"), "{out:?}");
    let told = audit(&world, &["show"]).ended(0);
    assert!(told.contains("no end was recorded"), "{told}");
}

/// Neither a path, nor a descriptor, nor a socket of the log is inside, nor its key in readable memory.
#[test]
fn nothing_of_the_log_is_reachable_from_inside() {
    let mut world = World::new();
    world.harm_is_fine();
    world.sandbox().run(&["true"]).ended(0);
    let root = logs(&world);
    let script = format!(
        "ls {0} {0}/account {0}/sessions 2>/dev/null; cat {0}/account/key 2>/dev/null; \
         for fd in /proc/[0-9]*/fd/*; do readlink $fd; done 2>/dev/null | grep -i 'audit\\|journal'; \
         grep -la fumehood-log /proc/[0-9]*/comm 2>/dev/null; echo nothing",
        root.display()
    );
    assert_eq!(world.sandbox().sh(&script).ended(0), "nothing");
    if !is_root() {
        let landlock = world.sandbox().flags(["--isolation", "landlock"]);
        let script = format!("ls {0} || cat {0}/account/key || echo nothing", root.display());
        assert_eq!(landlock.sh(&script).text(), "nothing");
    }
    // Where a folder that is shown holds it, it is covered; itself it is never shown.
    let state = world.own("state");
    let shown = world.sandbox().flags(["--rw".as_ref(), state.as_os_str()]);
    let script = format!(
        "ls -d {1} && ls {0}/account; touch {0}/account/x; echo nothing",
        root.display(),
        state.display()
    );
    let out = shown.sh(&script);
    assert_eq!(out.text().lines().last(), Some("nothing"), "{out:?}");
    assert!(!out.text().contains("journal"), "{out:?}");
    assert!(!root.join("account/x").exists());
    let itself = world
        .sandbox()
        .flags(["--ro".as_ref(), root.join("account").as_os_str()]);
    itself.run(&["true"]).refused(125, &["never shown inside"]);
    audit(&world, &["verify"]).ended(0);
}

#[test]
fn a_log_that_cannot_be_written_is_said_and_the_command_runs() {
    let world = World::new();
    world.sandbox().run(&["true"]).ended(0);
    let account = logs(&world).join("account");
    settle(|| match audit(&world, &["verify"]).code {
        0 => Vec::new(),
        code => vec![code],
    });
    // A key that is gone: the index is not continued by a new one.
    std::fs::remove_file(account.join("key")).unwrap();
    let out = world.sandbox().run(&["sh", "-c", "sleep 0.3; echo ran"]);
    assert_eq!((out.code, out.text().as_str()), (0, "ran"), "{out:?}");
    assert!(out.errors().contains("not recorded to its end"), "{out:?}");
}

fn verb(world: &World, words: &[&str]) -> Output {
    let mut all = vec![fumehood_tests::fumehood().into_os_string()];
    all.extend(words.iter().map(Into::into));
    world.sandbox().start_words(&all).wait()
}

/// What a person does with the changes after the run is in the account's index, path by path with digests, and told
/// with the session; what landed during the run is in the session's own log.
#[test]
fn applies_undos_and_discards_are_recorded() {
    let world = World::new();
    let script = "printf one > new.txt; mkdir -p d; printf two > d/e; ln -s new.txt link; rm -f gone";
    std::fs::write(world.project().join("gone"), "x").unwrap();
    world.sandbox().flags(["--apply", "ask"]).sh(script).ended(0);
    verb(&world, &["apply", "--all"]).ended(0);
    verb(&world, &["undo"]).ended(0);
    let found = audit(&world, &["query", "--kind", "workspace.apply", "--json"]).ended(0);
    // SHA-256 of "one" and of "two".
    for words in [
        "\"session\":\"account\"",
        "\"apply\":1",
        "put 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed new.txt\\u0000",
        "put 3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 d/e\\u0000",
        "directory d\\u0000",
        "remove gone\\u0000",
        "\"list.digest\":",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
    let undone = audit(&world, &["query", "--kind", "workspace.undo"]).ended(0);
    assert!(
        undone.contains("apply 1 taken back: ") && undone.contains("back d/e"),
        "{undone}"
    );
    world
        .sandbox()
        .flags(["--apply", "ask", "--new"])
        .sh("echo x > waits")
        .ended(0);
    verb(&world, &["discard"]).ended(0);
    let told = audit(&world, &["show"]).ended(0);
    assert!(
        told.contains("afterwards, in the account's index:")
            && told.contains("1 changes of")
            && told.contains("A waits"),
        "{told}"
    );
    // On a card: of the session whose changes were applied and taken back, and of the one whose were forgotten.
    let cards: Vec<String> = (0..2)
        .map(|n| {
            let started = audit(&world, &["query", "--kind", "session.start"]).ended(0);
            let line = started.lines().nth(n).unwrap_or_else(|| panic!("{started}"));
            let event = line.split_whitespace().nth(1).unwrap();
            audit(&world, &["receipt", event.split(':').next().unwrap()]).ended(0)
        })
        .collect();
    assert!(
        cards[0].contains("files       apply 1: ")
            && cards[0].contains("taken back")
            && cards[0].contains("waited at the end, applied since")
            && !cards[0].contains("undo  "),
        "{}",
        cards[0]
    );
    assert!(
        cards[1].contains("1 change waited at the end, forgotten since") && !cards[1].contains("undo  "),
        "{}",
        cards[1]
    );
    // A record of the index is proved like any other.
    let event = undone.split_whitespace().nth(1).unwrap().to_owned();
    assert!(event.starts_with("account:"), "{event}");
    let proof = audit(&world, &["prove", &event]).ended(0);
    let file = world.own("state").join("proof");
    std::fs::write(&file, format!("{proof}\n")).unwrap();
    let proved = audit(&world, &["verify-proof", file.to_str().unwrap()]).ended(0);
    assert!(proved.contains("workspace.undo"), "{proved}");

    // A card of a log that does not verify is no good one.
    let card = audit(&world, &["receipt", "--json"]);
    assert!(
        card.code == 0 && card.text().contains("\"good\":true"),
        "{card:?}"
    );
    let journal = logs(&world).join("sessions").join(newest(&world)).join("journal");
    let good = std::fs::read(&journal).unwrap();
    let mut bad = good.clone();
    let at = bad.len() - 1;
    bad[at] ^= 1;
    std::fs::write(&journal, bad).unwrap();
    let card = audit(&world, &["receipt"]);
    assert!(card.code == 1 && card.text().contains("WRONG"), "{card:?}");
    std::fs::write(&journal, good).unwrap();

    // By turns: in the log of the session itself.
    world
        .sandbox()
        .flags(["--apply", "turn"])
        .sh("printf one > turned")
        .ended(0);
    let id = newest(&world);
    let found = audit(
        &world,
        &["query", "--session", &id, "--kind", "workspace.apply", "--json"],
    )
    .ended(0);
    assert!(
        found.contains("put 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed turned\\u0000"),
        "{found}"
    );
    audit(&world, &["verify"]).ended(0);
}

/// A switch of the account's or the machine's configuration: no run that is not recorded. A project has no say.
#[test]
fn a_run_that_must_be_recorded_does_not_run_unrecorded() {
    let world = World::new();
    let config = world.own("config").join("fumehood");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(
        config.join("config.toml"),
        "version = 1\n[audit]\nfail_closed = true\n",
    )
    .unwrap();
    assert_eq!(world.live().run(&["echo", "ran"]).ended(0), "ran");
    settle(|| match audit(&world, &["verify"]).code {
        0 => Vec::new(),
        code => vec![code],
    });
    // Its writer is killed: the run ends.
    let script = "echo x > ready; while :; do sleep 0.05; done";
    let mut running = world.live().start(&["sh", "-c", script]);
    running.await_file(&world.project().join("ready"));
    let writer = fumehood_tests::descendant(running.pid(), "fumehood-log").unwrap();
    let killed = host_program("kill")
        .args(["-9", &writer.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let out = running.wait();
    assert_eq!(out.code, 125, "{out:?}");
    assert!(out.errors().contains("`audit.fail_closed` forbids it"), "{out:?}");
    // A log that cannot be written: nothing of the command ran.
    std::fs::remove_file(logs(&world).join("account/key")).unwrap();
    let out = world.live().run(&["sh", "-c", "echo ran; echo x > canary"]);
    assert_eq!((out.code, out.text().as_str()), (125, ""), "{out:?}");
    assert!(out.errors().contains("`audit.fail_closed` forbids it"), "{out:?}");
    assert!(!world.project().join("canary").exists());
    let project = "version = 1\n[audit]\nfail_closed = false\n";
    std::fs::write(world.project().join("fumehood.toml"), project).unwrap();
    let out = world.live().run(&["true"]);
    assert!(
        out.code == 125 && out.errors().contains("a project has no say"),
        "{out:?}"
    );
}

/// What a session recorded is forgotten on request; that it took place, and how much it recorded, still verifies.
#[test]
fn an_erased_session_is_gone_and_its_tree_verifies() {
    let world = World::new();
    for word in ["first", "secret-word", "last"] {
        world.live().run(&["echo", word]).ended(0);
    }
    let found = audit(&world, &["query", "--kind", "session.start"]).ended(0);
    let id = |word: &str| -> String {
        let line = found.lines().find(|line| line.contains(word)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    let erased = id("secret-word");
    audit(&world, &["verify"]).ended(0);
    assert!(audit(&world, &["erase", &erased]).ended(0).contains("1 session"));
    let holds = host_program("grep")
        .args(["-rl", "secret-word"])
        .arg(logs(&world))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&holds.stdout),
        "",
        "what was recorded is still there"
    );
    let verified = audit(&world, &["verify"]).ended(0);
    assert!(
        verified.contains("2 whole") && verified.contains("1 erased, 0 not good"),
        "{verified}"
    );
    let left = audit(&world, &["query", "--kind", "session.start"]).ended(0);
    assert!(
        left.contains("first") && left.contains("last") && !left.contains("secret-word"),
        "{left}"
    );
    let noted = audit(&world, &["query", "--kind", "session.erase"]).ended(0);
    assert!(noted.contains(&erased), "{noted}");

    // The hashes that stay are those that were signed: another one, or one less, is found.
    let tiles = logs(&world).join("sessions").join(&erased).join("tile/0/000.p");
    let tile = std::fs::read_dir(tiles).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&tile).unwrap();
    let last = good.len() - 1;
    for bad in [&good[..last - 31], &[&good[..last], &[good[last] ^ 1]].concat()] {
        std::fs::write(&tile, bad).unwrap();
        let out = audit(&world, &["verify"]);
        assert!(out.code == 1 && out.text().contains("WRONG"), "{out:?}");
    }
    std::fs::write(&tile, good).unwrap();
    audit(&world, &["verify"]).ended(0);
    // All that began before a time; what is gone already is passed over.
    assert!(
        audit(&world, &["erase", "--before", "2100-01-01"])
            .ended(0)
            .contains("2 sessions")
    );
    let verified = audit(&world, &["verify"]).ended(0);
    assert!(
        verified.contains("0 whole") && verified.contains("3 erased"),
        "{verified}"
    );
}

/// What is older than it is to be kept is erased when a later run is over, by a process that the run does not wait for.
#[test]
fn what_is_older_than_it_is_kept_is_erased() {
    let world = World::new();
    let config = world.own("config").join("fumehood");
    std::fs::create_dir_all(&config).unwrap();
    world.live().run(&["echo", "secret-word"]).ended(0);
    std::fs::write(
        config.join("config.toml"),
        "version = 1\n[audit]\nkeep = \"1s\"\n",
    )
    .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    world.live().run(&["true"]).ended(0);
    let left = settle(|| {
        let verified = audit(&world, &["verify"]).text();
        if verified.contains("1 whole") && verified.contains("1 erased, 0 not good") {
            vec![]
        } else {
            vec![verified]
        }
    });
    assert!(left.is_empty(), "{left:?}");
    let holds = host_program("grep")
        .args(["-rl", "secret-word"])
        .arg(logs(&world))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&holds.stdout), "");
}

/// Who tells a witness waits for the run's log to end, however long that takes: its writer is stopped while the run ends,
/// and nobody says anything before it goes on. The head that is told then has the run's end.
#[test]
fn a_witness_is_told_the_head_with_the_runs_end_however_busy_the_machine_is() {
    let world = World::new();
    let witness = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = world.own("config").join("fumehood");
    std::fs::create_dir_all(&config).unwrap();
    let key = "witness.example/w1+eb762cc2+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    let told = format!(
        "version = 1\n[audit]\nwitness = [\"http://{} {key}\"]\n",
        witness.local_addr().unwrap()
    );
    std::fs::write(config.join("config.toml"), told).unwrap();
    let ready = world.project().join("ready");
    let script = "echo x > ready; while [ -e ready ]; do sleep 0.01; done";
    let mut running = world.live().start(&["sh", "-c", script]);
    running.await_file(&ready);
    let pid = running.pid();
    // Its first head is written: what its records say is in its journal, but for the end.
    let heads = logs(&world)
        .join("sessions")
        .join(newest(&world))
        .join("checkpoints");
    await_that("a head", || heads.metadata().is_ok_and(|heads| heads.len() > 0));
    let writer = descendant(pid, "fumehood-log").unwrap().to_string();
    let signal = |name: &str| {
        let sent = host_program("kill").args([name, &writer]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    std::fs::remove_file(&ready).unwrap();
    // Over, and not reaped: it would still be found in /proc.
    let state = format!("/proc/{pid}/stat");
    await_that("the run's end", || {
        std::fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") Z "))
    });
    witness.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let early = witness.accept().map(drop);
    assert!(early.is_err(), "the witness is told before the log has ended");
    signal("-CONT");
    witness.set_nonblocking(false).unwrap();
    let (mut stream, _) = witness.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let origin = lines
        .find(|line| {
            line.as_ref()
                .is_ok_and(|line| line.starts_with("fumehood.local/"))
        })
        .unwrap();
    assert!(origin.is_ok());
    assert_eq!(lines.next().unwrap().unwrap(), "2", "start and end of the run");
    stream.write_all(b"HTTP/1.1 503 Later\r\n\r\n").unwrap();
    running.wait().ended(0);
}
