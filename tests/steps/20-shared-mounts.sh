#!/bin/bash
# On a host whose mounts are shared (every one with systemd) a run leaves no mount there, and what is
# mounted there later does not appear inside. In a mount namespace of its own, made shared.
set -uo pipefail
fumehood=${FUMEHOOD_BIN:?}
if [ "${1:-}" != inside ]; then
    exec timeout 120 unshare --mount --propagation private bash "$0" inside
fi
passed=0 failed=0
check() { if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi; }
place=$(mktemp -d)
trap 'umount -l "$place" 2>/dev/null; rm -rf "$place"' EXIT
mount -t tmpfs tmpfs "$place" && mount --make-rshared / && mount --make-rshared "$place" || exit 1
mkdir -p "$place/p/sub" "$place/p/.vscode" && cd "$place/p" && git init -q . && echo x >.env || exit 1
mounts() { cut -d' ' -f4- /proc/self/mountinfo | sort; }
mounts >"$place/before"
"$fumehood" run --hide .env -- sleep 3 &
run=$!
sleep 1
mounts >"$place/during"
check "nothing is mounted on the host while a run lives" cmp -s "$place/before" "$place/during"
inside=$(cat /proc/$run/task/$run/children); inside=${inside%% *}
check "the run lives" test -n "$inside"
mount -t tmpfs later "$place/p/sub"
check "what is mounted later does not appear inside" sh -c "! grep -q ' later ' /proc/$inside/mounts"
umount "$place/p/sub"
wait $run
mounts >"$place/after"
check "nothing is mounted on the host afterwards" cmp -s "$place/before" "$place/after"
# Two mounts of one filesystem: no rename leads from the one to the other.
mkdir -p "$place/q" "$place/beside" && echo before >"$place/q/file" && mount --bind "$place/q" "$place/beside"
out=$(cd "$place/beside" && "$fumehood" run --apply turn -- sh -c 'echo after >file; mkdir new; echo one >new/file' 2>&1)
check "changes land in a project that is a mount of its own" test "$(cat "$place/q/file" "$place/q/new/file")" = $'after\none'
echo "$out"
umount -l "$place/beside"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
