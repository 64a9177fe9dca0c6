//! From a stream to files.

use crate::{LeftOut, stays_within};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat2, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType, PaxExtensions};

/// The longest name of an entry, bytes (`PATH_MAX`).
const MAX_NAME: u64 = 4096;
/// The longest extended header, bytes: two names and some numbers.
const MAX_EXTENDED: u64 = 16 << 10;
/// The deepest folder.
const MAX_DEPTH: usize = 256;

/// What a stream may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// What did not.
    pub left_out: LeftOut,
}

/// Why a stream was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is no tar stream, or ends too early.
    #[error("what came is not whole, or no archive: {0}")]
    Stream(#[source] io::Error),
    /// A name that leads elsewhere, or to nothing.
    #[error("a name in it leads elsewhere")]
    Name,
    /// A kind of entry that the programs which are asked do not write.
    #[error("it holds an entry of a kind that is not understood")]
    Kind,
    /// A name, or the depth of a folder.
    #[error("a name in it is longer than {MAX_NAME} bytes, or deeper than {MAX_DEPTH} folders")]
    Long,
    /// More bytes than were asked for.
    #[error("it holds more than {0} bytes")]
    Bytes(u64),
    /// More names than were asked for.
    #[error("it holds more than {0} files")]
    Entries(u64),
    /// Nothing of what was asked for.
    #[error("there is nothing in it")]
    Nothing,
    /// A name here is something else than what came.
    #[error("{0} is a folder here and none there, or the other way round")]
    Other(PathBuf),
    /// The machine said no.
    #[error("{0}: {1}")]
    Write(PathBuf, #[source] io::Error),
}

/// Makes `top`, and what is below it, in this folder: the one name of the stream's top, whatever that is called there.
/// Files that are there are replaced.
///
/// # Errors
/// As [`UnpackError`] says. What came before stays.
pub fn unpack(
    stream: impl Read,
    folder: impl AsFd,
    top: &OsStr,
    bounds: Bounds,
) -> Result<Unpacked, UnpackError> {
    let folder = folder.as_fd();
    let mut archive = Archive::new(stream);
    let mut maker = Maker {
        folder,
        top,
        bounds,
        done: Unpacked::default(),
    };
    let mut next = Extended::default();
    // Raw: what extends a header is read here, within bounds.
    for entry in archive.entries().map_err(UnpackError::Stream)?.raw(true) {
        let mut entry = entry.map_err(UnpackError::Stream)?;
        let size = entry.header().entry_size().map_err(UnpackError::Stream)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => next.name = Some(long(&mut entry, size)?),
            EntryType::GNULongLink => next.link = Some(long(&mut entry, size)?),
            EntryType::XHeader => next.read(&mut entry, size)?,
            EntryType::XGlobalHeader => {}
            kind => {
                let Extended {
                    name,
                    link,
                    size: said,
                } = std::mem::take(&mut next);
                if said.is_some_and(|said| said != size) {
                    return Err(UnpackError::Kind);
                }
                let name = name.unwrap_or_else(|| entry.header().path_bytes().into_owned());
                let link = link.or_else(|| entry.header().link_name_bytes().map(|l| l.into_owned()));
                let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
                maker.make(kind, &name, link, mode, &mut entry)?;
            }
        }
    }
    if maker.done.entries == 0 && maker.done.left_out == LeftOut::default() {
        return Err(UnpackError::Nothing);
    }
    Ok(maker.done)
}

/// What is said of the next entry.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    fn read(&mut self, entry: &mut impl Read, size: u64) -> Result<(), UnpackError> {
        let bytes = whole(entry, size, MAX_EXTENDED)?;
        for pair in PaxExtensions::new(&bytes) {
            let pair = pair.map_err(UnpackError::Stream)?;
            let value = pair.value_bytes();
            match pair.key_bytes() {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(number.ok_or(UnpackError::Kind)?);
                }
                // Holes: the content would be in another form.
                key if key.starts_with(b"GNU.sparse") => return Err(UnpackError::Kind),
                _ => {}
            }
        }
        Ok(())
    }
}

