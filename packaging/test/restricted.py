#!/usr/bin/env python3
"""Runs a command as on a host that gives user namespaces without what they are for.

    restricted.py HOW COMMAND…

HOW is one of
  mounts    every way to mount answers EPERM: what Ubuntu 24.04's AppArmor does to a user namespace,
            which is made, but has no capability in it
  writes    no file of the process filesystem can be opened for writing (Landlock; EACCES): the same
            host where the writing of the id mapping is what fails, as bwrap reports it
  landlock  no ruleset of Landlock can be made: a kernel without it, or one where it is switched off
  container clone3 answers ENOSYS, unshare and a clone with a namespace EPERM: Docker's seccomp profile

The restriction is inherited, cannot be taken back, and holds for the command's children.
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EPERM, ENOSYS = 1, 38
# System call numbers; those from 424 on are the same on both architectures.
OLD = {
    "x86_64": {"mount": 165, "unshare": 272, "clone": 56, "pivot_root": 155},
    "aarch64": {"mount": 40, "unshare": 97, "clone": 220, "pivot_root": 41},
}[platform.machine()]
NEW_MOUNT = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442}
CLONE3 = 435
NAMESPACES = 0x7E020080  # CLONE_NEW*: user, pid, net, ipc, uts, cgroup, mount, time
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
WRITE_FILE = 1 << 1

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    if result < 0:
        sys.exit(f"restricted.py: {what}: {os.strerror(ctypes.get_errno())}")
    return result


def no_new_privileges():
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def statement(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)


LOAD, EQUAL, ANY_BIT, GIVE = 0x20, 0x15, 0x45, 0x06


def refuse(number, errno):
    return statement(EQUAL, 0, 1, number) + statement(GIVE, 0, 0, ERRNO | errno)


def refuse_flags(number, flags, errno):
    """Refuses where the first argument (offset 16, lower half) has one of these bits."""
    return (
        statement(EQUAL, 0, 4, number)
        + statement(LOAD, 0, 0, 16)
        + statement(ANY_BIT, 0, 1, flags)
        + statement(GIVE, 0, 0, ERRNO | errno)
        + statement(GIVE, 0, 0, ALLOW)
    )


def filter_calls(*rules):
    """Installs a filter (seccomp(2)); offset 0 is the number of the call."""
    program = statement(LOAD, 0, 0, 0) + b"".join(rules) + statement(GIVE, 0, 0, ALLOW)
    instructions = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    no_new_privileges()
    checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0), "seccomp")


def refuse_writes_below_proc():
    """Landlock names what may be written: all that stands at the top, but not /proc."""
    ruleset = ctypes.create_string_buffer(struct.pack("Q", WRITE_FILE))
    fd = checked(libc.syscall(LANDLOCK_CREATE, ruleset, 8, 0), "landlock_create_ruleset")
    for name in os.listdir("/"):
        if name == "proc" or os.path.islink("/" + name) or not os.path.isdir("/" + name):
            continue
        place = os.open("/" + name, os.O_PATH | os.O_CLOEXEC)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", WRITE_FILE, place))
        checked(libc.syscall(LANDLOCK_ADD, fd, 1, rule, 0), "landlock_add_rule")
    no_new_privileges()
    checked(libc.syscall(LANDLOCK_RESTRICT, fd, 0), "landlock_restrict_self")


how, command = sys.argv[1], sys.argv[2:]
if how == "mounts":
    numbers = [OLD["mount"], OLD["pivot_root"], *NEW_MOUNT.values()]
    filter_calls(*(refuse(n, EPERM) for n in numbers))
elif how == "writes":
    refuse_writes_below_proc()
elif how == "landlock":
    filter_calls(refuse(LANDLOCK_CREATE, ENOSYS))
elif how == "container":
    filter_calls(
        refuse(CLONE3, ENOSYS),
        refuse_flags(OLD["clone"], NAMESPACES, EPERM),
        refuse_flags(OLD["unshare"], NAMESPACES, EPERM),
    )
else:
    sys.exit(__doc__)
os.execvp(command[0], command)
