#!/bin/bash
# On btrfs any user may make a snapshot of a subvolume they own a folder of; one made from inside a sandbox would show
# all of it, home and secrets included. A filesystem of the test's own: a sparse file of 256 MiB in a folder of its own,
# loop-mounted in a mount namespace of its own; both are gone with the step (the loop device is bound to the mount).
set -uo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh
fumehood=${FUMEHOOD_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/fumehood}
[ -x "$fumehood" ] || { echo "$fumehood: not built; FUMEHOOD_BIN names the binary" >&2; exit 1; }
if [ "${1:-}" != inside ]; then
    need mkfs.btrfs btrfs-progs
    need python3 python3
    exec timeout 120 unshare --mount --propagation private bash "$0" inside
fi
place=$(mktemp -d)
user=fumehood-v-$$
cleanup() {
    userdel --force "$user" >/dev/null 2>&1 || true
    umount -l "$place/disk" 2>/dev/null
    rm -rf "$place"
}
trap cleanup EXIT
chmod 755 "$place"
mkdir "$place/disk"
truncate -s 256M "$place/image"
mkfs.btrfs -q "$place/image" >"$place/words" 2>&1 && mount -o loop "$place/image" "$place/disk" || { echo "btrfs cannot be mounted here" >&2; exit 1; }
useradd --no-create-home --home-dir "$place/disk/user" "$user"
install -m 755 "$fumehood" "$place/fumehood"

# Newer kernels take no snapshot of a folder that is not a subvolume's top; then the subvolumes are what is refused.
# By the kernel's numbers (linux/btrfs.h), so that no program's own look decides: SNAP_CREATE, SNAP_CREATE_V2,
# SUBVOL_CREATE, SUBVOL_CREATE_V2.
cat >"$place/try.py" <<'PYTHON'
import errno, fcntl, os, struct, sys

source, into = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), os.open(".", os.O_RDONLY | os.O_DIRECTORY)
first = struct.pack("=q4088s", source, b"one")
second = struct.pack("=qQQ32s4040s", source, 0, 0, b"", b"two")
for name, number, argument in [
    ("snapshot", 0x50009401, first), ("snapshot v2", 0x50009417, second),
    ("subvolume", 0x5000940E, struct.pack("=q4088s", 0, b"three")), ("subvolume v2", 0x50009418, struct.pack("=qQQ32s4040s", 0, 0, 0, b"", b"four")),
]:
    try:
        fcntl.ioctl(into, number, bytearray(argument))
        print(name, "made")
    except OSError as e:
        print(name, errno.errorcode[e.errno])
PYTHON

tree() { # OWNER: a home that is a subvolume, with a secret and a project in it
    btrfs -q subvolume create "$place/disk/$1" && mkdir -p "$place/disk/$1/.ssh" "$place/disk/$1/project" &&
        echo canary-key >"$place/disk/$1/.ssh/id" && { [ "$1" = root ] || chown -R "$user:" "$place/disk/$1"; }
}
as() { # OWNER COMMAND…
    local who=$1
    shift
    cd "$place/disk/$who/project" || return
    if [ "$who" = root ]; then
        env HOME="$place/disk/root" timeout 30 "$@"
    else
        timeout 30 setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$place/disk/user" "$@"
    fi
}
refused_inside() {
    local out
    out=$(as "$1" "$place/fumehood" run --ro "$place/try.py" -- python3 "$place/try.py" "$2") || { echo "$out"; return 1; }
    echo "$out"
    [ "$(grep -c ' EPERM$' <<<"$out")" -eq 4 ] && [ -z "$(ls -A "$place/disk/$1/project")" ]
}
works_inside() {
    as "$1" "$place/fumehood" run -- sh -c 'echo x >f && cp --reflink=always f g && mv g h && cat h && rm f h'
}
kept_back_works() {
    as "$1" "$place/fumehood" run --apply ask -- sh -c 'echo x >f' && [ ! -e "$place/disk/$1/project/f" ] &&
        as "$1" "$place/fumehood" apply && [ "$(cat "$place/disk/$1/project/f")" = x ] && rm "$place/disk/$1/project/f"
}
for who in root user; do
    tree "$who" || { echo "a subvolume could not be made" >&2; exit 1; }
    # The control: outside, what the sandbox refuses is made, and shows the secret.
    as "$who" python3 "$place/try.py" ../ >"$place/said"
    check "$who, outside: a snapshot shows the home" grep -q canary-key "$place/disk/$who/project/one/.ssh/id"
    for made in "$place/disk/$who/project"/*; do btrfs -q subvolume delete "$made"; done
    check "$who: no snapshot of the project's subvolume, no subvolume" refused_inside "$who" .
    check "$who: ordinary work on btrfs, reflinks included" works_inside "$who"
    check "$who: changes are kept back and applied on btrfs" kept_back_works "$who"
done
cd /
finish
