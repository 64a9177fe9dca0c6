//! Checkpoints of what a session wrote: they do not change, a session is taken back to them, others begin with them.

use fumehood_tests::{Output, World};
use std::time::{Duration, Instant};

const IDLE: &str = "trap 'exit 3' TERM; while :; do sleep 0.05; done";

fn verb(world: &World, words: &[&str]) -> Output {
    world.sandbox().verb(words)
}

/// Runs a script in a session of this name, which has ended then.
#[track_caller]
fn in_session(world: &World, name: &str, script: &str) -> String {
    let exists = verb(world, &["ps", "-a", "--json"])
        .ended(0)
        .contains(&format!("\"{name}\""));
    let begin: &[&str] = if exists {
        &["resume", name]
    } else {
        &["run", "--name", name]
    };
    verb(world, &[begin, &["--", "sh", "-c", script]].concat()).ended(0)
}

fn plant(world: &World, name: &str, text: &str) {
    assert!(std::fs::write(world.project().join(name), text).is_ok());
}

#[test]
fn a_session_is_taken_back_and_forward() {
    let world = World::new();
    plant(&world, "kept", "host\n");
    plant(&world, "gone", "host\n");
    std::fs::create_dir_all(world.project().join("folder")).unwrap();
    plant(&world, "folder/deep", "host\n");
    in_session(
        &world,
        "s",
        "echo one >made; echo one >kept; rm gone; rm -r folder; mkdir folder; echo new >folder/new; ln -s made link; ln made hard; chmod 750 made",
    );
    assert!(
        verb(&world, &["checkpoint", "s"])
            .ended(0)
            .starts_with("checkpoint 1 of ")
    );
    let diff = |world: &World| verb(world, &["diff", "--session", "s", "--name-status"]).ended(0);
    let first = diff(&world);
    in_session(
        &world,
        "s",
        "echo two >made; echo two >kept; echo two >gone; rm -r folder link; echo more >more",
    );
    let second = diff(&world);
    assert_ne!(first, second);
    let back = verb(&world, &["undo", "--in", "s"]).ended(0);
    assert!(
        back.contains("as at checkpoint 1") && back.contains("is checkpoint 2"),
        "{back}"
    );
    assert_eq!(diff(&world), first);
    let seen = in_session(
        &world,
        "s",
        "cat made kept hard link folder/new; ls; ls folder; stat -c %a made; [ made -ef hard ] && echo same",
    );
    assert_eq!(
        seen,
        "one\none\none\none\nnew\nfolder\nhard\nkept\nlink\nmade\nnew\n750\nsame"
    );
    // Forward again, by number.
    verb(&world, &["undo", "--in", "s", "2"]).ended(0);
    assert_eq!(diff(&world), second);
    let list = verb(&world, &["checkpoint", "s", "--list"]).ended(0);
    assert_eq!(list.matches("before undo").count(), 2, "{list}");
    // The project was never touched.
    assert_eq!(world.project_files(), ["folder", "folder/deep", "gone", "kept"]);
}

/// A directory, a descriptor and a shared map that were open when it was taken lead to the session, not to it.
#[test]
fn what_is_held_across_a_checkpoint_does_not_change_it() {
    let world = World::new();
    plant(&world, "map", &"a".repeat(8192));
    plant(&world, "open", "first\n");
    let script = "import mmap, os, time\n\
         os.makedirs('held'); os.chdir('held')\n\
         f = open('../map', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:5] = b'BEGUN'\n\
         o = open('../open', 'a'); o.write('before\\n'); o.flush()\n\
         open('../ready', 'w').write('x')\n\
         while not os.path.exists('../go'): time.sleep(0.02)\n\
         m[0:5] = b'AFTER'; m[8000:8005] = b'AFTER'\n\
         o.write('after\\n'); o.flush()\n\
         open('late', 'w').write('x'); open('../done', 'w').write('x')\n\
         time.sleep(60)\n";
    verb(
        &world,
        &[
            "create", "--ttl", "60s", "--name", "s", "--", "python3", "-c", script,
        ],
    )
    .ended(0);
    let await_file = |name: &str| {
        let begun = Instant::now();
        while verb(&world, &["exec", "s", "--", "ls"])
            .text()
            .lines()
            .all(|l| l != name)
        {
            assert!(begun.elapsed() < Duration::from_secs(15), "{name}");
        }
    };
    await_file("ready");
    verb(&world, &["checkpoint", "s", "--why", "held"]).ended(0);
    verb(&world, &["exec", "s", "--", "touch", "go"]).ended(0);
    await_file("done");
    verb(&world, &["undo", "--in", "s"]).refused(125, &["is running", "fumehood stop s"]);
    verb(&world, &["stop", "s"]).ended(0);
    verb(&world, &["undo", "--in", "s"]).ended(0);
    let seen = in_session(
        &world,
        "s",
        "head -c 5 map; echo; tail -c 192 map | head -c 5; echo; cat open; ls held; ls",
    );
    assert_eq!(seen, "BEGUN\naaaaa\nfirst\nbefore\nheld\nmap\nopen\nready");
}

