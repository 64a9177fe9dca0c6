#!/bin/bash
# A release, made as docs/release.md says and used as its users would: built twice, signed with a throw-away
# key, verified, packed, installed into a throw-away root, run, and replaced while it runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh
[ "$(id -u)" -eq 0 ] || { echo "this step takes root: it makes a user and installs a package" >&2; exit 1; }

need cc gcc
need jq jq
need python3 python3
need strace strace
need ssh-keygen openssh-client
need dpkg-deb dpkg
need script bsdutils

target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/packaging
root=$PWD
scratch=$(mktemp -d)
user=fumehood-pack-$$
cleanup() {
    userdel --force --remove "$user" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT
chmod 755 "$scratch"
useradd --create-home "$user"
home=$(getent passwd "$user" | cut -d: -f6)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)
export SOURCE_DATE_EPOCH
# The copies below the target folder are no checkouts, even where that folder lies in one.
export GIT_CEILING_DIRECTORIES=$work

# --- Built twice: other folder, other cargo home, other target folder, other umask, zone and flags. ---
snapshot() {
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
        tar --null --files-from=- -cf - | tar -xf - -C "$1"
}
rm -rf "$work/source"
mkdir -p "$work/source" "$scratch/another place/source"
snapshot "$work/source"
cp -a "$work/source/." "$scratch/another place/source/"
mkdir "$scratch/cargo"
cp "${CARGO_HOME:-$HOME/.cargo}"/config.toml "$scratch/cargo/" 2>/dev/null || true
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

build_one() {
    CARGO_TARGET_DIR=$work/target timeout 900 "$work/source/packaging/build-release" "$scratch/one"
}
build_two() {
    (umask 077 && env TZ=Asia/Tokyo LC_ALL=C.UTF-8 RUSTFLAGS=-Ctarget-cpu=native CARGO_HOME="$scratch/cargo" \
        RUSTUP_HOME="$rustup_home" CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR="$scratch/another place/target" \
        timeout 900 "$scratch/another place/source/packaging/build-release" "$scratch/two")
}
sbom_two() {
    CARGO_HOME=$scratch/cargo RUSTUP_HOME=$rustup_home "$scratch/another place/source/packaging/sbom" "$scratch/two"
}
no_path_of_this_machine() {
    ! grep -aFq -e "$root" -e "$scratch" -e "$work" -e "$HOME/" "$scratch/one/fumehood" &&
        ! ls "${CARGO_HOME:-$HOME/.cargo}/registry/src" | grep -aFf - "$scratch/one/fumehood"
}
is_static() {
    ! readelf -lW "$1" | grep -q INTERP && ! readelf -dW "$1" | grep NEEDED
}
check "the release is built" build_one
check "and again, somewhere else, under other settings" build_two
check "both are the same bytes" cmp "$scratch/one/fumehood" "$scratch/two/fumehood"
check "the binary needs no library" is_static "$scratch/one/fumehood"
check "no path or registry of this machine is in it" no_path_of_this_machine

# --- The bill of materials. ---
bill_is_valid() {
    python3 - "$1" Cargo.lock <<'PYTHON'
import json, re, sys, tomllib
bill = json.load(open(sys.argv[1]))
lock = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(open(sys.argv[2], "rb"))["package"]}
assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bill["metadata"]["timestamp"])
main = bill["metadata"]["component"]
assert (main["type"], main["name"]) == ("application", "fumehood")
known = set()
for c in [main, *bill["components"]]:
    assert c["name"] and c["version"] and c["bom-ref"] not in known, c
    assert re.fullmatch(r"[A-Za-z0-9.() +-]+", c["licenses"][0]["expression"]), c
    known.add(c["bom-ref"])
    if c["bom-ref"].startswith("pkg:cargo/"):
        assert c["purl"] == f"pkg:cargo/{c['name']}@{c['version']}"
        digests = [h["content"] for h in c.get("hashes", []) if h["alg"] == "SHA-256"]
        checksum = lock[c["name"], c["version"]]
        assert digests == ([checksum] if checksum else []), c
assert {"libc", "rust-std"} <= known
for d in bill["dependencies"]:
    assert {d["ref"], *d["dependsOn"]} <= known, d
reached, todo = set(), [main["bom-ref"]]
edges = {d["ref"]: d["dependsOn"] for d in bill["dependencies"]}
while todo:
    here = todo.pop()
    if here not in reached:
        reached.add(here)
        todo += edges.get(here, [])
