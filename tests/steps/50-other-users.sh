#!/bin/bash
# A machine with several users: what one runs in a sandbox is out of reach for another, and what fumehood
# keeps for one is refused as soon as another could have touched it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh
[ "$(id -u)" -eq 0 ] || { echo "this step takes root: it makes two users" >&2; exit 1; }

need python3 python3
need setpriv util-linux
need ps procps
need ss iproute2

built=${FUMEHOOD_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/fumehood}
[ -x "$built" ] || { echo "$built: not built; FUMEHOOD_BIN names the binary" >&2; exit 1; }
scratch=$(mktemp -d)
chmod 755 "$scratch"
owner=fumehood-a-$$
other=fumehood-b-$$
run=''
cleanup() {
    [ -z "$run" ] || kill -KILL "$run" 2>/dev/null || true
    userdel --force --remove "$owner" >/dev/null 2>&1 || true
    userdel --force --remove "$other" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT
useradd --create-home "$owner"
useradd --create-home "$other"
home=$(getent passwd "$owner" | cut -d: -f6)
chmod 755 "$home" # as some distributions leave it: the state must not rest on the home being closed
install -m 755 "$built" "$scratch/fumehood"
fumehood=$scratch/fumehood
state=$home/.local/state/fumehood
project=$home/project

as() { # USER COMMAND…
    local who=$1
    shift
    timeout 60 setpriv --reuid "$who" --regid "$who" --init-groups env -i HOME="$(getent passwd "$who" | cut -d: -f6)" \
        USER="$who" PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C ${XDG_STATE_HOME:+XDG_STATE_HOME="$XDG_STATE_HOME"} "$@"
}
mkdir "$project"
printf 'version = 1\n[filesystem]\nro = ["/var/log"]\n' >"$project/fumehood.toml"
printf secret >"$project/mine"
chmod 600 "$project/mine"
chown -R "$owner:" "$project"
shared_places() { { find /tmp /var/tmp /dev/shm /run -xdev -user "$owner" -print 2>/dev/null || true; } | sort; }

# --- The state directory is its owner's alone. ---
modes_are_private() {
    find "$state" -printf '%m %u %y %P\n' | tee "$scratch/modes"
    [ -s "$scratch/modes" ] && ! grep -vE "^(700 $owner d|600 $owner f) " "$scratch/modes"
}
trust() { (cd "$project" && umask "${mask:-022}" && as "$owner" "$fumehood" trust --yes); }
runs() { (cd "$project" && as "$owner" "$fumehood" run "$@" -- true); }
# refuses_state WHAT COMMAND…: status 125, one line, which names the directory.
refuses_state() {
    local status=0
    "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
    echo "status $status"
    cat "$scratch/out" "$scratch/err"
    [ "$status" -eq 125 ] && [ "$(wc -l <"$scratch/err")" -eq 1 ] && grep -qE '^fumehood: .*/fumehood(/|:)' "$scratch/err"
}
mask=000 check "trust is recorded, under the loosest umask" trust
check "the state is 0700 and its files 0600" modes_are_private
check "a run of what is trusted starts" runs
for mode in 750 705 707 777; do
    chmod "$mode" "$state"
    check "state of mode $mode: trust refuses in a line" refuses_state trust
    check "state of mode $mode: run refuses in a line" refuses_state runs
    chmod 700 "$state"
done
for mode in 750 777; do
    chmod "$mode" "$state/trust"
    check "trust store of mode $mode: trust refuses in a line" refuses_state trust
    check "trust store of mode $mode: run refuses in a line" refuses_state runs
    chmod 700 "$state/trust"
done
chown "$other" "$state/trust"
check "another user's trust store: trust refuses in a line" refuses_state trust
check "another user's trust store: run refuses in a line" refuses_state runs
chown "$owner" "$state/trust"

# A place shared with others, where one of them was first.
mkdir -m 1777 "$scratch/shared"
as "$other" mkdir -m 777 "$scratch/shared/fumehood"
export XDG_STATE_HOME=$scratch/shared
check "a state that another user made: trust refuses in a line" refuses_state trust
check "a state that another user made: run refuses in a line" refuses_state runs
rm -rf "$scratch/shared/fumehood"
as "$other" ln -s "$state" "$scratch/shared/fumehood"
check "a state that is another user's link: trust refuses in a line" refuses_state trust
check "a state that is another user's link: run refuses in a line" refuses_state runs
unset XDG_STATE_HOME
check "with everything as it was, a run starts again" runs

# --- A run of one user, seen by another. ---
mkfifo "$scratch/in"
chown "$owner" "$scratch/in"
shared_places >"$scratch/shared-before"
(cd "$project" && exec setpriv --reuid "$owner" --regid "$owner" --init-groups \
    env HOME="$home" "$fumehood" run --pids 64 --timeout 5m -- sh -c 'echo up; sleep 300') \
    >"$scratch/said" 2>&1 &
run=$!
for _ in $(seq 100); do grep -q '^up' "$scratch/said" && break; sleep 0.1; done
check "one user's run is up" grep -q '^up' "$scratch/said"
# All of it: the supervisor, the janitor if there is one, the first process, the command.
descendants() {
    local pid
    echo "$1"
    for pid in $(ps -o pid= --ppid "$1"); do descendants "$pid"; done
}
mapfile -t pids < <(descendants "$run")
check "it has a supervisor, a first process and the command" test "${#pids[@]}" -ge 4

cat >"$scratch/reach.py" <<'PYTHON'
"""Tries, for each pid, what one process can do to another; prints what works and fails if anything does."""
import ctypes, errno, os, signal, sys

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE, PIDFD_GETFD, KCMP = 16, 0x4206, 438, {"x86_64": 312, "aarch64": 272}[os.uname().machine]
worked, tried = [], 0


def attempt(what, act):
    global tried
    tried += 1
    try:
        act()
        worked.append(what)
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EACCES):
            worked.append(f"{what}: not refused, but: {e}")


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def read(path):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 1)


