//! One file's content, holes, mode, time and attributes, from one open file to another.

use crate::attributes;
use crate::beneath::{Facts, facts_of};
use rustix::fs::{SeekFrom, Timespec, Timestamps};
use rustix::io::{Errno, Result};
use std::fs::File;

/// Copies a file as it is at this moment, and gives the facts of the copy. Shares its blocks where the
/// filesystem can.
pub(crate) fn file(from: &File, to: &File) -> Result<Facts> {
    let source = facts_of(from)?;
    if rustix::fs::ioctl_ficlone(to, from).is_err() {
        content(from, to, &source)?;
    }
    attributes::set(to, &attributes::of(from)?)?;
    like(to, &source)?;
    facts_of(to)
}

/// Writes a file over another in place, as it is at this moment.
pub(crate) fn over(from: &File, to: &File) -> Result<()> {
    let source = facts_of(from)?;
    slowly(from, to, 0, source.size)?;
    rustix::fs::ftruncate(to, source.size)?;
    attributes::set(to, &attributes::of(from)?)?;
    like(to, &source)
}

/// Gives a file the mode and the modification time of another.
pub(crate) fn like(to: &File, facts: &Facts) -> Result<()> {
    rustix::fs::fchmod(to, rustix::fs::Mode::from_raw_mode(facts.mode))?;
    let time = |(seconds, nanos): (i64, u32)| Timespec {
        tv_sec: seconds,
        tv_nsec: nanos.into(),
    };
    let modified = time(facts.modified);
    rustix::fs::futimens(
        to,
        &Timestamps {
            last_access: modified,
            last_modification: modified,
        },
    )
}

fn content(from: &File, to: &File, source: &Facts) -> Result<()> {
    let size = source.size;
    if source.solid {
        return range(from, to, 0, size);
    }
    rustix::fs::ftruncate(to, size)?;
    let mut at = 0;
    while at < size {
        let Some((start, end)) = data(from, at, size)? else {
            break;
        };
        range(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

/// The next part that is no hole (lseek(2), `SEEK_DATA`).
fn data(from: &File, at: u64, size: u64) -> Result<Option<(u64, u64)>> {
    match rustix::fs::seek(from, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL) => Ok(Some((at, size))), // holes are not told here
        Err(e) => Err(e),
        Ok(start) => {
            let end = rustix::fs::seek(from, SeekFrom::Hole(start))?;
            Ok((start < size).then(|| (start, end.min(size).max(start + 1))))
        }
    }
}

fn range(from: &File, to: &File, start: u64, end: u64) -> Result<()> {
    let (mut read, mut write) = (start, start);
    while read < end {
        let most = usize::try_from(end - read).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut write), most) {
            Ok(0) => return Ok(()), // it became shorter meanwhile
            Ok(_) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return slowly(from, to, read, end);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn slowly(from: &File, to: &File, mut at: u64, end: u64) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let mut room = vec![0u8; 1 << 16];
    let errno = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(room.len());
        let n = from
            .read_at(room.get_mut(..most).unwrap_or_default(), at)
            .map_err(errno)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all_at(room.get(..n).unwrap_or_default(), at)
            .map_err(errno)?;
        at += n as u64;
    }
    Ok(())
}
