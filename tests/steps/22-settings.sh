#!/bin/bash
# Files of /etc that a run has of its own (accounts, names of hosts, certificates) stay so when the host puts others in their
# place by a rename, as useradd does. On a made-up /etc, in a mount namespace of the test's own: nothing here changes the
# machine's.
set -uo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh
fumehood=${FUMEHOOD_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/fumehood}
[ -x "$fumehood" ] || { echo "$fumehood: not built; FUMEHOOD_BIN names the binary" >&2; exit 1; }
if [ "${1:-}" != inside ]; then
    need setpriv util-linux
    exec timeout 300 unshare --mount --propagation private bash "$0" inside
fi
place=$(mktemp -d)
trap 'umount -l /etc 2>/dev/null; umount -l "$place/etc" 2>/dev/null; rm -rf "$place"' EXIT
chmod 755 "$place"
install -m 755 "$fumehood" "$place/fumehood"
# Who runs: root, and an account that no file names.
nobody=61234
mkdir "$place/etc" "$place/root" "$place/user"
chown $nobody:$nobody "$place/user"
mount -t tmpfs tmpfs "$place/etc" && cp -a /etc/. "$place/etc/" || exit 1
# In a container files of /etc are mounts; they would count as mounted below the made-up one.
cut -d' ' -f5 /proc/self/mountinfo | sed -n '/^\/etc\//p' | sort -r | while read -r at; do umount -l "$at" || exit 1; done || exit 1
mount --bind "$place/etc" /etc || exit 1

# FOLDER COMMAND…: as who owns the folder, which is home, state and project.
as() {
    local home=$1
    shift
    local who=()
    [ "$home" = "$place/root" ] || who=(setpriv --reuid $nobody --regid $nobody --clear-groups --bounding-set=-all --inh-caps=-all)
    (cd "$home/p" && exec "${who[@]}" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME="$home" LANG=C.UTF-8 "$@")
}
# What the host's useradd, and whoever else keeps files of /etc, does.
replace() { cp -a "$1" "$1.new" && echo "$2" >>"$1.new" && mv -f "$1.new" "$1"; }
come() { for _ in $(seq 1200); do [ -e "$1" ] && return; sleep 0.05; done; return 1; }
# What is read before and after, by a program that was there all the time and by one that began then.
script='cat /etc/passwd /etc/group /etc/hosts /etc/ssl/certs/ca-certificates.crt >before 2>/dev/null
cat /etc/hostname >name
touch ready
until [ -e go ]; do sleep 0.05; done
cat /etc/passwd /etc/group /etc/hosts /etc/ssl/certs/ca-certificates.crt >after 2>/dev/null
ls -a /etc >names
for file in /etc/*; do echo "$(cat "$file" 2>/dev/null)"; done >all
echo x 2>/dev/null >>/etc/hosts && touch written
true'
hosts() { echo "192.0.2.7 canary-host"; }

for home in "$place/root" "$place/user"; do
    who=$(basename "$home")
    mkdir "$home/p"
    chown --reference "$home" "$home/p"
    echo made-up >/etc/hostname
    as "$home" "$place/fumehood" run --live --allow canary.example -- sh -c "$script" >"$place/$who.out" 2>&1 &
    run=$!
    if ! come "$home/p/ready"; then
        check "$who: the run began" false
        cat "$place/$who.out"
        kill $run 2>/dev/null
        continue
    fi
    for file in passwd group hosts ssl/certs/ca-certificates.crt; do
        [ ! -e "/etc/$file" ] || replace "/etc/$file" "canary-$who:x:4242:4242:canary:/nonexistent:/bin/sh"
    done
    grep -q "canary-$who" /etc/passwd && grep -q "canary-$who" /etc/hosts || { echo "the made-up files were not replaced" >&2; exit 1; }
    touch "$home/p/go"
    wait $run
    ended=$?
    check "$who: the run ended well" test "$ended" -eq 0
    check "$who: files of its own are there" grep -q "127.0.0.1 localhost fumehood" "$home/p/before"
    check "$who: they are what they were" cmp -s "$home/p/before" "$home/p/after"
    check "$who: no account of the host's is named" sh -c "! grep -q 'canary\|daemon' '$home/p/before' '$home/p/after'"
    check "$who: nor in any other file of the folder's top" sh -c "! grep -q 'canary-$who' '$home/p/all'"
    check "$who: the other files are the host's" grep -qx made-up "$home/p/name"
    check "$who: and are listed" grep -qx hostname "$home/p/names"
    check "$who: nothing is written there" test ! -e "$home/p/written"
done

# As container engines have it: a mount of its own below, which a layer would not show.
echo mounted >"$place/mounted" && mount --bind "$place/mounted" /etc/hostname || exit 1
for home in "$place/root" "$place/user"; do
    who=$(basename "$home")
    as "$home" "$place/fumehood" run --live -- cat /etc/hostname /etc/passwd >"$place/$who.out" 2>&1
    check "$who: what is mounted below is shown" grep -qx mounted "$place/$who.out"
    check "$who: accounts are covered there too" grep -q "^nobody:x:65534" "$place/$who.out"
    check "$who: and none of the host's is named" sh -c "! grep -q 'canary\|daemon' '$place/$who.out'"
done
umount /etc/hostname
finish
