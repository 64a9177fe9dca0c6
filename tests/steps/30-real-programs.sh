#!/usr/bin/env bash
# Real programs in the sandbox, as root and as a fresh unprivileged user.
#
# usage: 30-real-programs.sh [--full] [--as root|user] [FAMILY…]
#
# FAMILY is a script of tests/real; all of them otherwise. --full builds and tests the whole
# workspace in its own sandbox instead of one crate. What the checks need is installed, outside of
# any sandbox; what cannot be installed fails. Needs root, for packages and for the user that is made
# and removed.
#
#   FUMEHOOD_BIN         the binary under test
#   FUMEHOOD_TEST_CACHE  where downloads are kept; below the target folder otherwise
#   FUMEHOOD_TEST_HOMES  where the two homes are made; /home otherwise, never below /tmp: agents
#                        refuse to work in a home there
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
: "${FUMEHOOD_BIN:=${CARGO_TARGET_DIR:-$root/target}/debug/fumehood}"
: "${FUMEHOOD_TEST_CACHE:=${CARGO_TARGET_DIR:-$root/target}/test-cache}"
: "${FUMEHOOD_TEST_HOMES:=/home}"
runs=(root user) families=() full=0
everything=(machine editors git rust python node go java terminal nested landlock agents turns hooks)

die() {
    echo "real programs: $*" >&2
    echo "0 passed, 1 failed"
    exit 1
}

while (($#)); do
    case $1 in
        --full) full=1 ;;
        --as) runs=("${2:?}") && shift ;;
        -*) die "unknown flag $1" ;;
        *) families+=("$1") ;;
    esac
    shift
done
((${#families[@]})) || families=("${everything[@]}")
((EUID == 0)) || die "needs root, to install programs and to make a user"
[[ -x $FUMEHOOD_BIN ]] || die "$FUMEHOOD_BIN is not there: build it, or name it in FUMEHOOD_BIN"

name=fumehood-real-$$
place=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX")
homes=()

# shellcheck source=tests/real/fetch.bash
source "$root/tests/real/fetch.bash"

cleanup() {
    local home
    remove_user || true
    for home in "${homes[@]}"; do
        rm -rf "$home"
    done
    rm -rf "$place"
}
trap cleanup EXIT

# Whoever still runs as the user was left behind: that is a failure, and is ended by its pid.
remove_user() {
    local left
    id "$name" >/dev/null 2>&1 || return 0
    # Dead ones that nobody has waited for yet are the machine's.
    for _ in $(seq 200); do
        left=$({ ps -o pid=,stat= -u "$name" || true; } | awk '$2 !~ /^Z/ { print $1 }')
        [[ -n $left ]] || break
        sleep 0.1 # a log's writer outlives its run by as long as the disk takes
    done
    if [[ -n $left ]]; then
        echo "left behind by the user's run:" && ps -o pid,args -p "${left//$'\n'/,}"
        echo "failed user: processes left behind" >>"$place/tally"
        echo "$left" | xargs -r kill -KILL
    fi
    userdel "$name"
}

# What both homes get: a toolchain as rustup leaves it, agents as npm installs them for one user.
furnish() {
    local home=$1
    mkdir -p "$home"
    homes+=("$home")
    chmod 700 "$home"
    copy "$FUMEHOOD_TEST_CACHE/agents" "$home/.npm-global"
    if [[ -d $FUMEHOOD_TEST_CACHE/rust ]]; then
        copy "$FUMEHOOD_TEST_CACHE/rust/rustup" "$home/.rustup"
        copy "$FUMEHOOD_TEST_CACHE/rust/cargo" "$home/.cargo"
    fi
    if (($# > 1)); then
        chown "$2:" "$home" "$home/.rustup" "$home/.cargo" "$home/.cargo/registry" 2>/dev/null || true
    fi
}

# Links to files where that is possible: they are read only.
copy() { cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2" && cp -a "$1" "$2"; }; }

run_as() {
    local who=$1 home=$2 family
    shift 2
    echo "  as $who"
    for family in "${families[@]}"; do
        [[ -f $place/real/$family.sh ]] || die "there is no tests/real/$family.sh"
        (cd "$home" && "$@" env -i HOME="$home" PATH="$home/.cargo/bin:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 \
            TERM=xterm-256color FUMEHOOD_BIN="$place/$who/fumehood" FUMEHOOD_TEST_CACHE="$place/cache" \
            REAL_TALLY="$place/tally" REAL_SOURCE="$place/source" REAL_FULL="$full" \
            timeout -k 10 3600 bash "$place/real/$family.sh" </dev/null) ||
            echo "failed $family as $who: the script itself" >>"$place/tally"
    done
}

begun=$SECONDS
fetch_everything
mkdir -p "$place/source" "$place/root" "$place/user" "$place/cache"
: >"$place/tally"
cp -r "$root/tests/real" "$place/real"
cp "$FUMEHOOD_BIN" "$place/root/fumehood"
cp "$FUMEHOOD_BIN" "$place/user/fumehood"
cp -r "$FUMEHOOD_TEST_CACHE/wheels" "$FUMEHOOD_TEST_CACHE/node" "$place/cache/"
(cd "$root" && tracked | tar -c --null -T - | tar -x -C "$place/source")
chmod -R a+rX "$place"
chmod 666 "$place/tally"
echo "  prepared in $((SECONDS - begun)) s"

for who in "${runs[@]}"; do
    if [[ $who == root ]]; then
        furnish "$FUMEHOOD_TEST_HOMES/$name-root"
        run_as root "$FUMEHOOD_TEST_HOMES/$name-root"
    else
        useradd --home-dir "$FUMEHOOD_TEST_HOMES/$name" --no-create-home --shell /bin/bash "$name"
        furnish "$FUMEHOOD_TEST_HOMES/$name" "$name"
        run_as user "$FUMEHOOD_TEST_HOMES/$name" setpriv --reuid "$name" --regid "$name" --init-groups
        remove_user
    fi
done

passed=$(grep -c '^passed ' "$place/tally" || true)
failed=$(grep -c '^failed ' "$place/tally" || true)
grep '^failed ' "$place/tally" | sed 's/^/  /' || true
echo "real programs: $((SECONDS - begun)) s"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