def write(path):
    fd = os.open(path, os.O_WRONLY)  # some are refused only when written
    os.write(fd, b"0")


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def read_memory(pid):
    room = ctypes.create_string_buffer(8)
    here, there = Piece(ctypes.addressof(room), 8), Piece(0x400000, 8)
    call(libc.process_vm_readv, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def try_all(pid):
    proc = f"/proc/{pid}"
    pidfd = os.pidfd_open(pid)
    for number in (0, signal.SIGSTOP):
        attempt(f"{pid}: signal {number}", lambda: os.kill(pid, number))
    attempt(f"{pid}: pidfd_getfd", lambda: call(libc.syscall, PIDFD_GETFD, pidfd, 0, 0))
    attempt(f"{pid}: ptrace attach", lambda: call(libc.ptrace, PTRACE_ATTACH, pid, None, None))
    attempt(f"{pid}: ptrace seize", lambda: call(libc.ptrace, PTRACE_SEIZE, pid, None, None))
    attempt(f"{pid}: process_vm_readv", lambda: read_memory(pid))
    attempt(f"{pid}: kcmp", lambda: call(libc.syscall, KCMP, pid, os.getpid(), 0, 0, 0))
    for name in ("environ", "mem", "auxv", "maps", "syscall", "stack", "io", "pagemap"):
        attempt(f"{pid}: {name}", lambda: read(f"{proc}/{name}"))
    for name in ("root", "cwd", "exe", "ns/mnt", "ns/user", "ns/net", "ns/pid"):
        attempt(f"{pid}: {name}", lambda: os.readlink(f"{proc}/{name}"))
    for name in ("root/", "cwd/", "fd", "fdinfo", "map_files"):
        attempt(f"{pid}: {name}", lambda: os.listdir(f"{proc}/{name}"))
    for number in range(64):
        attempt(f"{pid}: fd/{number}", lambda: os.open(f"{proc}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK))
    for name in ("root/etc/passwd", "cwd/mine"):
        attempt(f"{pid}: {name}", lambda: read(f"{proc}/{name}"))
    for name in ("mem", "oom_score_adj", "uid_map", "clear_refs", "comm", "timerslack_ns"):
        attempt(f"{pid}: write {name}", lambda: write(f"{proc}/{name}"))
    # What ends it comes last: there is nothing to try on one that is gone.
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
        attempt(f"{pid}: signal {number}", lambda: os.kill(pid, number))
    attempt(f"{pid}: signal by pidfd", lambda: signal.pidfd_send_signal(pidfd, signal.SIGKILL))


for pid in map(int, sys.argv[1:]):
    try_all(pid)
print("\n".join(worked) or f"{tried} tries, all refused")
sys.exit(bool(worked))
PYTHON
chmod 644 "$scratch/reach.py"
sleep 60 &
victim=$!
refused "the tries are real: root's succeed on a process of its own" "$victim: ptrace|$victim: environ|$victim: signal 0" \
    python3 "$scratch/reach.py" "$victim"
wait "$victim" 2>/dev/null || true
alive() { kill -0 "${pids[@]}"; }
check "another user cannot signal, trace or look into any of its processes" \
    as "$other" /usr/bin/python3 "$scratch/reach.py" "${pids[@]}"
check "nor as root of a user namespace of theirs" \
    as "$other" unshare --user --map-root-user /usr/bin/python3 "$scratch/reach.py" "${pids[@]}"
check "nor with a mount and pid namespace there" \
    as "$other" unshare --user --map-root-user --mount --net --ipc /usr/bin/python3 "$scratch/reach.py" "${pids[@]}"
check "all of it still runs" alive

# Every socket that its processes hold: none has a port, and one with a name is the desk's, in the closed state,
# where nobody else can connect.
no_socket_that_others_can_use() {
    local pid name
    for pid in "${pids[@]}"; do
        find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null | tr -dc '0-9\n'
    done | sort -u >"$scratch/inodes"
    for pid in "${pids[@]}"; do
        awk '$8 != "" { print $7, $8 }' "/proc/$pid/net/unix"            # bound, by path or abstract name
        awk 'FNR > 1 { print $10, "a-port" }' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" "/proc/$pid/net/udp" \
            "/proc/$pid/net/udp6" "/proc/$pid/net/raw" 2>/dev/null
    done | sort -u >"$scratch/named"
    echo "held, and named:"
    join "$scratch/inodes" "$scratch/named" | tee "$scratch/held"
    [ -s "$scratch/held" ] || { echo "the desk is not among them: this looks at nothing"; return 1; }
    while read -r _ name; do
        # It was bound beneath an open folder, so the kernel tells only its last part.
        [[ $name == /proc/self/fd/*/* ]] || return
        name=$(find "$state" -type s -name "${name##*/}")
        [ -S "$name" ] || { echo "it does not lie in the state"; return 1; }
        as "$owner" /usr/bin/python3 -c "$connect" "$name" || { echo "its own user is refused"; return 1; }
        refused_for_access "$name" || return
    done <"$scratch/held"
}
connect='import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])'
refused_for_access() {
    ! as "$other" /usr/bin/python3 -c "$connect" "$1" 2>"$scratch/refused" && grep -F PermissionError "$scratch/refused"
}
no_port_of_the_user() { ! ss -Hltunpe | grep -E "uid:$(id -u "$owner")( |$)|fumehood"; }
no_name_in_shared_places() { shared_places | diff "$scratch/shared-before" -; }
state_is_closed() {
    as "$other" sh -c '! ls "$1" && ! ls "$1/trust" && ! cat "$1"/trust/* && ! touch "$1/x" && ! mv "$1" "$1.x"' sh "$state"
}
no_shared_memory() { ! ipcs -m -q -s | grep -F "$owner"; }
groups_are_closed() {
    local group
    for group in $(cut -d: -f3 "/proc/$run/cgroup" "/proc/${pids[-1]}/cgroup" | sort -u); do
        find /sys/fs/cgroup -type d -path "*$group" -name '*fumehood*' 2>/dev/null
    done | sort -u >"$scratch/groups"
    while read -r group; do
        as "$other" sh -c '! { : >"$1/cgroup.procs"; } && ! mkdir "$1/x" && ! rmdir "$1"' sh "$group" || return
    done <"$scratch/groups"
}
check "none of its sockets can be used by another user" no_socket_that_others_can_use
check "its user listens on nothing" no_port_of_the_user
check "it left no name in a place shared by all" no_name_in_shared_places
check "it uses no System V memory, queue or semaphore" no_shared_memory
check "its state cannot be listed, read, added to or moved" state_is_closed
check "its control groups cannot be entered or removed" groups_are_closed
check "the other user can run a sandbox meanwhile" \
    as "$other" sh -c 'mkdir -p ~/p && cd ~/p && exec "$1" run -- sh -c "
        for pid in $2; do [ ! -e /proc/\$pid/environ ] || { tr -d \"\\0\" </proc/\$pid/comm; }; done | grep sleep && exit 1
        exit 0"' sh "$fumehood" "${pids[*]}"
check "and cannot reach the first from inside it" \
    as "$other" sh -c 'cd ~/p && exec "$1" run -- sh -c "! ls $2 && ! cat $3/mine"' sh "$fumehood" "$state" "$project"
check "all of the first still runs" alive

gone() {
    for _ in $(seq 50); do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    ! ps -o pid,args -u "$owner" | grep -F "$scratch"
}
kill -TERM "$run"
wait "$run" 2>/dev/null || true
run=''
check "its end leaves no process" gone
check "and no name in a place shared by all" no_name_in_shared_places

# Predictable names: a name that a run did use in a shared place could be made before it.
for level in namespace landlock; do
    strace_names() {
        (cd "$project" && as "$owner" strace -f -qq -e trace=%file -e signal=none -o "$home/trace" \
            "$fumehood" run --isolation "$level" --pids 64 -- true) || return
        echo "made in a shared place, before the command was executed:"
        ! sed '/execveat(.*AT_EMPTY_PATH/,$d' "$home/trace" |
            grep -E '(O_CREAT|mkdir|mknod|symlink|link|rename).*"(/tmp|/var/tmp|/dev/shm|/run)/'
    }
    need strace strace
    check "level $level makes nothing below a folder shared by all" strace_names
done
finish