fn whole(entry: &mut impl Read, size: u64, most: u64) -> Result<Vec<u8>, UnpackError> {
    if size > most {
        return Err(UnpackError::Long);
    }
    let mut bytes = Vec::new();
    entry
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(UnpackError::Stream)?;
    if bytes.len() as u64 != size {
        return Err(UnpackError::Stream(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// A long name ends with a NUL byte.
fn long(entry: &mut impl Read, size: u64) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = whole(entry, size, MAX_NAME + 1)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// A place below the folder: the top's name first, which is ours. `None` for the stream's own top.
fn below(name: &[u8], top: &OsStr) -> Result<PathBuf, UnpackError> {
    if name.len() as u64 > MAX_NAME {
        return Err(UnpackError::Long);
    }
    if name.contains(&0) {
        return Err(UnpackError::Name);
    }
    let mut parts = Vec::new();
    for part in Path::new(OsStr::from_bytes(name)).components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            _ => return Err(UnpackError::Name),
        }
    }
    if parts.len() > MAX_DEPTH {
        return Err(UnpackError::Long);
    }
    let below = parts.iter().skip(1);
    Ok(std::iter::once(&top).chain(below).collect())
}

struct Maker<'a> {
    folder: BorrowedFd<'a>,
    top: &'a OsStr,
    bounds: Bounds,
    done: Unpacked,
}

const WITHIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

impl Maker<'_> {
    fn make(
        &mut self,
        kind: EntryType,
        name: &[u8],
        link: Option<Vec<u8>>,
        mode: u32,
        content: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let place = below(name, self.top)?;
        if self.done.entries >= self.bounds.entries {
            return Err(UnpackError::Entries(self.bounds.entries));
        }
        let link = link.map(|link| PathBuf::from(OsString::from_vec(link)));
        match (kind, link) {
            (EntryType::Regular | EntryType::Continuous, _) => self.file(&place, mode, content)?,
            (EntryType::Directory, _) => self.directory(&place, mode)?,
            (EntryType::Symlink, Some(target)) => {
                if !stays_within(&place, &target) {
                    self.done.left_out.add(&place, "a link that leads elsewhere");
                    return Ok(());
                }
                let (parent, last) = self.parent(&place)?;
                self.clear(&parent, last, &place)?;
                symlinkat(&target, &parent, last).map_err(|e| wrong(&place, e))?;
            }
            // Of a file that came before: its content once more, since a link would tie two files together here.
            (EntryType::Link, Some(target)) => {
                let first = below(target.as_os_str().as_bytes(), self.top)?;
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let of = openat2(self.folder, &first, flags, Mode::empty(), WITHIN);
                let mut of = File::from(of.map_err(|e| wrong(&first, e))?);
                if first == place || !of.metadata().is_ok_and(|m| m.is_file()) {
                    return Err(UnpackError::Name);
                }
                self.file(&place, mode, &mut of)?;
            }
            (EntryType::Fifo | EntryType::Char | EntryType::Block, _) => {
                self.done.left_out.add(&place, "a device or named pipe");
                return Ok(());
            }
            _ => return Err(UnpackError::Kind),
        }
        self.done.entries += 1;
        Ok(())
    }

    /// The folder that something lies in, and its name there.
    fn parent<'p>(&self, place: &'p Path) -> Result<(OwnedFd, &'p OsStr), UnpackError> {
        let last = place.file_name().ok_or(UnpackError::Name)?;
        let parent = place.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat2(self.folder, parent, flags, Mode::empty(), WITHIN);
        fd.map(|fd| (fd, last)).map_err(|e| wrong(parent, e))
    }

    /// What is there makes room, unless it is a folder.
    fn clear(&self, parent: &OwnedFd, last: &OsStr, place: &Path) -> Result<(), UnpackError> {
        match unlinkat(parent, last, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => Err(UnpackError::Other(place.to_owned())),
            Err(errno) => Err(wrong(place, errno)),
        }
    }

    fn file(&mut self, place: &Path, mode: u32, content: &mut impl Read) -> Result<(), UnpackError> {
        let (parent, last) = self.parent(place)?;
        self.clear(&parent, last, place)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&parent, last, flags, Mode::from_raw_mode(mode));
        let mut made = File::from(made.map_err(|e| wrong(place, e))?);
        let left = self.bounds.bytes.saturating_sub(self.done.bytes);
        let mut buffer = vec![0; 128 << 10];
        let mut written = 0;
        loop {
            let n = content.read(&mut buffer).map_err(UnpackError::Stream)?;
            let Some(bytes) = buffer.get(..n).filter(|b| !b.is_empty()) else {
                break;
            };
            written += n as u64;
            if written > left {
                return Err(UnpackError::Bytes(self.bounds.bytes));
            }
            let done = io::Write::write_all(&mut made, bytes);
            done.map_err(|e| UnpackError::Write(place.to_owned(), e))?;
        }
        self.done.bytes += written;
        Ok(())
    }

    fn directory(&self, place: &Path, mode: u32) -> Result<(), UnpackError> {
        let (parent, last) = self.parent(place)?;
        // What comes next has to be made in it.
        match mkdirat(&parent, last, Mode::from_raw_mode(mode | 0o700)) {
            Err(Errno::EXIST) => {
                let there = statat(&parent, last, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| wrong(place, e))?;
                if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
                    Ok(())
                } else {
                    Err(UnpackError::Other(place.to_owned()))
                }
            }
            made => made.map_err(|e| wrong(place, e)),
        }
    }
}

fn wrong(place: &Path, errno: Errno) -> UnpackError {
    UnpackError::Write(place.to_owned(), errno.into())
}

#[cfg(test)]
mod tests;
