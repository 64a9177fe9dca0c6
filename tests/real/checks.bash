# Checks of real programs: sourced by each family's script, which `tests/steps/30-real-programs.sh`
# starts with an environment of its own:
#
#   FUMEHOOD_BIN        the binary, readable by whoever runs this
#   FUMEHOOD_TEST_CACHE what was downloaded before (see tests/real/fetch.bash)
#   HOME                a fresh home of this run's own
#   REAL_TALLY          one line a check goes here: "passed NAME" or "failed NAME"
#
# A check is a function of its own, run with `set -e` in a process group of its own, with an end to
# its patience. No check is ever skipped.

set -u
: "${FUMEHOOD_BIN:?}" "${FUMEHOOD_TEST_CACHE:?}" "${HOME:?}" "${REAL_TALLY:?}"

family=$(basename "$0" .sh)
mark=fumehood-real-$family-$$
work=$HOME/$mark
scratch=$(mktemp -d)
mkdir -p "$work"

# check SECONDS NAME FUNCTION [ARGUMENT…]
check() {
    local seconds=$1 name=$2 begun=$EPOCHREALTIME status=0 pid turns
    shift 2
    set -m
    (
        set -euo pipefail
        "$@"
    ) >"$scratch/log" 2>&1 </dev/null &
    pid=$!
    set +m
    for ((turns = seconds * 20; turns > 0; turns--)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    if ((turns == 0)); then
        kill -KILL -- "-$pid"
        echo "no end after $seconds seconds" >>"$scratch/log"
    fi
    wait "$pid" 2>/dev/null || status=$?
    tell "$name" "$status" "$begun"
}

tell() {
    local name=$1 status=$2 took
    took=$(awk -v a="$3" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    if ((status == 0)); then
        echo "passed $family: $name" >>"$REAL_TALLY"
        echo "    ok    $family: $name ($took s)"
        return
    fi
    echo "failed $family: $name" >>"$REAL_TALLY"
    echo "    FAIL  $family: $name ($took s, status $status)"
    tail -n 40 "$scratch/log" | sed 's/^/          | /'
}

# inside [FLAG…] -- COMMAND…, from the current folder; at most REAL_SECONDS (60).
# What is kept back is applied afterwards, findings included.
inside() {
    local status=0
    timeout --foreground -k 3 "${REAL_SECONDS:-60}" "$FUMEHOOD_BIN" run "$@" || status=$?
    case " $* " in
        *" --live "* | *" landlock "*) return $status ;;
    esac
    "$FUMEHOOD_BIN" apply --all >"$scratch/applied" 2>&1 || grep -q "no session here" "$scratch/applied" ||
        { cat "$scratch/applied" >&2 && return 1; }
    return $status
}

# The same in live mode.
live() {
    inside --live "$@"
}

# same WHAT EXPECTED SEEN
same() {
    [[ $2 == "$3" ]] && return
    printf '%s differs\nexpected: %s\nseen:     %s\n' "$1" "$2" "$3"
    return 1
}

# has TEXT PART
has() {
    [[ $1 == *"$2"* ]] && return
    printf 'expected to find: %s\nin: %s\n' "$2" "$1"
    return 1
}

# lacks TEXT PART
lacks() {
    [[ $1 != *"$2"* ]] && return
    printf 'expected not to find: %s\nin: %s\n' "$2" "$1"
    return 1
}

# ends STATUS COMMAND…: what it said is in $said.
ends() {
    local expected=$1 status=0
    shift
    said=$("$@" 2>&1) || status=$?
    printf '%s\n' "$said"
    same "status of $*" "$expected" "$status"
}

# A project with a repository and one commit; the current folder becomes it.
project() {
    mkdir -p "$work/$1"
    cd "$work/$1" || return
    git init -q -b main .
    git config user.name Test
    git config user.email test@example.invalid
}

commit_all() {
    git add -A
    git commit -q -m "${1:-state}"
}

# Pids of what this run started: by the binary or the folder of this run in their words, or by
# where they stand.
survivors() {
    local process pid words own
    own=$(tr '\0' ' ' <"/proc/$$/cmdline")
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null)
        [[ $words == "$own" ]] && continue
        if [[ $words == *"$mark"* || $words == *"$FUMEHOOD_BIN"* || $(readlink "$process/cwd") == "$work"* ]]; then
            echo "$pid $words"
        fi
    done
    return 0
}

# await SECONDS COMMAND…: until it succeeds.
await() {
    local end=$((SECONDS + $1 + 1))
    while ((SECONDS < end)); do
        "${@:2}" && return
        sleep 0.05
    done
    echo "waited $1 seconds for: ${*:2}"
    return 1
}

gone() { [[ -z $(survivors) ]]; }

# What a run may leave on the host, apart from its project and its state: taken before and after.
# Root shares /tmp with every service of the machine, so only names that are ours count there.
residue() {
    local ours=(-user "$(id -u)")
    ((UID != 0)) || ours+=(-name '*fumehood*' ! -name 'fumehood-test*' ! -name 'fumehood-real-*')
    find /tmp /var/tmp /dev/shm /run/user -maxdepth 2 "${ours[@]}" ! -path "$scratch*" 2>/dev/null | sort || true
    cut -d' ' -f5 /proc/self/mountinfo | grep -e fumehood -e "$HOME" || true
    find /sys/fs/cgroup -type d -name '*fumehood*' -user "$(id -u)" 2>/dev/null | sort || true
}

# What is there now and was not before; what others have taken away meanwhile is not of interest.
added() { residue | diff "$scratch/before" - | grep '^>' || true; }

clean() { gone && [[ -z $(added) ]]; }

nothing_left() {
    cd /
    await 8 clean && return
    same "processes" "" "$(survivors)"
    same "files, mounts, control groups" "" "$(added)"
}

# The last check of every family.
finish() {
    check 30 "nothing is left on the host" nothing_left
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work" "$scratch"
}

residue >"$scratch/before"
