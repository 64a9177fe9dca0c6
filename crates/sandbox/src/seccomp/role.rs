//! What fumehood's own helper processes may still do once they meet hostile bytes, as data.

use super::table::{Answer, RULES, Rule, Scope, When};
use super::{Filter, assemble, local, table};

/// A helper process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decodes what the sandbox sends. It was given its sockets; it opens, makes and executes nothing.
    Gateway,
    /// Dials. It needs the C library's resolver: threads, sockets, files to read.
    Broker,
    /// Passes bytes between the user's terminal and the sandbox's.
    Relay,
    /// Ends what is in control groups, and removes them.
    Janitor,
    /// Writes the log: it signs what others ask it to record, in files of one folder.
    Log,
    /// Hears of programs that are executed, and reads their arguments in their memory.
    Watcher,
    /// Brings the host's edits inside: it reads one tree, and makes another the same.
    Edits,
}

const EPERM: Answer = Answer::Error(libc::EPERM);
/// As the table's own, for calls that are not even named.
const ENOSYS: Answer = Answer::Error(libc::ENOSYS);

const fn rule(
    calls: &'static [libc::c_long],
    when: &'static [When],
    answer: Answer,
    why: &'static str,
) -> Rule {
    Rule {
        calls,
        when,
        answer,
        scope: Scope::All,
        why,
    }
}

const EXECUTABLE: u32 = libc::PROT_EXEC as u32;

/// All that the gateway may call.
const GATEWAY: &[Rule] = &[
    rule(
        &[libc::SYS_mmap, libc::SYS_mprotect],
        &[When::AnyBit(2, EXECUTABLE)],
        EPERM,
        "no new code",
    ),
    rule(
        &[
            libc::SYS_mmap,
            libc::SYS_mprotect,
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_brk,
        ],
        &[],
        Answer::Allow,
        "memory",
    ),
    rule(
        &[
            libc::SYS_read,
            libc::SYS_readv,
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
            libc::SYS_write,
            libc::SYS_writev,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_close,
            libc::SYS_fcntl,
            libc::SYS_shutdown,
            libc::SYS_getsockname,
            libc::SYS_getpeername,
            libc::SYS_getsockopt,
            libc::SYS_setsockopt,
        ],
        &[],
        Answer::Allow,
        "bytes over descriptors that it was given",
    ),
    rule(
        &[libc::SYS_accept4],
        &[],
        Answer::Allow,
        "connections of the sandbox, and to published ports",
    ),
    rule(
        &[libc::SYS_connect],
        &[],
        Answer::Allow,
        "with sockets of the sandbox's own network, to reach what listens inside: it can make none itself",
    ),
    rule(
        &[libc::SYS_socketpair],
        &[When::Is(0, libc::AF_UNIX as u32)],
        Answer::Allow,
        "lanes to the broker: both ends are its own until it sends one to the supervisor",
    ),
    rule(
        &[
            libc::SYS_epoll_create1,
            libc::SYS_epoll_ctl,
            libc::SYS_epoll_pwait,
            libc::SYS_epoll_pwait2,
            libc::SYS_eventfd2,
            libc::SYS_ppoll,
            libc::SYS_ioctl, // FIONBIO; what else there is takes descriptors that it does not have
        ],
        &[],
        Answer::Allow,
        "waiting for them",
    ),
    #[cfg(target_arch = "x86_64")]
    rule(
        &[libc::SYS_epoll_wait, libc::SYS_poll],
        &[],
        Answer::Allow,
        "waiting, by the older calls",
    ),
    rule(
        &[
            libc::SYS_futex,
            libc::SYS_sched_yield,
            libc::SYS_clock_gettime,
            libc::SYS_clock_nanosleep,
            libc::SYS_nanosleep,
            libc::SYS_getrandom,
            libc::SYS_restart_syscall,
            libc::SYS_getpid,
            libc::SYS_gettid,
        ],
        &[],
        Answer::Allow,
        "time, randomness, itself",
    ),
    rule(
        &[
            libc::SYS_rt_sigaction,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_sigaltstack,
            libc::SYS_exit,
            libc::SYS_exit_group,
        ],
        &[],
        Answer::Allow,
        "a panic, and the end",
    ),
];

