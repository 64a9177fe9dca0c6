//! The system calls of the helper processes that touch no network, as data: what is
//! allowed, when, and what for.
//! Everything else ends the process at once: a helper that makes another call has been taken over, or
//! has a flaw that must be seen.

use super::assemble::Otherwise;
use super::table::{Answer, NEWEST, Rule, Scope, When};
use libc::c_long as Nr;

/// What calls get that a list does not name.
pub(super) const OTHERWISE: Otherwise = Otherwise {
    known: Answer::Kill,
    newest: NEWEST,
    unknown: Answer::Kill,
};

const fn allow(calls: &'static [Nr], why: &'static str) -> Rule {
    allow_when(calls, &[], why)
}

const fn allow_when(calls: &'static [Nr], when: &'static [When], why: &'static str) -> Rule {
    Rule {
        calls,
        when,
        answer: Answer::Allow,
        scope: Scope::All,
        why,
    }
}

/// Memory that is neither a file nor executable.
const MEMORY: [Rule; 4] = [
    allow_when(
        &[libc::SYS_mmap],
        &[
            // PROT_EXEC
            When::MaskedIs(2, 4, 0),
            // MAP_ANONYMOUS
            When::AnyBit(3, 0x20),
        ],
        "the allocator's; no file, nothing that can be executed",
    ),
    allow_when(
        &[libc::SYS_mprotect],
        &[When::MaskedIs(2, 4, 0)],
        "the allocator's, as above",
    ),
    allow(
        &[
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_brk,
        ],
        "the allocator's",
    ),
    allow(
        &[
            libc::SYS_exit_group,
            libc::SYS_exit,
            libc::SYS_rt_sigreturn,
            libc::SYS_rt_sigprocmask,
            libc::SYS_sigaltstack,
            libc::SYS_restart_syscall,
            libc::SYS_futex,
            libc::SYS_getrandom,
            libc::SYS_clock_gettime,
        ],
        "to end, to come back from a signal, to know the time where the kernel gives no faster way",
    ),
];

const READ_AND_WRITE: Rule = allow(
    &[libc::SYS_read, libc::SYS_write, libc::SYS_close],
    "what is open, and nothing can be opened besides",
);

/// The terminal relay: it reads what the program prints, which is hostile.
pub(super) const RELAY: &[Rule] = &[
    READ_AND_WRITE,
    allow(&[libc::SYS_ppoll], "waiting for either side"),
    #[cfg(target_arch = "x86_64")]
    allow(&[libc::SYS_poll], "as above"),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5401)],
        "TCGETS: is this a terminal, and in which modes",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x802c_542a)],
        "TCGETS2: as TCGETS",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5402)],
        "TCSETS: raw, and back",
    ),
    allow_when(&[libc::SYS_ioctl], &[When::Is(1, 0x5403)], "TCSETSW: as TCSETS"),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x402c_542b)],
        "TCSETS2: as TCSETS",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x402c_542c)],
        "TCSETSW2: as TCSETS",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5413)],
        "TIOCGWINSZ: the window's size",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5414)],
        "TIOCSWINSZ: for the sandbox's",
    ),
    MEMORY[0],
    MEMORY[1],
    MEMORY[2],
    MEMORY[3],
];

/// The janitor: it ends what is in a control group and removes it.
pub(super) const JANITOR: &[Rule] = &[
    READ_AND_WRITE,
    allow(
        &[
            libc::SYS_openat,
            libc::SYS_getdents64,
            libc::SYS_fstat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_lseek,
            libc::SYS_unlinkat,
            libc::SYS_fcntl,
        ],
        "the files and directories of its groups; Landlock holds everything else",
    ),
    #[cfg(target_arch = "x86_64")]
    allow(
        &[libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_rmdir],
        "as above",
    ),
    allow(&[libc::SYS_pidfd_open], "a process that is to be ended"),
    allow_when(
        &[libc::SYS_pidfd_send_signal],
        &[When::Is(1, libc::SIGKILL as u32)],
        "ending it, and nothing else",
    ),
    allow(
        &[libc::SYS_nanosleep, libc::SYS_clock_nanosleep],
        "until a group is empty",
    ),
    MEMORY[0],
    MEMORY[1],
    MEMORY[2],
    MEMORY[3],
];

/// The log's writer: it holds the key, and reads what others ask it to record.
pub(super) const LOG: &[Rule] = &[
    READ_AND_WRITE,
    allow(
        &[
            libc::SYS_openat,
            libc::SYS_getdents64,
            libc::SYS_fstat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_faccessat,
            libc::SYS_lseek,
            libc::SYS_fcntl,
            libc::SYS_ftruncate,
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_flock,
            libc::SYS_fadvise64,
            libc::SYS_mkdirat,
            libc::SYS_unlinkat,
            libc::SYS_renameat,
            libc::SYS_renameat2,
        ],
        "the files of the logs; Landlock holds everything else",
    ),
    #[cfg(target_arch = "x86_64")]
    allow(
        &[
            libc::SYS_open,
            libc::SYS_stat,
            libc::SYS_lstat,
            libc::SYS_access,
            libc::SYS_mkdir,
            libc::SYS_unlink,
            libc::SYS_rename,
        ],
        "as above",
    ),
    allow(
        &[libc::SYS_recvmsg],
        "what is to be recorded, and sockets of others who record",
    ),
    allow_when(
        &[libc::SYS_sendto],
        &[When::Is(5, 0)],
        "answers, on sockets that it was given: no address can be named",
    ),
    allow(&[libc::SYS_ppoll], "waiting for them"),
    #[cfg(target_arch = "x86_64")]
    allow(&[libc::SYS_poll], "as above"),
    MEMORY[0],
    MEMORY[1],
    MEMORY[2],
    MEMORY[3],
];