#[test]
fn a_fork_has_the_files_and_goes_its_own_way() {
    let world = World::with_repository();
    in_session(
        &world,
        "s",
        "echo one >a; git add -A; git -c user.name=T -c user.email=t@example.invalid commit -qm inside",
    );
    verb(&world, &["checkpoint", "s"]).ended(0);
    in_session(&world, "s", "echo later >b");
    assert!(
        verb(&world, &["fork", "s", "--name", "now"])
            .ended(0)
            .contains("fumehood resume now")
    );
    verb(&world, &["fork", "s", "--at", "1", "--name", "then"]).ended(0);
    assert_eq!(
        in_session(&world, "now", "cat a b; git log --format=%s -1"),
        "one\nlater\ninside"
    );
    assert_eq!(
        in_session(&world, "then", "cat a; ls; git log --format=%s -1"),
        "one\nREADME\na\ninside"
    );
    in_session(&world, "then", "echo other >a");
    assert_eq!(in_session(&world, "s", "cat a b"), "one\nlater");
    verb(&world, &["fork", "s", "--name", "now"]).refused(125, &["--name now", "is there"]);
    verb(&world, &["fork", "s", "--at", "99"]).refused(125, &["no checkpoint 99", "--list"]);
    verb(&world, &["apply", "--session", "then"]).ended(0);
    assert_eq!(
        std::fs::read_to_string(world.project().join("a")).unwrap(),
        "other\n"
    );
    assert_eq!(
        world.git(&world.project(), &["log", "--format=%s", "-1"]).trim(),
        "inside"
    );
}

/// What the host changed after the session took it is a conflict also when the layer was made anew since.
#[test]
fn a_change_of_the_host_is_not_forgotten_by_going_back() {
    let world = World::new();
    plant(&world, "both", "host\n");
    plant(&world, "deleted", "host\n");
    plant(&world, "mine", "host\n");
    in_session(&world, "s", "echo inside >both; echo inside >mine; rm deleted");
    plant(&world, "both", "edited outside\n");
    plant(&world, "deleted", "edited outside\n");
    verb(&world, &["checkpoint", "s"]).ended(0);
    verb(&world, &["undo", "--in", "s"]).ended(0);
    verb(&world, &["fork", "s", "--name", "f"]).ended(0);
    for session in ["s", "f"] {
        let out = verb(&world, &["apply", "--session", session, "both", "deleted"]);
        assert_eq!(out.code, 1, "{}", out.errors());
        for path in ["both", "deleted"] {
            assert!(
                out.errors().contains(&format!("conflict: {path}")),
                "{session}: {}",
                out.errors()
            );
            let now = std::fs::read_to_string(world.project().join(path)).unwrap();
            assert_eq!(now, "edited outside\n");
        }
    }
}

#[test]
fn bad_input_is_said_in_one_line() {
    let world = World::new();
    verb(&world, &["checkpoint"]).refused(125, &["no session here kept changes back"]);
    verb(&world, &["checkpoint", "nobody"]).refused(125, &["no session nobody"]);
    verb(&world, &["undo", "--in", "nobody"]).refused(125, &["no session nobody"]);
    verb(&world, &["fork", "nobody"]).refused(125, &["no session nobody"]);
    in_session(&world, "s", "echo x >x");
    verb(&world, &["undo", "--in", "s"]).refused(125, &["no checkpoint", "--list"]);
    assert_eq!(
        verb(&world, &["checkpoint", "s", "--list"]).ended(0),
        "no checkpoint"
    );
    verb(&world, &["fork", "s", "--name", "-x"]).refused(125, &["--name"]);
    let live = [
        "create", "--ttl", "60s", "--live", "--name", "l", "--", "sh", "-c", IDLE,
    ];
    verb(&world, &live).ended(0);
    verb(&world, &["checkpoint", "l"]).refused(125, &["writes to the project itself"]);
    verb(&world, &["stop", "l"]).ended(0);
}

/// Killed at any instant, going back leaves the session as it was, or as it is then.
#[test]
fn going_back_can_be_killed_at_any_instant() {
    let world = World::new();
    in_session(&world, "s", "for n in $(seq 60); do echo one >file$n; done");
    verb(&world, &["checkpoint", "s"]).ended(0);
    let diff = || verb(&world, &["diff", "--session", "s"]).ended(0);
    let first = diff();
    in_session(
        &world,
        "s",
        "for n in $(seq 60); do echo two >file$n; done; echo two >more",
    );
    verb(&world, &["checkpoint", "s"]).ended(0);
    let second = diff();
    assert_ne!(first, second);
    let mut outcomes = [0, 0];
    for n in 0..24 {
        let going = world.sandbox().start_verb(&["undo", "--in", "s", "1"]);
        std::thread::sleep(Duration::from_micros(1500 * n));
        going.signal("KILL");
        let _killed = going.wait();
        let now = diff();
        assert!(now == first || now == second, "{now}");
        outcomes[usize::from(now == first)] += 1;
        verb(&world, &["undo", "--in", "s", "2"]).ended(0);
        assert_eq!(diff(), second);
    }
    // The first one is killed before anything, whatever the machine does.
    assert!(outcomes[0] > 0, "{outcomes:?}");
}

#[test]
fn one_is_taken_before_exec_and_before_apply() {
    let world = World::new();
    let begun = verb(
        &world,
        &["create", "--ttl", "60s", "--name", "s", "--", "sh", "-c", IDLE],
    );
    begun.ended(0);
    let list = || verb(&world, &["checkpoint", "s", "--list"]).ended(0);
    for script in ["echo one >made", "echo two >made", "true", "true"] {
        verb(&world, &["exec", "s", "--", "sh", "-c", script]).ended(0);
    }
    // Before the first nothing was written; before the last nothing was since.
    assert_eq!(list().matches("before exec").count(), 2, "{}", list());
    verb(&world, &["exec", "s", "--", "sh", "-c", "echo three >made"]).ended(0);
    verb(&world, &["apply", "--session", "s"]).ended(0);
    assert_eq!(list().matches("before apply").count(), 1, "{}", list());
    verb(&world, &["stop", "s"]).ended(0);
    verb(&world, &["undo", "--in", "s", "1"]).ended(0);
    assert_eq!(in_session(&world, "s", "cat made"), "one");
}
