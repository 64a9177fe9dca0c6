//! Repositories, and pushes that are captured on their way.

use fumehood_effect::{Digest, SessionId};
use fumehood_git::{
    Base, Bounds, Ci, Context, Judged, ObjectId, Objects, Ours, PackScan, Pipelines, Push, Reading, judge,
};
use fumehood_policy::glob::Glob;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

/// A repository, a bare one that it pushes to, and a wrapper that keeps what goes there.
pub(crate) struct Pair {
    dir: tempfile::TempDir,
}

impl Pair {
    pub(crate) fn new(format: &str) -> Pair {
        let pair = Pair {
            dir: tempfile::tempdir().unwrap(),
        };
        let wrapper = format!(
            "#!/bin/sh\ntee {0}/captured | exec git receive-pack \"$@\"\n",
            pair.dir.path().display()
        );
        std::fs::write(pair.path("wrapper"), wrapper).unwrap();
        std::fs::set_permissions(pair.path("wrapper"), std::fs::Permissions::from_mode(0o755)).unwrap();
        pair.run(".", &["init", "-q", "--bare", "--object-format", format, "far"]);
        pair.run("far", &["config", "receive.advertisePushOptions", "true"]);
        pair.run(
            ".",
            &["init", "-q", "-b", "main", "--object-format", format, "near"],
        );
        pair.commit("first", "a", "one\n");
        pair
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Git with no configuration but the repository's.
    #[expect(clippy::disallowed_methods, reason = "git is the real component here")]
    pub(crate) fn try_git(&self, folder: &str, words: &[&str]) -> Output {
        std::process::Command::new("git")
            .args(words)
            .current_dir(self.path(folder))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.invalid")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.invalid")
            .output()
            .unwrap()
    }

    pub(crate) fn run(&self, folder: &str, words: &[&str]) -> String {
        let out = self.try_git(folder, words);
        assert!(
            out.status.success(),
            "git {words:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    pub(crate) fn git(&self, words: &[&str]) -> String {
        self.run("near", words)
    }

    pub(crate) fn commit(&self, message: &str, file: &str, content: &str) -> String {
        std::fs::write(self.path("near").join(file), content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Pushes; what was sent.
    pub(crate) fn push(&self, words: &[&str]) -> Vec<u8> {
        let _none = std::fs::remove_file(self.path("captured"));
        let wrapper = format!("--receive-pack={}", self.path("wrapper").display());
        let mut all = vec!["push", "-q", &wrapper];
        let far = self.path("far").display().to_string();
        let (flags, refs): (Vec<&str>, Vec<&str>) = words.iter().partition(|w| w.starts_with('-'));
        all.extend(flags);
        all.push(&far);
        all.extend(refs);
        let out = self.try_git("near", &all);
        let sent = std::fs::read(self.path("captured")).unwrap_or_default();
        assert!(
            !sent.is_empty(),
            "git {all:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        sent
    }

    /// What a session started from here has.
    pub(crate) fn base(&self, commit: &str) -> Base {
        let id = |what: &str| ObjectId::from_hex(self.git(&["rev-parse", what]).as_bytes()).unwrap();
        let tree = id(&format!("{commit}^{{tree}}"));
        let raw = self
            .try_git("near", &["cat-file", "tree", &tree.to_string()])
            .stdout;
        Base {
            commit: id(commit),
            tree,
            pipelines: Pipelines::of_tree(tree.format(), &raw).unwrap(),
        }
    }

    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.try_git("near", &["merge-base", "--is-ancestor", old, new])
            .status
            .success()
    }
}

pub(crate) fn read(sent: &[u8]) -> Push {
    match Push::read(sent, true).unwrap() {
        Reading::Whole(push) => *push,
        Reading::More => panic!("more"),
    }
}

/// What is learned of the pack, fed in pieces of this size.
pub(crate) fn objects(push: &Push, sent: &[u8], piece: usize) -> Objects {
    if !push.needs_pack() {
        assert_eq!(push.pack_at, sent.len());
        return Objects::default();
    }
    let format = push.commands[0].new.format();
    let mut scan = PackScan::new(format, Bounds::default());
    for piece in sent[push.pack_at..].chunks(piece) {
        scan.feed(piece).unwrap();
    }
    scan.finish().unwrap()
}

pub(crate) fn judged(sent: &[u8], ci: Ci) -> Judged {
    judged_from(sent, ci, None)
}

/// As a session judges it that started from this.
pub(crate) fn judged_from(sent: &[u8], ci: Ci, base: Option<&Base>) -> Judged {
    let push = read(sent);
    let session: SessionId = "s1".parse().unwrap();
    let ours = Ours::new(&session, [Glob::parse(b"feat/**").unwrap()], None);
    let context = Context {
        system: "https://forge.example:443",
        repository: "acme/api",
        session: &session,
        ours: &ours,
        ci,
        base,
    };
    judge(&push, &objects(&push, sent, 4096), Digest::of(sent), &context).unwrap()
}

/// The kind and whether it flies, where a push starts nothing.
pub(crate) fn verdict(sent: &[u8]) -> (&'static str, bool) {
    let judged = judged(sent, Ci::None);
    (judged.effect.kind.name(), judged.own)
}
