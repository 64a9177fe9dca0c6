//! The system calls that are refused, as data: what, when, with which answer, and why.
//!
//! Everything that is not listed is allowed, up to the newest number this table was checked
//! against ([`NEWEST`]); later numbers answer `ENOSYS`, so that a C library falls back instead of
//! using what nobody here has read. The list follows research/local-sandboxes.md §3.3 and
//! research/review-security.md F8, F16, F20; the escapes it answers are in docs/guarantees.md.

use super::assemble::Otherwise;
use libc::c_long as Nr;

/// What a call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow,
    /// The supervisor's side hears of it, and lets it go on (`SECCOMP_RET_USER_NOTIF`).
    Tell,
    /// It ends the process, which is told of nobody: SIGSYS.
    Kill,
    /// It is not made, and answers this error.
    Error(i32),
}

impl Answer {
    /// As a filter returns it (linux/seccomp.h, `SECCOMP_RET_*`).
    pub(super) fn value(self) -> u32 {
        match self {
            Answer::Allow => 0x7fff_0000,
            Answer::Tell => 0x7fc0_0000,
            Answer::Kill => 0x8000_0000, // SECCOMP_RET_KILL_PROCESS
            Answer::Error(errno) => 0x0005_0000 | (errno as u32 & 0xffff),
        }
    }
}

const EPERM: Answer = Answer::Error(libc::EPERM);
/// For calls that programs try and do without: the C library then takes its older way.
const ENOSYS: Answer = Answer::Error(libc::ENOSYS);
const EAFNOSUPPORT: Answer = Answer::Error(libc::EAFNOSUPPORT);
const EPROTONOSUPPORT: Answer = Answer::Error(libc::EPROTONOSUPPORT);

/// A condition on one argument. Only the low 32 bits are looked at, because that is all the kernel
/// takes of every argument named here: comparing 64 bits was flatpak's hole CVE-2019-10063.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Some bit of the mask is set.
    AnyBit(u8, u32),
    /// The argument is this value.
    Is(u8, u32),
    /// The argument is this value under the mask.
    MaskedIs(u8, u32, u32),
    /// The argument is none of these values.
    NoneOf(u8, &'static [u32]),
}

/// Which profiles a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Always.
    All,
    /// Not where programs may bring a sandbox of their own (`nested = true`).
    Flat,
    /// Only at isolation level `landlock`, which has no network namespace.
    LandlockOnly,
    /// Only where programs that are executed are recorded.
    Watched,
}

/// One refusal: these calls, when all conditions hold, answer this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) calls: &'static [Nr],
    pub(crate) when: &'static [When],
    pub(crate) answer: Answer,
    pub(crate) scope: Scope,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the reason is for the reader of this table")
    )]
    pub(crate) why: &'static str,
}

/// The newest system call number that was read for this table: `file_setattr` (Linux 6.17).
pub(crate) const NEWEST: Nr = 469;

/// What calls get that the table does not name.
pub(super) const OTHERWISE: Otherwise = Otherwise {
    known: Answer::Allow,
    newest: NEWEST,
    unknown: ENOSYS,
};

const fn refuse(calls: &'static [Nr], answer: Answer, why: &'static str) -> Rule {
    Rule {
        calls,
        when: &[],
        answer,
        scope: Scope::All,
        why,
    }
}

const fn refuse_when(calls: &'static [Nr], when: &'static [When], answer: Answer, why: &'static str) -> Rule {
    Rule {
        calls,
        when,
        answer,
        scope: Scope::All,
        why,
    }
}

const fn flat(calls: &'static [Nr], when: &'static [When], answer: Answer, why: &'static str) -> Rule {
    Rule {
        calls,
        when,
        answer,
        scope: Scope::Flat,
        why,
    }
}

/// `CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET`.
const NAMESPACES: u32 = 0x7e02_0000;
/// `CLONE_NEWTIME`: a namespace flag in `unshare` and `setns`, part of the signal in `clone`.
const NEWTIME: u32 = 0x80;
/// The set-user-id and set-group-id bits.
const SET_ID: u32 = 0o6000;
const CREATE: u32 = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

// Numbers that the libc crate does not name yet; the same on every architecture.
const OPEN_TREE_ATTR: Nr = 467;