assert reached == known, known - reached
PYTHON
}
bill_is_complete() {
    cargo tree --locked --edges normal --package fumehood --prefix none --format '{p}' |
        awk '{ sub(/^v/, "", $2); print "pkg:cargo/" $1 "@" $2 }' | sort -u >"$scratch/tree"
    jq -r '.components[].purl // empty' "$scratch/one/fumehood.cdx.json" | sort -u >"$scratch/billed"
    ! comm -23 "$scratch/tree" "$scratch/billed" | grep -v '^pkg:cargo/fumehood@'
}
every_licence_has_its_text() {
    python3 - "$scratch/one/THIRD-PARTY.txt" <<'PYTHON'
import sys
parts = open(sys.argv[1]).read().split("=" * 100)[3:]
assert len(parts) > 10 and all("\n--- " in p for p in parts), [p[:60] for p in parts if "\n--- " not in p]
PYTHON
}
check "the bill of materials is written" env CARGO_TARGET_DIR="$work/target" "$work/source/packaging/sbom" "$scratch/one"
check "it has the fields CycloneDX asks for, and the lock file's checksums" bill_is_valid "$scratch/one/fumehood.cdx.json"
check "it lists all that the binary is built from" bill_is_complete
check "every crate linked in comes with its licence's text" every_licence_has_its_text
# What is not a checkout cannot name its commit; both copies are none.
check "the second place writes the same bill" sbom_two
check "byte for byte" cmp "$scratch/one/fumehood.cdx.json" "$scratch/two/fumehood.cdx.json"

# --- The Debian package. ---
check "the package is built" "$work/source/packaging/deb" "$scratch/one"
check "and again" "$scratch/another place/source/packaging/deb" "$scratch/two"
deb=$(cd "$scratch/one" && echo fumehood_*.deb)
check "both are the same bytes" cmp "$scratch/one/$deb" "$scratch/two/$deb"

# --- Signed, and verified before it replaces anything. ---
ssh-keygen -q -t ed25519 -N '' -C throw-away -f "$scratch/key"
ssh-keygen -q -t ed25519 -N '' -C stranger -f "$scratch/stranger"
ssh-keygen -q -t rsa -b 2048 -N '' -C wrong-kind -f "$scratch/rsa"
printf 'fumehood namespaces="fumehood-release" %s\n' "$(cut -d' ' -f1,2 "$scratch/key.pub")" >"$scratch/signers"
verify() { packaging/verify "$1" "$scratch/signers" "${@:2}"; }
# tampered EDIT…: the signed release with one thing changed, in $scratch/tampered.
tampered() {
    rm -rf "$scratch/tampered"
    cp -r "$scratch/one" "$scratch/tampered"
    (cd "$scratch/tampered" && "$@")
}
resign() { # by whom, for what
    rm -f SHA256SUMS.sig
    ssh-keygen -Y sign -q -f "$1" -n "$2" SHA256SUMS
}
replaces_it() {
    verify "$scratch/one" --install "$scratch/place/fumehood" && cmp "$scratch/one/fumehood" "$scratch/place/fumehood"
}
left_alone() {
    printf 'fumehood 0.0.1\n' | cmp - <("$scratch/place/fumehood" --version) &&
        [ "$(ls -A "$scratch/place")" = fumehood ]
}
older_one() {
    mkdir -p "$scratch/place"
    rm -f "$scratch/place/fumehood"
    printf '#!/bin/sh\necho fumehood %s\n' "$1" >"$scratch/place/fumehood"
    chmod 755 "$scratch/place/fumehood"
}
older_one 0.0.1
check "the release is signed" packaging/sign "$scratch/one" "$scratch/key"
refused "a key of another kind signs nothing" 'not an Ed25519 key' packaging/sign "$scratch/two" "$scratch/rsa"
check "the signed release verifies" verify "$scratch/one"
tampered sh -c 'printf x | dd of=fumehood bs=1 seek=4096 conv=notrunc status=none'
refused "one byte of the binary changed is refused" 'fumehood is not what was signed' \
    verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered sh -c 'printf x >> fumehood && sha256sum [!S]* > SHA256SUMS'
