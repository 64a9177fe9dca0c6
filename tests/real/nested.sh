#!/usr/bin/env bash
# Programs that bring a sandbox of their own.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"
export PATH=$HOME/.npm-global/bin:$PATH

bubblewrap=(bwrap --unshare-all --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64
    --dev /dev --tmpfs /tmp --die-with-parent)

bubblewrap_works() {
    project bubblewrap
    same "inner" "inner 1" "$(inside --nested -- "${bubblewrap[@]}" --ro-bind /proc /proc sh -c 'echo inner $$' | sed 's/[0-9]*$/1/')"
    inside --nested -- "${bubblewrap[@]}" --bind "$PWD" "$PWD" --chdir "$PWD" sh -c 'echo x >written'
    same "written" x "$(cat written)"
    same "owner" "$(id -u)" "$(stat -c %u written)"
    ends 7 inside --nested -- "${bubblewrap[@]}" sh -c 'exit 7'
}

# The kernel lets a new /proc be mounted only where one is visible that nothing covers.
bubblewrap_with_processes_of_its_own() {
    project processes
    same "inner" "inner 2" "$(inside --nested -- "${bubblewrap[@]}" --proc /proc sh -c 'test -e /proc/$$/stat && echo inner $$')"
}

bubblewrap_is_refused_otherwise() {
    project refused
    ends 1 inside -- "${bubblewrap[@]}" true
    has "$said" "bwrap:"
}

# What nesting is for must not be a way out.
nesting_shows_no_more() {
    project no-more
    mkdir -p .git/hooks && touch "$HOME/canary"
    live --nested -- sh -xc '
        ! unshare -Urm sh -c "umount -l .git/hooks || mount --bind /tmp .git/hooks && false" || exit 1
        ! unshare -Urm sh -c "mount -o remount,rw,bind .git/hooks; echo x >.git/hooks/planted" || exit 1
        ! unshare -Urm sh -c "umount -l $HOME; cat $HOME/canary" || exit 1
        ! unshare -Urpf --mount-proc sh -c "echo 1 >/proc/sys/kernel/sysrq" || exit 1'
    test ! -e .git/hooks/planted
    rm "$HOME/canary"
}

codex_sandbox() {
    project codex-sandbox
    same "through its own sandbox" "from codex" "$(inside --nested -- codex sandbox -- sh -c 'echo from codex' 2>"$scratch/codex")" ||
        { cat "$scratch/codex" && return 1; }
    ends 1 inside --nested -- codex sandbox -- sh -c 'touch refused || exit 1'
    test ! -e refused
}

check 30 "bubblewrap inside, with --nested" bubblewrap_works
check 30 "bubblewrap inside with a /proc of its own" bubblewrap_with_processes_of_its_own
check 20 "bubblewrap inside is refused without" bubblewrap_is_refused_otherwise
check 20 "nesting shows no more" nesting_shows_no_more
check 40 "Codex's own sandbox inside, with --nested" codex_sandbox
finish
