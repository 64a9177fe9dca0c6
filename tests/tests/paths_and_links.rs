//! Paths, links and descriptors: escapes 1–37, codex 5–10, 12–14, 29, srt 4–18 and 37–48.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::{SECRETS, World, host_program, probe};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, open, renameat_with};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

fn path(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// Escapes 1, codex 12, srt 46: the classic target.
#[test]
fn e001_read_ssh_and_aws() {
    let world = World::new();
    for secret in [".ssh/id_rsa", ".aws/credentials"] {
        world.assert_walled(&["read", path(&world.home().join(secret))], &["ENOENT"]);
    }
}

/// Escapes 2, codex 12: token files of sixteen tools.
#[test]
fn e002_read_other_token_files() {
    let world = World::new();
    let script = SECRETS
        .map(|s| format!("cat ~/'{s}' 2>&1; cat '{}' 2>&1\n", path(&world.home().join(s))))
        .concat();
    let out = world.sh(script);
    assert_eq!(
        out.text().matches("No such file or directory").count(),
        2 * SECRETS.len(),
        "{}",
        out.text()
    );
    assert!(!out.text().contains("canary"), "{}", out.text());
}

/// Escapes 3: size and time of a hidden file. It must look like a file that never was.
#[test]
fn e003_stat_as_an_oracle() {
    let world = World::new();
    world.assert_walled(&["stat", path(&world.home().join(".ssh/id_rsa"))], &["ENOENT"]);
    world.assert_walled(&["stat", path(&world.home().join(".ssh"))], &["ENOENT"]);
    assert_eq!(
        world.probe(&["stat", path(&world.home().join(".ssh/never-was"))]),
        "ENOENT"
    );
}

/// Escapes 4: names alone tell a lot. The way to the project is all there is.
#[test]
fn e004_list_the_home() {
    let world = World::new();
    let out = world.sh("ls -A ~; echo --; ls -A ~/work; echo --; ls -A ..");
    assert_eq!(out.ended(0), "work\n--\nproject\n--\nproject");
}

/// Escapes 5, codex 14, srt 37 and 41: a secret inside the writable folder is hidden where asked.
#[test]
fn e005_dotenv_in_the_project() {
    let world = World::new();
    fs::create_dir(world.project().join("n")).unwrap();
    for file in [".env", "n/.env"] {
        fs::write(world.project().join(file), "TOKEN=canary\n").unwrap();
    }
    let out = world.live().flags(["--hide", "**/.env"]).sh(
        "cat .env n/.env; mv .env other; mv n m; cat m/.env; cp -r n copy; cat copy/.env; ln .env hard; cat hard; true",
    );
    assert_eq!(out.ended(0), "", "hidden content was read");
    assert!(out.errors().contains("Permission denied"), "{}", out.errors());
    // The folder around one may be renamed; what is hidden moves with it and stays hidden.
    for file in [".env", "m/.env"] {
        assert_eq!(
            fs::read_to_string(world.project().join(file)).unwrap(),
            "TOKEN=canary\n"
        );
    }
    assert_eq!(
        world.live_sh("cat .env").ended(0),
        "TOKEN=canary",
        "without --hide it is part of the project"
    );
}

/// Escapes 6: a check by text would pass.
#[test]
fn e006_parent_directories() {
    let world = World::new();
    let climbing = format!("{}/../../../outside/file", path(&world.project()));
    world.assert_walled(&["read", &climbing], &["ENOENT"]);
    world.assert_walled(&["read", "../sibling/source.txt"], &["ENOENT"]);
}

/// Escapes 7, srt 40: a link made inside leads nowhere inside. (Host-side file tools: see e014.)
#[test]
fn e007_read_through_a_link_out() {
    let world = World::new();
    let secret = world.home().join(".ssh/id_rsa");
    let out = world.sh(format!("ln -s {} l && cat l", path(&secret)));
    assert_eq!(out.ended(1), "");
    assert!(
        out.errors().contains("No such file or directory"),
        "{}",
        out.errors()
    );
}

/// Escapes 8, codex 7, srt 7: the repository ships a link, and something writes through it.
#[test]
fn e008_write_through_a_planted_link() {
    let world = World::new();
    symlink(world.outside().join("file"), world.project().join("planted")).unwrap();
    symlink(world.outside(), world.project().join("folder")).unwrap();
    world.assert_refused(&["append", "planted"], &["ENOENT"]);
    world.assert_refused(&["append", "folder/new"], &["ENOENT"]);
    assert_eq!(fs::read_dir(world.outside()).unwrap().count(), 2);
}

/// Escapes 9: an approval names a harmless copy, and the kernel follows a link to an agent's
/// configuration. What is held here: the link leads nowhere.
#[test]
fn e009_copy_over_a_link_to_agent_configuration() {
    let world = World::new();
    fs::create_dir(world.project().join("docs")).unwrap();
    symlink(
        world.home().join(".codex/auth.json"),
        world.project().join("docs/notes"),
    )
    .unwrap();
    let out = world.sh("echo evil > notes; cp notes docs/");
    assert_ne!(out.code, 0);
    assert!(
        out.errors().contains("dangling symlink") || out.errors().contains("No such file"),
        "{}",
        out.errors()
    );
}

/// Escapes 11, srt 10: a hard link to a secret; the secret granted read-only, too.
#[test]
fn e011_hard_link_a_secret_in() {
    let world = World::new();
    let secret = world.home().join(".ssh/id_rsa");
    world.assert_refused(
        &["call", "link", &format!("@{}", path(&secret)), "@h"],
        &["ENOENT"],
    );
    let shown = world.sibling().join("source.txt");
    let granted = world.sandbox().flags(["--ro", path(&world.sibling())]);
    assert_eq!(
        granted.probe(&["call", "link", &format!("@{}", path(&shown)), "@h"]),
        "EXDEV"
    );
    assert_eq!(world.project_files(), [""; 0]);
}

/// Escapes 12, srt 11: rename out of the project, over something, and the exchange of two.
#[test]
fn e012_rename_out_over_and_exchange() {
    let world = World::new();
    fs::write(world.project().join("a"), "mine\n").unwrap();
    let outside = format!("@{}", path(&world.outside().join("file")));
    let shown = format!("@{}", path(&world.sibling().join("source.txt")));
    let granted = world.sandbox().flags(["--ro", path(&world.sibling())]);
    for flags in ["0", "1", "2"] {
        world.assert_refused(
            &["call", "renameat2", "-100", "@a", "-100", &outside, flags],
            &["ENOENT"],
        );
        let refused = granted.probe(&["call", "renameat2", "-100", "@a", "-100", &shown, flags]);
        assert!(
            ["EXDEV", "EROFS", "EEXIST"].contains(&refused.as_str()),
            "{refused}"
        );
        let refused = granted.probe(&["call", "renameat2", "-100", &shown, "-100", "@a", flags]);
        assert!(
            ["EXDEV", "EROFS", "EEXIST"].contains(&refused.as_str()),
            "{refused}"
        );
    }
    assert_eq!(fs::read_to_string(world.project().join("a")).unwrap(), "mine\n");
}

/// Escapes 13: the calls that path filters forget, on a file that may be read.
#[test]
fn e013_changes_without_opening() {
    let world = World::new();
    let file = format!("@{}", path(&world.sibling().join("source.txt")));
    let granted = world.sandbox().flags(["--ro", path(&world.sibling())]);
    let calls: [&[&str]; 7] = [
        &["chmod", &file, "0x1b6"],
        &["chown", &file, "1000", "1000"],
        &["truncate", &file, "0"],
        &["unlink", &file],
        &["lsetxattr", &file, "@user.x", "@1", "1", "0"],
        &["fchmodat2", "-100", &file, "0x1b6", "0"],
        &["mknod", &format!("{file}.fifo"), "0x11b6", "0"],
    ];
    for call in calls {
        let refused = granted.probe(&[&["call"], call].concat());
        assert_eq!(refused, "EROFS", "{call:?}");
    }
    let touched = granted.sh(format!(
        "touch -d @1 {0}; touch -a {0}; echo x >> {0}",
        &file[1..]
    ));
    assert_eq!(
        touched.errors().matches("Read-only file system").count(),
        3,
        "{}",
        touched.errors()
    );
}

/// Escapes 15 (CVE-2021-30465): the source of a mount is swapped for a link between the look and the
/// mount, by whoever may write the folder it lies in.
#[test]
fn e015_mount_source_swapped_while_starting() {
    let mut world = World::new();
    let (shown, spare) = (world.sibling().join("shown"), world.sibling().join("spare"));
    fs::create_dir(&shown).unwrap();
    fs::write(shown.join("file"), "mine\n").unwrap();
    symlink(world.outside(), &spare).unwrap();
    let swapping = Swapping::start(shown.clone(), spare);
    let run = world.sandbox().directory("/").flags(["-C", path(&shown)]);
    // Where it is a link when it is looked at, the project is what it leads to, under its real name:
    // that is the user's word. What must not be is another folder under the name of this one.
    let script = format!("test \"$(pwd -P)\" != {0} || cat {0}/file", path(&shown));
    // Sixty tries, and more where none of them happened on the same folder at every look.
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 60 || (seen.len() < 1000 && !seen.iter().any(|s| s.contains("mine"))) {
        seen.push(run.run(&["sh", "-c", &script]).text());
    }
    drop(swapping);
    assert!(
        seen.iter().any(|s| s.contains("mine")),
        "no run started: {seen:?}"
    );
    assert!(
        !seen.iter().any(|s| s.contains("canary")),
        "another folder was mounted in its place"
    );
    world.remember();
}

/// Exchanges two names over and over, until it is dropped.
struct Swapping(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Swapping {
    fn start(one: PathBuf, other: PathBuf) -> Swapping {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        Swapping(over, Some(thread))
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(JoinHandle::join);
    }
}

/// Escapes 16, 17 (CVE-2025-31133, -52565): the covers of hidden files are the sandbox's own, not a
/// `/dev/null` or console that somebody could have replaced.
#[test]
fn e016_covers_are_the_sandboxes_own() {
    let world = World::new();
    let out =
        world.sh("stat -c '%F %a %s' /proc/keys /proc/timer_list; findmnt -n -o FSTYPE /proc/keys || true");
    let text = out.ended(0);
    assert!(
        text.lines()
            .take(2)
            .all(|l| l == "socket 0 0" || l == "regular empty file 0 0"),
        "{text}"
    );
    assert!(!text.contains("devtmpfs"), "{text}");
    // A project that brings a link named like a device changes nothing.
    symlink("/proc/sys/kernel/core_pattern", world.project().join("null")).unwrap();
    assert_eq!(world.sh("stat -c %t:%T /dev/null").ended(0), "1:3");
}

/// Escapes 19 (CVE-2024-21626), codex 10: descriptors of the caller: a file, a folder, a socket.
#[test]
fn e019_inherited_descriptors() {
    let world = World::new();
    let script = format!(
        "exec 9<{0}/file 8<{0} 7>>{0}/file; exec \"$@\"",
        path(&world.outside())
    );
    let leaking = world.sandbox().under(["sh", "-c", &script, "sh"]);
    assert_eq!(leaking.probe(&["descriptors"]), "ok 0 1 2");
    let out = leaking.sh("cat <&9; ls /proc/self/fd/8/; cat /proc/self/fd/8/../file; cat /proc/self/fd/7");
    assert_ne!(out.code, 0);
    assert_eq!(out.text(), "");
    assert!(out.errors().contains("Bad file descriptor"), "{}", out.errors());
}

/// Escapes 20 (CVE-2024-21626), srt 4: the working directory is inside, and the one asked for.
#[test]
fn e020_working_directory() {
    let world = World::new();
    fs::create_dir(world.project().join("sub")).unwrap();
    fs::write(world.project().join("fumehood.toml"), "version = 1\n").unwrap();
    let at = world.project().join("sub");
    let out = world
        .sandbox()
        .directory(&at)
        .sh("readlink /proc/self/cwd; pwd -P; ls ..");
    assert_eq!(out.ended(0), format!("{0}\n{0}\nfumehood.toml\nsub", path(&at)));
}

/// Escapes 21 (CVE-2019-5736): fumehood's own program is not written through /proc.
#[test]
fn e021_overwrite_the_launcher() {
    let world = World::new();
    let before = fs::metadata(fumehood_tests::fumehood()).unwrap();
    world.assert_refused(&["open_write", "/proc/1/exe"], &["EACCES"]);
    world.assert_refused(&["read", "/proc/1/exe"], &["EACCES"]);
    world.assert_refused(&["open_write", path(&fumehood_tests::fumehood())], &["ENOENT"]);
    let after = fs::metadata(fumehood_tests::fumehood()).unwrap();
    assert_eq!(
        (before.ctime_nsec(), before.len()),
        (after.ctime_nsec(), after.len())
    );
}

/// Escapes 22: through another process's root, working directory or open files.
#[test]
fn e022_roads_through_proc() {
    let world = World::new();
    let secret = path(&world.home().join(".ssh/id_rsa")).to_owned();
    let out = world.sh(format!(
        "cat /proc/[0-9]*/root{secret} /proc/self/task/*/root{secret} /proc/[0-9]*/cwd/../sibling/source.txt;
         cat /proc/1/fd/* /proc/1/map_files/*; ls /proc/1/fd /proc/1/root/; true"
    ));
    assert_eq!(out.ended(0), "");
    assert!(out.errors().contains("Permission denied"), "{}", out.errors());
}

/// Escapes 23: a process may write its own read-only pages; that harms nobody and debuggers need it.
#[test]
fn e023_own_memory_stays_ones_own() {
    let world = World::new();
    assert_eq!(world.probe(&["open_write", "/proc/self/mem"]), "ok opened");
}

/// Escapes 25: nothing of the old root is mounted any more.
#[test]
fn e025_old_root() {
    let world = World::new();
    let out = world.sh("ls -A / | tr '\\n' ' '; echo; awk '{print $5}' /proc/self/mountinfo");
    let text = out.ended(0);
    let (top, mounts) = text.split_once('\n').unwrap();
    let ours = [
        ".fumehood",
        "bin",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "root",
        "run",
        "sbin",
        "tmp",
        "usr",
        "var",
        "nix",
        "gnu",
        "opt",
    ];
    for name in top.split_whitespace() {
        assert!(
            ours.contains(&name)
                || [world.root(), &probe()]
                    .iter()
                    .any(|p| p.starts_with(format!("/{name}"))),
            "/{name} is visible"
        );
    }
    for mount in mounts.lines() {
        assert!(!mount.contains("old"), "{mount}");
        assert!(mount != "/sys" && !mount.starts_with("/sys/"), "{mount}");
    }
}

/// Escapes 26, 27, srt 72: take a cover away, or the read-only bit.
#[test]
fn e026_unmount_a_cover_and_remount() {
    let world = World::new();
    for target in ["@/proc/keys", "@/proc/sys", "@/tmp", "@/usr", "@/"] {
        world.assert_refused(&["call", "umount2", target, "2"], &["EPERM"]);
        // MS_REMOUNT | MS_BIND
        world.assert_refused(&["call", "mount", "0", target, "0", "0x1020", "0"], &["EPERM"]);
    }
    world.assert_refused(&["append", "/usr/planted"], &["EROFS"]);
}

/// Escapes 28: the newer mount calls.
#[test]
fn e028_new_mount_calls() {
    let world = World::new();
    let calls: [&[&str]; 7] = [
        &["fsopen", "@tmpfs", "0"],
        &["fsconfig", "0", "6", "0", "0", "0"],
        &["fsmount", "0", "0", "0"],
        &["fspick", "-100", "@/", "0"],
        &["open_tree", "-100", "@/", "1"],
        &["move_mount", "-100", "@/tmp", "-100", "@/usr", "0"],
        &["mount_setattr", "-100", "@/usr", "0", "+32", "32"],
    ];
    for call in calls {
        world.assert_refused(&[&["call"], call].concat(), &["EPERM"]);
    }
}

/// Escapes 29: chroot below the working directory, then climb.
#[test]
fn e029_double_chroot() {
    let world = World::new();
    world.assert_refused(&["call", "chroot", "@."], &["EPERM"]);
    world.assert_refused(&["call", "pivot_root", "@.", "@."], &["EPERM"]);
}

/// Escapes 30 ("shocker"): any inode by its number.
#[test]
fn e030_open_by_handle() {
    let world = World::new();
    world.assert_refused(&["call", "open_by_handle_at", "-100", "+128", "0"], &["EPERM"]);
    world.assert_refused(
        &["call", "name_to_handle_at", "-100", "@.", "+128", "+8", "0"],
        &["EPERM"],
    );
}

/// Escapes 31: a node of the host's disk, or of its memory, or an overlay whiteout.
#[test]
fn e031_device_nodes() {
    let world = World::new();
    for (mode, device) in [("0x61b6", "0xfe00"), ("0x21b6", "0x0101"), ("0x21b6", "0")] {
        world.assert_refused(&["call", "mknod", "@node", mode, device], &["EPERM"]);
        world.assert_refused(&["call", "mknodat", "-100", "@node", mode, device], &["EPERM"]);
    }
    assert_eq!(world.project_files(), [""; 0]);
}

/// Escapes 32: a fresh proc has no covers.
#[test]
fn e032_mount_a_fresh_proc() {
    let world = World::new();
    world.assert_refused(
        &["call", "mount", "@proc", "@/tmp", "@proc", "0", "0"],
        &["EPERM"],
    );
    let mount = world.sh("mount -t tmpfs x /mnt; unshare -Ur true; unshare -m true");
    assert_ne!(mount.code, 0);
}

/// Escapes 33: a set-user-id file would outlive the sandbox in the project.
#[test]
fn e033_set_id_files() {
    let world = World::new();
    fs::write(world.project().join("s"), "x").unwrap();
    fs::create_dir(world.project().join("d")).unwrap();
    fs::set_permissions(world.project().join("s"), fs::Permissions::from_mode(0o755)).unwrap();
    let calls: [&[&str]; 8] = [
        &["chmod", "@s", "0x9ed"], // 04755
        &["chmod", "@s", "0x5ed"], // 02755
        &["fchmodat", "-100", "@s", "0x9ed"],
        &["fchmodat2", "-100", "@s", "0x9ed", "0"],
        &["open", "@new", "0x41", "0x9ed"], // O_CREAT | O_WRONLY
        &["openat", "-100", "@new", "0x41", "0x9ed"],
        &["mkdir", "@new", "0x5ed"],
        &["mknodat", "-100", "@new", "0x89ed", "0"], // S_IFREG
    ];
    for call in calls {
        world.assert_refused(&[&["call"], call].concat(), &["EPERM"]);
    }
    world.assert_refused(&["call", "openat2", "-100", "@new", "+24", "24"], &["ENOSYS"]);
    let out = world.sh("cp -p /bin/su mine 2>/dev/null; chmod u+s s d; chmod g+s d; find . -perm /6000");
    assert_eq!(out.text(), "");
    assert_eq!(
        fs::metadata(world.project().join("s")).unwrap().mode() & 0o7777,
        0o755
    );
}

/// Escapes 34: watching what is not visible, and whole mounts.
#[test]
fn e034_watches_on_outside_folders() {
    let world = World::new();
    world.assert_walled(&["inotify", path(&world.outside())], &["ENOENT"]);
    world.assert_walled(&["inotify", path(&world.home().join(".ssh"))], &["ENOENT"]);
    world.assert_refused(&["call", "fanotify_init", "0", "0"], &["EPERM"]);
}

/// Escapes 35: a lock that stops the host's package manager or git.
#[test]
fn e035_locks_of_the_host() {
    let world = World::new();
    world.assert_walled(&["flock", path(&world.outside().join("file"))], &["ENOENT"]);
    for lock in [
        "/var/lib/dpkg/lock",
        "/var/lib/apt/lists/lock",
        "/run/lock",
        "/etc/.pwd.lock",
    ] {
        world.assert_refused(&["flock", lock], &["ENOENT", "EACCES"]);
    }
}

/// Escapes 36, codex 29: names in shared folders are the host's alone, and the sandbox's its own.
#[test]
fn e036_shared_temporary_folders() {
    let mut world = World::new();
    let name = format!("fumehood-test-shared-{}", std::process::id());
    let files = ["/tmp", "/dev/shm", "/var/tmp"].map(|folder| format!("{folder}/{name}"));
    for file in &files {
        fs::write(file, "host\n").unwrap();
    }
    let list = files.join(" ");
    let out = world.sh(format!(
        "cat {list}; for f in {list}; do echo inside > $f; done; cat {list}"
    ));
    let kept: Vec<String> = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    files.iter().for_each(|f| fs::remove_file(f).unwrap());
    assert_eq!(out.ended(0), "inside\ninside\ninside");
    assert_eq!(kept, ["host\n"; 3]);
    world.remember();
}

/// Escapes 37: protection does not compare names, so there is nothing to fold: a name that differs
/// in case is another file here.
#[test]
fn e037_case_folding() {
    let world = World::with_repository();
    let hook = world.project().join(".git/hooks/pre-commit");
    let out = world.sh("mkdir -p .GIT/hooks .Git./hooks; echo evil > .GIT/hooks/pre-commit; echo evil > .Git./hooks/pre-commit");
    out.ended(0);
    assert!(!hook.exists());
}

/// Codex 5, srt 5: the project is written in place, by the caller's own hand.
#[test]
fn codex05_writes_reach_the_project() {
    let world = World::new();
    world
        .live_sh("echo hello > a; mkdir b; cp a b/c; chmod 700 a")
        .ended(0);
    let owner = fs::metadata(world.project()).unwrap();
    for file in ["a", "b", "b/c"] {
        let made = fs::metadata(world.project().join(file)).unwrap();
        assert_eq!((made.uid(), made.gid()), (owner.uid(), owner.gid()), "{file}");
    }
    assert_eq!(
        fs::read_to_string(world.project().join("b/c")).unwrap(),
        "hello\n"
    );
}

/// Codex 6, srt 6: writing outside, and removing what is there.
#[test]
fn codex06_writes_outside_fail() {
    let world = World::new();
    for file in [
        "/etc/fumehood-planted",
        "/usr/fumehood-planted",
        "/planted",
        "/dev/planted",
        "/proc/planted",
    ] {
        world.assert_refused(&["append", file], &["EROFS", "EACCES", "ENOENT"]);
        assert!(!std::path::Path::new(file).exists());
    }
    let out = world.sh(format!(
        "touch ~/x; rm -rf {} {} /usr/bin 2>&1",
        path(&world.outside()),
        path(&world.sibling())
    ));
    assert!(out.text().contains("Read-only file system"), "{}", out.text());
    assert!(!world.home().join("x").exists());
}

/// Codex 9: the null device, and its company.
#[test]
fn codex09_null_is_writable() {
    let world = World::new();
    let out = world.sh("echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c ; echo x > /dev/full || echo full");
    assert_eq!(out.text(), "4\n4\nfull");
}

/// Codex 13: another project beside this one.
#[test]
fn codex13_sibling_project() {
    let world = World::new();
    world.assert_walled(&["list", "../sibling"], &["ENOENT"]);
    let granted = world.sandbox().flags(["--ro", path(&world.sibling())]);
    assert_eq!(granted.probe(&["list", "../sibling"]), "ok source.txt");
    assert_eq!(granted.probe(&["append", "../sibling/source.txt"]), "EROFS");
}

/// A grant to write reaches the host, and nothing beside it.
#[test]
fn granted_folders_are_writable() {
    let mut world = World::new();
    let granted = world.sandbox().flags(["--rw", path(&world.sibling())]);
    granted
        .sh("echo more >> ../sibling/source.txt && echo new > ../sibling/new && ! ls ../../.ssh")
        .ended(0);
    assert_eq!(
        fs::read_to_string(world.sibling().join("source.txt")).unwrap(),
        "canary-sibling\nmore\n"
    );
    assert!(world.sibling().join("new").is_file());
    world.remember();
}

/// srt 38: names below a hidden folder are hidden too.
#[test]
fn srt38_hidden_folder() {
    let world = World::new();
    fs::create_dir(world.project().join("vault")).unwrap();
    fs::write(world.project().join("vault/key"), "canary").unwrap();
    let hidden = world.live().flags(["--hide", "vault"]);
    assert_eq!(hidden.probe(&["list", "vault"]), "EACCES");
    assert_eq!(hidden.probe(&["read", "vault/key"]), "EACCES");
    // srt 43: writing there fails rather than vanishing.
    let written = hidden.probe(&["append", "vault/new"]);
    assert!(["EACCES", "EROFS"].contains(&written.as_str()), "{written}");
    assert_eq!(world.project_files(), ["vault", "vault/key"]);
}

/// srt 48: temporary files work.
#[test]
fn srt48_mktemp() {
    let world = World::new();
    world
        .sh("f=$(mktemp) && echo x > $f && d=$(mktemp -d) && touch $d/y && test -n \"$f\"")
        .ended(0);
}

/// A fifo of the host, visible where it lies in the project, is no door out of it when it lies
/// elsewhere (escapes §3.4: a read-only mount does not stop writing to one).
#[test]
fn fifo_outside() {
    let mut world = World::new();
    let fifo = world.outside().join("fifo");
    assert!(host_program("mkfifo").arg(&fifo).status().unwrap().success());
    world.remember();
    let _reader = open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    world.assert_refused(&["fifo", path(&fifo)], &["ENOENT"]);
    let granted = world.sandbox().flags(["--ro", path(&world.outside())]);
    let through = granted.probe(&["fifo", path(&fifo)]);
    assert!(
        ["EACCES", "EROFS", "ENXIO"].contains(&through.as_str()),
        "a read-only grant let a fifo be written: {through}"
    );
}

/// What there is at all: a root, a `/dev` and a home of the sandbox's own, and nothing else of the host's than
/// the system's folders and the project. Nothing at the top can be written.
#[test]
fn what_there_is_is_listed() {
    let world = World::new();
    let out = world.sh(
        "ls -A / | tr '\\n' ' '; echo; ls -A /dev | tr '\\n' ' '; echo; ls -A ~ | tr '\\n' ' '; echo
        touch /x 2>&1; mkdir /usr/x /etc/x /dev/pts/x 2>&1; ls -A /run | tr '\\n' ' '",
    );
    let text = out.text();
    let lines: Vec<&str> = text.lines().collect();
    let top = [
        ".fumehood",
        "bin",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "tmp",
        "usr",
        "var",
    ];
    let strange = |name: &&str| !top.contains(name);
    assert_eq!(
        lines[0].split(' ').find(|n| !n.is_empty() && strange(n)),
        None,
        "{text}"
    );
    assert_eq!(
        lines[1].trim(),
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    // The way to the project, which lies below the home here.
    assert_eq!(lines[2].trim(), "work", "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 3, "{text}");
    assert_eq!(
        text.matches("cannot create directory ‘/dev/pts/x’").count(),
        1,
        "{text}"
    );
}