/// All flags of `openat` but those that a reader passes: `O_CLOEXEC`, `O_LARGEFILE`, `O_NOFOLLOW`, `O_DIRECTORY`.
const NOT_READING: u32 =
    !(libc::O_CLOEXEC | libc::O_LARGEFILE | 0o100_000 | libc::O_NOFOLLOW | libc::O_DIRECTORY) as u32;

/// The watcher of programs: it reads the memory of the sandbox, which is hostile. Landlock cannot hold it: a process in a
/// domain may read the memory of no process outside (kernel: Documentation/security/landlock.rst). So it may open
/// files, to read only: `/proc/PID/stat`; and has nowhere to send them but the log.
pub(super) const WATCHER: &[Rule] = &[
    allow(&[libc::SYS_read, libc::SYS_close], "what is open"),
    allow_when(
        &[libc::SYS_openat],
        &[When::MaskedIs(2, NOT_READING, 0)],
        "the parent of a program, from /proc: for reading, and nothing is made",
    ),
    allow(
        &[libc::SYS_fstat, libc::SYS_statx, libc::SYS_lseek, libc::SYS_fcntl],
        "as above: how long it is",
    ),
    allow(&[libc::SYS_readlinkat], "a program's directory, from /proc"),
    #[cfg(target_arch = "x86_64")]
    allow(&[libc::SYS_readlink], "as above"),
    allow(
        &[libc::SYS_process_vm_readv],
        "path and arguments of a program; nothing is written",
    ),
    allow(&[libc::SYS_pidfd_open], "a program, to hear how it ended"),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0xc040_ff0b)],
        "PIDFD_GET_INFO: parent and status of a program",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0xc050_2100)],
        "SECCOMP_IOCTL_NOTIF_RECV: what is executed",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0xc018_2101)],
        "SECCOMP_IOCTL_NOTIF_SEND: it goes on",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x4008_2104)],
        "SECCOMP_IOCTL_NOTIF_SET_FLAGS: taking turns",
    ),
    allow(
        &[libc::SYS_recvmsg, libc::SYS_recvfrom],
        "the listener, and the log's answers",
    ),
    allow_when(
        &[libc::SYS_sendto],
        &[When::Is(5, 0)],
        "records, on the socket to the log: no address can be named",
    ),
    allow(&[libc::SYS_ppoll], "waiting for programs"),
    #[cfg(target_arch = "x86_64")]
    allow(&[libc::SYS_poll], "as above"),
    allow(
        &[libc::SYS_getpriority, libc::SYS_sched_setattr],
        "the wish for short turns",
    ),
    MEMORY[0],
    MEMORY[1],
    MEMORY[2],
    MEMORY[3],
];

