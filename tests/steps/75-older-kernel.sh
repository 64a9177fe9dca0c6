#!/bin/bash
# fumehood on another kernel than this machine's: the distribution's own (Linux 6.1), with control groups of version 2
# and all their controllers, in an emulated machine. It has no network; its files are this machine's, read-only.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
fumehood=${FUMEHOOD_BIN:-$target/debug/fumehood}
cache=${FUMEHOOD_TEST_CACHE:-$target/test-cache}/guest

[ "$(id -u)" -eq 0 ] || { echo "this step takes root: it installs an emulator, and shares files with a guest"; exit 1; }
[ "$(uname -m)" = x86_64 ] || { echo "this step knows x86-64 alone"; exit 1; }

programs="qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio depmod:kmod mke2fs:e2fsprogs gzip:gzip"
missing() {
    local pair
    for pair in $programs; do command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"; done | tr '\n' ' '
}
if [ -n "$(missing)" ]; then
    command -v apt-get >/dev/null || { echo "install these, then try again: $(missing)"; exit 1; }
    # shellcheck disable=SC2046 # one word each
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install $(missing)
    [ -z "$(missing)" ] || { echo "still missing after installing: $(missing)"; exit 1; }
fi
for share in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd ""; do [ -x "$share" ] && break; done
[ -n "$share" ] || { echo "no virtiofsd, which shares files with a guest: install it"; exit 1; }

# The kernel, unpacked, not installed.
mkdir -p "$cache" && chmod 700 "$cache" || exit
if [ ! -e "$cache/kernel/whole" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | grep -oE 'linux-image-[0-9][^ ]*' | head -n 1)
    [ -n "$package" ] || { echo "the package index names no linux-image-cloud-amd64"; exit 1; }
    rm -rf "$cache/kernel" "$cache"/*.deb
    (cd "$cache" && timeout 300 apt-get -qq -o APT::Sandbox::User=root download "$package" && dpkg-deb -x ./*.deb kernel) || exit
    rm "$cache"/*.deb
    touch "$cache/kernel/whole"
fi

w=$(mktemp -d "${TMPDIR:-/tmp}/fumehood-guest-XXXXXX")
started=()
finish() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$w"
}
trap finish EXIT

mkdir -p "$w/initial/bin" "$w/initial/lib/modules" "$w/given"
cp tests/guest/init "$w/initial/init"
cp "$(command -v busybox)" "$w/initial/bin/busybox" && ln -s busybox "$w/initial/bin/sh"
cp -a "$cache"/kernel/lib/modules/* "$w/initial/lib/modules/"
rm -rf "$w"/initial/lib/modules/*/kernel/drivers/{net,infiniband,scsi,gpu,nvme}
version=$(basename "$w"/initial/lib/modules/*)
depmod -b "$w/initial" "$version" || exit
(cd "$w/initial" && chmod 755 init && find . -print0 | cpio -0o -H newc --owner 0:0 --quiet) | gzip -1 >"$w/initrd" || exit
cp "$fumehood" "$w/given/fumehood" && cp tests/guest/checks "$w/given/checks" && chmod 755 "$w"/given/* || exit
truncate -s 2G "$w/disk" && mke2fs -q -F -t ext4 "$w/disk" || exit

share() { # NAME FOLDER
    rm -f "$w/$1.socket"
    "$share" --socket-path="$w/$1.socket" -o source="$2" -o cache=auto -o sandbox=chroot >"$w/$1.log" 2>&1 &
    started+=($!)
    local n
    for n in $(seq 300); do [ -S "$w/$1.socket" ] && return; sleep 0.1; done
    echo "virtiofsd did not start"
    cat "$w/$1.log"
    exit 1
}

# Emulated throughout: /dev/kvm may be there and hang. The timer's check fails now and then where the emulator is not
# given a processor in time.
boot() {
    local devices=(-chardev socket,id=a,path="$w/host.socket" -device vhost-user-fs-pci,chardev=a,tag=host
        -chardev socket,id=b,path="$w/given.socket" -device vhost-user-fs-pci,chardev=b,tag=given
        -drive file="$w/disk",format=raw,if=virtio,cache=unsafe -device virtio-rng-pci)
    share host /
    share given "$w/given"
    : >"$w/serial"
    timeout --kill-after=5 900 qemu-system-x86_64 -nodefaults -no-user-config -nic none -accel tcg,thread=multi -M q35 \
        -cpu max -smp 2 -m 2048 -object memory-backend-memfd,id=m,size=2048M,share=on -numa node,memdev=m \
        -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$w/initrd" \
        -append "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check" \
        -serial "file:$w/serial" -display none -no-reboot "${devices[@]}" >"$w/qemu" 2>&1 &
    machine=$!
    started+=("$machine")
}

# A machine that does not come up within a minute or two, before anything of ours runs, is switched on again.
for attempt in 1 2 3; do
    boot
    for _ in $(seq 180); do
        grep -q 'ok: the kernel' "$w/serial" && break 2
        kill -0 "$machine" 2>/dev/null || break
        sleep 1
    done
    echo "the guest did not come up (attempt $attempt):"
    tail -n 5 "$w/serial" "$w/qemu"
    kill "$machine" 2>/dev/null
    wait "$machine"
done
wait "$machine"
tr -d '\r' <"$w/serial" >"$w/said"
passed=$(grep -c '^ok: ' "$w/said")
failed=$(grep -c '^not ok: ' "$w/said")
grep -A 40 '^not ok: ' "$w/said" | grep -v '^ok: ' | head -n 100
if ! grep -q '^guest: done$' "$w/said"; then
    echo "the guest did not come to its end; the last it said, and what its machine said:"
    tail -n 40 "$w/said" "$w/qemu"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
