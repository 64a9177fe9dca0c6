#!/usr/bin/env bash
# Editors, shells, compilers and copying programs; no stub files afterwards.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

editing() {
    project editing
    printf 'one\ntwo\n' >file && commit_all
    inside -- vim -u NONE -es -c '%s/one/ONE/' -c wq file
    inside -- sed -i s/two/TWO/ file
    inside -- perl -pi -e 's/ONE/One/' file
    same "file" $'One\nTWO' "$(cat file)"
    same "status" " M file" "$(git status --porcelain --ignored)"
    same "owner" "$(id -u):$(id -g)" "$(stat -c %u:%g file)"
}

shells() {
    project shells
    inside -- bash -euc 'cat <<<here >made; for n in 1 2 3; do echo $n & done; wait; diff <(echo a) <(echo a)'
    ends 7 inside -- sh -c 'exit 7'
    ends 143 inside -- sh -c 'kill -TERM $$'
    ends 127 inside -- no-such-program
    printf '#!/usr/bin/env bash\necho from a script "$@"\n' >script && chmod +x script
    same "script" "from a script a b" "$(inside -- ./script a b)"
    same "made" here "$(cat made)"
}

building_in_c() {
    project building
    printf '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n' >main.c
    printf 'program: main.o\n\t$(CC) -o $@ $^\n%%.o: %%.c\n\t$(CC) -O2 -Wall -c -o $@ $<\ncheck: program\n\t./program\n' >Makefile
    printf 'program\n*.o\n' >.gitignore
    commit_all
    has "$(inside -- make -j2 check)" built
    same "outside" built "$(./program)"
    same "status" "" "$(git status --porcelain)"
}

copying() {
    project copying
    mkdir -p tree/deep && echo x >tree/deep/file && ln -s deep/file tree/link && ln tree/deep/file tree/hard
    chmod 640 tree/deep/file && touch -d 2001-02-03 tree/deep/file && commit_all
    inside -- bash -euxc '
        cp -a tree copy && cp -r --reflink=auto tree plain
        tar -cf tree.tar tree && mkdir out && tar -xf tree.tar -C out
        rsync -aH tree/ synced/ && rsync -aH --checksum tree/ synced/
        mv plain moved && rm -r moved
        find tree -type f -print0 | xargs -0 sha1sum >/dev/null
        touch -t 200102030405 tree/deep/file && chmod 600 tree/deep/file'
    for copied in copy out/tree synced; do
        same "mode of $copied" 640 "$(stat -c %a $copied/deep/file)"
        same "link of $copied" deep/file "$(readlink $copied/link)"
        same "time of $copied" "2001-02-03" "$(date -d "@$(stat -c %Y $copied/deep/file)" +%F)"
        same "hard link of $copied" 2 "$(stat -c %h $copied/deep/file)"
    done
    same "owner of all" "" "$(find . ! -user "$(id -u)" -o ! -group "$(id -g)")"
}

no_stub_files() {
    project stubs
    mkdir .vscode && echo '{}' >.vscode/tasks.json && echo all: >Makefile && commit_all
    find . | sort >"$scratch/files"
    inside -- true
    inside -- git status --porcelain
    find . | sort | diff "$scratch/files" -
    same "status" "" "$(git status --porcelain --ignored)"
}

many_files() {
    project many
    inside -- bash -euc 'mkdir -p d/{1..40}; for n in {1..40}; do for m in {1..50}; do echo $m >d/$n/$m; done; done; git add -A; git commit -qm many; git status --porcelain'
    same "files" 2000 "$(git ls-files | wc -l)"
}

check 60 "vim, sed -i and perl -pi edit in place" editing
check 30 "shells, scripts and exit statuses" shells
check 60 "make and gcc" building_in_c
check 60 "cp -a, tar, rsync, mv, touch, chmod" copying
check 30 "a run leaves no stub files" no_stub_files
check 60 "two thousand files, added and committed" many_files
finish
