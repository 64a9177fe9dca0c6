//! Facts about the host that a run needs, read once.

use fumehood_sandbox::{Ids, landlock_version, private_ids};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What cannot be found out about the host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No home directory is known.
    #[error("no home directory: HOME is not set and the account {0} has no entry in /etc/passwd")]
    NoHome(u32),
    /// The home directory is not an absolute path.
    #[error("the home directory {0:?} is not an absolute path")]
    Home(PathBuf),
}

/// The account a sandbox runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: OsString,
    /// Home directory.
    pub home: PathBuf,
    /// Whether /etc/passwd names this account, so that programs inside can look it up there.
    pub listed: bool,
}

/// The host, as far as a run depends on it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Effective user and group of the caller.
    pub caller: Ids,
    /// Who the program is inside.
    pub inside: Ids,
    /// The private host id, when the caller is root.
    pub private: Option<Ids>,
    /// The account.
    pub user: User,
    /// Landlock's version, 0 for none.
    pub landlock: u32,
}

/// Who a program is inside when root starts it: an ordinary user, because agents refuse to work as
/// root (research/agent-clis.md) and nothing inside has privilege anyway.
const ORDINARY: Ids = Ids { uid: 1000, gid: 1000 };

impl Host {
    /// Looks at the host.
    ///
    /// # Errors
    /// There is no home directory.
    pub fn look() -> Result<Host, HostError> {
        let caller = Ids {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        let root = caller.uid == 0 && owns_all_ids();
        let mut user = user(caller.uid)?;
        if caller.uid == 0 {
            // Inside, root's sandbox is an ordinary account that no file of the host names.
            (user.name, user.listed) = (OsString::from("sandbox"), false);
        }
        Ok(Host {
            caller,
            inside: if caller.uid == 0 { ORDINARY } else { caller },
            private: root.then(|| private_ids(std::process::id())),
            user,
            landlock: landlock_version(),
        })
    }
}

/// Whether this user namespace is the machine's own: it maps every id to itself. Root of another
/// one is an ordinary user of the machine.
fn owns_all_ids() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The caller's effective user.
#[must_use]
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the caller is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn user(uid: u32) -> Result<User, HostError> {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let entry = passwd.split(|b| *b == b'\n').find_map(|line| account(line, uid));
    let listed = entry.is_some();
    let (name, home) = entry.unwrap_or_else(|| (OsString::from("user"), PathBuf::new()));
    let home = std::env::var_os("HOME")
        .filter(|h| !h.is_empty())
        .map_or(home, PathBuf::from);
    if home.as_os_str().is_empty() {
        return Err(HostError::NoHome(uid));
    }
    if !home.is_absolute() {
        return Err(HostError::Home(home));
    }
    Ok(User {
        name,
        home: canonical_or_same(&home),
        listed,
    })
}

/// A home that does not exist (service accounts) is still a place that can be made inside.
fn canonical_or_same(home: &Path) -> PathBuf {
    std::fs::canonicalize(home).unwrap_or_else(|_| home.to_owned())
}

/// `name:password:uid:gid:comment:home:shell` (passwd(5)) when it is this account.
fn account(line: &[u8], uid: u32) -> Option<(OsString, PathBuf)> {
    let mut fields = line.split(|b| *b == b':');
    let (name, number) = (fields.next()?, fields.nth(1)?);
    let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let home = fields.nth(2).filter(|_| number == uid)?;
    let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    // The shell, and nothing after it.
    (fields.count() == 1).then(|| (os(name), PathBuf::from(os(home))))
}

impl User {
    /// The lines of a passwd and a group file in which this user is known inside.
    #[must_use]
    pub fn account_files(&self, inside: Ids) -> (Vec<u8>, Vec<u8>) {
        let mut passwd = b"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n".to_vec();
        passwd.extend_from_slice(self.name.as_bytes());
        passwd.extend(format!(":x:{}:{}::", inside.uid, inside.gid).into_bytes());
        passwd.extend_from_slice(self.home.as_os_str().as_bytes());
        passwd.extend_from_slice(b":/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        let mut group = b"root:x:0:\n".to_vec();
        group.extend_from_slice(self.name.as_bytes());
        group.extend(format!(":x:{}:\nnogroup:x:65534:\n", inside.gid).into_bytes());
        (passwd, group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_number() {
        let found = account(b"ann:x:1000:1000:Ann:/home/ann:/bin/bash", 1000);
        assert_eq!(found, Some(("ann".into(), "/home/ann".into())));
        assert_eq!(account(b"ann:x:1000:1000:Ann:/home/ann:/bin/bash", 100), None);
        assert_eq!(account(b"", 0), None);
        assert_eq!(account(b"a:b", 0), None);
    }

    #[test]
    fn the_account_is_known_inside() {
        let user = User {
            name: "ann".into(),
            home: "/home/ann".into(),
            listed: true,
        };
        let (passwd, group) = user.account_files(Ids { uid: 1000, gid: 100 });
        assert!(
            String::from_utf8(passwd)
                .unwrap()
                .contains("\nann:x:1000:100::/home/ann:/bin/sh\n")
        );
        assert!(String::from_utf8(group).unwrap().contains("\nann:x:100:\n"));
    }
}
