//! Why a sandbox could not be built on this host, and what to do about it.
//!
//! The cause is told from what was tried and what the kernel answered, never from version numbers
//! alone; the facts below only choose between causes that look the same (local-sandboxes §3.1).

use fumehood_sandbox::{Errno, Stage, StartError};
use std::path::Path;

/// Settings of the host that forbid sandboxes to ordinary users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Ubuntu 23.10 and later: user namespaces get no capabilities unless an AppArmor profile
    /// allows it (`kernel.apparmor_restrict_unprivileged_userns`).
    pub apparmor_restricts: bool,
    /// `user.max_user_namespaces` is 0.
    pub none_allowed: bool,
    /// Debian's older switch, `kernel.unprivileged_userns_clone`, is 0.
    pub clone_forbidden: bool,
    /// This runs inside a container.
    pub container: bool,
    /// This runs inside a sandbox of fumehood.
    pub own_sandbox: bool,
}

impl Facts {
    /// Reads them.
    #[must_use]
    pub fn look() -> Facts {
        let reads = |path: &str, text: &str| std::fs::read_to_string(path).is_ok_and(|t| t.trim() == text);
        Facts {
            apparmor_restricts: reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            none_allowed: reads("/proc/sys/user/max_user_namespaces", "0"),
            clone_forbidden: reads("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|p| Path::new(p).exists()),
            own_sandbox: std::env::var_os("FUMEHOOD").is_some() && Path::new("/.fumehood").is_dir(),
        }
    }
}

/// What to do about a sandbox that could not be built, in one clause.
#[must_use]
pub fn remedy(error: &StartError, facts: Facts) -> &'static str {
    let (stage, errno) = error.stage();
    if facts.own_sandbox {
        return "this already is a sandbox of fumehood: run the command without it, or start the outer one with --nested";
    }
    match (stage, errno) {
        (Stage::Namespaces | Stage::Identity, Some(Errno(libc::ENOSPC | libc::EUSERS)))
            if facts.none_allowed =>
        {
            "user namespaces are switched off: set user.max_user_namespaces above 0, or name --isolation landlock"
        }
        (Stage::Namespaces, Some(Errno::PERM)) if facts.clone_forbidden => {
            "user namespaces are switched off: set kernel.unprivileged_userns_clone to 1, or name --isolation landlock"
        }
        (Stage::Namespaces, _) if facts.container => {
            "the container forbids namespaces: start it with a seccomp profile that allows them, or name --isolation landlock"
        }
        (Stage::Namespaces | Stage::Identity | Stage::Mounts, Some(Errno::PERM | Errno::ACCES))
            if facts.apparmor_restricts =>
        {
            "AppArmor restricts user namespaces here: run `sudo fumehood doctor --fix` once, or name --isolation landlock"
        }
        (Stage::Processes, Some(Errno::PERM)) => {
            "the /proc here is masked, as in a container: unmask it (systempaths=unconfined), or name --isolation landlock"
        }
        (Stage::Mounts | Stage::Identity, Some(Errno::INVAL)) => {
            "the filesystem there cannot map owners, which a sandbox started by root needs: run as an ordinary user"
        }
        _ => "run `fumehood doctor` to see what works here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone(errno: i32) -> StartError {
        StartError::Clone(Errno(errno))
    }

    #[test]
    fn causes_that_look_alike_are_told_apart() {
        let facts = Facts {
            none_allowed: true,
            ..Facts::default()
        };
        assert!(remedy(&clone(libc::ENOSPC), facts).contains("max_user_namespaces"));
        let facts = Facts {
            clone_forbidden: true,
            ..Facts::default()
        };
        assert!(remedy(&clone(libc::EPERM), facts).contains("unprivileged_userns_clone"));
        let facts = Facts {
            container: true,
            ..Facts::default()
        };
        assert!(remedy(&clone(libc::EPERM), facts).contains("container"));
        let step = StartError::Step {
            step: String::new(),
            stage: Stage::Identity,
            errno: Errno::PERM,
        };
        let facts = Facts {
            apparmor_restricts: true,
            ..Facts::default()
        };
        assert!(remedy(&step, facts).contains("doctor --fix"));
        assert!(remedy(&step, Facts::default()).contains("doctor"));
        let facts = Facts {
            own_sandbox: true,
            ..Facts::default()
        };
        assert!(remedy(&clone(libc::EPERM), facts).contains("already"));
    }
}
