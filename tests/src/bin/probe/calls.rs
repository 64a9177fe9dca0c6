//! Raw system calls by name, so that a table in a test can name a call and its arguments.

use crate::errno::check;
use crate::{Probe, Reached, word};
use libc::c_long;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub(crate) const PROBES: &[(&str, Probe)] = &[("call", call)];

const CALLS: &[(&str, c_long)] = &[
    ("acct", libc::SYS_acct),
    ("add_key", libc::SYS_add_key),
    ("adjtimex", libc::SYS_adjtimex),
    ("bpf", libc::SYS_bpf),
    ("chmod", libc::SYS_chmod),
    ("chown", libc::SYS_chown),
    ("chroot", libc::SYS_chroot),
    ("clock_settime", libc::SYS_clock_settime),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("creat", libc::SYS_creat),
    ("delete_module", libc::SYS_delete_module),
    ("fanotify_init", libc::SYS_fanotify_init),
    ("fchmodat", libc::SYS_fchmodat),
    ("fchmodat2", libc::SYS_fchmodat2),
    ("finit_module", libc::SYS_finit_module),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fsopen", libc::SYS_fsopen),
    ("fspick", libc::SYS_fspick),
    ("init_module", libc::SYS_init_module),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("ioctl", libc::SYS_ioctl),
    ("iopl", libc::SYS_iopl),
    ("ioperm", libc::SYS_ioperm),
    ("ioprio_set", libc::SYS_ioprio_set),
    ("kcmp", libc::SYS_kcmp),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("kexec_load", libc::SYS_kexec_load),
    ("keyctl", libc::SYS_keyctl),
    ("kill", libc::SYS_kill),
    ("link", libc::SYS_link),
    ("lookup_dcookie", libc::SYS_lookup_dcookie),
    ("lsetxattr", libc::SYS_lsetxattr),
    ("migrate_pages", libc::SYS_migrate_pages),
    ("mkdir", libc::SYS_mkdir),
    ("mkdirat", libc::SYS_mkdirat),
    ("mknod", libc::SYS_mknod),
    ("mknodat", libc::SYS_mknodat),
    ("mount", libc::SYS_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("mq_open", libc::SYS_mq_open),
    ("msgget", libc::SYS_msgget),
    ("name_to_handle_at", libc::SYS_name_to_handle_at),
    ("open", libc::SYS_open),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("open_tree", libc::SYS_open_tree),
    ("openat", libc::SYS_openat),
    ("openat2", libc::SYS_openat2),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("personality", libc::SYS_personality),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pivot_root", libc::SYS_pivot_root),
    ("prlimit64", libc::SYS_prlimit64),
    ("process_madvise", libc::SYS_process_madvise),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("ptrace", libc::SYS_ptrace),
    ("quotactl", libc::SYS_quotactl),
    ("reboot", libc::SYS_reboot),
    ("renameat2", libc::SYS_renameat2),
    ("request_key", libc::SYS_request_key),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    ("sched_setaffinity", libc::SYS_sched_setaffinity),
    ("sched_setscheduler", libc::SYS_sched_setscheduler),
    ("semget", libc::SYS_semget),
    ("setdomainname", libc::SYS_setdomainname),
    ("sethostname", libc::SYS_sethostname),
    ("setns", libc::SYS_setns),
    ("setpriority", libc::SYS_setpriority),
    ("settimeofday", libc::SYS_settimeofday),
    ("setuid", libc::SYS_setuid),
    ("shmget", libc::SYS_shmget),
    ("socket", libc::SYS_socket),
    ("socketpair", libc::SYS_socketpair),
    ("swapoff", libc::SYS_swapoff),
    ("swapon", libc::SYS_swapon),
    ("syslog", libc::SYS_syslog),
    ("tgkill", libc::SYS_tgkill),
    ("truncate", libc::SYS_truncate),
    ("umount2", libc::SYS_umount2),
    ("unlink", libc::SYS_unlink),
    ("unshare", libc::SYS_unshare),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("vhangup", libc::SYS_vhangup),
];

/// `call NAME ARG…`; an argument is a number, `@text` (a C string) or `+n` (n zero bytes).
fn call(arguments: &[OsString]) -> Reached {
    let name = word(arguments, 0);
    let known = CALLS.iter().find(|(known, _)| OsStr::new(known) == name);
    let number = known.unwrap_or_else(|| panic!("no system call {name:?}")).1;
    let mut given: Vec<Argument> = arguments.iter().skip(1).map(|a| Argument::parse(a)).collect();
    let mut values = [0 as c_long; 6];
    for (value, argument) in values.iter_mut().zip(&mut given) {
        *value = argument.value();
    }
    let [a, b, c, d, e, f] = values;
    // SAFETY: pointers among the arguments lead to buffers that live until the end of this
    // function and are as long as the test says; the tests give each call what it takes.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    check(answer).map(|answer| answer.to_string())
}

enum Argument {
    Number(i64),
    Text(CString),
    Buffer(Vec<u8>),
}

impl Argument {
    fn parse(word: &OsStr) -> Argument {
        let bytes = word.as_bytes();
        match (bytes.strip_prefix(b"@"), bytes.strip_prefix(b"+")) {
            (Some(text), _) => Argument::Text(CString::new(text).unwrap_or_default()),
            (_, Some(_)) => {
                Argument::Buffer(vec![
                    0;
                    usize::try_from(expect_number(&word.to_string_lossy()[1..]))
                        .unwrap_or(0)
                ])
            }
            _ => Argument::Number(expect_number(&word.to_string_lossy())),
        }
    }

    fn value(&mut self) -> c_long {
        match self {
            Argument::Number(n) => *n,
            Argument::Text(text) => text.as_ptr().addr() as c_long,
            Argument::Buffer(buffer) => buffer.as_mut_ptr().expose_provenance() as c_long,
        }
    }
}

fn expect_number(text: &str) -> i64 {
    parse_number(OsStr::new(text)).unwrap_or_else(|| panic!("{text:?} is no number"))
}

/// Decimal or hexadecimal, as C would read it.
pub(crate) fn parse_number(word: &OsStr) -> Option<i64> {
    let text = word.to_str()?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}