/// What brings the host's edits inside. It reads names and facts that hostile programs made, on either side.
pub(super) const EDITS: &[Rule] = &[
    READ_AND_WRITE,
    allow(
        &[
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_getdents64,
            libc::SYS_fstat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_lseek,
            libc::SYS_fcntl,
            libc::SYS_pread64,
            libc::SYS_readlinkat,
            libc::SYS_flistxattr,
            libc::SYS_fgetxattr,
        ],
        "reading the project and what the session sees; Landlock holds everything else",
    ),
    allow(
        &[
            libc::SYS_pwrite64,
            libc::SYS_ftruncate,
            libc::SYS_fallocate,
            libc::SYS_copy_file_range,
            libc::SYS_mkdirat,
            libc::SYS_symlinkat,
            libc::SYS_unlinkat,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_fchmod,
            libc::SYS_fchmodat,
            libc::SYS_fchownat,
            libc::SYS_utimensat,
            libc::SYS_fsetxattr,
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_flock,
        ],
        "writing what the session sees, and notes beside the session; as above",
    ),
    #[cfg(target_arch = "x86_64")]
    allow(
        &[
            libc::SYS_open,
            libc::SYS_stat,
            libc::SYS_lstat,
            libc::SYS_readlink,
            libc::SYS_mkdir,
            libc::SYS_rmdir,
            libc::SYS_unlink,
            libc::SYS_symlink,
            libc::SYS_rename,
            libc::SYS_chmod,
        ],
        "as both above",
    ),
    allow_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x4004_9409)],
        "FICLONE: a copy that shares its blocks",
    ),
    allow(
        &[
            libc::SYS_inotify_init1,
            libc::SYS_inotify_add_watch,
            libc::SYS_inotify_rm_watch,
        ],
        "watching the project's folders",
    ),
    allow_when(
        &[libc::SYS_sendto],
        &[When::Is(5, 0)],
        "what both sides changed, to the supervisor: no address can be named",
    ),
    allow(
        &[libc::SYS_geteuid, libc::SYS_getpid],
        "whether what is made is to be given away, and names of its own",
    ),
    allow(&[libc::SYS_ppoll], "waiting for either side"),
    #[cfg(target_arch = "x86_64")]
    allow(&[libc::SYS_poll], "as above"),
    MEMORY[0],
    MEMORY[1],
    MEMORY[2],
    MEMORY[3],
];

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::super::assemble::NATIVE;
    use super::super::interpret::{Call, run};
    use super::*;
    use crate::Role;

    const KILLED: u32 = 0x8000_0000;

    fn judged(role: Role, nr: Nr, args: [u64; 6]) -> u32 {
        let call = Call {
            arch: NATIVE,
            nr: nr as u32,
            args,
        };
        run(&Filter::of_role(role).program, &call)
    }

    #[test]
    fn no_role_executes_connects_or_makes_processes() {
        let never = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_pidfd_getfd,
            libc::SYS_io_uring_setup,
            libc::SYS_openat2,
            libc::SYS_dup3,
        ];
        for role in [Role::Relay, Role::Janitor, Role::Log, Role::Watcher, Role::Edits] {
            for nr in never {
                // On a connected socket, without an address.
                if nr == libc::SYS_sendto && matches!(role, Role::Log | Role::Watcher | Role::Edits) {
                    continue;
                }
                // Below a folder, whatever comes in its place.
                if nr == libc::SYS_openat2 && role == Role::Edits {
                    continue;
                }
                assert_eq!(judged(role, nr, [0; 6]), KILLED, "{role:?} {nr}");
            }
        }
        assert_eq!(judged(Role::Relay, libc::SYS_openat, [0; 6]), KILLED);
    }

    #[test]
    fn what_is_allowed_in_part_is_allowed_in_that_part() {
        let allowed = Answer::Allow.value();
        let ioctl = |command| judged(Role::Relay, libc::SYS_ioctl, [0, command, 0, 0, 0, 0]);
        assert_eq!(ioctl(0x5413), allowed, "TIOCGWINSZ");
        assert_eq!(ioctl(0x5412), KILLED, "TIOCSTI types for the user");
        let map = |protection, flags| judged(Role::Relay, libc::SYS_mmap, [0, 1, protection, flags, 0, 0]);
        assert_eq!(map(3, 0x22), allowed);
        assert_eq!(map(7, 0x22), KILLED, "executable");
        assert_eq!(map(3, 0x02), KILLED, "a file");
        let send = |role, length| judged(role, libc::SYS_sendto, [3, 1, 1, 0, 0, length]);
        let open = |flags: i32| judged(Role::Watcher, libc::SYS_openat, [0, 1, flags as u64, 0, 0, 0]);
        for role in [Role::Log, Role::Watcher, Role::Edits] {
            assert_eq!((send(role, 0), send(role, 16)), (allowed, KILLED), "{role:?}");
        }
        assert_eq!(open(libc::O_CLOEXEC), allowed);
        for flags in [
            libc::O_WRONLY,
            libc::O_RDWR,
            libc::O_CREAT,
            libc::O_TRUNC,
            libc::O_PATH,
        ] {
            assert_eq!(open(flags), KILLED, "{flags:o}");
        }
        let control = |command| judged(Role::Watcher, libc::SYS_ioctl, [3, command, 0, 0, 0, 0]);
        assert_eq!(
            control(0x4018_2103),
            KILLED,
            "SECCOMP_IOCTL_NOTIF_ADDFD gives a program a descriptor"
        );
        assert_eq!(judged(Role::Watcher, libc::SYS_process_vm_writev, [0; 6]), KILLED);
        let clone = |command| judged(Role::Edits, libc::SYS_ioctl, [3, command, 0, 0, 0, 0]);
        assert_eq!((clone(0x4004_9409), clone(0x5412)), (allowed, KILLED));
        for nr in [
            libc::SYS_linkat,
            libc::SYS_mknodat,
            libc::SYS_umount2,
            libc::SYS_setns,
        ] {
            assert_eq!(judged(Role::Edits, nr, [0; 6]), KILLED, "{nr}");
        }
        let signal = |n| judged(Role::Janitor, libc::SYS_pidfd_send_signal, [0, n, 0, 0, 0, 0]);
        assert_eq!((signal(9), signal(15)), (allowed, KILLED));
    }

    #[test]
    fn every_permission_says_what_for() {
        for rule in RELAY.iter().chain(JANITOR).chain(LOG).chain(WATCHER).chain(EDITS) {
            assert!(rule.why.len() > 5 && !rule.calls.is_empty() && rule.answer == Answer::Allow);
        }
    }
}
