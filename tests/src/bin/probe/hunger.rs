//! Taking more than one's share, within bounds that leave this machine usable.

use crate::errno::{Errno, check};
use crate::{Probe, Reached, int, number, word};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("busy", busy),
    ("crash", crash),
    ("fill", fill),
    ("forks", forks),
    ("limit_raise", limit_raise),
    ("memory", memory),
    ("open_files", open_files),
    ("pipes", pipes),
    ("sparse", sparse),
    ("threads", threads),
];

/// Nothing here goes beyond this, whatever a test says.
const MOST: usize = 300;
/// More than any sandbox may have that is given no limit: each waits, and takes some 80 KiB.
const MOST_FORKS: usize = 5000;
const MOST_BYTES: i64 = 512 << 20;

/// `forks N`: N children that wait; how many there were when the kernel refused.
fn forks(arguments: &[OsString]) -> Reached {
    let mut children = Vec::new();
    let refused = loop {
        if children.len() >= MOST_FORKS.min(int(arguments, 0) as usize) {
            break None;
        }
        // SAFETY: this program has one thread.
        match check(unsafe { libc::fork() }) {
            Ok(0) => loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            },
            Ok(pid) => children.push(pid as i32),
            Err(errno) => break Some(errno),
        }
    };
    for child in &children {
        // SAFETY: a child of ours, not yet waited for.
        unsafe { libc::kill(*child, libc::SIGKILL) };
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(*child, std::ptr::null_mut(), 0) };
    }
    Ok(told(children.len(), refused))
}

fn told(count: usize, refused: Option<Errno>) -> String {
    refused.map_or_else(
        || format!("{count} unbounded"),
        |errno| format!("{count} then {errno}"),
    )
}

/// `threads N`: as `forks`.
fn threads(arguments: &[OsString]) -> Reached {
    let most = MOST.min(int(arguments, 0) as usize);
    let barrier = std::sync::Arc::new(std::sync::Mutex::new(()));
    let held = barrier.lock().map_err(|_| Errno(libc::EIO))?;
    let mut running = Vec::new();
    let mut refused = None;
    for _ in 0..most {
        let waits = std::sync::Arc::clone(&barrier);
        match std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || drop(waits.lock()))
        {
            Ok(thread) => running.push(thread),
            Err(error) => {
                refused = Some(Errno::from(error));
                break;
            }
        }
    }
    drop(held);
    let count = running.len();
    running.into_iter().for_each(|t| drop(t.join()));
    Ok(told(count, refused))
}

/// `memory MIB`: touches every page of it, and holds it for a second: who watches by looking looks
/// several times in that.
fn memory(arguments: &[OsString]) -> Reached {
    let bytes = usize::try_from(MOST_BYTES.min(number(arguments, 0) << 20)).unwrap_or(0);
    let mut held = Vec::new();
    held.try_reserve_exact(bytes).map_err(|_| Errno(libc::ENOMEM))?;
    while held.len() < bytes {
        held.extend_from_slice(&[1u8; 4096]);
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    Ok(format!("{} MiB", held.len() >> 20))
}

/// `fill PATH MIB`: writes that much; how much got there when it was refused.
fn fill(arguments: &[OsString]) -> Reached {
    ignore_file_size_signal();
    let mut file = File::create(word(arguments, 0))?;
    let block = vec![7u8; 1 << 20];
    let wanted = number(arguments, 1).min(MOST_BYTES >> 20);
    for done in 0..wanted {
        if let Err(error) = file.write_all(&block) {
            return Ok(format!("{done} MiB then {}", Errno::from(error)));
        }
    }
    Ok(format!("{wanted} MiB unbounded"))
}

/// `sparse PATH GIB`: a file that is large by its length only.
fn sparse(arguments: &[OsString]) -> Reached {
    ignore_file_size_signal();
    let file = File::create(word(arguments, 0))?;
    // SAFETY: an open descriptor and an integer.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), number(arguments, 1) << 30) })?;
    Ok("unbounded".to_owned())
}

fn ignore_file_size_signal() {
    // SAFETY: to ignore a signal is no handler that could run.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// `open_files N`: N descriptors; how many there were when the kernel refused.
fn open_files(arguments: &[OsString]) -> Reached {
    let mut open = Vec::new();
    for _ in 0..number(arguments, 0) {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) => return Ok(told(open.len(), Some(error.into()))),
        }
    }
    Ok(told(open.len(), None))
}

/// `pipes N`: N pipes filled with 1 MiB each; how many MiB they took.
fn pipes(arguments: &[OsString]) -> Reached {
    let mut open = Vec::new();
    for n in 0..MOST.min(int(arguments, 0) as usize) {
        let Ok((reader, mut writer)) = std::io::pipe() else {
            return Ok(told(n, Some(Errno(libc::EMFILE))));
        };
        // SAFETY: an open descriptor and integers. Where it is refused the pipe keeps its size.
        let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
        if size < 1 << 20 {
            return Ok(told(n, Some(Errno(libc::EPERM))));
        }
        writer.write_all(&vec![7u8; 1 << 20])?;
        open.push((reader, writer));
    }
    Ok(told(open.len(), None))
}

/// `busy SECONDS`: uses a processor; how much of it there was, in hundredths.
fn busy(arguments: &[OsString]) -> Reached {
    let wall = std::time::Instant::now();
    let wanted = std::time::Duration::from_secs(int(arguments, 0).unsigned_abs().into());
    let mut n = 0u64;
    while wall.elapsed() < wanted {
        n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
    }
    let mut used = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is the one this call fills.
    check(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) })?;
    let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    Ok(format!("{:.0}", used * 100.0 / wall.elapsed().as_secs_f64()))
}

/// `crash`: ends itself as a fault would.
fn crash(_: &[OsString]) -> Reached {
    // SAFETY: ends this process, with the signal's default action.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
    // SAFETY: integers only.
    check(unsafe { libc::raise(libc::SIGSEGV) })?;
    Ok("survived".to_owned())
}

/// `limit_raise RESOURCE`: sets a hard limit above what it is; `infinity` where that is refused is
/// the point.
fn limit_raise(arguments: &[OsString]) -> Reached {
    let resource = int(arguments, 0) as u32;
    let wide = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is the one this call reads.
    check(unsafe { libc::setrlimit(resource, &raw const wide) })?;
    Ok("raised".to_owned())
}