/// What the broker may not, besides what no sandbox may.
const BROKER: &[Rule] = &[rule(
    &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_kill,
        libc::SYS_tkill,
    ],
    &[],
    EPERM,
    "it starts no program, and ends none",
)];

impl Filter {
    /// The filter of a helper process.
    #[must_use]
    pub fn of_role(role: Role) -> Filter {
        let program = match role {
            Role::Gateway => assemble::program(
                GATEWAY.iter(),
                assemble::Otherwise {
                    known: EPERM,
                    newest: table::NEWEST,
                    unknown: ENOSYS,
                },
            ),
            Role::Broker => {
                let flat = RULES.iter().filter(|r| r.scope != Scope::LandlockOnly);
                assemble::program(BROKER.iter().chain(flat), table::OTHERWISE)
            }
            Role::Relay => assemble::program(local::RELAY.iter(), local::OTHERWISE),
            Role::Janitor => assemble::program(local::JANITOR.iter(), local::OTHERWISE),
            Role::Log => assemble::program(local::LOG.iter(), local::OTHERWISE),
            Role::Watcher => assemble::program(local::WATCHER.iter(), local::OTHERWISE),
            Role::Edits => assemble::program(local::EDITS.iter(), local::OTHERWISE),
        };
        Filter {
            program,
            tells: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assemble::NATIVE;
    use super::super::interpret::{Call, run};
    use super::*;

    fn answer(role: Role, number: libc::c_long, args: [u64; 6]) -> u32 {
        let call = Call {
            arch: NATIVE,
            nr: number as u32,
            args,
        };
        run(&Filter::of_role(role).program, &call)
    }

    /// A build with a flaw in a parser reaches no file, no socket, no program.
    #[test]
    fn the_gateway_opens_makes_and_executes_nothing() {
        let refused = [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_bind,
            libc::SYS_listen,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_unlinkat,
            libc::SYS_newfstatat,
            libc::SYS_io_uring_setup,
            libc::SYS_prctl,
            libc::SYS_memfd_create,
        ];
        for number in refused {
            assert_eq!(answer(Role::Gateway, number, [0; 6]), EPERM.value(), "{number}");
        }
        for number in [
            libc::SYS_read,
            libc::SYS_sendmsg,
            libc::SYS_accept4,
            libc::SYS_epoll_ctl,
        ] {
            assert_eq!(
                answer(Role::Gateway, number, [0; 6]),
                Answer::Allow.value(),
                "{number}"
            );
        }
        let protection = |prot: i32| [0, 0, prot as u64, 0, 0, 0];
        let executable = protection(libc::PROT_READ | libc::PROT_EXEC);
        assert_eq!(answer(Role::Gateway, libc::SYS_mmap, executable), EPERM.value());
        assert_eq!(
            answer(Role::Gateway, libc::SYS_mmap, protection(libc::PROT_READ)),
            Answer::Allow.value()
        );
        let internet = [libc::AF_INET as u64, 0, 0, 0, 0, 0];
        assert_eq!(
            answer(Role::Gateway, libc::SYS_socketpair, internet),
            EPERM.value()
        );
    }

    #[test]
    fn the_broker_executes_nothing() {
        for number in [libc::SYS_execve, libc::SYS_ptrace, libc::SYS_mount, libc::SYS_bpf] {
            assert_eq!(answer(Role::Broker, number, [0; 6]), EPERM.value(), "{number}");
        }
        let internet = [libc::AF_INET as u64, 1, 0, 0, 0, 0];
        assert_eq!(
            answer(Role::Broker, libc::SYS_socket, internet),
            Answer::Allow.value()
        );
    }
}
