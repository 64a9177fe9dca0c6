//! What is mounted below a folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the kernel lists the mounts of this process's namespace.
pub const MOUNTS: &str = "/proc/self/mountinfo";

/// Mount points below a folder, from [`MOUNTS`] (proc_pid_mountinfo(5)).
///
/// # Errors
/// The list cannot be read.
pub fn mounts_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    // The kernel puts the list together for each read: few, and large.
    let mut text = Vec::with_capacity(8 << 10);
    File::open(MOUNTS)?.read_to_end(&mut text)?;
    Ok(text
        .split(|b| *b == b'\n')
        .filter_map(mount_point)
        .filter(|at| at != folder && at.starts_with(folder))
        .collect())
}

/// The fifth field, its octal escapes undone.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let field = line.split(|b| *b == b' ').nth(4)?;
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, more)) = rest.split_first() {
        let digits = more.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match (byte, digits.and_then(|d| u8::from_str_radix(d, 8).ok())) {
            (b'\\', Some(escaped)) => {
                out.push(escaped);
                rest = more.get(3..)?;
            }
            _ => {
                out.push(*byte);
                rest = more;
            }
        }
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let line = b"36 35 98:0 /mnt1 /mnt\\040two\\134x rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from("/mnt two\\x")));
        assert_eq!(mount_point(b""), None);
    }

    #[test]
    fn what_is_mounted_below_is_listed_and_the_folder_itself_is_not() {
        assert!(
            mounts_below(Path::new("/"))
                .unwrap()
                .contains(&PathBuf::from("/proc"))
        );
        assert!(
            !mounts_below(Path::new("/proc"))
                .unwrap()
                .contains(&PathBuf::from("/proc"))
        );
    }
}
