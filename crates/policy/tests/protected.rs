//! Protected paths, found in real directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fumehood_policy::host::ProjectDirectory;
use fumehood_policy::protected::{Entry, ProjectView, Protected, find, rows};
use proptest::prelude::*;

fn project(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    folder
}

fn protected(folder: &Path) -> Protected {
    let view = ProjectDirectory::new(folder.canonicalize().unwrap());
    let names = view.names(Path::new(""));
    find(rows(), &names, &view)
}

fn read_only(folder: &Path) -> Vec<String> {
    protected(folder)
        .read_only
        .iter()
        .map(|i| i.path.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_would_run_later_is_found_and_what_would_not_is_left() {
    let folder = project(&[
        ".git/hooks/pre-commit",
        ".git/config",
        ".git/HEAD",
        ".git/index",
        ".git/info/exclude",
        ".git/info/attributes",
        ".git/modules/a/config",
        ".git/modules/b/hooks/x",
        ".git/worktrees/w/gitdir",
        ".git/worktrees/w/HEAD",
        ".claude/settings.json",
        ".mcp.json",
        ".github/workflows/ci.yml",
        ".github/CODEOWNERS",
        "my.code-workspace",
        "src/main.rs",
        "Cargo.toml",
        "fumehood.toml",
        ".cargo/config.toml",
    ]);
    let found = protected(folder.path());
    let lines: Vec<String> = found
        .read_only
        .iter()
        .map(|i| format!("{} {:?} {}", i.path.display(), i.class, i.why))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    .cargo/config.toml Tool runner, linker, wrapper and credential commands
    .claude Agent hooks, permissions and commands (CVE-2026-25725, CVE-2025-59536)
    .git/config Git fsmonitor, sshCommand, pager, filters and aliases are commands
    .git/hooks Git the host's git runs them
    .git/info/attributes Git chooses filters and diff commands
    .git/modules/a/config Git configuration of a submodule
    .git/modules/b/hooks Git hooks of a submodule
    .git/worktrees/w/gitdir Git names the linked worktree
    .github/workflows Ci runs with the repository's secrets
    .mcp.json Agent servers that an agent starts
    fumehood.toml Policy the policy of the next run
    my.code-workspace Editor tasks and settings
    ");
    let pins: Vec<&Path> = found.pins.iter().map(PathBuf::as_path).collect();
    insta::assert_snapshot!(format!("{pins:?}"), @r#"[".cargo", ".git", ".git/info", ".git/modules", ".git/modules/a", ".git/modules/b", ".git/worktrees", ".git/worktrees/w", ".github"]"#);
    assert_eq!(found.unheld, []);
}

#[test]
fn spelling_is_no_way_round() {
    let folder = project(&[".GIT/Hooks/pre-commit", ".VSCode/tasks.json", ".EnvRC"]);
    assert_eq!(read_only(folder.path()), [".EnvRC", ".GIT/Hooks", ".VSCode"]);
}

#[test]
fn a_worktree_s_git_file_is_protected_and_a_git_directory_is_not_as_a_whole() {
    assert_eq!(read_only(project(&[".git"]).path()), [".git"]);
    assert_eq!(read_only(project(&[".git/HEAD"]).path()), Vec::<String>::new());
}

#[test]
fn links_are_followed_in_the_project_and_named_as_not_held() {
    let folder = project(&["tools/claude/settings.json", "conf/hooks/x"]);
    let at = |name: &str| folder.path().join(name);
    symlink("tools/claude", at(".claude")).unwrap();
    symlink("/etc", at(".vscode")).unwrap();
    symlink("nowhere", at(".mcp.json")).unwrap();
    symlink("conf", at(".git")).unwrap();
    let found = protected(folder.path());
    assert_eq!(read_only(folder.path()), ["tools/claude"]);
    let mut unheld: Vec<&str> = found.unheld.iter().map(|u| u.path.to_str().unwrap()).collect();
    unheld.sort_unstable();
    assert_eq!(unheld, [".claude", ".git", ".mcp.json", ".vscode"]);
}

#[test]
fn hooks_in_the_working_tree_are_found() {
    let folder = project(&[".git/config", "scripts/hooks/pre-commit"]);
    fs::write(
        folder.path().join(".git/config"),
        "[core]\n\thooksPath = scripts/hooks\n",
    )
    .unwrap();
    assert_eq!(read_only(folder.path()), [".git/config", "scripts/hooks"]);
}

#[test]
fn a_hostile_number_of_submodules_is_bounded_and_said() {
    let names: Vec<String> = (0..400).map(|i| format!(".git/modules/m{i}/config")).collect();
    let folder = project(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let found = protected(folder.path());
    assert_eq!(found.read_only.len(), 256);
    assert!(found.unheld.iter().any(|u| u.path == Path::new(".git/modules/*")));
}

/// Counts what is asked of the project.
struct Counting(ProjectDirectory, std::cell::Cell<usize>);

impl ProjectView for Counting {
    fn names(&self, directory: &Path) -> Vec<OsString> {
        self.1.set(self.1.get() + 1);
        self.0.names(directory)
    }
    fn entry(&self, path: &Path) -> Option<Entry> {
        self.1.set(self.1.get() + 1);
        self.0.entry(path)
    }
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        self.1.set(self.1.get() + 1);
        self.0.read(path)
    }
    fn target_in_project(&self, path: &Path) -> Option<PathBuf> {
        self.0.target_in_project(path)
    }
}

#[test]
fn the_work_does_not_grow_with_the_project() {
    let asked = |files: &[String]| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let folder = project(&files);
        let view = Counting(
            ProjectDirectory::new(folder.path().canonicalize().unwrap()),
            std::cell::Cell::new(0),
        );
        let names = view.0.names(Path::new(""));
        find(rows(), &names, &view);
        view.1.get()
    };
    let small = vec![".git/config".to_owned(), "src/a.rs".to_owned()];
    let mut large = small.clone();
    large.extend((0..2000).map(|i| format!("src/d{}/f{i}", i % 50)));
    assert_eq!(asked(&small), asked(&large));
    assert!(asked(&small) < rows().count());
}

/// A project that answers anything: what is found stays below its root.
struct Anything(Vec<OsString>);

impl ProjectView for Anything {
    fn names(&self, _: &Path) -> Vec<OsString> {
        self.0.clone()
    }
    fn entry(&self, path: &Path) -> Option<Entry> {
        Some([Entry::Directory, Entry::File, Entry::Link, Entry::Other][path.as_os_str().len() % 4])
    }
    fn read(&self, _: &Path) -> Option<Vec<u8>> {
        Some(b"[core]\nhooksPath = ../../etc\n".to_vec())
    }
    fn target_in_project(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

proptest! {
    #[test]
    fn what_is_found_is_below_the_root(names in proptest::collection::vec("\\.git|\\.GIT|hooks|modules|\\.\\.|config|\\.claude|[a-z.]{1,8}", 0..12)) {
        let names: Vec<OsString> = names.into_iter().map(OsString::from).collect();
        let found = find(rows(), &names, &Anything(names.clone()));
        for item in &found.read_only {
            prop_assert!(item.path.is_relative() && !item.path.components().any(|c| c == std::path::Component::ParentDir));
        }
    }
}
