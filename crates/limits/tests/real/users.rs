//! All tests again as an unprivileged user: with groups delegated to it, and without.

use crate::place;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Nobody's on any machine; not in the password file.
const USER: u32 = 12345;

/// A copy of this binary that the user can reach, wherever the build is.
struct Copy(PathBuf);

impl Copy {
    fn new(of: &str) -> Self {
        let path = std::env::temp_dir().join(format!("limits-test-{of}-{}", std::process::id()));
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// Starts it as the user, waiting for a line on stdin.
    fn start(&self, expect: &str) -> Child {
        let user = format!("--reuid {USER} --regid {USER} --clear-groups");
        let script = format!("read go && exec setpriv {user} \"$0\" --skip users::");
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(&self.0)
            .env("LIMITS_TEST_EXPECT", expect)
            .current_dir("/");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn release(mut child: Child) {
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
    let out = child.wait_with_output().unwrap();
    let text = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(out.status.success(), "as uid {USER}:\n{}", text.join("\n"));
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Groups that belong to the user, one in each hierarchy. Nothing may be left in them.
struct Delegated(Vec<PathBuf>);

impl Delegated {
    fn new() -> Self {
        let owns = ["memory", "pids", "cpu", "freezer", ""]
            .into_iter()
            .filter_map(place::own);
        let name = format!("limits-test-delegated-{}", std::process::id());
        let dirs: Vec<PathBuf> = owns.map(|own| own.join(&name)).collect();
        dirs.iter().for_each(|dir| delegate(dir));
        Self(dirs)
    }

    fn left(&self) -> Vec<PathBuf> {
        let inside = self.0.iter().flat_map(|dir| fs::read_dir(dir).unwrap().flatten());
        inside
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    }
}

/// As cgroup-v2.rst has it, "Model of Delegation"; version 1 alike.
fn delegate(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for name in [
        "",
        "cgroup.procs",
        "cgroup.threads",
        "cgroup.subtree_control",
        "tasks",
    ] {
        let path = dir.join(name);
        if path.exists() {
            chown(&path, Some(USER), Some(USER)).unwrap();
        }
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let _ = fumehood_limits::clean(&self.0.iter().cloned().collect());
    }
}

#[test]
fn with_delegated_groups() {
    if !is_root() {
        return;
    }
    let (copy, groups) = (Copy::new("delegated"), Delegated::new());
    let child = copy.start("cgroup");
    for dir in &groups.0 {
        fs::write(dir.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    release(child);
    assert_eq!(groups.left(), Vec::<PathBuf>::new());
}

#[test]
fn without_any_group() {
    if !is_root() {
        return;
    }
    release(Copy::new("plain").start("none"));
}