refused "new sums under the old signature are refused" 'not signed' verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered resign "$scratch/stranger" fumehood-release
refused "a stranger's signature is refused" 'not signed' verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered resign "$scratch/key" git
refused "a signature made for another purpose is refused" 'not signed' verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered rm SHA256SUMS.sig
refused "an unsigned release is refused" 'not signed' verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered rm "$deb"
refused "a missing file is refused" 'missing' verify "$scratch/tampered" --install "$scratch/place/fumehood"
tampered sh -c 'sha256sum /etc/passwd >> SHA256SUMS'
(cd "$scratch/tampered" && resign "$scratch/key" fumehood-release)
refused "a signed list that names a path is refused" 'no plain file' verify "$scratch/tampered" --install "$scratch/place/fumehood"
check "after all this the old binary is in its place, and nothing beside it" left_alone
check "a verified release replaces it" replaces_it
older_one 99.0.0
refused "an older release does not" 'older than 99.0.0' verify "$scratch/one" --install "$scratch/place/fumehood"
older_one 99.0.0
check "unless that is said" verify "$scratch/one" --install "$scratch/place/fumehood" --older

# --- Installed into a throw-away root. ---
installed=$scratch/root
dpkg_there() { # the parser on PATH decides about the AppArmor profile
    PATH="${parser:+$parser:}$PATH" dpkg --root="$installed" --force-script-chrootless --force-not-root "$@"
}
mkdir -p "$installed/var/lib/dpkg/updates" "$installed/var/lib/dpkg/info" "$installed/etc"
touch "$installed/var/lib/dpkg/status" "$installed/var/lib/dpkg/available"
as_user() {
    timeout 60 setpriv --reuid "$user" --regid "$user" --init-groups \
        env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin USER="$user" LC_ALL=C "$@"
}
mkdir "$home/project"
chown "$user:" "$home/project"
fumehood=$installed/usr/bin/fumehood
runs_true() { (cd "$home/project" && "$@" "$fumehood" run -- true); }
doctor_says_namespace() {
    (cd "$home/project" && "$@" "$fumehood" doctor) >"$scratch/doctor" || true
    cat "$scratch/doctor"
    grep -q '^isolation namespace *yes' "$scratch/doctor"
}
nothing_left() {
    ! find "$installed/usr" "$installed/etc" -type f | grep .
}

