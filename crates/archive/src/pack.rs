//! From files to a stream.

use crate::{LeftOut, stays_within};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// What is not in it.
    pub left_out: LeftOut,
}

/// Why not everything was written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Something cannot be read.
    #[error("{0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    /// A file that got shorter while it was read.
    #[error("{0} got shorter while it was read")]
    Shorter(PathBuf),
    /// Whoever reads the stream does not any more.
    #[error("write the stream: {0}")]
    Stream(#[source] io::Error),
}

/// Writes what has this name in this folder, and all below it, to a stream in which it is called `top`. No link is followed.
///
/// # Errors
/// As [`PackError`] says.
pub fn pack(folder: impl AsFd, name: &OsStr, top: &OsStr, stream: impl Write) -> Result<Packed, PackError> {
    let mut packer = Packer {
        builder: Builder::new(stream),
        done: Packed::default(),
    };
    // A folder on the way: its descriptor, what is called what in it, and its names that are left.
    let mut way: Vec<(OwnedFd, PathBuf, Vec<std::ffi::OsString>)> = Vec::new();
    if let Some(below) = packer.one(folder.as_fd(), name, Path::new(top))? {
        way.push(below);
    }
    while let Some((here, place, names)) = way.last_mut() {
        let Some(name) = names.pop() else {
            way.pop();
            continue;
        };
        let place = place.join(&name);
        if let Some(below) = packer.one(here.as_fd(), &name, &place)? {
            way.push(below);
        }
    }
    packer.builder.finish().map_err(PackError::Stream)?;
    Ok(packer.done)
}

struct Packer<W: Write> {
    builder: Builder<W>,
    done: Packed,
}

type Below = (OwnedFd, PathBuf, Vec<std::ffi::OsString>);

impl<W: Write> Packer<W> {
    /// One name; a folder is given back to be gone through.
    fn one(&mut self, folder: impl AsFd, name: &OsStr, place: &Path) -> Result<Option<Below>, PackError> {
        let wrong = |errno: Errno| PackError::Read(place.to_owned(), errno.into());
        let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(wrong)?;
        let mut header = Header::new_gnu();
        header.set_mode(stat.st_mode & 0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = openat(&folder, name, flags, Mode::empty()).map_err(wrong)?;
                let file = File::from(file);
                let size = file
                    .metadata()
                    .map_err(|e| PackError::Read(place.to_owned(), e))?
                    .len();
                header.set_size(size);
                header.set_entry_type(EntryType::Regular);
                let mut content = Whole {
                    file: file.take(size),
                    left: size,
                    failed: None,
                };
                let done = self.builder.append_data(&mut header, place, &mut content);
                match (done, content.failed) {
                    (_, Some(Some(error))) => return Err(PackError::Read(place.to_owned(), error)),
                    (_, Some(None)) => return Err(PackError::Shorter(place.to_owned())),
                    (done, None) => done.map_err(PackError::Stream)?,
                }
                self.done.bytes += size;
            }
            FileType::Directory => {
                let fd = openat(&folder, name, flags | OFlags::DIRECTORY, Mode::empty()).map_err(wrong)?;
                header.set_entry_type(EntryType::Directory);
                let done = self.builder.append_data(&mut header, place, io::empty());
                done.map_err(PackError::Stream)?;
                self.done.entries += 1;
                let mut names = Vec::new();
                for entry in Dir::read_from(&fd).map_err(wrong)? {
                    let entry = entry.map_err(wrong)?;
                    let name = entry.file_name().to_bytes();
                    if name != b"." && name != b".." {
                        names.push(OsStr::from_bytes(name).to_owned());
                    }
                }
                // From the last on.
                names.sort_unstable_by(|a, b| b.cmp(a));
                return Ok(Some((fd, place.to_owned(), names)));
            }
            FileType::Symlink => {
                let target = readlinkat(&folder, name, Vec::new()).map_err(wrong)?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if !stays_within(place, target) {
                    self.done.left_out.add(place, "a link that leads elsewhere");
                    return Ok(None);
                }
                header.set_entry_type(EntryType::Symlink);
                let done = self.builder.append_link(&mut header, place, target);
                done.map_err(PackError::Stream)?;
            }
            _ => {
                self.done.left_out.add(place, "a device, socket or named pipe");
                return Ok(None);
            }
        }
        self.done.entries += 1;
        Ok(None)
    }
}

/// A file of which as many bytes come as were announced, or an error.
struct Whole {
    file: io::Take<File>,
    left: u64,
    failed: Option<Option<io::Error>>,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(0) if self.left > 0 && !buffer.is_empty() => {
                self.failed = Some(None);
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(n) => {
                self.left = self.left.saturating_sub(n as u64);
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(Some(error));
                Err(kind.into())
            }
        }
    }
}