/// The table. Order matters only within one call: the first rule that fits answers.
pub(crate) const RULES: &[Rule] = &[
    // --- What is recorded ---------------------------------------------------------------------
    Rule {
        calls: &[libc::SYS_execve, libc::SYS_execveat],
        when: &[],
        answer: Answer::Tell,
        scope: Scope::Watched,
        why: "every program that is executed is in the log, and nothing inside can switch that off: a filter \
              stays for ever, and without its listener the call fails",
    },
    // --- Ways around a filter ---------------------------------------------------------------
    refuse(
        &[
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
        ],
        ENOSYS,
        "operations queued on a ring are not seen by seccomp; libuv and others fall back",
    ),
    refuse(
        &[libc::SYS_clone3],
        ENOSYS,
        "a filter cannot read its flags, which are in memory; the C library falls back to clone",
    ),
    refuse(
        &[libc::SYS_openat2],
        ENOSYS,
        "its mode is in memory, so set-id bits could not be refused; callers fall back to openat",
    ),
    // --- New namespaces: capabilities over fresh kernel surface ------------------------------
    flat(
        &[libc::SYS_clone],
        &[When::AnyBit(0, NAMESPACES)],
        EPERM,
        "a user namespace gives back capabilities (CDK abuse_unpriv_userns)",
    ),
    flat(
        &[libc::SYS_unshare],
        &[When::AnyBit(0, NAMESPACES | NEWTIME)],
        EPERM,
        "as clone; unsharing files or the working directory stays allowed",
    ),
    flat(
        &[libc::SYS_setns],
        &[],
        EPERM,
        "joining a namespace leaves this one",
    ),
    // --- The mount tree is the wall -----------------------------------------------------------
    flat(
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
        ],
        &[],
        EPERM,
        "the mount tree is the wall (escapes 26-29, 32)",
    ),
    flat(
        &[
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_mount_setattr,
            OPEN_TREE_ATTR,
        ],
        &[],
        EPERM,
        "the newer mount calls, which filters on mount(2) forget (escapes 28)",
    ),
    // --- Other processes ----------------------------------------------------------------------
    refuse(
        &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
        ],
        EPERM,
        "reading or steering another process, pid 1 of the sandbox among them (escapes 38-40, 46)",
    ),
    Rule {
        calls: &[
            libc::SYS_prlimit64,
            libc::SYS_sched_setaffinity,
            libc::SYS_sched_setparam,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setattr,
            libc::SYS_migrate_pages,
            libc::SYS_move_pages,
        ],
        when: &[When::NoneOf(0, &[0])],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "level landlock has no pid namespace: limits and scheduling of other processes (escapes 43)",
    },
    Rule {
        calls: &[libc::SYS_setpriority, libc::SYS_ioprio_set],
        when: &[When::NoneOf(1, &[0])],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "as above; these name the process second",
    },
    Rule {
        calls: &[libc::SYS_setpriority],
        when: &[When::NoneOf(0, &[0])],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "whole groups and users of processes",
    },
    Rule {
        calls: &[libc::SYS_ioprio_set],
        when: &[When::NoneOf(0, &[1])],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "whole groups and users of processes",
    },
    // --- Kernel keyrings follow the user, not the namespace ------------------------------------
    refuse(
        &[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key],
        EPERM,
        "the user's keyrings hold secrets of the host; CVE-2024-42318 dropped Landlock through keyctl",
    ),
    // --- Doors into the kernel that no development tool needs ----------------------------------
    refuse(
        &[libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd],
        EPERM,
        "kernel attack surface and exploit aid (escapes 91)",
    ),
    refuse(
        &[libc::SYS_memfd_secret],
        ENOSYS,
        "memory that no watchdog can account for",
    ),
    refuse(
        &[libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at],
        EPERM,
        "opens any inode by number (\"shocker\", escapes 30)",
    ),
    refuse(
        &[libc::SYS_fanotify_init],
        EPERM,
        "watches whole mounts (escapes 34)",
    ),
    refuse(
        &[
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_adjtimex,
            libc::SYS_clock_adjtime,
            libc::SYS_syslog,
            libc::SYS_vhangup,
            libc::SYS_lookup_dcookie,
            libc::SYS_nfsservctl,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
        ],
        EPERM,
        "administration of the host (escapes 92, 93); capabilities refuse it too, this is the second lock",
    ),
    #[cfg(target_arch = "x86_64")]
    refuse(
        &[
            libc::SYS_kexec_file_load,
            libc::SYS_iopl,
            libc::SYS_ioperm,
            libc::SYS_modify_ldt,
            libc::SYS_uselib,
            libc::SYS_ustat,
            libc::SYS_sysfs,
            libc::SYS__sysctl,
        ],
        EPERM,
        "administration of the host and calls kept for old programs (escapes 92)",
    ),
    refuse_when(
        &[libc::SYS_personality],
        &[When::NoneOf(0, &[0, 0xffff_ffff, 0x0004_0000])],
        EPERM,
        "odd execution domains loosen address randomisation and executable memory; asking, the default \
         and no-randomisation (debuggers, sanitizers) stay",
    ),
    // --- The terminal --------------------------------------------------------------------------
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5412)],
        EPERM,
        "TIOCSTI types for the user (CVE-2017-5226)",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x541c)],
        EPERM,
        "TIOCLINUX pastes for the user",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5423)],
        EPERM,
        "TIOCSETD loads line disciplines",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x541d)],
        EPERM,
        "TIOCCONS takes the console's output",
    ),
    // --- btrfs: a snapshot of the subvolume that a folder lies in would show all of it, homes included.
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5000_9401)],
        EPERM,
        "BTRFS_IOC_SNAP_CREATE",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5000_9417)],
        EPERM,
        "BTRFS_IOC_SNAP_CREATE_V2",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5000_940e)],
        EPERM,
        "BTRFS_IOC_SUBVOL_CREATE",
    ),
    refuse_when(
        &[libc::SYS_ioctl],
        &[When::Is(1, 0x5000_9418)],
        EPERM,
        "BTRFS_IOC_SUBVOL_CREATE_V2",
    ),
    // --- Sockets that do not end at the network namespace --------------------------------------
    Rule {
        calls: &[libc::SYS_socket],
        when: &[When::NoneOf(0, &[])],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "level landlock has no network namespace: no socket at all, AF_UNIX included (F20)",
    },
    refuse_when(
        &[libc::SYS_socket],
        &[When::NoneOf(0, &[1, 2, 10, 16])],
        EAFNOSUPPORT,
        "only UNIX, INET, INET6 and NETLINK: vsock reaches the hypervisor, PACKET, ALG, XDP, TIPC, RDS and \
         the rest are kernel surface (escapes 64, 65)",
    ),
    refuse_when(
        &[libc::SYS_socket],
        &[When::Is(0, 16), When::NoneOf(2, &[0])],
        EPROTONOSUPPORT,
        "NETLINK_ROUTE only: nf_tables is the most used kernel hole (F8)",
    ),
    Rule {
        calls: &[libc::SYS_socketpair],
        when: &[When::MaskedIs(1, 0xf, 2)],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "an end of a datagram pair can be connected, or sent from, to any socket of the host",
    },
    Rule {
        calls: &[
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_listen,
            libc::SYS_accept,
            libc::SYS_accept4,
            libc::SYS_shmget,
            libc::SYS_shmat,
            libc::SYS_msgget,
            libc::SYS_semget,
            libc::SYS_mq_open,
        ],
        when: &[],
        answer: EPERM,
        scope: Scope::LandlockOnly,
        why: "level landlock has no network and no ipc namespace",
    },
    refuse_when(
        &[libc::SYS_socketpair],
        &[When::NoneOf(0, &[1])],
        EAFNOSUPPORT,
        "pairs are for AF_UNIX",
    ),
    // --- Set-id files, which outlive the sandbox in the project (F16) ---------------------------
    refuse_when(
        &[libc::SYS_fchmod],
        &[When::AnyBit(1, SET_ID)],
        EPERM,
        "no set-id bits",
    ),
    refuse_when(
        &[
            libc::SYS_fchmodat,
            libc::SYS_fchmodat2,
            libc::SYS_mkdirat,
            libc::SYS_mknodat,
        ],
        &[When::AnyBit(2, SET_ID)],
        EPERM,
        "no set-id bits",
    ),
    refuse_when(
        &[libc::SYS_openat],
        &[When::AnyBit(2, CREATE), When::AnyBit(3, SET_ID)],
        EPERM,
        "no set-id bits",
    ),
    #[cfg(target_arch = "x86_64")]
    refuse_when(
        &[libc::SYS_chmod, libc::SYS_mkdir, libc::SYS_mknod, libc::SYS_creat],
        &[When::AnyBit(1, SET_ID)],
        EPERM,
        "no set-id bits",
    ),
    #[cfg(target_arch = "x86_64")]
    refuse_when(
        &[libc::SYS_open],
        &[When::AnyBit(1, CREATE), When::AnyBit(2, SET_ID)],
        EPERM,
        "no set-id bits",
    ),
    refuse_when(
        &[libc::SYS_mknodat],
        &[When::MaskedIs(2, libc::S_IFMT, libc::S_IFBLK)],
        EPERM,
        "no block devices",
    ),
    refuse_when(
        &[libc::SYS_mknodat],
        &[When::MaskedIs(2, libc::S_IFMT, libc::S_IFCHR)],
        EPERM,
        "no character devices; nor overlay whiteouts, which are device 0:0",
    ),
    #[cfg(target_arch = "x86_64")]
    refuse_when(
        &[libc::SYS_mknod],
        &[When::MaskedIs(1, libc::S_IFMT, libc::S_IFBLK)],
        EPERM,
        "no block devices",
    ),
    #[cfg(target_arch = "x86_64")]
    refuse_when(
        &[libc::SYS_mknod],
        &[When::MaskedIs(1, libc::S_IFMT, libc::S_IFCHR)],
        EPERM,
        "no character devices",
    ),
];
