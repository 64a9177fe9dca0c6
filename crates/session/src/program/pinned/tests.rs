use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }
    fn at(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(path)
    }
    fn file(&self, path: &str, text: &str) -> PathBuf {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, text).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        at
    }
    fn programs(&self, search: &[&str]) -> Programs {
        let search = std::env::join_paths(search.iter().map(|s| self.at(s))).unwrap();
        Programs::on(&search, &self.at("project"))
    }
}

/// As if it had been hashed long after its last change: only then its stamp is believed.
fn settle(pinned: &Pinned) {
    pinned.files.iter().for_each(|f| f.seen().young = false);
}

#[test]
fn what_is_as_it_was_is_executed() {
    let t = Tree::new();
    let at = t.file("bin/one", "one");
    let pinned = t
        .programs(&["bin"])
        .pin(OsStr::new("one"), Path::new("/"))
        .unwrap();
    assert_eq!(pinned.path(), at);
    assert_eq!(
        pinned.files().collect::<Vec<_>>(),
        [(at.as_path(), Digest::of(b"one"))]
    );
    for settled in [false, true] {
        let stamp = pinned.check().unwrap().unwrap();
        assert_eq!(stamp.size, 3);
        assert_eq!(stamp, stamp.to_string().parse().unwrap());
        if !settled {
            settle(&pinned);
        }
    }
}

/// Another content of the same length, put back to the old time of writing, in place and by renaming.
#[test]
fn another_content_is_refused() {
    for by_name in [false, true] {
        let t = Tree::new();
        let at = t.file("bin/one", "one");
        let pinned = t
            .programs(&["bin"])
            .pin(OsStr::new("one"), Path::new("/"))
            .unwrap();
        settle(&pinned);
        let written = fs::metadata(&at).unwrap().modified().unwrap();
        let other = t.file(if by_name { "other" } else { "bin/one" }, "two");
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(written)
            .unwrap();
        fs::rename(&other, &at).unwrap();
        let why = pinned.check().unwrap_err();
        assert!(
            matches!(why, Changed::Content { before, now, .. }
            if before == Digest::of(b"one") && now == Digest::of(b"two")),
            "{why}"
        );
    }
}

/// Copied anew with the same content it is the same program, and known by what it is now.
#[test]
fn the_same_content_is_the_same_program() {
    let t = Tree::new();
    let at = t.file("bin/one", "one");
    let pinned = t
        .programs(&["bin"])
        .pin(OsStr::new("one"), Path::new("/"))
        .unwrap();
    settle(&pinned);
    let before = pinned.check().unwrap();
    fs::rename(t.file("other", "one"), &at).unwrap();
    let after = pinned.check().unwrap();
    assert_ne!(before, after);
    assert_eq!(after.unwrap().inode, fs::metadata(&at).unwrap().ino());
}

#[test]
fn a_link_that_leads_elsewhere_is_refused() {
    let t = Tree::new();
    t.file("lib/one", "one");
    t.file("lib/two", "one");
    fs::create_dir(t.at("bin")).unwrap();
    symlink("../lib/one", t.at("bin/x")).unwrap();
    let pinned = t.programs(&["bin"]).pin(OsStr::new("x"), Path::new("/")).unwrap();
    assert_eq!(pinned.path(), t.at("bin/x"));
    pinned.check().unwrap();
    fs::remove_file(t.at("bin/x")).unwrap();
    assert!(matches!(pinned.check(), Err(Changed::Gone { .. })));
    symlink("../lib/two", t.at("bin/x")).unwrap();
    assert!(matches!(pinned.check(), Err(Changed::Elsewhere { now, .. }) if now == t.at("lib/two")));
}

/// A script is run by its interpreter: both are known.
#[test]
fn interpreters_of_scripts_are_known_too() {
    let t = Tree::new();
    let inner = t.file("bin/inner", "binary");
    t.file("bin/script", "#!/usr/bin/env inner\n");
    let pinned = t
        .programs(&["bin"])
        .pin(OsStr::new("script"), Path::new("/"))
        .unwrap();
    let all: Vec<&Path> = pinned.files().map(|(path, _)| path).collect();
    assert!(all.contains(&inner.as_path()) && all.len() == 3, "{all:?}");
    pinned.check().unwrap();
    t.file("bin/inner", "other!");
    assert!(matches!(pinned.check(), Err(Changed::Content { path, .. }) if path == inner));
}

#[test]
fn loops_of_interpreters_end() {
    let t = Tree::new();
    t.file("bin/a", &format!("#!{}\n", t.at("bin/a").display()));
    let found = t.programs(&["bin"]).pin(OsStr::new("a"), Path::new("/"));
    assert!(matches!(found, Err(PinError::Deep(_))), "{found:?}");
}

/// Neither by its name nor behind a link is a folder of the project one of programs.
#[test]
fn the_project_chooses_no_program() {
    let t = Tree::new();
    t.file("project/bin/one", "evil");
    symlink(t.at("project/bin"), t.at("link")).unwrap();
    let good = t.file("good/one", "good");
    let mut programs = t.programs(&["project/bin", "link", "good"]);
    assert_eq!(
        programs.pin(OsStr::new("one"), Path::new("/")).unwrap().path(),
        good
    );
    let relative = Programs::on(OsStr::new("bin:.::node_modules/.bin"), &t.at("project"));
    assert_eq!(relative.search(), crate::prepare::DEFAULT_PATH);
    assert!(matches!(
        programs.pin(OsStr::new("nowhere"), Path::new("/")),
        Err(PinError::Program(ProgramError::NotOnPath(_)))
    ));
}

/// A pipe in its place keeps nobody waiting.
#[test]
fn what_is_no_file_is_refused_at_once() {
    let t = Tree::new();
    let at = t.file("bin/one", "one");
    let pinned = t
        .programs(&["bin"])
        .pin(OsStr::new("one"), Path::new("/"))
        .unwrap();
    fs::remove_file(&at).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &at, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert!(matches!(pinned.check(), Err(Changed::Gone { why, .. }) if why.contains("not a regular file")));
}
