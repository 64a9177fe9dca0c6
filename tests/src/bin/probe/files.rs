//! Reaching files by every road.

use crate::errno::{Errno, check};
use crate::{Probe, Reached, c_word, int, word};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("append", append),
    ("descriptors", descriptors),
    ("fifo", fifo),
    ("flock", flock),
    ("inotify", inotify),
    ("list", list),
    ("open_write", open_write),
    ("read", read),
    ("room", room),
    ("search", search),
    ("stat", stat),
];

/// `read PATH`: the first bytes.
fn read(arguments: &[OsString]) -> Reached {
    let mut bytes = [0u8; 64];
    let got = File::open(word(arguments, 0))?.read(&mut bytes)?;
    Ok(format!("read {:?}", String::from_utf8_lossy(&bytes[..got])))
}

/// `append PATH`: as `>> PATH` does.
fn append(arguments: &[OsString]) -> Reached {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(word(arguments, 0))?;
    file.write_all(b"planted\n")?;
    Ok("written".to_owned())
}

/// `open_write PATH`: opens for writing and writes nothing: for places where a write would hurt.
fn open_write(arguments: &[OsString]) -> Reached {
    File::options().write(true).open(word(arguments, 0))?;
    Ok("opened".to_owned())
}

/// `stat PATH`: what its metadata tells.
fn stat(arguments: &[OsString]) -> Reached {
    let metadata = std::fs::symlink_metadata(word(arguments, 0))?;
    Ok(format!("{} bytes, mode {:o}", metadata.len(), metadata.mode()))
}

/// `list DIR`: names, sorted.
fn list(arguments: &[OsString]) -> Reached {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(word(arguments, 0))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

/// `descriptors`: which are open, besides the one that reads this.
fn descriptors(_: &[OsString]) -> Reached {
    let open = |fd: &i32| {
        // SAFETY: integers only.
        unsafe { libc::fcntl(*fd, libc::F_GETFD) >= 0 }
    };
    let numbers: Vec<String> = (0..1024).filter(open).map(|fd| fd.to_string()).collect();
    Ok(numbers.join(" "))
}

/// `flock PATH`: takes an exclusive lock without waiting.
fn flock(arguments: &[OsString]) -> Reached {
    let file = File::open(word(arguments, 0))?;
    // SAFETY: an open descriptor.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
    Ok("locked".to_owned())
}

/// `inotify PATH`: watches it.
fn inotify(arguments: &[OsString]) -> Reached {
    let path = c_word(arguments, 0);
    // SAFETY: integers only.
    let fd = check(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) })?;
    // SAFETY: the path ends in NUL and outlives the call.
    check(unsafe { libc::inotify_add_watch(fd as i32, path.as_ptr(), libc::IN_ALL_EVENTS) })?;
    Ok("watching".to_owned())
}

/// `fifo PATH`: opens it for writing without waiting, and writes.
fn fifo(arguments: &[OsString]) -> Reached {
    let path = c_word(arguments, 0);
    // SAFETY: the path ends in NUL and outlives the call.
    let fd = check(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_NONBLOCK) })?;
    // SAFETY: opened above, owned by nobody else.
    let mut file = unsafe { File::from_raw_fd(fd as i32) };
    file.write_all(b"planted\n")?;
    Ok("written".to_owned())
}

/// `search NEEDLE FILE…`: the first of these that can be read and holds the needle.
fn search(arguments: &[OsString]) -> Reached {
    let needle = word(arguments, 0).as_bytes();
    let mut last = Errno(libc::ENODATA);
    for path in &arguments[1..] {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|f| f.take(1 << 20).read_to_end(&mut bytes)) {
            Ok(_) if bytes.windows(needle.len()).any(|w| w == needle) => {
                return Ok(format!("found in {}", path.display()));
            }
            Ok(_) => {}
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// `room PATH UNIT`: how many inodes (`0`) or MiB (`1`) its filesystem has in all.
fn room(arguments: &[OsString]) -> Reached {
    let path = c_word(arguments, 0);
    let mut facts = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends in NUL; the structure is the one this call fills.
    check(unsafe { libc::statvfs(path.as_ptr(), facts.as_mut_ptr()) })?;
    // SAFETY: all its fields are integers, for which zero is a value.
    let facts = unsafe { facts.assume_init() };
    let answer = if int(arguments, 1) == 0 {
        facts.f_files
    } else {
        (facts.f_blocks * facts.f_frsize) >> 20
    };
    Ok(answer.to_string())
}
