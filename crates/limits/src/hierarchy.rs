//! Where this process stands: its own directory in each mounted cgroup hierarchy.
//!
//! `/proc/self/cgroup` names the place, `/proc/self/mountinfo` says where the hierarchy is mounted and which part of
//! it is to be seen there (cgroups(7), proc_pid_mountinfo(5)).

use crate::error::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// One mounted hierarchy, seen from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// This process's own directory, at or beneath `mount`.
    pub(crate) own: PathBuf,
}

impl Hierarchy {
    /// The own directory, then its ancestors up to the mount point.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = &Path> {
        self.own
            .ancestors()
            .take_while(|dir| dir.starts_with(&self.mount))
    }
}

/// All mounted hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    pub(crate) v2: Option<Hierarchy>,
    /// Version 1: controllers mounted together share a hierarchy.
    pub(crate) v1: Vec<(Vec<String>, Hierarchy)>,
}

impl Hierarchies {
    pub(crate) fn of_this_process() -> Result<Self, Error> {
        Ok(Self::parse(
            &read("/proc/self/cgroup")?,
            &read("/proc/self/mountinfo")?,
        ))
    }

    pub(crate) fn parse(cgroup: &[u8], mountinfo: &[u8]) -> Self {
        let mounts: Vec<Mount> = lines(mountinfo).filter_map(Mount::parse).collect();
        let mut all = Self::default();
        for line in lines(cgroup) {
            let Some((controllers, path)) = place(line) else {
                continue;
            };
            let Some(found) = mounts.iter().find_map(|mount| mount.locate(&controllers, path)) else {
                continue;
            };
            if controllers.is_empty() {
                all.v2 = Some(found);
            } else {
                all.v1.push((controllers, found));
            }
        }
        all
    }

    pub(crate) fn v1(&self, controller: &str) -> Option<&Hierarchy> {
        self.v1
            .iter()
            .find(|(controllers, _)| controllers.iter().any(|c| c == controller))
            .map(|(_, found)| found)
    }
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// `ID:controller,controller:/path`; no controllers means version 2.
fn place(line: &[u8]) -> Option<(Vec<String>, &Path)> {
    let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
    let controllers = std::str::from_utf8(fields.next()?).ok()?;
    let path = Path::new(OsStr::from_bytes(fields.next()?));
    Some((
        controllers
            .split(',')
            .filter(|c| !c.is_empty())
            .map(Into::into)
            .collect(),
        path,
    ))
}

struct Mount {
    /// The directory of the hierarchy that is to be seen at `at`.
    root: PathBuf,
    at: PathBuf,
    v2: bool,
    options: String,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = fields.iter().position(|field| *field == b"-")?;
        let v2 = match *fields.get(dash + 1)? {
            b"cgroup2" => true,
            b"cgroup" => false,
            _ => return None,
        };
        let options = String::from_utf8_lossy(fields.get(dash + 3)?).into_owned();
        Some(Self {
            root: unescape(fields.get(3)?),
            at: unescape(fields.get(4)?),
            v2,
            options,
        })
    }

    /// Where `path` of the hierarchy with these controllers is to be seen in this mount, if it is.
    fn locate(&self, controllers: &[String], path: &Path) -> Option<Hierarchy> {
        let mine = |c: &String| self.options.split(',').any(|option| option == c);
        if self.v2 != controllers.is_empty() || !controllers.iter().all(mine) {
            return None;
        }
        let beneath = path.strip_prefix(&self.root).ok()?;
        // A place outside the cgroup namespace reads as /../x (cgroup_namespaces(7)).
        let plain = beneath
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let own = if beneath.as_os_str().is_empty() {
            self.at.clone()
        } else {
            self.at.join(beneath)
        };
        plain.then(|| Hierarchy {
            mount: self.at.clone(),
            own,
        })
    }
}

/// Undoes the octal escapes of mountinfo (`\040` for a blank).
fn unescape(field: &[u8]) -> PathBuf {
    let (mut out, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((first, after)) = rest.split_first() {
        match (first, octal(after)) {
            (b'\\', Some(byte)) => (out.push(byte), rest = &after[3..]),
            _ => (out.push(*first), rest = after),
        };
    }
    PathBuf::from(OsStr::from_bytes(&out))
}

fn octal(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

    fn at(mount: &str, own: &str) -> Hierarchy {
        Hierarchy {
            mount: mount.into(),
            own: own.into(),
        }
    }

    #[test]
    fn hybrid() {
        let cgroup = b"9:name=systemd:/\n4:memory:/a/b c\n1:cpu,cpuacct:/\n0::/\n";
        let all = Hierarchies::parse(cgroup, HYBRID);
        assert_eq!(
            all.v2,
            Some(at("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"))
        );
        assert_eq!(
            all.v1("memory"),
            Some(&at("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a/b c"))
        );
        assert_eq!(
            all.v1("cpu"),
            Some(&at("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"))
        );
        assert_eq!(all.v1("pids"), None);
    }

    #[test]
    fn systemd_user_session() {
        let mount = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n";
        let v2 = Hierarchies::parse(own, mount).v2.unwrap();
        let up: Vec<_> = v2
            .upwards()
            .map(|dir| dir.to_string_lossy().into_owned())
            .collect();
        assert_eq!(up.len(), 6);
        assert!(up[0].ends_with("vte-spawn-1.scope"));
        assert_eq!(up[5], "/sys/fs/cgroup");
    }

    #[test]
    fn container_that_sees_only_its_own_part() {
        let mount = b"30 23 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let all = Hierarchies::parse(b"4:memory:/docker/abc\n", mount);
        assert_eq!(
            all.v1("memory"),
            Some(&at("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory"))
        );
        assert_eq!(
            Hierarchies::parse(b"4:memory:/docker/other\n", mount).v1("memory"),
            None
        );
    }

    #[test]
    fn a_place_outside_the_namespace_is_no_place() {
        let mount = b"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(Hierarchies::parse(b"0::/../other\n", mount).v2, None);
    }

    #[test]
    fn blanks_in_mount_points() {
        let mount = b"30 23 0:26 / /my\\040cg rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            Hierarchies::parse(b"0::/x\n", mount).v2,
            Some(at("/my cg", "/my cg/x"))
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in [
            &b""[..],
            b"\n",
            b"::",
            b"x",
            b"1:a",
            b"\xff:\xff:\xff",
            b"- - -",
            b"1 2 3 / /x rw - cgroup",
        ] {
            assert_eq!(Hierarchies::parse(text, text), Hierarchies::default());
        }
    }
}
