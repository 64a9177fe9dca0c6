//! The last moments before a program runs, and the watch over it afterwards.

use super::linux::{check, check_int};
use super::{Signals, Waited, wait_any};
use crate::errno::Errno;
use crate::kernel::{Fd, Result};
use crate::launch::Launch;
use crate::spec::{Command, Stamp};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};

/// Moves the two descriptors that are kept to their places and closes all others above 2.
pub(crate) fn keep_only(control: Fd, control_at: Fd, terminal: Option<Fd>, terminal_at: Fd) -> Result<()> {
    // To numbers that neither has nor is to get, so that neither overwrites the other; and low ones,
    // because the limit of open files is in force already.
    let spare = |n: i32| Some(n) != terminal.map(|t| t.0) && n != control.0;
    let mut spares = (control_at.0.max(terminal_at.0) + 1..)
        .filter(|n| spare(*n))
        .map(Fd);
    let (Some(one), Some(two)) = (spares.next(), spares.next()) else {
        return Err(Errno(libc::EMFILE));
    };
    place(control, one)?;
    if let Some(terminal) = terminal {
        place(terminal, two)?;
        place(two, terminal_at)?;
    }
    place(one, control_at)?;
    let first = if terminal.is_some() {
        terminal_at.0 + 1
    } else {
        control_at.0 + 1
    };
    // SAFETY: integers only; nothing in this process uses the descriptors that are closed.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

fn place(fd: Fd, at: Fd) -> Result<()> {
    // SAFETY: integers only.
    check_int(unsafe { libc::dup3(fd.0, at.0, libc::O_CLOEXEC) }).map(drop)
}

/// Makes `onto` the same as `fd`, open across exec.
pub(crate) fn duplicate(fd: Fd, onto: Fd) {
    // SAFETY: integers only.
    unsafe { libc::dup2(fd.0, onto.0) };
}

/// The first process keeps no descriptor of the caller: a reader sees the end of a pipe when the
/// command has closed it.
pub(crate) fn close_standard() {
    // SAFETY: integers only.
    unsafe { libc::syscall(libc::SYS_close_range, 0, 2, 0) };
}

/// Ends this process with SIGKILL when the supervisor ends.
pub(crate) fn die_with_parent() {
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// A process group of the command's own, so that the session can control it as a job. Both the
/// command (`0`) and its parent do this, so that it is done whoever comes first: a signal to a group
/// that is not there yet would be lost.
pub(crate) fn own_process_group(command: i32) {
    // SAFETY: integers only.
    unsafe { libc::setpgid(command, command) };
}

/// Makes the calling process's group the foreground of its terminal.
pub(crate) fn take_foreground(terminal: Fd) {
    // SAFETY: takes nothing.
    let group = unsafe { libc::getpgrp() };
    // A background group that calls tcsetpgrp gets SIGTTOU, which is blocked here.
    // SAFETY: integers only.
    unsafe { libc::tcsetpgrp(terminal.0, group) };
}

/// Signals a process group.
pub(crate) fn signal_group(group: i32, signal: i32) {
    // SAFETY: integers only.
    unsafe { libc::kill(-group, signal) };
}

/// Whether nobody holds the other end of a socket any more.
pub(crate) fn hung_up(control: Fd) -> bool {
    let mut one = [libc::pollfd {
        fd: control.0,
        events: 0, // POLLHUP is always told
        revents: 0,
    }];
    // SAFETY: the array and its length belong together.
    unsafe { libc::poll(one.as_mut_ptr(), 1, 0) };
    one[0].revents & libc::POLLHUP != 0
}

/// Sets the mask of permission bits that new files do not get; the one before.
pub(crate) fn set_file_mask(mask: u32) -> u32 {
    // SAFETY: integers only.
    unsafe { libc::umask(mask) }
}

/// A command in the form in which it is executed, made before its process exists.
pub(crate) struct Program<'a> {
    directory: &'a CStr,
    /// Where it may be, in the order in which it is tried.
    places: Vec<&'a CStr>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// Whether names that lead to this very program, which is the host's, are refused.
    but_own: bool,
    /// What the file is known by.
    stamp: Option<Stamp>,
}

impl<'a> Program<'a> {
    /// `None` where there is no memory for it.
    pub(crate) fn of(command: &'a Command) -> Option<Program<'a>> {
        Some(Program {
            directory: &command.directory,
            places: vec![&command.program],
            argv: pointers(&command.arguments).ok()?,
            envp: pointers(&command.environment).ok()?,
            but_own: false,
            stamp: command.stamp,
        })
    }

    /// A further program, whose name somebody inside may have made a link of.
    pub(crate) fn further(launch: &'a Launch, places: &'a [CString]) -> Option<Program<'a>> {
        Some(Program {
            directory: &launch.directory,
            places: places.iter().map(CString::as_c_str).collect(),
            argv: pointers(&launch.arguments).ok()?,
            envp: pointers(&launch.environment).ok()?,
            but_own: true,
            stamp: None,
        })
    }

    /// Goes where the program is to start.
    pub(crate) fn enter(&self) -> Result<()> {
        // SAFETY: a NUL-terminated path that outlives the call.
        check_int(unsafe { libc::chdir(self.directory.as_ptr()) }).map(drop)
    }

    /// Executes the program; returns only on failure, with what says most of why.
    pub(crate) fn execute(&self) -> Errno {
        let mut why = Errno::NOENT;
        for place in &self.places {
            match self.execute_at(place) {
                Errno::NOENT | Errno(libc::ENOTDIR) => {}
                Errno::ACCES => why = Errno::ACCES,
                errno => return errno,
            }
        }
        why
    }

    fn execute_at(&self, program: &CStr) -> Errno {
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        // SAFETY: a NUL-terminated path that outlives the call.
        let file = match check_int(unsafe { libc::open(program.as_ptr(), flags) }) {
            Ok(fd) => fd,
            Err(errno) => return errno,
        };
        if self.but_own && is_own(file) {
            return Errno::PERM;
        }
        // What is executed is what was looked at: this open file.
        if self.stamp.is_some_and(|known| stamp(file) != Some(known)) {
            return Errno::STALE;
        }
        // SAFETY: both lists are null-terminated arrays of NUL-terminated strings.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                file,
                c"".as_ptr(),
                self.argv.as_ptr(),
                self.envp.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        match Errno::last() {
            // A script: its interpreter is to open it by name, and the descriptor closes on exec
            // (execveat(2), BUGS).
            Errno::NOENT => {
                // SAFETY: as above.
                unsafe { libc::execve(program.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
                Errno::last()
            }
            errno => errno,
        }
    }
}

/// What an open file is known by.
fn stamp(file: i32) -> Option<Stamp> {
    // SAFETY: all-zero bytes are a valid stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives until the call returns.
    let seen = unsafe { libc::fstat(file, &raw mut stat) };
    (seen == 0).then(|| Stamp {
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        written: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    })
}

/// Whether an open file is the program that this process runs: `/proc/self/exe` of the process that starts
/// another is a file of the host, and a name inside can be a link to that (CVE-2019-5736).
fn is_own(file: i32) -> bool {
    // SAFETY: all-zero bytes are a valid stat.
    let (mut one, mut own): (libc::stat, libc::stat) = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives until the call returns.
    let seen = unsafe { libc::fstat(file, &raw mut one) };
    // SAFETY: as above, with a constant NUL-terminated path.
    let found = unsafe { libc::stat(c"/proc/self/exe".as_ptr(), &raw mut own) };
    // What cannot be compared is not executed.
    seen != 0 || found != 0 || (one.st_dev, one.st_ino) == (own.st_dev, own.st_ino)
}

/// The C form of a list of strings. This allocates, in a process that is single-threaded and was
/// forked from one that was: the allocator is in order.
fn pointers(strings: &[std::ffi::CString]) -> std::result::Result<Vec<*const libc::c_char>, ()> {
    let mut out = Vec::new();
    out.try_reserve_exact(strings.len() + 1).map_err(drop)?;
    out.extend(strings.iter().map(|s| s.as_ptr()));
    out.push(std::ptr::null());
    Ok(out)
}

/// Waits until the supervisor or a child has something to say: (supervisor, child).
pub(crate) fn wait_for_two(control: Fd, children: &Signals) -> (bool, bool) {
    let entry = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut two = [entry(control.0), entry(children.as_fd().as_raw_fd())];
    // SAFETY: the array and its length belong together.
    unsafe { libc::poll(two.as_mut_ptr(), 2, -1) };
    (two[0].revents != 0, two[1].revents != 0)
}

/// How many times in a row, a millisecond apart, a list must show none but the one that is spared.
const QUIET: u32 = 5;

/// Ends all descendants of this process, where no pid namespace does it: kill the children, adopt
/// theirs (this process is a subreaper), and again, until there are none but `spared`.
pub fn kill_descendants(spared: Option<i32>) {
    let mut quiet = 0;
    for _ in 0..100_000 {
        let mut others = false;
        for_each_child(|pid| {
            if Some(pid) != spared {
                others = true;
                // SAFETY: integers only; the pid is a child of ours and not yet reaped.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        });
        // The list may lack what moved while it was read (proc_tid_children(5)); that there are no
        // children at all is certain, that there is only one that is spared is not.
        quiet = if others { 0 } else { quiet + 1 };
        if spared.is_some() && quiet > QUIET {
            return;
        }
        loop {
            match wait_any() {
                Waited::NoChildren => return,
                Waited::Nothing => break,
                _ => {}
            }
        }
        // SAFETY: no descriptors; waits a millisecond.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 1) };
    }
}

/// Orphans below this process become its children.
///
/// # Errors
/// The kernel's.
pub fn become_subreaper() -> std::result::Result<(), Errno> {
    // SAFETY: integers only.
    check_int(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }).map(drop)
}

/// Calls `f` for each child of this (single-threaded) process that its list names; long lists are
/// read again by the caller.
fn for_each_child(mut f: impl FnMut(i32)) {
    let path = c"/proc/thread-self/children";
    // SAFETY: a constant NUL-terminated path.
    let Ok(fd) = check_int(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) }) else {
        return;
    };
    let mut text = [0u8; 4096];
    // SAFETY: the pointer and length describe `text`.
    let got = unsafe { libc::read(fd, text.as_mut_ptr().cast(), text.len()) };
    // SAFETY: opened above.
    unsafe { libc::close(fd) };
    let text = &text[..usize::try_from(got).unwrap_or(0)];
    // The last number may be cut; only those followed by a space are whole.
    let whole = text
        .iter()
        .rposition(|b| *b == b' ')
        .map_or(&[][..], |end| &text[..end]);
    for word in whole.split(|b| *b == b' ') {
        if let Some(pid) = std::str::from_utf8(word).ok().and_then(|w| w.parse().ok()) {
            f(pid);
        }
    }
}
