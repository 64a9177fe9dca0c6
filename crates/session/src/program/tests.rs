use super::*;
use std::fs;
use std::os::unix::fs::symlink;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }
    fn at(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(path)
    }
    fn script(&self, path: &str, first_line: &str) -> PathBuf {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, format!("{first_line}\n")).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        at
    }
    fn find(&self, name: &str, search: &[PathBuf]) -> Result<Program, ProgramError> {
        let search = std::env::join_paths(search).unwrap();
        Program::find(
            OsStr::new(name),
            &search,
            &self.at(""),
            &self.at("project"),
            &self.at("home"),
        )
    }
}

#[test]
fn a_system_program_needs_nothing_more() {
    let t = Tree::new();
    let p = t.find("sh", &["/usr/bin".into(), "/bin".into()]).unwrap();
    assert_eq!(p.closure, Vec::<PathBuf>::new());
}

#[test]
fn a_node_tool_brings_its_packages_and_its_node() {
    let t = Tree::new();
    let prefix = "home/.nvm/versions/node/v20";
    t.script(&format!("{prefix}/bin/node"), "\x7fELF");
    t.script(
        &format!("{prefix}/lib/node_modules/tool/cli.js"),
        "#!/usr/bin/env node",
    );
    symlink(
        "../lib/node_modules/tool/cli.js",
        t.at(&format!("{prefix}/bin/tool")),
    )
    .unwrap();
    let p = t.find("tool", &[t.at(&format!("{prefix}/bin"))]).unwrap();
    assert_eq!(p.closure, [t.at("home/.nvm")]);
}

#[test]
fn a_local_install_shows_its_link_and_its_own_folder_only() {
    let t = Tree::new();
    t.script("home/.local/share/claude/versions/2.1", "\x7fELF");
    fs::create_dir_all(t.at("home/.local/bin")).unwrap();
    symlink(
        t.at("home/.local/share/claude/versions/2.1"),
        t.at("home/.local/bin/claude"),
    )
    .unwrap();
    let p = t.find("claude", &[t.at("home/.local/bin")]).unwrap();
    assert_eq!(
        p.closure,
        [
            t.at("home/.local/bin/claude"),
            t.at("home/.local/share/claude/versions/2.1")
        ]
    );
}

#[test]
fn the_home_is_never_part_of_a_closure() {
    let t = Tree::new();
    t.script("home/bin/tool", "\x7fELF");
    let p = t.find("tool", &[t.at("home/bin")]).unwrap();
    assert_eq!(p.closure, [t.at("home/bin/tool")]);
}

#[test]
fn a_package_is_shown_whole_and_a_folder_of_programs_is_not() {
    let t = Tree::new();
    t.script("work/bin/tool", "\x7fELF");
    assert_eq!(
        t.find("tool", &[t.at("work/bin")]).unwrap().closure,
        [t.at("work/bin/tool")]
    );
    fs::create_dir_all(t.at("work/lib")).unwrap();
    assert_eq!(
        t.find("tool", &[t.at("work/bin")]).unwrap().closure,
        [t.at("work")]
    );
    t.script("data/run.sh", "#!/bin/sh");
    assert_eq!(t.find("data/run.sh", &[]).unwrap().closure, [t.at("data/run.sh")]);
}

#[test]
fn what_is_wrong_is_told_apart() {
    let t = Tree::new();
    fs::create_dir_all(t.at("bin/dir")).unwrap();
    fs::write(t.at("bin/plain"), "x").unwrap();
    let search = [t.at("bin")];
    assert!(matches!(
        t.find("nothing", &search),
        Err(ProgramError::NotOnPath(_))
    ));
    assert!(matches!(
        t.find("./nothing", &search),
        Err(ProgramError::Missing(_))
    ));
    assert!(matches!(
        t.find("plain", &search),
        Err(ProgramError::NotExecutable { .. })
    ));
    assert!(matches!(
        t.find("dir", &search),
        Err(ProgramError::NotExecutable { .. })
    ));
}

#[test]
fn first_lines_name_interpreters() {
    let t = Tree::new();
    let names = |line: &str| interpreters(&t.script("s", line));
    assert_eq!(names("#!/bin/sh -e"), ["/bin/sh"]);
    assert_eq!(names("#!/usr/bin/env -S python3 -u"), ["/usr/bin/env", "python3"]);
    assert_eq!(names("no script"), Vec::<OsString>::new());
    assert_eq!(names("#!"), Vec::<OsString>::new());
}

#[test]
fn a_hostile_first_line_or_link_shows_nothing_of_the_host() {
    let t = Tree::new();
    t.script("private/bin/tool", "\x7fELF");
    fs::create_dir_all(t.at("private/lib")).unwrap();
    let tool = t.at("private/bin/tool");
    t.script("project/a", &format!("#!{}", tool.display()));
    t.script(
        "project/b",
        &format!("#!/usr/bin/env -S -u {} sh", tool.display()),
    );
    symlink(&tool, t.at("project/c")).unwrap();
    for name in ["project/a", "project/b", "project/c"] {
        let closure = t.find(name, &["/usr/bin".into()]).unwrap().closure;
        assert!(
            closure.iter().all(|p| p.starts_with(t.at("project"))),
            "{name}: {closure:?}"
        );
    }
}