# Parsers of AppArmor, unpacked, not installed: this distribution's, and the next one's, which is of the kind
# that restricts user namespaces (4.x, as in Ubuntu 24.04). The mirror is the machine's own.
unpack_parser() { # folder, suite
    local lists=$scratch/$1/apt options
    mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial" "$scratch/$1/files" "$scratch/$1/bin"
    python3 - "$2" >"$lists/sources.list" <<'PYTHON'
import glob, re, sys
text = "\n".join(open(f).read() for f in glob.glob("/etc/apt/sources.list.d/*.sources"))
found = re.search(r"^URIs: *(\S+/debian/?) *$", text, re.M)
if not found:
    text = "\n".join(open(f).read() for f in glob.glob("/etc/apt/sources.list") + glob.glob("/etc/apt/sources.list.d/*.list"))
    found = re.search(r"^deb +(?:\[[^]]*\] +)?(\S+/debian/?) ", text, re.M)
print(f"deb {found[1]} {sys.argv[1]} main")
PYTHON
    options=(-q -q -o "Dir::Etc::sourcelist=$lists/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
        -o "Dir::State::lists=$lists/lists" -o "Dir::Cache=$lists/cache")
    timeout 300 apt-get "${options[@]}" update &&
        (cd "$lists" && timeout 300 apt-get "${options[@]}" download apparmor libc6) || return
    for package in "$lists"/*.deb; do dpkg-deb -x "$package" "$scratch/$1/files"; done
    local binary loader library
    binary=$(find "$scratch/$1/files" -type f -name apparmor_parser)
    loader=$(find "$scratch/$1/files" -name 'ld-linux-*.so.*' | head -n 1)
    library=$(dirname "$(find "$scratch/$1/files" -name libc.so.6 | head -n 1)")
    printf '#!/bin/sh\nexec %s --library-path %s %s --base %s "$@"\n' \
        "$loader" "$library" "$binary" "$scratch/$1/files/etc/apparmor.d" >"$scratch/$1/bin/apparmor_parser"
    chmod 755 "$scratch/$1/bin/apparmor_parser"
    "$scratch/$1/bin/apparmor_parser" --version
}
same_profile_as_doctor() {
    python3 - crates/cli/src/apparmor.rs packaging/apparmor.profile <<'PYTHON'
import re, sys
source = open(sys.argv[1]).read()
text = re.search(r'format!\(\s*"(abi [^"]*)"', source)[1]
text = text.replace("\\n", "\n").replace("{{", "{").replace("}}", "}").replace("{path}", "/usr/bin/fumehood")
assert text == open(sys.argv[2]).read(), text
PYTHON
}
profile_placed() { cmp packaging/apparmor.profile "$installed/etc/apparmor.d/fumehood"; }
profile_absent() { [ ! -e "$installed/etc/apparmor.d/fumehood" ]; }

check "the profile is the text that doctor --fix installs" same_profile_as_doctor
check "AppArmor 3's parser is here" unpack_parser three bookworm
check "AppArmor 4's parser is here" unpack_parser four trixie
check "AppArmor 4 reads the profile" "$scratch/four/bin/apparmor_parser" -Q -K packaging/apparmor.profile
refused "AppArmor 3 does not, which is why installing looks first" 'abi/4.0' \
    "$scratch/three/bin/apparmor_parser" -Q -K packaging/apparmor.profile

parser=$scratch/three/bin
check "the package installs beside AppArmor 3" dpkg_there --install "$scratch/one/$deb"
check "and leaves no profile there that it could not read" profile_absent
parser=$scratch/four/bin
check "the package installs beside AppArmor 4" dpkg_there --install "$scratch/one/$deb"
check "with its profile" profile_placed
check "it runs a command as root" runs_true env
check "it runs a command as a user" runs_true as_user
check "doctor finds the namespaces as root" doctor_says_namespace env
check "doctor finds the namespaces as a user" doctor_says_namespace as_user

# --- Hosts that give user namespaces without what they are for. ---
install -m 755 packaging/test/restricted.py "$scratch/restricted.py"
# The setting of Ubuntu 23.10 and later, shown by a folder over this machine's own (in a mount namespace).
cat >"$scratch/ubuntu" <<'SH'
set -e
kept=$(mktemp -d)
cp /proc/sys/kernel/* "$kept" 2>/dev/null || true
mount -t tmpfs -o mode=755 none /proc/sys/kernel
cp "$kept"/* /proc/sys/kernel/
rm -rf "$kept"
echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
exec "$@"
SH
export -f as_user
export user home scratch
restricted_user() { as_user /usr/bin/python3 "$scratch/restricted.py" "$@"; }
export -f restricted_user
# The mount namespace is made by root; the functions go on as the user.
on_ubuntu() { unshare --mount bash "$scratch/ubuntu" bash -c '"$@"' bash "$@"; }
without_namespaces() {
    as_user unshare --user --map-current-user --keep-caps \
        sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"
}
# What a run could leave: processes, files, mounts, control groups.
traces() {
    ps -eo user:32,args | grep -F "$fumehood" | grep -v grep || true
    find "$home" "$home/project" /tmp /dev/shm -maxdepth 2 -user "$user" -printf '%p %T@\n' 2>/dev/null | sort
    find /sys/fs/cgroup -type d -name '*fumehood*' 2>/dev/null | sort
    cut -d' ' -f5- /proc/self/mountinfo | sort
}
# cannot CAUSE COMMAND…: status 125, one line that says the cause and what to do, nothing left.
cannot() {
    local text=$1 status=0
    shift
    cd "$home/project"
    traces >"$scratch/before"
    "$@" "$fumehood" run -- true >"$scratch/out" 2>"$scratch/err" || status=$?
    # The log's writer, started by then or not, outlives a run by as long as it takes to end the log (docs/log.md); on a
    # busy disk that can be seconds. Nothing else does, and it ends too.
    for _ in $(seq 200); do
        traces >"$scratch/after"
        ! cmp -s "$scratch/before" "$scratch/after" || break
        sleep 0.1
    done
    cd "$root"
    echo "status $status"
    cat "$scratch/out" "$scratch/err"
    [ "$status" -eq 125 ] && [ ! -s "$scratch/out" ] && [ "$(wc -l <"$scratch/err")" -eq 1 ] &&
        grep -qE "^fumehood: .*$text" "$scratch/err" && diff "$scratch/before" "$scratch/after"
}
doctor_says_why() {
    (cd "$home/project" && on_ubuntu restricted_user mounts "$fumehood" doctor) >"$scratch/doctor" 2>&1 || true
    cat "$scratch/doctor"
    grep -qE '^isolation namespace +no .*AppArmor.*doctor --fix' "$scratch/doctor"
}
fix='AppArmor restricts user namespaces.*sudo fumehood doctor --fix'
check "Ubuntu: no mount in the namespace: cause and fix in a line, nothing left" cannot "Operation not permitted; $fix" on_ubuntu restricted_user mounts
check "Ubuntu: no id mapping: likewise" cannot "Permission denied; $fix" on_ubuntu restricted_user writes
check "Ubuntu: doctor says the same" doctor_says_why
check "namespaces switched off (the kernel's own limit): likewise" cannot 'user.max_user_namespaces' without_namespaces
check "a container's filter: likewise" cannot 'container|doctor' restricted_user container
landlock_in_container() {
    (cd "$home/project" && restricted_user container "$fumehood" run --isolation landlock -- true)
}
check "but level landlock, which that line names, works there" landlock_in_container

# --- The running binary cannot be swapped under a run. ---
mkdir "$scratch/swap"
install -m 755 "$fumehood" "$scratch/swap/fumehood"
printf '#!/bin/sh\necho swapped >>%s/swapped\n' "$scratch/swap" >"$scratch/swap/evil"
chmod 755 "$scratch/swap/evil"
swapped_while_running() {
    local answer status=0
    (cd "$home/project" && exec timeout 60 "$scratch/swap/fumehood" run --pids 64 -- \
        sh -c 'echo up; read -r word; sh -c "echo got $word"; exit 7') \
        <"$scratch/swap/in" >"$scratch/swap/out" 2>"$scratch/swap/err" &
    local run=$!
    exec 9>"$scratch/swap/in"
    for _ in $(seq 100); do grep -q up "$scratch/swap/out" && break; sleep 0.1; done
    "$1"
    echo hello >&9
    exec 9>&-
    wait "$run" || status=$?
    answer=$(cat "$scratch/swap/out" "$scratch/swap/err")
    echo "status $status: $answer"
    [ "$status" -eq 7 ] && [ "$answer" = $'up\ngot hello' ] && [ ! -e "$scratch/swap/swapped" ]
}
mkfifo "$scratch/swap/in"
overwrite() { must_refuse 'Text file busy' cp --no-preserve=all "$scratch/swap/evil" "$scratch/swap/fumehood"; }
overwriting() { swapped_while_running overwrite && cmp "$fumehood" "$scratch/swap/fumehood"; }
rename_over() { cp "$scratch/swap/evil" "$scratch/swap/next" && mv -T "$scratch/swap/next" "$scratch/swap/fumehood"; }
renaming() { swapped_while_running rename_over && cmp "$scratch/swap/evil" "$scratch/swap/fumehood"; }
check "writing into the running binary is refused, and the run goes on" overwriting
check "another file renamed over it changes nothing for the run" renaming

# What is executed: fumehood by whoever starts it, then the command, by descriptor; nothing by path.
executes_only_the_command() {
    local trace=$scratch/trace
    rm -f "$trace"
    (cd "$home/project" && "$@") || return
    grep -E '^[0-9]+ +execve(at)?\(' "$trace" >"$scratch/executed"
    cat "$scratch/executed"
    [ "$(wc -l <"$scratch/executed")" -eq 2 ] &&
        sed -n 1p "$scratch/executed" | grep -qF "execve(\"$fumehood\"" &&
        sed -n 2p "$scratch/executed" | grep -qE 'execveat\([0-9]+, "", \["true"\],.*AT_EMPTY_PATH'
}
traced=(strace -f -qq -e trace=execve,execveat -e signal=none -o "$scratch/trace")
limits="--pids 64 --memory 200M --disk 100M --timeout 30s"
# shellcheck disable=SC2086
check "a run executes the command and nothing else" \
    executes_only_the_command timeout 60 "${traced[@]}" "$fumehood" run $limits -- true
check "nor at a terminal, with its relay" executes_only_the_command \
    timeout 60 script -qec "${traced[*]} $fumehood run $limits -- true" /dev/null

# From inside, the first process is a copy of fumehood: its file cannot be opened there.
inside_cannot_open_it() {
    (cd "$home/project" && "$@" "$fumehood" run -- sh -c '
        if (: </proc/1/exe) || (: >/proc/1/exe) || (: >>/proc/1/exe) || readlink /proc/1/exe; then exit 3; fi
        exit 0')
}
check "inside, as root, the binary cannot be opened through /proc" inside_cannot_open_it env
check "inside, as a user, likewise" inside_cannot_open_it as_user

check "the package is removed" dpkg_there --remove fumehood
check "and nothing of it is left" nothing_left
finish
