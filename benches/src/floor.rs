//! The bare floor: one clone with the same namespaces, then the program.

/// Runs `true` in new namespaces; its exit status.
pub(crate) fn run() -> i32 {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::SIGCHLD;
    let none = 0i64;
    // SAFETY: a fork of a single-threaded process.
    let pid = unsafe { libc::syscall(libc::SYS_clone, i64::from(flags), none, none, none, none) };
    if pid == 0 {
        let program = c"/usr/bin/true";
        let arguments = [program.as_ptr(), std::ptr::null()];
        let environment = [std::ptr::null()];
        // SAFETY: null-terminated lists of NUL-terminated strings.
        unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        // SAFETY: does not return.
        unsafe { libc::_exit(127) };
    }
    let mut status = 0;
    // SAFETY: status lives until the call returns.
    unsafe { libc::waitpid(pid as i32, &raw mut status, 0) };
    libc::WEXITSTATUS(status)
}
