#!/usr/bin/env bash
# The level without namespaces: refused to root, work in the project for everybody else.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

weaker() { inside --isolation landlock "$@"; }

refused_to_root() {
    project refused
    ends 125 weaker -- touch made
    has "$said" root
    test ! -e made
}

git_works() {
    project git
    echo one >file && commit_all first
    weaker -- bash -euxc 'echo two >>file && git add -A && git commit -q -m second && git checkout -q -b topic && git status --porcelain
        git stash list && git rebase -q main && git gc -q'
    same "commit" second "$(git log -1 --format=%s)"
}

cargo_works() {
    project cargo
    cargo init -q --name checked --vcs none
    weaker -- cargo check --offline
    weaker -- cargo run -q --offline
}

python_works() {
    project python
    printf 'import tempfile, sqlite3, subprocess\nwith tempfile.NamedTemporaryFile() as f:\n    f.write(b"x")\nsqlite3.connect("d").execute("create table t (n)")\nprint(subprocess.check_output(["echo", "45"], text=True).strip())\n' >main.py
    same "said" 45 "$(weaker -- python3 main.py)"
    weaker -- python3 -m venv made
}

# /dev/shm is the host's at this level, so locks between processes are refused; named in the guarantees.
shared_memory_is_the_hosts() {
    project shared-memory
    ends 1 weaker -- python3 -c 'import multiprocessing as mp; mp.Lock()'
    has "$said" 'Permission denied'
    ends 1 weaker -- sh -c 'echo x >/dev/shm/fumehood-planted || exit 1'
    test ! -e /dev/shm/fumehood-planted
}

node_works() {
    project node
    echo '{"name":"x","version":"1.0.0","scripts":{"test":"node -p 40+2"}}' >package.json
    has "$(weaker -- npm test)" 42
}

compiler_works() {
    project compiler
    echo 'int main(void) { return 0; }' >main.c
    weaker -- gcc -o main main.c
    weaker -- ./main
}

only_the_project() {
    project only
    echo canary >"$HOME/canary"
    weaker -- sh -xc '
        ! (echo x >"$0/planted") || exit 1
        ! (echo x >>"$0/canary") || exit 1
        ! (echo x >/tmp/fumehood-planted) || exit 1
        echo x >inside && rm inside
        echo x >"$HOME/own" && f=$(mktemp) && echo x >"$f"' "$HOME"
    same "canary" canary "$(cat "$HOME/canary")"
    rm "$HOME/canary"
    test ! -e /tmp/fumehood-planted
    same "planted" "" "$(find "$HOME" -name planted -o -name own -type f)"
}

if ((UID == 0)); then
    check 20 "refused to root, nothing started" refused_to_root
else
    check 30 "git" git_works
    check 60 "cargo" cargo_works
    check 60 "python" python_works
    check 20 "the host's shared memory is out of reach" shared_memory_is_the_hosts
    check 30 "npm" node_works
    check 30 "gcc" compiler_works
    check 20 "writes in the project only" only_the_project
fi
finish
