//! The folders of one test.

use crate::far_side::FarSide;
use crate::output::Output;
use crate::programs::{host_program, probe};
use crate::sandboxed::Sandboxed;
use crate::secrets::{SECRETS, content};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A home with secrets, in it `work/project`, beside that `work/sibling`; an `outside` folder; and
/// the [`FarSide`].
///
/// Dropping it asserts that everything but the project is what it was, to the change time of every
/// inode, that nobody came to a listener, and that the victim lives.
#[derive(Debug)]
pub struct World {
    /// Listeners and the victim.
    pub far: FarSide,
    root: PathBuf,
    before: BTreeMap<PathBuf, String>,
    harmed_is_fine: bool,
    _folder: Folder,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// A world with an empty project.
    #[must_use]
    pub fn new() -> World {
        let dir = tempfile::Builder::new()
            .prefix("fumehood-test-")
            .tempdir()
            .unwrap();
        let folder = Folder(fs::canonicalize(dir.keep()).unwrap());
        let root = folder.0.clone();
        for folder in [
            "home/work/project",
            "home/work/sibling",
            "outside",
            "state",
            "config",
            "runtime",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for path in SECRETS {
            plant(&root.join("home").join(path), &content(path));
        }
        plant(&root.join("home/work/sibling/source.txt"), "canary-sibling\n");
        plant(&root.join("outside/file"), "canary-outside\n");
        let mut far = FarSide::open(&root);
        far.listen_at(&root.join("outside/socket"));
        let mut world = World {
            far,
            root,
            before: BTreeMap::new(),
            harmed_is_fine: false,
            _folder: folder,
        };
        world.remember();
        world
    }

    /// A world whose project is a git repository with one commit.
    #[must_use]
    pub fn with_repository() -> World {
        let world = World::new();
        world.git(&world.project(), &["init", "-q", "-b", "main"]);
        world.git(&world.project(), &["config", "user.name", "Test"]);
        world.git(
            &world.project(),
            &["config", "user.email", "test@example.invalid"],
        );
        fs::write(world.project().join("README"), "hello\n").unwrap();
        world.git(&world.project(), &["add", "-A"]);
        world.git(&world.project(), &["commit", "-q", "-m", "first"]);
        world
    }

    /// Runs git outside, with no configuration but the repository's. Answers its standard output.
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = host_program("git");
        command
            .args(arguments)
            .current_dir(folder)
            .env("HOME", self.root.join("state"));
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        let out = command.output().unwrap();
        assert!(
            out.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Takes what is outside the project now as what it has to be at the end: after planting more.
    pub fn remember(&mut self) {
        self.before = self.snapshot();
    }

    /// For a control that reaches the far side on purpose: it is not compared at the end.
    pub fn harm_is_fine(&mut self) {
        self.harmed_is_fine = true;
    }

    /// The folder of everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.root.join("home/work/project")
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Another project, beside the first.
    #[must_use]
    pub fn sibling(&self) -> PathBuf {
        self.root.join("home/work/sibling")
    }

    /// A folder outside the home, with `file` and `socket`.
    #[must_use]
    pub fn outside(&self) -> PathBuf {
        self.root.join("outside")
    }

    /// Fumehood's own places: `$XDG_STATE_HOME`, `$XDG_CONFIG_HOME`, `$XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn own(&self, which: &str) -> PathBuf {
        self.root.join(which)
    }

    /// A sandbox to set up.
    #[must_use]
    pub fn sandbox(&self) -> Sandboxed<'_> {
        Sandboxed::new(self)
    }

    /// A sandbox that writes to the project itself.
    #[must_use]
    pub fn live(&self) -> Sandboxed<'_> {
        Sandboxed::new(self).flags(["--live"])
    }

    /// Runs a shell script in a sandbox that writes to the project itself.
    pub fn live_sh(&self, script: impl AsRef<OsStr>) -> Output {
        self.live().sh(script)
    }

    /// Runs a shell script in a plain sandbox.
    pub fn sh(&self, script: impl AsRef<OsStr>) -> Output {
        self.sandbox().sh(script)
    }

    /// Runs a probe in a plain sandbox; its line.
    pub fn probe<W: AsRef<OsStr>>(&self, words: &[W]) -> String {
        self.sandbox().probe(words)
    }

    /// Runs a probe outside, as a control; its line.
    pub fn control<W: AsRef<OsStr>>(&self, words: &[W]) -> String {
        let out = host_program(probe())
            .args(words)
            .current_dir(self.project())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// A probe that reaches its target outside, and is refused with one of `errors` inside.
    pub fn assert_walled(&self, words: &[&str], errors: &[&str]) {
        let control = self.control(words);
        assert!(
            control.starts_with("ok"),
            "outside, {words:?} should reach its target: {control}"
        );
        let _the_control = self.far.visitors();
        self.assert_refused(words, errors);
    }

    /// A probe that is refused with one of `errors` inside.
    pub fn assert_refused(&self, words: &[&str], errors: &[&str]) {
        let inside = self.probe(words);
        assert!(
            errors.contains(&inside.as_str()),
            "inside, {words:?} gave {inside}, not one of {errors:?}"
        );
    }

    /// Paths below the project, `.git` left out, sorted.
    #[must_use]
    pub fn project_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.project(), &mut |path| found.push(path.to_owned()));
        let project = self.project();
        let names = found
            .iter()
            .filter_map(|p| p.strip_prefix(&project).ok())
            .filter(|p| !p.starts_with(".git"));
        let mut names: Vec<String> = names.map(|p| p.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        let project = self.project();
        for top in [self.home(), self.outside()] {
            walk(&top, &mut |path| {
                if !path.starts_with(&project) {
                    seen.insert(path.to_owned(), facts(path));
                }
            });
        }
        seen
    }
}

/// All that can be changed about a file shows in its change time; the content is for the message.
fn facts(path: &Path) -> String {
    let m = fs::symlink_metadata(path).unwrap();
    let content = if m.is_file() {
        fs::read_to_string(path).unwrap_or_default()
    } else {
        String::new()
    };
    format!(
        "{:o} {}:{} links {} changed {}.{} {content:?}",
        m.mode(),
        m.uid(),
        m.gid(),
        m.nlink(),
        m.ctime(),
        m.ctime_nsec()
    )
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        visit(&path);
        if fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
            walk(&path, visit);
        }
    }
}

fn plant(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A folder that goes with all that is in it, also what its owner may not enter: a working directory of an overlay.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // The log's writer of a run that just ended may still write.
        for _ in 0..100 {
            if fumehood_tree::remove_path(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.harmed_is_fine {
            return;
        }
        self.far.assert_untouched();
        assert_eq!(
            self.snapshot(),
            self.before,
            "something outside the project was changed"
        );
    }
}
